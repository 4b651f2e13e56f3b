# SPDX-License-Identifier: MPL-2.0
"""Doubtful lines of a page: words that are probably wrong, and ink that no word covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrmypdf_superres.metrics.boxes import Box
from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.page.image import to_grey, to_luma
from ocrmypdf_superres.page.line_finder import FoundLine, find_lines

DOUBT = 0.9
"""A line whose words are right with less than this mean probability is in doubt."""
COVERED = 0.5
"""A line of ink is read when words cover at least this share of its columns of ink."""
LARGE = 9.0
"""Larger text is reduced to an x-height of at least this many pixels: its lines are found as well, in a quarter of the time."""
OFF = 0.25
"""The middle of a line is known to this share of its height where it stands on shaded ground."""
WIDE, NARROW = 1.5, 0.6
"""Ink without words is a line where it is this many heights wide, or one of a column where it is at least the latter."""
COLUMN, LEVEL = 3, 0.25
"""At least so many narrow pieces of ink are a column where their left or right edges differ by at most this many heights."""
APART = 0.5
"""Ink of a line that is no farther apart than this many heights belongs together."""
LOW, HIGH, TIMES = 10, 80, 2.0
"""Percentiles of the ink in the columns of a line. Where there are letters, the higher one is this many times the lower one; a
dash, and the ground of a row of a table, are even."""


@dataclass(frozen=True)
class DoubtfulLine:
    """A line to read again.

    Attributes:
        box: where it is, in the pixels of the reading.
        wrong: about how many of its characters are wrong or missing.
    """

    box: Box
    wrong: float


def doubtful_lines(reading: Hypothesis, calibration: Calibration, variant: str) -> list[DoubtfulLine]:
    """Return the upright lines of *reading*, of *variant*, whose words are not right with the probability :data:`DOUBT`."""
    found = []
    for line in reading.lines:
        sure = calibration.mean_probability(line.words, variant)
        if sure < DOUBT and not line.turned:
            found.append(DoubtfulLine(line.box, (1.0 - sure) * len(line.text)))
    return found


def unread_lines(
    image: Image.Image, reading: Hypothesis | None, size: tuple[int, int], x_height: float | None = None
) -> list[DoubtfulLine]:
    """Return the lines of ink on *image* that no word of *reading* covers, in the pixels of a page of *size* = (width, height).

    Args:
        image: the page before it was enlarged, where lines are found fast.
        reading: what was read, in the pixels of the page of *size*; None where nothing was read.
        size: (width, height) of the image that was read.
        x_height: of the text on *image*, in its pixels, where it was measured before.
    """
    shrink = max(1, int((x_height or 0.0) / LARGE))
    if x_height is not None and shrink > 1:
        image, x_height = to_grey(image).reduce(shrink), x_height / shrink
    x, y = size[0] / image.width, size[1] / image.height
    covered = np.zeros((image.height, image.width), dtype=bool)
    for word in reading.words if reading is not None else []:
        # Engines without layout analysis may give boxes that extend beyond the page.
        left, top, right, bottom = (max(0, edge) for edge in word.box)
        covered[int(top / y) : int(np.ceil(bottom / y)), int(left / x) : int(np.ceil(right / x))] = True
    found: list[DoubtfulLine] = []
    narrow: list[DoubtfulLine] = []
    for line in find_lines(to_luma(image), x_height, bars=True):
        for part in _uncovered(line, covered):
            whole = (part.box[0], part.box[2]) == (line.left, line.right)
            wide = whole and line.right - line.left >= WIDE * line.height
            (found if wide else narrow).append(part)
    return [_scaled(part, x, y) for part in found + _columns(narrow)]


def _columns(lines: Sequence[DoubtfulLine]) -> list[DoubtfulLine]:
    """Return those of *lines* whose left or right edge at least COLUMN of them share, themselves counted."""
    boxes = np.array([line.box for line in lines], dtype=np.float64).reshape(-1, 4)
    slack = LEVEL * (boxes[:, 3] - boxes[:, 1])
    alike = np.zeros(len(boxes), dtype=np.intp)
    for side in (0, 2):
        edges = np.sort(boxes[:, side])
        near = np.searchsorted(edges, boxes[:, side] + slack, "right") - np.searchsorted(edges, boxes[:, side] - slack, "left")
        alike = np.maximum(alike, near)
    return [line for line, mates in zip(lines, alike, strict=True) if mates >= COLUMN]


def _uncovered(line: FoundLine, covered: NDArray[np.bool_]) -> list[DoubtfulLine]:
    """Return *line*, or its parts, where words cover too little of it, in pixels of the image it was found on."""
    inked = line.ink > 0.5
    if not inked.any():
        return []
    low, high = np.percentile(line.ink, (LOW, HIGH))
    inked &= line.ink >= (low + high) / 2  # letters, not the ground of a row of a table
    read = _read_columns(line, covered)
    whole = float(read[inked].mean()) < COVERED
    spans = [(line.left, line.right)] if whole else _gaps(line, inked & ~read, inked & read)
    spans = [(left, right) for left, right in spans if _has_letters(line, left, right)]
    return [part for left, right in spans if (part := _part(line, left, right, covered.shape)) is not None]


def _read_columns(line: FoundLine, covered: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return in which columns of *line* a word covers its middle, or a place a little above or below."""
    columns = np.arange(line.left, line.right)
    middle = line.middle(columns.astype(np.float64))
    read = np.zeros(len(columns), dtype=bool)
    for off in (-OFF, 0.0, OFF):
        rows = np.clip(np.round(middle + off * line.height).astype(int), 0, covered.shape[0] - 1)
        read |= covered[rows, np.minimum(columns, covered.shape[1] - 1)]
    return read


