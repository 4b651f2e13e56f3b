# SPDX-License-Identifier: MPL-2.0
"""From a folder of scans to pages to learn from, to choose weights by and to compare on, none of one document on two sides."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ocrmypdf_superres.errors import ImageError, OptionError
from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.tesseract import Word
from ocrmypdf_superres.training.data.files import ScanFile, find_scans, page_image, spread
from ocrmypdf_superres.training.data.sources.scans import read_lines

log = logging.getLogger(__name__)

_IndexRow = dict[str, str | float]

MINIMUM_DPI = 190.0
"""Scans of "200 dpi" may claim a little less."""
HELD_OUT = 0.2
FEW, MANY = 4, 8
"""Held-out pages: at least, where a fifth is fewer and documents allow it, and at most, since each is read often."""
ENOUGH = 12
"""Pages from which weights are chosen by other pages than those that are compared on."""
LEARNT = 60
"""Pages learnt from, at most: they are held in memory, and each is read by Tesseract first."""
LEARNT_FOLDER, HELD_OUT_FOLDER, SELECTION_FOLDER = "train", "held-out", "selection"
READ_CONFIDENCE = 70.0
READ_WORDS = 20
"""Mean confidence and number of words from which Tesseract's reading of a page may stand for its text."""


@dataclass
class Split:
    """The pages of the scans on each side, and how many were left out and why; *selection* may be empty."""

    learnt: list[ScanFile] = field(default_factory=list)
    held_out: list[ScanFile] = field(default_factory=list)
    selection: list[ScanFile] = field(default_factory=list)
    documents: int = 0
    unreadable: list[str] = field(default_factory=list)
    small: int = 0


def split_scans(folder: Path, with_truth: bool = False) -> Split:
    """Return the pages of *folder* of enough resolution, split by document, the same at every call.

    *with_truth* takes only the pages that have their text beside them, and sets pages for selection apart if there are enough.

    Raises:
        OptionError: there are no such pages, none of enough resolution, or only one.
    """
    scans, unreadable = find_scans(folder)
    if not scans:
        raise OptionError(f"None of the files in {folder} can be read, the first being {unreadable[0]}; give other scans.")
    large = _large_enough(scans, folder, with_truth)
    split = Split(documents=len({scan.document for scan in large}), unreadable=unreadable, small=len(scans) - len(large))
    split.held_out, split.learnt = _hold_out(large)
    if with_truth and len(large) >= ENOUGH:
        split.selection, split.learnt = _hold_out(split.learnt)
    split.learnt = spread(split.learnt, LEARNT)
    split.held_out, split.selection = spread(split.held_out, MANY), spread(split.selection, MANY)
    return split


def _large_enough(scans: Sequence[ScanFile], folder: Path, with_truth: bool) -> list[ScanFile]:
    """Return those of *scans* with about 200 dpi or more, and where *with_truth* is set with their text; two or more.

    Raises:
        OptionError: there are fewer; the message names *folder*.
    """
    large = [scan for scan in scans if scan.dpi >= MINIMUM_DPI]
    if not large:
        best = max(scan.dpi for scan in scans)
        raise OptionError(
            f"No page in {folder} has about 200 dpi or more (the largest has {best:.0f}), but a net learns from sharp "
            f"pages; give better scans here, and these with --low."
        )
    if with_truth:
        usable, large = len(large), [scan for scan in large if scan.truth is not None]
        if len(large) < 2:
            raise OptionError(
                f"Of the {usable} pages in {folder} that can be used {len(large)} have a text, but a network needs "
                "NAME.gt.txt, PAGE-XML or ALTO of at least one page to learn from and one to compare on; add some."
            )
    if len(large) < 2:
        raise OptionError(
            f"Only one page in {folder} can be used, but one to learn from and one to compare on are needed; give more."
        )
    return large


def selection_side(run: Path) -> str:
    """Return the folder below *run* of the pages that choose the weights: those that are compared on where none are set apart."""
    return SELECTION_FOLDER if (run / SELECTION_FOLDER).is_dir() else HELD_OUT_FOLDER


