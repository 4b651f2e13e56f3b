# SPDX-License-Identifier: MPL-2.0
"""The pages of a benchmark: a folder of images with ``.gt.txt``, PAGE-XML or ALTO and, where there is one, an index."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.page.image import IMAGE_SUFFIXES

LOW_DPI = 150.0
"""Pages below this are read as they are; pages of at least :data:`HIGH_DPI` are reduced to lower resolutions."""
HIGH_DPI = 200.0


@dataclass(frozen=True)
class BenchmarkPage:
    """A page with its text: name, collection, image, ground truth file, Tesseract languages, true dpi, whether it is one line."""

    name: str
    collection: str
    image: str
    truth: str
    languages: str
    dpi: float
    line: bool = False


def _truth_of(image: Path) -> Path | None:
    """Return the ground truth of *image*, None where there is none.

    It is NAME.gt.txt or NAME.xml beside the image, or NAME.xml in a folder ``page`` or ``alto`` there.
    """
    folder, name = image.parent, f"{image.stem}.xml"
    places = [image.with_suffix(".gt.txt"), folder / name, folder / "page" / name, folder / "alto" / name]
    return next((place for place in places if place.is_file()), None)


def find_pages(folder: Path, languages: str = "eng", lines: bool = False) -> list[BenchmarkPage]:
    """Return the pages under *folder*.

    With an ``index.json`` (a list of objects with id, collection, image, text, languages, dpi and, where the images
    are single lines, line) its rows; else every image with a ``NAME.gt.txt``, PAGE-XML or ALTO, in *languages*, at the
    dpi its file claims (300 where none). *lines* says that all images are single lines. Pages that have one name, such as
    the 0001 of several folders, get their collection's in front of it.

    Raises:
        OptionError: there are none, or the index is damaged.
    """
    index = folder / "index.json"
    if index.is_file():
        try:
            rows = json.loads(index.read_text(encoding="utf-8"))
            return _of_distinct_names([
                BenchmarkPage(
                    str(row["id"]), str(row["collection"]), str(folder / row["image"]), str(folder / row["text"]),
                    str(row["languages"]), float(row["dpi"]), lines or bool(row.get("line", False)),
                )
                for row in rows
            ])  # fmt: skip
        except (ValueError, KeyError, TypeError) as error:
            raise OptionError(
                f"The index {index} cannot be used ({error!r}); correct it, docs/benchmarks.md lists its keys."
            ) from error
    pages = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES):
        truth = _truth_of(path)
        if truth is not None:
            with Image.open(path) as image:
                dpi = float(image.info.get("dpi", (300.0, 300.0))[0]) or 300.0
            pages.append(BenchmarkPage(path.stem, path.parent.name, str(path), str(truth), languages, dpi, lines))
    if not pages:
        raise OptionError(
            f"{folder} holds no page images with NAME.gt.txt or NAME.xml beside them; give such a folder with --data."
        )
    return _of_distinct_names(pages)


def _of_distinct_names(pages: Sequence[BenchmarkPage]) -> list[BenchmarkPage]:
    """Return *pages* with names that tell them apart, since results are matched by name and condition."""
    several = {name for name, count in Counter(page.name for page in pages).items() if count > 1}
    taken = Counter(page.name for page in pages if page.name not in several)
    found = []
    for page in pages:
        name = f"{page.collection}-{page.name}" if page.name in several else page.name
        if page.name in several:
            taken[name] += 1
            name = f"{name}-{taken[name]}" if taken[name] > 1 else name
        found.append(replace(page, name=name))
    return found


def of_collections(pages: Sequence[BenchmarkPage], collections: Sequence[str] | None) -> list[BenchmarkPage]:
    """Return those of *pages* that belong to *collections*; all where None.

    Raises:
        OptionError: there is no page of one of the collections.
    """
    if not collections:
        return list(pages)
    known = {page.collection for page in pages}
    unknown = set(collections) - known
    if unknown:
        raise OptionError(f"There is no collection {min(unknown)!r} in the data; give one of {', '.join(sorted(known))}.")
    return [page for page in pages if page.collection in collections]


@dataclass(frozen=True)
class Case:
    """A page under a condition: ``dpi`` 0 and no profile for the page as it is."""

    page: BenchmarkPage
    dpi: float = 0.0
    profile: str = ""

    @property
    def group(self) -> str:
        """The group that it counts in: the collection, or ``72 dpi scan``."""
        return f"{self.dpi:g} dpi {self.profile}" if self.profile else self.page.collection


def make_cases(pages: Sequence[BenchmarkPage], conditions: Sequence[tuple[float, str]], per_collection: int) -> list[Case]:
    """Return the low-resolution pages as they are, and hr pages (*per_collection* of each, 0: all) under *conditions*."""
    cases = [Case(page) for page in pages if page.dpi < LOW_DPI]
    chosen: dict[str, list[BenchmarkPage]] = {}
    for page in pages:
        if page.dpi >= HIGH_DPI:
            of_collection = chosen.setdefault(page.collection, [])
            if not per_collection or len(of_collection) < per_collection:
                of_collection.append(page)
    hr = [page for group in chosen.values() for page in group]
    return cases + [Case(page, dpi, profile) for dpi, profile in conditions for page in hr if page.dpi > dpi]
