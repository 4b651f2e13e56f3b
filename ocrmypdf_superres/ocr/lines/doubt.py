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
from ocrmypdf_superres.page.image import to_luma
from ocrmypdf_superres.page.line_finder import FoundLine, find_lines

DOUBT = 0.9
"""A line whose words are right with less than this mean probability is in doubt."""
COVERED = 0.5
"""A line of ink is read when words cover at least this share of its columns of ink."""
LETTERS_HIGH = 1.5
"""Ink narrower than this many heights is not taken for a line."""


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
    x, y = size[0] / image.width, size[1] / image.height
    covered = np.zeros((image.height, image.width), dtype=bool)
    for word in reading.words if reading is not None else []:
        # Engines without layout analysis may give boxes that extend beyond the page.
        left, top, right, bottom = (max(0, edge) for edge in word.box)
        covered[int(top / y) : int(np.ceil(bottom / y)), int(left / x) : int(np.ceil(right / x))] = True
    found = []
    for line in find_lines(to_luma(image), x_height):
        found += [_scaled(part, x, y) for part in _uncovered(line, covered)]
    return found


def _uncovered(line: FoundLine, covered: NDArray[np.bool_]) -> list[DoubtfulLine]:
    """Return *line* where words cover too little of it, in pixels of the image it was found on."""
    columns = np.arange(line.left, line.right)
    rows = np.clip(np.round(line.offset + line.slope * columns).astype(int), 0, covered.shape[0] - 1)
    inked = line.ink > 0.5
    if not inked.any() or line.right - line.left < LETTERS_HIGH * line.height:
        return []
    if float(covered[rows, np.minimum(columns, covered.shape[1] - 1)][inked].mean()) >= COVERED:
        return []
    ends = sorted((line.middle(line.left), line.middle(line.right)))
    top, bottom = ends[0] - line.height / 2, ends[1] + line.height / 2
    box = (max(0, line.left), max(0, int(top)), min(covered.shape[1], line.right), min(covered.shape[0], int(np.ceil(bottom))))
    # A letter is about half as wide as the line is high.
    return [DoubtfulLine(box, (line.right - line.left) / (0.25 * line.height) / 2)] if box[3] > box[1] else []


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
