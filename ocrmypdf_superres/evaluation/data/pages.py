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
from ocrmypdf_superres.metrics.ground_truth import truth_of
from ocrmypdf_superres.page.image import DECODING_ERRORS, IMAGE_SUFFIXES, LEAST_DPI, MOST_DPI, claimed_dpi

LOW_DPI = 150.0
"""Pages below this are read as they are; pages of at least :data:`HIGH_DPI` are reduced to lower resolutions."""
HIGH_DPI = 200.0
INDEX = "index.json"
"""The file that lists the pages of a folder of data."""


@dataclass(frozen=True)
class BenchmarkPage:
    """A page with its text.

    Attributes:
        name: tells pages apart.
        collection: that it belongs to.
        image: path of the image.
        truth: path of the ground truth.
        languages: Tesseract's names, joined by ``+``.
        dpi: the true one.
        line: whether the image is one line of text.
        ignore_case: whether letters count as the same in upper and lower case, as where a truth is all in capitals.
    """

    name: str
    collection: str
    image: str
    truth: str
    languages: str
    dpi: float
    line: bool = False
    ignore_case: bool = False


def find_pages(folder: Path, languages: str = "eng", lines: bool = False) -> list[BenchmarkPage]:
    """Return the pages under *folder*.

    With an :data:`INDEX` (a list of objects with id, collection, image, text, languages, dpi and, where they are true, line
    and ignore_case, see :class:`BenchmarkPage`) its rows; else every image with a ``NAME.gt.txt``, PAGE-XML or ALTO, in
    *languages*, at the dpi its file claims (300 where none). *lines* says that all images are single lines. Pages that have
    one name, such as the 0001 of several folders, get their collection's in front of it.

    Raises:
        OptionError: there are none, an image cannot be read, or the index is damaged or names files that are missing.
    """
    if not folder.is_dir():
        raise OptionError(f"{folder} is not a folder; give a folder of page images with their text as --data.")
    if (folder / INDEX).is_file():
        pages = _in_index(folder, lines)
    else:
        images = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        with_text = [(path, truth) for path in images if (truth := truth_of(path)) is not None]
        pages = [
            BenchmarkPage(path.stem, path.parent.name, str(path), str(truth), languages, _claimed_dpi(path), lines)
            for path, truth in with_text
        ]
    if not pages:
        raise OptionError(
            f"{folder} holds no page images with NAME.gt.txt or NAME.xml beside them; give such a folder as --data."
        )
    return _of_distinct_names(pages)


def _in_index(folder: Path, lines: bool) -> list[BenchmarkPage]:
    """Return the pages in the index of *folder*; errors as :func:`find_pages`."""
    index = folder / INDEX
    try:
        rows = json.loads(index.read_text(encoding="utf-8"))
        pages = [
            BenchmarkPage(
                str(row["id"]), str(row["collection"]), str(folder / row["image"]), str(folder / row["text"]),
                str(row["languages"]), _usable_dpi(row["dpi"]), lines or bool(row.get("line", False)),
                bool(row.get("ignore_case", False)),
            )
            for row in rows
        ]  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise OptionError(
            f"The index {index} cannot be used ({error!r}); correct it, docs/benchmarks.md lists its keys."
        ) from error
    missing = [name for page in pages for name in (page.image, page.truth) if not Path(name).is_file()]
    if missing:
        raise OptionError(
            f"The index {index} names {missing[0]}, which is missing ({len(missing)} missing in all); add the files or take "
            "their pages out of the index."
        )
    return pages


def _usable_dpi(value: object) -> float:
    """Return the dpi of a row of the index; raises ValueError or TypeError where it is not a resolution."""
    dpi = float(value)  # type: ignore[arg-type]
    if not LEAST_DPI <= dpi <= MOST_DPI:
        raise ValueError(f"a dpi of {dpi:g}, where {LEAST_DPI:g} to {MOST_DPI:g} was expected")
    return dpi


def _claimed_dpi(path: Path) -> float:
    """Return the dpi that the image file *path* claims, else 300; raises OptionError where it is not an image."""
    try:
        with Image.open(path) as image:
            # PNG counts whole pixels a metre, by which 200 dpi are 199.9996.
            return round(claimed_dpi(image, 300.0), 1)
    except DECODING_ERRORS as error:
        raise OptionError(f"The image {path} cannot be read ({error}); replace it, or take it out of the folder.") from error


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
    """Return the low-resolution pages as they are, and hr pages (*per_collection* of each, 0: all) under *conditions*.

    A condition that is given twice counts once.

    Raises:
        OptionError: *per_collection* is negative.
    """
    if per_collection < 0:
        raise OptionError(f"--count was given {per_collection}, a number of pages was expected; give 0 for all of them.")
    cases = [Case(page) for page in pages if page.dpi < LOW_DPI]
    chosen: dict[str, list[BenchmarkPage]] = {}
    for page in pages:
        if page.dpi >= HIGH_DPI:
            of_collection = chosen.setdefault(page.collection, [])
            if not per_collection or len(of_collection) < per_collection:
                of_collection.append(page)
    hr = [page for group in chosen.values() for page in group]
    return cases + [Case(page, dpi, profile) for dpi, profile in dict.fromkeys(conditions) for page in hr if page.dpi > dpi]


def left_out(pages: Sequence[BenchmarkPage], per_collection: int) -> list[str]:
    """Return a sentence for each kind of *pages* that :func:`make_cases` leaves out."""
    sentences = []
    for collection, count in Counter(page.collection for page in pages if page.dpi >= HIGH_DPI).items():
        if 0 < per_collection < count:
            sentences.append(f"{collection}: {per_collection} of {count} pages are taken; --count 0 takes all.")
    between = sum(LOW_DPI <= page.dpi < HIGH_DPI for page in pages)
    if between:
        sentences.append(
            f"{between} of {len(pages)} pages are left out: pages below {LOW_DPI:g} dpi are read as they are, and pages of at "
            f"least {HIGH_DPI:g} dpi are reduced."
        )
    return sentences