def _hold_out(pages: Sequence[ScanFile]) -> tuple[list[ScanFile], list[ScanFile]]:
    """Return about a fifth of *pages*, whole documents if there are several, and at most half if these allow it; and the rest."""
    documents: dict[str, list[ScanFile]] = {}
    for page in pages:
        documents.setdefault(page.document, []).append(page)
    if len(documents) == 1:
        # A page held out here and there is the best that one document allows.
        every = max(2, min(round(1 / HELD_OUT), len(pages) // 2))
        held_out = list(pages[every - 1 :: every])
        return held_out, [page for page in pages if page not in held_out]
    wanted = max(HELD_OUT * len(pages), min(FEW, len(pages) / 2))
    # By hash, so that the order of names, which often is one of time, decides nothing.
    order = sorted(documents, key=lambda name: hashlib.sha256(os.fsencode(name)).digest())
    held: list[str] = []
    count = 0
    for name in order:
        more = len(documents[name])
        if count + more / 2 <= wanted and count + more <= len(pages) / 2:
            held.append(name)
            count += more
    held = held or [min(order, key=lambda name: len(documents[name]))]
    rest = [name for name in order if name not in held]
    return [page for name in held for page in documents[name]], [page for name in rest for page in documents[name]]


def prepare_pages(split: Split, languages: str, run: Path, jobs: int) -> tuple[int, int]:
    """Let Tesseract read all pages of *split* and write the folders ``train``, ``held-out`` and ``selection`` with an index each.

    They are below *run*, without the last if no pages are set apart for it.  The text of a held-out page is its
    ground truth, or what Tesseract reads on the whole scan.  Returns the number of pages to learn from and of those
    held out; those that cannot be read are added to ``split.unreadable``.

    Raises:
        OptionError: no page is left on one of the sides, or Tesseract fails on all pages.
    """

    def read(scan: ScanFile) -> tuple[Path, list[list[Word]]] | str:
        try:
            image = page_image(scan, run / "pages").resolve()
            return image, read_lines(image, languages, run / "lines")
        except (ImageError, OptionError) as error:
            return str(error)

    sides = {LEARNT_FOLDER: split.learnt, HELD_OUT_FOLDER: split.held_out, SELECTION_FOLDER: split.selection}
    with ThreadPoolExecutor(jobs) as pool:
        found = {side: list(pool.map(read, scans)) for side, scans in sides.items()}
    split.unreadable += [result for results in found.values() for result in results if isinstance(result, str)]
    rows: dict[str, list[_IndexRow]] = {side: [] for side in sides}
    for side, scans in sides.items():
        for number, (scan, result) in enumerate(zip(scans, found[side], strict=True), 1):
            if isinstance(result, str):
                continue
            image, lines = result
            row = _row(scan, image, languages)
            if side != HELD_OUT_FOLDER or scan.truth is not None or _keep_reading(lines, row, run / side, number):
                rows[side].append(row)
            else:
                log.info("%s is not held out: Tesseract is not sure of it, and there is no text to compare with.", scan.name)
    for side, entries in rows.items():
        if entries:
            (run / side).mkdir(parents=True, exist_ok=True)
            atomic_write_text(run / side / "index.json", json.dumps(entries, indent=1) + "\n")
        elif side != SELECTION_FOLDER:
            reason = f"; the first reason is: {split.unreadable[0]}" if split.unreadable else ""
            raise OptionError(
                f"No page is left {'to learn from' if side == LEARNT_FOLDER else 'to compare on'} that Tesseract can read{reason}"
            )
    return len(rows[LEARNT_FOLDER]), len(rows[HELD_OUT_FOLDER])


def _keep_reading(lines: Sequence[Sequence[Word]], row: _IndexRow, folder: Path, number: int) -> bool:
    """Write what Tesseract read of page *number* to *folder* and name it in *row*; False where it is not sure enough of it."""
    text = _text(lines)
    if text:
        row["text"] = name = f"{number:02d}.gt.txt"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return bool(text)


def _row(scan: ScanFile, image: Path, languages: str) -> _IndexRow:
    text = str(scan.truth.resolve()) if scan.truth is not None else ""
    return {
        "id": scan.name, "collection": "held-out", "document": scan.document, "image": str(image), "text": text,
        "languages": languages, "dpi": round(scan.dpi, 1),
    }  # fmt: skip


def _text(lines: Sequence[Sequence[Word]]) -> str:
    """Return the text of a page as Tesseract read it, empty where it is not sure enough of it."""
    sure = [word.confidence for line in lines for word in line]
    if len(sure) < READ_WORDS or sum(sure) / len(sure) < READ_CONFIDENCE:
        return ""
    return "\n".join(" ".join(word.text for word in line) for line in lines)
