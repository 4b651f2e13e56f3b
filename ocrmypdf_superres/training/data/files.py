# SPDX-License-Identifier: MPL-2.0
"""The pages in a folder of scans: images, multi-page TIFFs, PDFs.

Images whose names differ only in a number at the end (``letter_01.jpg``, ``letter_02.jpg``) and lie in one
folder are the pages of one document, and so are those whose names are numbers; a PDF or a multi-page TIFF is a document of its
own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from PIL import Image

from ocrmypdf_superres.errors import ImageError, OptionError
from ocrmypdf_superres.files import atomic_write
from ocrmypdf_superres.metrics.ground_truth import truth_of
from ocrmypdf_superres.page.image import DECODING_ERRORS, IMAGE_SUFFIXES, from_luma, page_count, to_luma
from ocrmypdf_superres.page.pdf import PDF_SUFFIX, open_pdf, page_dpi, render_page

TRUSTED_DPI = 150.0
"""A lower claim is often a camera's or an editor's default, so the page's size decides there."""
PAGE_WIDTH = 8.27
"""Shorter side of A4 in inches, which stands for pages whose file claims no good resolution."""
VECTOR_DPI = 300.0
"""The resolution at which pages of a PDF without an image are rendered."""
PARTS = ("train", "test")
SHARE = 0.7
"""The share of the files in the part for training, where none is given."""
T = TypeVar("T")
_NUMBER = re.compile(r"[\s._-]*\d+$")
#: What line images of a NAME may add to it, the one to be preferred first: nothing, grey, and 1-bit.
_FORMS = ("", ".nrm", ".bin")


@dataclass(frozen=True)
class ScanFile:
    """One page of a file.

    Attributes:
        document: name of the document that it belongs to.
        path: the file; index: the page in it, from 0; single: whether the file is an image of this page alone.
        dpi: pixels an inch, as claimed, or as an A4 page of these pixels would have.
    """

    document: str
    path: Path
    index: int
    single: bool
    dpi: float

    @property
    def name(self) -> str:
        """A name for messages and files: the file's, with the page's number where it has several."""
        return self.path.stem if self.single else f"{self.path.stem}-{self.index + 1:04d}"

    @cached_property
    def truth(self) -> Path | None:
        """The ground truth beside an image, if there is one: plain text, PAGE-XML or ALTO."""
        return truth_of(self.path) if self.single else None


def find_scans(folder: Path) -> tuple[list[ScanFile], list[str]]:
    """Return the pages of all files under *folder*, by name, and why each unreadable file is left out.

    Raises:
        OptionError: the folder is missing, or there is no file of a known form.
    """
    if not folder.is_dir():
        raise OptionError(f"The scan folder {folder} is missing or is not a folder; give a folder of page images or PDFs.")
    pages: list[ScanFile] = []
    unreadable: list[str] = []
    known = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in {*IMAGE_SUFFIXES, PDF_SUFFIX} and p.is_file()]
    for path in known:
        place = path.relative_to(folder)
        try:
            pages += _pdf_pages(path, str(place)) if path.suffix.lower() == PDF_SUFFIX else _image_pages(path, place)
        except (ImageError, *DECODING_ERRORS) as error:
            unreadable.append(f"{place} ({error})")
    if not known:
        kinds = ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
        raise OptionError(f"The folder {folder} holds no page images or PDFs (pdf, {kinds}); give a folder of scans.")
    return pages, unreadable


