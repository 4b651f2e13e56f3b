# SPDX-License-Identifier: MPL-2.0
"""Dewarped pages: their readings are laid back onto the page as it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ocrmypdf.hocrtransform import Baseline, BoundingBox, OcrClass, OcrElement

from ocrmypdf_superres.page.dewarp.surface import Surface

PLACES = 5
"""Places along a line at which its run on the page is looked up."""
DESCENT = 0.21
"""Share of a line's height that is below its baseline, where none is known."""


def warp_back(element: OcrElement, surface: Surface, size: tuple[int, int], turned: bool = False) -> None:
    """Move the boxes under *element*, read on the dewarped image of *size* = (width, height), to where they are on the page.

    What encloses words encloses them still. Lines get a straight baseline through their run, and begin at their left end, from
    where OCRmyPDF measures how high letters are. Those of a page that is *turned* back afterwards do not, as their text is level.
    """
    _lay_back(element, surface, size, turned)


def _lay_back(element: OcrElement, surface: Surface, size: tuple[int, int], turned: bool) -> BoundingBox | None:
    """Move the boxes under *element*, see :func:`warp_back`; return the box around them, None where there is none."""
    inner = [box for child in element.children if (box := _lay_back(child, surface, size, turned)) is not None]
    around = _around(inner) if inner else None
    before = element.bbox
    if before is None or element.ocr_class == OcrClass.PAGE:
        return around
    element.bbox = around or _moved(before, surface, size)
    if element.ocr_class in OcrClass.LINE_TYPES and not element.textangle and not turned:
        baseline = element.baseline or Baseline(intercept=-DESCENT * before.height)
        element.baseline = _baseline(baseline, before, element.bbox, surface, size)
        element.bbox = _lowered(element.bbox, element.baseline, before.height + baseline.intercept)
    return around or element.bbox


def _around(boxes: Sequence[BoundingBox]) -> BoundingBox:
    """Return the smallest box around all *boxes*."""
    return BoundingBox(
        min(box.left for box in boxes), min(box.top for box in boxes),
        max(box.right for box in boxes), max(box.bottom for box in boxes),
    )  # fmt: skip


def _moved(box: BoundingBox, surface: Surface, size: tuple[int, int]) -> BoundingBox:
    """Return the box that encloses *box* where it is on the page."""
    tops, bottoms = ([y + surface.at(x, y, size) for x in (box.left, box.right)] for y in (box.top, box.bottom))
    top, bottom = (float(np.clip(value, 0, size[1])) for value in (min(tops), max(bottoms)))
    return BoundingBox(box.left, top, box.right, max(bottom, top))


def _lowered(box: BoundingBox, baseline: Baseline, ascent: float) -> BoundingBox:
    """Return *box* of a line; of one that rises, from *ascent* above the left end of its *baseline* on."""
    top = box.bottom + baseline.intercept - ascent
    return BoundingBox(box.left, min(max(box.top, top), box.bottom), box.right, box.bottom)


def _baseline(baseline: Baseline, before: BoundingBox, after: BoundingBox, surface: Surface, size: tuple[int, int]) -> Baseline:
    """Return the straight line that fits the run of a line's baseline on the page best, for its box *after*."""
    x = np.linspace(before.left, max(before.right, before.left + 1), PLACES)
    level = before.bottom + baseline.intercept + baseline.slope * (x - before.left)
    run = level + [surface.at(float(column), float(row), size) for column, row in zip(x, level, strict=True)]
    slope, start = (float(value) for value in np.polyfit(x - after.left, run, 1))
    return Baseline(slope=slope, intercept=start - after.bottom)
