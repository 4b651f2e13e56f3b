# SPDX-License-Identifier: MPL-2.0
"""What of the readings of a page is handed on to OCRmyPDF."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping

from ocrmypdf.hocrtransform import OcrElement

from ocrmypdf_superres.ocr.hocr import read_hocr, write_hocr
from ocrmypdf_superres.ocr.merge.vote import Merged
from ocrmypdf_superres.ocr.turning import turn_back
from ocrmypdf_superres.ocr.variants import NET
from ocrmypdf_superres.ocr.warping_back import warp_back
from ocrmypdf_superres.plugin.handover import PageState
from ocrmypdf_superres.plugin.reading import Reading, Result
from ocrmypdf_superres.plugin.readings.rescue import OTHER_PIXELS


def fit_to_page(tree: OcrElement, state: PageState) -> None:
    """Lay *tree* onto the page as it is, and give it the page's own dpi where the engine was told another."""
    if state.surface is not None:
        warp_back(tree, state.surface, state.size, bool(state.turns))
    turn_back(tree, state.turns, state.size)
    if state.dpi is not None:
        tree.dpi = state.dpi


def kept_hocr(result: Result, state: PageState, size: tuple[int, int], dpi: float) -> tuple[bytes, bytes]:
    """Return *result* as hOCR of the image that was read, of *size* and *dpi*, and of the page where that lies otherwise.

    Raises:
        ImageError: the engine's hOCR is damaged. OSError: it cannot be read.
    """
    found = result.as_hocr(size, dpi)
    tree = result.tree or (read_hocr(result.hocr) if result.hocr is not None else None)
    if tree is None or not (state.turns or state.surface):
        return found, b""
    tree = copy.deepcopy(tree)
    fit_to_page(tree, state)
    return found, write_hocr(tree).encode("utf-8")


def result_of(readings: Mapping[str, Reading], merged: Merged | None, joined: Collection[str]) -> Result:
    """Return the result for a page: *merged*, in the engine's own files where they hold the same.

    Args:
        readings: by variant, as the engine wrote them.
        merged: the words to hand on; None where none are known.
        joined: the variants whose lines are no longer those that the engine wrote.
    """
    if merged is None:
        reading = readings.get(NET) or next(iter(readings.values()))
        return Result(reading.text, reading.tree, reading.file, reading.hocr)
    if merged.mixed or merged.layout in joined or merged.layout not in readings:
        return Result(merged.hypothesis.text(), merged.hypothesis.page, None, None)
    reading = readings[merged.layout]
    # The engine's own hOCR of another image may be in other pixels.
    same = merged.layout not in OTHER_PIXELS
    file = reading.file if same or reading.file != reading.hocr else None
    return Result(reading.text or merged.hypothesis.text(), merged.hypothesis.page, file, reading.hocr if same else None)
