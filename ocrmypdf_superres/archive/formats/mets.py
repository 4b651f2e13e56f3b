# SPDX-License-Identifier: MPL-2.0
"""METS documents: the images of a volume and their order.

The physical structMap gives the order. Of the file groups that have an image of every page and whose files exist, the one
closest to the master images is used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from lxml import etree

from ocrmypdf_superres.archive.store.name_encoding import printable_path
from ocrmypdf_superres.errors import ImageError

_HREF = "{http://www.w3.org/1999/xlink}href"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_IMAGE = re.compile(r"\.(tiff?|jpe?g|jp2|jpx|j2k|png|webp|bmp|gif|pnm|pgm|ppm)$", re.IGNORECASE)
# By the USE of a group, the best first; DFG, Library of Congress and OCR-D use different words.
_RANKS = [re.compile(words, re.IGNORECASE) for words in (
    "master", "original|archiv|preserv|^ocr-d-img$", "max|high", "default", "presentation|access|reference|display", "",
)]  # fmt: skip
_NEVER = re.compile("thumb|preview|icon|^min|fulltext|alto|ocr(?!-d-img)|download", re.IGNORECASE)
_FULLTEXT, _ALTO = re.compile("fulltext|alto", re.IGNORECASE), "alto"


@dataclass(frozen=True)
class MetsPage:
    """One image of a document.

    Attributes:
        path: absolute path of the image.
        order: its place in the document, from 1.
        label: the printed page number or another label in the METS; None if there is none.
        alto: absolute path of the page's ALTO file if the METS names one that exists, else None.
    """

    path: Path
    order: int
    label: str | None = None
    alto: Path | None = None


@dataclass(frozen=True)
class MetsDocument:
    """A document: the METS file, the USE of its images' file group, its pages in order, the object's label."""

    path: Path
    use: str
    pages: list[MetsPage] = field(default_factory=list)
    label: str | None = None


@dataclass(frozen=True)
class _File:
    use: str
    hrefs: list[str]
    image: bool


def read_mets(path: Path, within: Path | None = None) -> MetsDocument:
    """Return the pages of the METS file *path*.

    Args:
        path: the file.
        within: folder that must contain all images, links followed; by default the METS file's own.

    Raises:
        ImageError: the file is not METS or names no images, or an image is missing, remote, or outside *within*.
    """
    root = _parse(path)
    divisions = _divisions_with_images(root, path)
    base, allowed = path.absolute().parent, (within or path.absolute().parent).resolve()
    first_problem = ""
    for use in _uses(divisions):
        chosen = [(label, [f for f in found if f.image and f.use == use], found) for label, found in divisions]
        present = sum(bool(own) for _, own, _ in chosen)
        if present < len(divisions):
            first_problem = first_problem or f"its file group {use!r} has images of only {present} of {len(divisions)} pages"
            continue
        pages, problem = _located(chosen, base, allowed)
        if not problem:
            return MetsDocument(path, use, pages, root.get("LABEL"))
        first_problem = first_problem or problem
    raise ImageError(
        f"The METS {printable_path(path)} cannot be used: {first_problem}; put all images of the document into the input folder."
    )


def images_in_place(path: Path, within: Path) -> list[Path]:
    """Return the images of the METS file *path* that exist *within* that folder although others may be missing.

    They are of the best file group that has any.

    Raises:
        ImageError: the file is not METS or names no images.
    """
    divisions = _divisions_with_images(_parse(path), path)
    base, allowed = path.absolute().parent, within.resolve()
    for use in _uses(divisions):
        images = [file for _, found in divisions for file in found if file.image and file.use == use]
        places = [place for file in images if (place := _first(file.hrefs, base)) and _inside(place, allowed)]
        if places:
            return places
    return []


def _divisions_with_images(root: Any, path: Path) -> list[tuple[str | None, list[_File]]]:
    """Return (label, files) of each division that points to images, in physical order."""
    files = _files(root)
    divisions = [(label, [files[name] for name in names if name in files]) for label, names in _divisions(root)]
    divisions = [(label, found) for label, found in divisions if any(file.image for file in found)]
    if not divisions:
        raise ImageError(
            f"The METS {printable_path(path)} has no physical structMap that refers to images; "
            "give one whose pages point to files."
        )
    return divisions


def _parse(path: Path) -> Any:
    """Return the root element; nothing outside the file is read, whatever it refers to."""
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True)
        root = etree.fromstring(path.read_bytes(), parser)
    except (OSError, etree.XMLSyntaxError, ValueError) as error:
        raise ImageError(f"The METS {printable_path(path)} cannot be read ({error}); it must be well-formed XML.") from error
    if root.getroottree().docinfo.doctype:
        raise ImageError(f"The METS {printable_path(path)} has a document type declaration, which METS does not have; remove it.")
    if _name(root) != "mets":
        raise ImageError(f"{printable_path(path)} is XML of the type {_name(root)}, but a METS document was expected; give one.")
    return root


def _name(element: Any) -> str:
    """Return the tag without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _children(element: Any, name: str) -> list[Any]:
    return [child for child in element if _name(child) == name]