def _gaps(line: FoundLine, unread: NDArray[np.bool_], read: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first and last column of each run of *unread* ink of *line* without *read* ink between."""
    at = np.flatnonzero(unread)
    if not at.size:
        return []
    between = np.concatenate(([0], np.cumsum(read)))
    broken = (np.diff(at) > APART * line.height) | (np.diff(between[at]) > 0)
    runs = np.split(at, np.flatnonzero(broken) + 1)
    return [(line.left + int(run[0]), line.left + int(run[-1]) + 1) for run in runs]


def _has_letters(line: FoundLine, left: int, right: int) -> bool:
    low, high = np.percentile(line.ink[left - line.left : right - line.left], (LOW, HIGH))
    return bool(high > max(0.5, TIMES * low))


def _part(line: FoundLine, left: int, right: int, shape: tuple[int, ...]) -> DoubtfulLine | None:
    """Return the part of *line* between two columns; None where it is too narrow for letters."""
    if right - left < NARROW * line.height:
        return None
    ends = sorted((line.middle(left), line.middle(right)))
    top, bottom = ends[0] - line.height / 2, ends[1] + line.height / 2
    box = (max(0, left), max(0, int(top)), min(shape[1], right), min(shape[0], int(np.ceil(bottom))))
    # A letter is about half as wide as the line is high.
    return DoubtfulLine(box, (right - left) / (0.25 * line.height) / 2) if box[3] > box[1] else None


def _scaled(line: DoubtfulLine, x: float, y: float) -> DoubtfulLine:
    left, top, right, bottom = line.box
    return DoubtfulLine((round(left * x), round(top * y), round(right * x), round(bottom * y)), line.wrong)


def spend(lines: Sequence[DoubtfulLine], columns: float) -> list[DoubtfulLine]:
    """Return the most doubtful of *lines* whose widths together are at most *columns* pixels, in the order of the page."""
    taken: set[int] = set()
    for index in sorted(range(len(lines)), key=lambda i: -lines[i].wrong / max(1, lines[i].box[2] - lines[i].box[0])):
        width = lines[index].box[2] - lines[index].box[0]
        if width <= columns:
            columns -= width
            taken.add(index)
    return [line for index, line in enumerate(lines) if index in taken]
