# SPDX-License-Identifier: MPL-2.0
"""Gutters between columns of text, which go before any gap between lines when a page is divided."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from ocrmypdf_superres.metrics.boxes import Box, bounding_box, common_height

SAME_ROW = 0.5
"""Two lines stand in one row when they share more than this part of the height of the lower one."""
COLUMN_LINES = 6
"""A gutter divides two columns of text when at least this many lines are on either side of it ..."""
IN_ROWS = 0.45
"""... and at most this share of them stand in a row with one across the gutter, as cells of a form do: a page of lines at
another distance on either side has about a third of them so by accident."""
ROW_SLACK = 0.2
"""Two lines stand in a row when their middles are as far apart as those of the others, give or take this share of a height."""
BESIDE = 0.5
"""The columns stand beside each other over at least this share of the height of the shorter one."""


@dataclass(frozen=True)
class Unit:
    """A unit that is moved as a whole: one line, or the lines of a block of prose.

    Attributes:
        lines: their indices, in order.
        boxes: the box of each.
        box: the box around them.
        core: the rows of it that no cut may cross.
        prose: whether it is a block of prose.
        characters: how many it has.
    """

    lines: tuple[int, ...]
    boxes: tuple[Box, ...]
    box: Box
    core: tuple[int, int]
    prose: bool
    characters: int


class Divided(NamedTuple):
    """Units divided by a gutter: those above it, left and right of it, and below it."""

    above: list[Unit]
    left: list[Unit]
    right: list[Unit]
    below: list[Unit]

    @property
    def parts(self) -> list[list[Unit]]:
        """Those that there are, in reading order."""
        return [part for part in self if part]


def cut(units: Sequence[Unit], extent: Callable[[Unit], tuple[int, int]]) -> list[list[Unit]]:
    """Return *units* divided wherever no unit is crossed; *extent* gives the rows, or the columns, of one."""
    parts: list[list[Unit]] = []
    reach = 0
    for unit in sorted(units, key=extent):
        begin, end = extent(unit)
        if parts and begin < reach:
            parts[-1].append(unit)
            reach = max(reach, end)
        else:
            parts.append([unit])
            reach = end
    return parts


def across(unit: Unit) -> tuple[int, int]:
    """Return left and right of *unit*."""
    return unit.box[0], unit.box[2]


def middle_row(box: Box) -> float:
    """Return the row of the middle of *box*."""
    return (box[1] + box[3]) / 2


def is_prose(units: Sequence[Unit]) -> bool:
    """Whether at least half of the characters of *units* are in blocks of prose."""
    return 2 * sum(unit.characters for unit in units if unit.prose) >= sum(unit.characters for unit in units)


def at_gutter(parts: Sequence[list[Unit]]) -> Divided | None:
    """Return what is above, left and right of, and below the longest gutter between columns of text; None without one.

    *parts* stand one below the other.
    """
    best: Divided | None = None
    longest = 0
    known: list[tuple[int, int, int, int]] = []
    for at, part in enumerate(parts):
        columns = cut(part, across)
        for left, right in itertools.pairwise(columns):
            gap = max(unit.box[2] for unit in left), min(unit.box[0] for unit in right)
            middle = sum(gap) // 2
            if any(low <= middle <= high and first <= at < last for low, high, first, last in known):
                continue
            gap, first, last = _extended(parts, at, gap)
            known.append((*gap, first, last))
            inside = [unit for one in parts[first:last] for unit in one]
            sides = [u for u in inside if u.box[2] <= gap[0]], [u for u in inside if u.box[2] > gap[0]]
            length = min(sum(len(unit.lines) for unit in side) for side in sides)
            if length > longest and _are_columns(*sides):
                above, below = ([unit for one in some for unit in one] for some in (parts[:first], parts[last:]))
                longest, best = length, Divided(above, *sides, below)
    return best


def _extended(parts: Sequence[list[Unit]], at: int, gap: tuple[int, int]) -> tuple[tuple[int, int], int, int]:
    """Return *gap* of part *at* as narrow as it is over all *parts* that it runs through, the first of them and the one after."""
    middle = sum(gap) // 2
    low, high = gap
    ends = []
    for step, way in ((-1, range(at, -1, -1)), (1, range(at, len(parts)))):
        end = at
        for k in way:
            if any(unit.box[0] < middle < unit.box[2] for unit in parts[k]):
                break
            end = k
            low = max([low, *(unit.box[2] for unit in parts[k] if unit.box[2] <= middle)])
            high = min([high, *(unit.box[0] for unit in parts[k] if unit.box[0] >= middle)])
        ends.append(end + (step > 0))
    return (low, high), ends[0], ends[1]


def _are_columns(left: Sequence[Unit], right: Sequence[Unit]) -> bool:
    """Whether the units on two sides of a gutter are columns of text, and not cells of rows that run across it."""
    rows = [_rows(side) for side in (left, right)]
    prose = is_prose(left), is_prose(right)
    if min(map(len, rows)) < COLUMN_LINES or not any(prose):
        return False
    # Labels of a form stand beside a value of many lines, but hold no prose themselves.
    if not all(any(unit.prose for unit in side) for side in (left, right)):
        return False
    if common_height(*(bounding_box(side) for side in rows)) < BESIDE:
        return False
    return all(prose) or max(_share_in_rows(*rows), _share_in_rows(*rows[::-1])) <= IN_ROWS


def _rows(units: Sequence[Unit]) -> list[Box]:
    """Return the boxes of the lines of *units*; of those that stand beside each other, one."""
    rows: list[Box] = []
    for box in sorted((box for unit in units for box in unit.boxes), key=middle_row):
        if not rows or common_height(rows[-1], box) <= SAME_ROW:
            rows.append(box)
    return rows


def _share_in_rows(rows: Sequence[Box], others: Sequence[Box]) -> float:
    """Return the share of *rows* that continue one of *others*; all may rise or fall."""
    steps = list(_steps(rows, others))
    usual = median(step for step, _ in steps)
    return sum(abs(step - usual) <= ROW_SLACK * height for step, height in steps) / len(steps)


def _steps(rows: Sequence[Box], others: Sequence[Box]) -> Iterator[tuple[float, int]]:
    """Yield for each of *rows* how much lower its middle is than that of the nearest one of *others*, and its height."""
    for box in rows:
        yield min((middle_row(box) - middle_row(other) for other in others), key=abs), box[3] - box[1]
