# SPDX-License-Identifier: MPL-2.0
"""Images of single lines, cut from a page and read in one run of an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from ocrmypdf.hocrtransform import Baseline, BoundingBox, OcrClass, OcrElement
from PIL import Image

from ocrmypdf_superres.metrics.boxes import Box
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.page.image import to_luma

ABOVE, BESIDE = 0.15, 0.5
"""Paper that is cut with a line, in line heights: above and below it, and at its ends."""
CROSSES, CONTINUES = 0.95, 0.75
"""Ink at an end of a line is a ruled line when it fills this share of the rows of the crop, or this share of three line heights:
strokes of letters do not reach into the paper above and below, and those of three lines do not meet. Within the line it must fill
the first share of three heights, as a column of ones does not."""
DARK = 0.6
"""A pixel of a rule is darker than this share of the way from ink to paper: thin rules are pale."""
PAPER, INK = 90, 98
"""So many percent of the pixels around a line are at most as light as paper, and at least as light as ink."""
PALE = 0.15
"""Ink of a neighbouring line is darker than this share of the way from paper to ink: its rim is pale."""
REACHES_IN = 0.45
"""Strokes that come in from the upper or lower edge of the crop belong to a neighbouring line where they end within this many
line heights: letters of the line itself have paper above and below them, or are longer."""
FAINT = 0.1
"""Without this much contrast there is no ink."""


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


def crop_line(image: Image.Image, box: Box) -> Image.Image:
    """Return the line with *box* and the paper around it, see :func:`padded`, without ruled lines and neighbouring lines.

    A rule at an end would be read as a bar. It goes with what is beyond it, and paper takes its place. So it does where the
    letters of the lines above and below reach into the crop: cut in two, they spoil the reading of the whole line.
    """
    left, top, right, bottom = padded(box, image.size)
    crop, height = image.crop((left, top, right, bottom)), box[3] - box[1]
    neighbours = _neighbours(to_luma(crop), round(REACHES_IN * height), (top > 0, bottom < image.height))
    if neighbours.any():
        crop.paste(_paper(crop), (0, 0), Image.fromarray(neighbours))
    around = max(0, box[1] - height), min(image.height, box[3] + height)
    luma = to_luma(image.crop((left, around[0], right, around[1])))
    columns = _rules(luma, (top - around[0], bottom - around[0]), (box[0] - left, box[2] - left)) + left
    # Page segmentation may count the rule as part of the line.
    near = round(BESIDE * height)
    begin = max((int(column) + 2 for column in columns if column < box[0] + near), default=left)
    end = min((int(column) - 1 for column in columns if column >= max(begin, box[2] - near)), default=right)
    if end - begin < near:
        return crop
    paper = _paper(crop)
    crop.paste(paper, (0, 0, begin - left, crop.height))
    crop.paste(paper, (end - left, 0, crop.width, crop.height))
    return crop


def _paper(image: Image.Image) -> int | tuple[int, ...]:
    """Return the usual colour of the paper of *image*."""
    values = np.percentile(np.asarray(image, dtype=np.float32), PAPER, axis=(0, 1))
    return tuple(round(float(value)) for value in values) if values.ndim else round(float(values))


def _neighbours(luma: NDArray[np.float32], reach: int, edges: tuple[bool, bool]) -> NDArray[np.bool_]:
    """Return the pixels of *luma* with strokes that come in from the upper or lower edge and end within *reach* rows.

    *edges* says at which of the two there are other lines: not at those of the page.
    """
    found = np.zeros(luma.shape, dtype=bool)
    ink, paper = _levels(luma)
    if paper - ink < FAINT:
        return found
    dark = luma < paper - PALE * (paper - ink)
    for rows in (slice(None, None, step) for step, there in zip((1, -1), edges, strict=True) if there):
        runs = np.logical_and.accumulate(dark[rows][: reach + 1], axis=0)
        short = ~runs[-1]
        # The pale rim goes as well.
        runs[1:] |= runs[:-1]
        runs[:, 1:] |= runs[:, :-1]
        runs[:, :-1] |= runs[:, 1:]
        found[rows][: reach + 1] |= runs & short
    return found


def _levels(luma: NDArray[np.float32]) -> tuple[float, float]:
    """Return the levels of the ink and of the paper of *luma*; the same twice where letters are light on a dark ground."""
    ink, ground, paper = (float(level) for level in np.percentile(luma, (100 - INK, 50, PAPER))) if luma.size else (0.0, 0.0, 0.0)
    return (ink, paper) if ground - ink > paper - ground else (paper, paper)


def _rules(luma: NDArray[np.float32], rows: tuple[int, int], ends: tuple[int, int]) -> NDArray[np.intp]:
    """Return the columns of *luma* with a rule: of a line, its *rows* from one of its *ends* to the other, and what is around."""
    ink, paper = _levels(luma)
    if paper - ink < FAINT:
        return np.empty(0, dtype=np.intp)
    dark = np.pad(luma < ink + DARK * (paper - ink), ((0, 0), (1, 1)))
    # A rule that is not quite upright passes from one column into the next.
    dark = dark[:, :-2] | dark[:, 1:-1] | dark[:, 2:]
    crosses, continues = dark[slice(*rows)].mean(axis=0), dark.mean(axis=0)
    ruled = (crosses >= CROSSES) | (continues >= CONTINUES)
    ruled[slice(*ends)] = continues[slice(*ends)] >= CROSSES
    return np.flatnonzero(ruled)


def read_crops(
    image: Image.Image, boxes: Sequence[Box], dpi: float, folder: Path, read: Callable[[Path], Sequence[OcrElement]]
) -> Hypothesis:
    """Return what an engine reads in *boxes* of *image*, as a page of lines in the pixels of *image*.

    Args:
        image: the page, in a mode that PNG can hold.
        boxes: where the lines are.
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
            crop_line(image, box).save(name, dpi=(dpi, dpi), compress_level=1)
        listing.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
        pages = read(listing) if boxes else []
    finally:
        for name in (*names, listing):
            name.unlink(missing_ok=True)
    root = OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, image.width, image.height), dpi=dpi)
    for box, page in zip((padded(box, image.size) for box in boxes), pages, strict=False):
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