def _files(root: Any) -> dict[str, _File]:
    """Return file ID -> file; the USE is the file's own or that of the nearest group around it."""
    found: dict[str, _File] = {}
    for element in root.iter("{*}file", "file"):
        use = next((e.get("USE") for e in (element, *element.iterancestors()) if e.get("USE")), "")
        # OCR-D gives both a URL and a path relative to the METS.
        hrefs = [place.get(_HREF).strip() for place in _children(element, "FLocat") if place.get(_HREF)]
        if hrefs and element.get("ID"):
            kind = element.get("MIMETYPE") or ""
            image = kind.startswith("image/") if kind else bool(_IMAGE.search(hrefs[0]))
            if _FULLTEXT.search(use) and not image:
                use = _ALTO
            found[element.get("ID")] = _File(use, hrefs, image and not _NEVER.search(use))
    return found


def _divisions(root: Any) -> Iterator[tuple[str | None, list[str]]]:
    """Yield (label, file IDs) of each division that points to files, in physical order."""
    maps = _children(root, "structMap")
    physical = [m for m in maps if (m.get("TYPE") or "").lower() == "physical"] or maps[:1]
    for element in physical[:1]:
        yield from _walk(element)


def _walk(element: Any) -> Iterator[tuple[str | None, list[str]]]:
    divisions = _children(element, "div")
    if all((d.get("ORDER") or "").isdecimal() for d in divisions):
        divisions.sort(key=lambda d: int(d.get("ORDER")))
    for division in divisions:
        pointers = _children(division, "fptr")
        # A page may consist of several areas of one file.
        names = list(dict.fromkeys(e.get("FILEID") for pointer in pointers for e in pointer.iter() if e.get("FILEID")))
        if names:
            yield division.get("ORDERLABEL") or division.get("LABEL"), names
        yield from _walk(division)


def _uses(divisions: list[tuple[str | None, list[_File]]]) -> list[str]:
    """Return the USEs of the groups that have images, the best first."""
    uses = dict.fromkeys(file.use for _, found in divisions for file in found if file.image)
    return sorted(uses, key=lambda use: next(rank for rank, words in enumerate(_RANKS) if words.search(use)))


def _located(chosen: list[tuple[str | None, list[_File], list[_File]]], base: Path, allowed: Path) -> tuple[list[MetsPage], str]:
    """Return the pages, and the problem of the first image that cannot be used."""
    pages: list[MetsPage] = []
    for label, images, found in chosen:
        alto = next((p for f in found if f.use == _ALTO and (p := _first(f.hrefs, base)) and _inside(p, allowed)), None)
        for file in images:
            place = _first(file.hrefs, base)
            if place is None:
                where = "is remote" if re.match(r"(https?|ftp):", file.hrefs[-1]) else "is missing"
                return [], f"the image {file.hrefs[-1]!r} {where}"
            if not _inside(place, allowed):
                return [], f"the image {file.hrefs[-1]!r} is outside {printable_path(allowed)}"
            pages.append(MetsPage(place, len(pages) + 1, label, alto))
    return pages, ""


def _inside(place: Path, allowed: Path) -> bool:
    return place.resolve().is_relative_to(allowed)


def _first(hrefs: list[str], base: Path) -> Path | None:
    return next((place for href in hrefs if (place := _locate(href, base))), None)


def _locate(href: str, base: Path) -> Path | None:
    """Return the file that *href* names, if it exists: with its URL escapes undone, or literally, since a name may hold a %."""
    scheme = _SCHEME.match(href)
    if scheme and scheme.group(1).lower() != "file":
        return None
    if scheme:
        href = re.sub(r"^//(localhost(?=/))?", "", href[scheme.end() :])
    for name in (os.fsdecode(unquote_to_bytes(href)), href, href.replace("\\", "/")):
        try:
            place = base / name
            if place.is_file():
                # Without "..", unless that would change its meaning because of a link.
                plain = Path(os.path.normpath(place))
                return plain if plain.is_file() and plain.samefile(place) else place
        except ValueError:  # a null byte
            continue
    return None
