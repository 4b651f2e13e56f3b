# SPDX-License-Identifier: MPL-2.0
"""Dewarped pages: their readings are laid back onto the page as it is."""

from __future__ import annotations

import numpy as np
from ocrmypdf.hocrtransform import Baseline, BoundingBox, OcrClass, OcrElement

from ocrmypdf_superres.page.dewarp.surface import Surface

PLACES = 5
"""Places along a line at which its run on the page is looked up."""
DESCENT = 0.21
"""Share of a line's height that is below its baseline, where none is known."""


def warp_back(element: OcrElement, surface: Surface, size: tuple[int, int]) -> None:
    """Move the boxes under *element*, read on the dewarped image of *size* = (width, height), to where they are on the page.

    Lines get a straight baseline through their run; what encloses them encloses them still.
    """
    before = element.bbox
    for child in element.children:
        warp_back(child, surface, size)
    if before is None or element.ocr_class == OcrClass.PAGE:
        return
    boxes = [child.bbox for child in element.children if child.bbox is not None]
    if boxes:
        element.bbox = BoundingBox(
            min(box.left for box in boxes), min(box.top for box in boxes),
            max(box.right for box in boxes), max(box.bottom for box in boxes),
        )  # fmt: skip
    else:
        element.bbox = _moved(before, surface, size)
    if element.ocr_class in OcrClass.LINE_TYPES and not element.textangle:
        element.baseline = _baseline(element.baseline, before, element.bbox, surface, size)


def _moved(box: BoundingBox, surface: Surface, size: tuple[int, int]) -> BoundingBox:
    """Return the box that encloses *box* where it is on the page."""
    tops, bottoms = ([y + surface.at(x, y, size) for x in (box.left, box.right)] for y in (box.top, box.bottom))
    top, bottom = (float(np.clip(value, 0, size[1])) for value in (min(tops), max(bottoms)))
    return BoundingBox(box.left, top, box.right, max(bottom, top))


def _baseline(
    baseline: Baseline | None, before: BoundingBox, after: BoundingBox, surface: Surface, size: tuple[int, int]
) -> Baseline:
    """Return the straight line that fits the run of a line's baseline on the page best, for its box *after*."""
    slope, intercept = (baseline.slope, baseline.intercept) if baseline is not None else (0.0, -DESCENT * before.height)
    x = np.linspace(before.left, max(before.right, before.left + 1), PLACES)
    level = before.bottom + intercept + slope * (x - before.left)
    run = level + [surface.at(float(column), float(row), size) for column, row in zip(x, level, strict=True)]
    slope, start = (float(value) for value in np.polyfit(x - after.left, run, 1))
    return Baseline(slope=slope, intercept=start - after.bottom)