def spread(items: Sequence[T], limit: int) -> list[T]:
    """Return at most *limit* of *items*, spread evenly; all of them where it is 0."""
    if not 0 < limit < len(items):
        return list(items)
    return [items[index * len(items) // limit] for index in range(limit)]


def part_of(paths: Sequence[Path], folder: Path, part: str, share: float) -> list[Path]:
    """Return those of *paths*, files below *folder*, that belong to *part*: ``train``, ``test``, or empty for all.

    The first *share* of them, in an order that only their names decide, are for training and the others for testing, so that
    a part is the same in all recipes and commands.

    Raises:
        OptionError: the part is not known, the share is not between 0 and 1, or a part would be empty.
    """
    if not part:
        return list(paths)
    if part not in PARTS or not 0 < share < 1:
        raise OptionError(
            f"part = {part!r} with share = {share} was given; give {' or '.join(PARTS)}, and a share between 0 and 1."
        )
    order = sorted(
        paths, key=lambda path: hashlib.sha256(path.relative_to(folder).with_suffix("").as_posix().encode("utf-8")).digest()
    )
    count = round(share * len(order))
    chosen = set(order[:count] if part == PARTS[0] else order[count:])
    if not chosen:
        raise OptionError(f"{folder} holds {len(order)} images, of which none is left for part = {part!r}; give more.")
    return [path for path in paths if path in chosen]


def transcribed(paths: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Return (image, text) of each line image among *paths* that has its text beside it, by name.

    The text of ``NAME.png``, or of another image file, is ``NAME.gt.txt``, and so is that of ``NAME.nrm.png`` and
    ``NAME.bin.png``, as in training data of Tesseract and OCRopus; of several images with one text the first of these is taken.
    """
    found: dict[Path, tuple[int, Path]] = {}
    for path in sorted(paths):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        for rank, form in enumerate(_FORMS):
            text = path.with_name(f"{path.stem.removesuffix(form)}.gt.txt")
            if path.stem.endswith(form) and text.is_file():
                found[text] = min(found.get(text, (rank, path)), (rank, path))
                break
    return sorted((image, text) for text, (_, image) in found.items())


def partner_of(path: Path, folder: Path, low: Path) -> Path:
    """Return the image in *low* that has the place and the name, except for the suffix, of *path* in *folder*.

    Raises:
        OptionError: there is none.
    """
    stem = low / path.relative_to(folder).with_suffix("")
    for suffix in (path.suffix, *sorted(IMAGE_SUFFIXES)):
        partner = stem.with_name(stem.name + suffix)
        if partner.is_file():
            return partner
    raise OptionError(f"{path} has no image of the same name in {low}; add it, or leave low out to have lr made of hr.")


def _image_pages(path: Path, place: Path) -> list[ScanFile]:
    with Image.open(path) as image:
        frames = page_count(image)
        if frames == 1:
            name, parent = document_of(place)
            return [ScanFile(str(Path(parent, name)), path, 0, True, image_dpi(image))]
        found = []
        for index in range(frames):
            image.seek(index)
            found.append(ScanFile(str(place), path, index, False, image_dpi(image)))
        return found


def document_of(image: Path) -> tuple[str, str]:
    """Return the document that a page's *image* is from: its file name without a number at the end, and its folder.

    The name is empty for images that are named by numbers alone, which are the pages of one document.
    """
    return _NUMBER.sub("", image.stem), str(image.parent)


def image_dpi(image: Image.Image) -> float:
    """Return the dpi that *image* claims, or that it would have as an A4 page where the claim is missing or low."""
    claimed = image.info.get("dpi", (0.0, 0.0))
    dpi = float(max(claimed)) if isinstance(claimed, tuple) else 0.0
    return dpi if dpi >= TRUSTED_DPI else max(dpi, min(image.size) / PAGE_WIDTH)


def _pdf_pages(path: Path, document: str) -> list[ScanFile]:
    with open_pdf(path) as pdf:
        return [ScanFile(document, path, index, False, page_dpi(pdf[index]) or VECTOR_DPI) for index in range(len(pdf))]


def open_scan(scan: ScanFile) -> Image.Image:
    """Return the page in grey (mode ``L``); a PDF's page is rendered at the resolution of its largest image.

    Raises:
        ImageError: the file is damaged.
    """
    try:
        if scan.path.suffix.lower() != PDF_SUFFIX:
            with Image.open(scan.path) as image:
                image.seek(scan.index)
                return from_luma(to_luma(image))
        with open_pdf(scan.path) as pdf:
            return render_page(pdf[scan.index], scan.dpi, grey=True)
    except DECODING_ERRORS as error:
        raise ImageError(f"{scan.path.name} cannot be read: {error}; leave it out.") from error


def image_path(scan: ScanFile, folder: Path) -> Path:
    """Return the image file of this page alone: the scan's own file, or a PNG in *folder*, which may be missing yet."""
    if scan.single:
        return scan.path
    # Files of one name may lie in several folders.
    place = re.sub(r"[^\w.-]+", "_", scan.document)
    return folder / f"{place}-{scan.index + 1:04d}.png"


def page_image(scan: ScanFile, folder: Path) -> Path:
    """Return :func:`image_path` after making the file where it is missing.

    Raises:
        ImageError: the file is damaged. OSError: the disk is full or cannot be written.
    """
    target = image_path(scan, folder)
    if not target.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(target) as part:
            open_scan(scan).save(part, "PNG", dpi=(scan.dpi, scan.dpi), compress_level=1)
    return target
