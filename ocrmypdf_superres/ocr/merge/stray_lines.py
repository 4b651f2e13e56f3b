# SPDX-License-Identifier: MPL-2.0
"""Lines that page segmentation took out of their column: those that touch a note in the margin, or are wider than the others."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from statistics import median

from ocrmypdf_superres.metrics.boxes import Box, common_height, common_width
from ocrmypdf_superres.ocr.hypothesis import Line
from ocrmypdf_superres.ocr.merge.reading_order import LEADING

CHARACTERS = 20
"""Shorter lines may stand anywhere."""
ONE_COLUMN = 0.6
"""Two lines continue one column of prose when they share this part of the width of the wider one ..."""
PARAGRAPH = 3.0
"""... and at most this many line heights apart, from box to box."""
WITHIN = 0.8
"""A line is above or below another in its column when they share this part of the width of the narrower one."""


def stray_order(lines: Sequence[Line]) -> list[int] | None:
    """Return the order of *lines*, as indices, in which lines that strayed stand where they fit; None where none strayed.

    A line strayed when it continues neither its neighbour before it in the order nor into the one after it, while there
    is one gap between two successive lines of a column that it fills.
    """
    order = list(range(len(lines)))
    moved = False
    # Boxes of words that several readings gave grow, so their own heights say little.
    height = max(1.0, median(line.box[3] - line.box[1] for line in lines)) if lines else 1.0
    for i in range(len(lines)):
        place = _place(lines, order, i, height)
        if place is not None:
            order.remove(i)
            order.insert(order.index(place) + 1, i)
            moved = True
    return order if moved else None


def _place(lines: Sequence[Line], order: Sequence[int], i: int, height: float) -> int | None:
    """Return the line after which line *i*, which strayed, belongs; None where it did not stray, or fits in no gap.

    *height* is that of a line of the page, in pixels.
    """
    line = lines[i]
    if line.turned or len(line.text) < CHARACTERS:
        return None
    at = order.index(i)
    around = [lines[k].box for k in (*order[max(0, at - 1) : at], i, *order[at + 1 : at + 2])]
    if any(_goes_on(upper, lower, height) for upper, lower in itertools.pairwise(around)):
        return None
    rest = [k for k in order if k != i]
    places = [upper for upper, lower in itertools.pairwise(rest) if _fills(line.box, lines[upper], lines[lower], height)]
    return places[0] if len(places) == 1 else None


def _goes_on(upper: Box, lower: Box, height: float) -> bool:
    """Whether *lower* stands below *upper* in its column, after a paragraph's distance at most."""
    return -0.5 * height < lower[1] - upper[3] <= PARAGRAPH * height and _wide_share(upper, lower) >= ONE_COLUMN


def _fills(box: Box, upper: Line, lower: Line, height: float) -> bool:
    """Whether *box* fills the gap between *upper* and *lower*."""
    if upper.turned or lower.turned:
        return False
    between = upper.box[1] + upper.box[3] < box[1] + box[3] < lower.box[1] + lower.box[3]
    return (
        between
        and max(box[1] - upper.box[3], lower.box[1] - box[3]) <= LEADING * height
        and all(common_height(box, one.box) < 0.5 and common_width(box, one.box) >= WITHIN for one in (upper, lower))
        and max(_wide_share(box, one.box) for one in (upper, lower)) >= ONE_COLUMN
    )


def _wide_share(a: Box, b: Box) -> float:
    """Return the part of the width of the wider of two boxes that they share."""
    shared = min(a[2], b[2]) - max(a[0], b[0])
    return max(0.0, shared / max(1, a[2] - a[0], b[2] - b[0]))
