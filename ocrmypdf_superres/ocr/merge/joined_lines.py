# SPDX-License-Identifier: MPL-2.0
"""Lines that page segmentation read on across the gutter between two columns of prose, divided again."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from statistics import median

from ocrmypdf_superres.metrics.boxes import Box, common_width
from ocrmypdf_superres.ocr.hypothesis import Hypothesis, Line, Word, line_of_words
from ocrmypdf_superres.ocr.merge.gutters import middle_row

NEAR = 12.0
"""What stands within this many line heights above and below a line tells whether it crosses a gutter: ..."""
ABOVE = 4.0
"""... on either side a line at most this many above it, since titles stand on columns, ..."""
SLACK = 0.25
"""... the gap leaves at most this many line heights of the gutter, ..."""
COLUMN_LINES = 4
"""... at least this many lines in all ..."""
CHARACTERS = 20
"""... of at least this many characters, ..."""
EDGE = 1.5
"""... which end or begin within this many line heights of the gap, ..."""
SAME_COLUMN = 0.8
"""... sharing this part of the narrower one's width with the part of the line on their side, ..."""
CROSSING = 0.25
"""... and for each of them at most this many lines that cross the gap, too."""
PARAGRAPH = 3.0
"""A part comes after the line above it in its column, at most this many line heights away."""


def divide_joined(reading: Hypothesis) -> tuple[Hypothesis, list[Box]]:
    """Return *reading* with lines that run across a gutter divided there, and the boxes of their parts.

    Each part is put after the line above it in its column. What was read of a rule in the gutter goes.
    """
    lines = reading.lines
    height = max(1.0, median(line.box[3] - line.box[1] for line in lines)) if lines else 1.0
    prose = [line for line in lines if not line.turned and len(line.text) >= CHARACTERS]
    parts: dict[int, list[Line]] = {}
    for i, line in enumerate(lines):
        near = [other for other in prose if other is not line and _distance(line, other) <= NEAR * height]
        found = [_gutter(gap, line, near, height) for gap in _gaps(line)] if not line.turned else []
        gutters = [gutter for gutter in found if gutter is not None]
        if gutters:
            parts[i] = _parts(line, gutters)
    if not parts:
        return reading, []
    boxes = [part.box for divided in parts.values() for part in divided]
    divided = reading.edited({i: [] for i in parts}, parts, {})
    return divided.reordered(_in_columns(divided.lines, boxes, height)), boxes


def _gaps(line: Line) -> list[tuple[int, int]]:
    """Return left and right of each gap between words of *line*; signs stand in gaps, since a rule is read as one."""
    words = sorted((word.box for word in line.words if any(c.isalnum() for c in word.text)), key=lambda box: box[0])
    return [(left[2], right[0]) for left, right in itertools.pairwise(words) if left[2] < right[0]]


def _gutter(gap: tuple[int, int], line: Line, near: Sequence[Line], height: float) -> tuple[int, int] | None:
    """Return left and right of what two columns of prose *near* to *line* leave of *gap* between them; None without columns."""
    begin, end = gap
    left, right = (line.box[0], line.box[1], begin, line.box[3]), (end, line.box[1], line.box[2], line.box[3])
    before = [o for o in near if begin - EDGE * height <= o.box[2] <= end and common_width(o.box, left) >= SAME_COLUMN]
    after = [o for o in near if begin <= o.box[0] <= end + EDGE * height and common_width(o.box, right) >= SAME_COLUMN]
    crossing = sum(o.box[0] < begin - height and o.box[2] > end + height for o in near)
    least = min(len(before), len(after))
    if least < COLUMN_LINES or crossing > CROSSING * least:
        return None
    low, high = max(o.box[2] for o in before), min(o.box[0] for o in after)
    fits = begin <= low + SLACK * height and end >= high - SLACK * height
    if not fits or not all(any(_is_above(other, line, height) for other in side) for side in (before, after)):
        return None
    return max(begin, low), min(end, high)


def _is_above(other: Line, line: Line, height: float) -> bool:
    return 0.5 * height < middle_row(line.box) - middle_row(other.box) <= ABOVE * height


def _distance(line: Line, other: Line) -> float:
    return abs(middle_row(line.box) - middle_row(other.box))


def _parts(line: Line, gutters: Sequence[tuple[int, int]]) -> list[Line]:
    """Return the parts of *line*; signs at the edge of a column, as the dash of a dialogue, belong to it."""
    parts: list[list[Word]] = [[] for _ in range(len(gutters) + 1)]
    for word in line.words:
        middle = (word.box[0] + word.box[2]) / 2
        if any(c.isalnum() for c in word.text) or not any(begin < middle < end for begin, end in gutters):
            parts[sum(2 * middle > begin + end for begin, end in gutters)].append(word)
    return [line_of_words(words, line) for words in parts]


def _in_columns(lines: Sequence[Line], boxes: Iterable[Box], height: float) -> list[int]:
    """Return the order of *lines*, as indices, in which those with *boxes* come after the lines above them."""
    order = list(range(len(lines)))
    wanted = set(boxes)
    for i in sorted((i for i, line in enumerate(lines) if line.box in wanted), key=lambda i: lines[i].box[1]):
        box = lines[i].box
        above = [k for k in order if k != i and not lines[k].turned and _stands_above(lines[k].box, box, height)]
        if above:
            order.remove(i)
            order.insert(order.index(max(above, key=lambda k: lines[k].box[3])) + 1, i)
    return order


def _stands_above(upper: Box, lower: Box, height: float) -> bool:
    gap = lower[1] - upper[3]
    close = gap <= PARAGRAPH * height and middle_row(upper) < middle_row(lower) - 0.5 * height
    return close and common_width(upper, lower) >= SAME_COLUMN
