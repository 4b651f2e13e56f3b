# SPDX-License-Identifier: MPL-2.0
"""Images of single lines, cut from a page and read in one run of an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ocrmypdf.hocrtransform import Baseline, BoundingBox, OcrClass, OcrElement
from PIL import Image

from ocrmypdf_superres.metrics.boxes import Box
from ocrmypdf_superres.ocr.hypothesis import Hypothesis

ABOVE, BESIDE = 0.15, 0.5
"""Paper that is cut with a line, in line heights: above and below it, and at its ends."""


def padded(box: Box, size: tuple[int, int]) -> Box:
    """Return *box* with the paper that is cut with a line, inside a page of *size* = (width, height)."""
    height = box[3] - box[1]
    across, down = round(BESIDE * height), max(1, round(ABOVE * height))
    return (
        max(0, box[0] - across),
        max(0, box[1] - down),
        min(size[0], box[2] + across),
        min(size[1], box[3] + down),
    )


def read_crops(
    image: Image.Image, boxes: Sequence[Box], dpi: float, folder: Path, read: Callable[[Path], Sequence[OcrElement]]
) -> Hypothesis:
    """Return what an engine reads in *boxes* of *image*, as a page of lines in the pixels of *image*.

    Args:
        image: the page, in a mode that PNG can hold.
        boxes: where the lines are, paper included.
        dpi: the resolution to label the crops with.
        folder: a folder for the crops, which is left empty again.
        read: reads the images that a text file lists, one path a line, and returns a page for each.

    Raises:
        OSError: the crops cannot be written.
        Exception: any error of *read*.
    """
    names = [folder / f"line-{index:04d}.png" for index in range(len(boxes))]
    listing = folder / "lines.txt"
    try:
        for name, box in zip(names, boxes, strict=True):
            image.crop(box).save(name, dpi=(dpi, dpi), compress_level=1)
        listing.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
        pages = read(listing) if boxes else []
    finally:
        for name in (*names, listing):
            name.unlink(missing_ok=True)
    root = OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, image.width, image.height), dpi=dpi)
    for box, page in zip(boxes, pages, strict=False):
        for line in page.lines:
            moved = _moved(line, box[0], box[1])
            root.children.append(OcrElement(OcrClass.PARAGRAPH, bbox=moved.bbox, children=[moved]))
    return Hypothesis(root)


def _moved(element: OcrElement, x: int, y: int) -> OcrElement:
    """Return a copy of *element* moved by (*x*, *y*) pixels; a baseline is relative to its box."""
    box = element.bbox
    return OcrElement(
        element.ocr_class,
        bbox=BoundingBox(box.left + x, box.top + y, box.right + x, box.bottom + y) if box is not None else None,
        text=element.text,
        confidence=element.confidence,
        baseline=Baseline(element.baseline.slope, element.baseline.intercept) if element.baseline is not None else None,
        direction=element.direction,
        language=element.language,
        children=[_moved(child, x, y) for child in element.children],
    )
