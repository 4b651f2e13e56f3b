# SPDX-License-Identifier: MPL-2.0
"""Reading order by geometry: columns of prose one after another, cells of forms and tables row by row.

Page segmentation that knows prose takes the columns of a form for columns of text, so that a label and its value, which
stand side by side, end up far apart. The order here is that of a recursive X-Y cut (Nagy, Seth 1984) of lines and of blocks
of prose, in which a region of cells is read in rows, and in which a gutter between two columns of text goes before any gap
between lines.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from ocrmypdf_superres.metrics.boxes import Box, bounding_box, common_height, common_width
from ocrmypdf_superres.ocr.hypothesis import Line

PROSE_LINES = 3
"""A block of prose has at least this many lines ..."""
PROSE_CHARACTERS = 20
"""... of at least this many characters in the median, ..."""
LEADING = 1.3
"""... each at most this many line heights below the one above it, from box to box, ..."""
SAME_EDGE = 2.0
"""... whose left edges differ by at most this many line heights."""
SAME_ROW = 0.5
"""Two lines stand in one row when they share more than this part of the height of the lower one."""
SHRINK = 0.25
"""Ascenders and descenders of neighbouring lines may overlap: a cut may cross this share of a line at its top and bottom."""
COLUMN_LINES = 6
"""A gutter divides two columns of text when at least this many lines are on either side of it ..."""
IN_ROWS = 0.45
"""... and at most this share of them stand in a row with one across the gutter, as cells of a form do: a page of lines at
another distance on either side has about a third of them so by accident."""
ROW_SLACK = 0.2
"""Two lines stand in a row when their middles are as far apart as those of the others, give or take this share of a height."""
BESIDE = 0.5
"""The columns stand beside each other over at least this share of the height of the shorter one."""
APART = 1.2
"""Lines of a column that stand this many times as far apart as its others may be of two cells, ..."""
ROW_STARTS = 2
"""... and are where at least this many lines beside the lower one begin with it; a column of cells has as many such places."""
ROWS = 0.8
"""A block is not prose, but entries of a list, when at least this share of its lines have a number or another short line beside
them."""
CELLS = 0.3
"""A page is a form or a table when at least this share of its lines stand beside another one without being prose."""


@dataclass(frozen=True)
class _Unit:
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


def form_order(lines: Sequence[Line]) -> list[int] | None:
    """Return the order in which a form or table with *lines* is read, as indices; None for any other page.

    Lines that run up or down the page stay after the line that they follow.
    """
    upright = _upright(lines)
    return _with_turned(lines, _ordered(_units(lines, upright))) if _is_form(lines, upright) else None


def row_order(lines: Sequence[Line]) -> list[int]:
    """Return the order in which *lines* without a page layout are read, as indices.

    Columns of prose come one after another, all else row by row. Lines that run up or down the page stay after the line
    that they follow.
    """
    return _with_turned(lines, _by_rows(lines, _units(lines, _upright(lines))))


def _by_rows(lines: Sequence[Line], units: Sequence[_Unit]) -> list[_Unit]:
    divided = _at_gutter(_cut(units, lambda unit: unit.core))
    if divided is None:
        return _in_rows([_unit(lines, [i], prose=False) for unit in units for i in unit.lines])
    return [unit for part in divided for unit in _by_rows(lines, part)]


def _upright(lines: Sequence[Line]) -> list[int]:
    return [i for i, line in enumerate(lines) if not line.turned]


def _with_turned(lines: Sequence[Line], units: Sequence[_Unit]) -> list[int]:
    """Return the lines of *units*, and after the line that each follows, those that are turned."""
    order = [i for unit in units for i in unit.lines]
    followers: dict[int, list[int]] = {}
    last = -1
    for i, line in enumerate(lines):
        if line.turned:
            followers.setdefault(last, []).append(i)
        else:
            last = i
    found = list(followers.get(-1, []))
    for i in order:
        found += [i, *followers.get(i, [])]
    return found


def _is_form(lines: Sequence[Line], upright: Sequence[int]) -> bool:
    prose = {i for block in _blocks(lines, upright) for i in block}
    cells = [i for i in upright if i not in prose]
    beside = sum(any(_in_one_row(lines[i].box, lines[k].box) for k in upright if k != i) for i in cells)
    return bool(upright) and beside >= CELLS * len(upright)


def _in_one_row(a: Box, b: Box) -> bool:
    return common_height(a, b) > SAME_ROW and common_width(a, b) < 0.1


def _blocks(lines: Sequence[Line], upright: Sequence[int]) -> list[list[int]]:
    """Return the blocks of prose: lines below one another in one column, from top to bottom."""
    chains: list[list[int]] = []
    for i in sorted(upright, key=lambda i: (lines[i].box[1], lines[i].box[0])):
        for chain in reversed(chains):
            if _follows(lines[chain[-1]].box, lines[i].box):
                chain.append(i)
                break
        else:
            chains.append([i])
    return [
        chain for chain in chains if len(chain) >= PROSE_LINES and median(len(lines[i].text) for i in chain) >= PROSE_CHARACTERS
    ]


def _follows(upper: Box, lower: Box) -> bool:
    height = max(1, min(upper[3] - upper[1], lower[3] - lower[1]))
    gap = lower[1] - upper[3]
    return -0.6 * height <= gap <= LEADING * height and abs(upper[0] - lower[0]) <= SAME_EDGE * height


def _units(lines: Sequence[Line], upright: Sequence[int]) -> list[_Unit]:
    blocks = _blocks(lines, upright)
    taken = {i for block in blocks for i in block}
    loose = [i for i in upright if i not in taken]
    parts = [part for block in blocks for part in _cells(lines, upright, loose, block)]
    units = [_unit(lines, part, prose=len(part) >= PROSE_LINES) for part in parts]
    return units + [_unit(lines, [i], prose=False) for i in loose]


def _cells(lines: Sequence[Line], upright: Sequence[int], loose: Sequence[int], block: list[int]) -> list[list[int]]:
    """Return the cells that *block* is made of, where it is a column of a table or list; else itself.

    Cells may have several lines. *loose* are the lines that are in no block, among them numbers of entries.
    """
    short = [k for k in loose if len(lines[k].text) < PROSE_CHARACTERS]
    if sum(_beside(lines, short, i) > 0 for i in block) >= ROWS * len(block):
        return [[i] for i in block]
    steps = [_middle(lines[lower].box) - _middle(lines[upper].box) for upper, lower in itertools.pairwise(block)]
    usual = median(steps)
    apart = [k for k, step in enumerate(steps, 1) if step > APART * usual]
    starts = [k for k in apart if _beside(lines, upright, block[k]) >= ROW_STARTS]
    if len(starts) < ROW_STARTS or 2 * len(starts) < len(apart):
        return [block]
    return [block[first:last] for first, last in itertools.pairwise([0, *starts, len(block)])]


def _beside(lines: Sequence[Line], others: Sequence[int], i: int) -> int:
    """Return how many of the *others* stand in one row with line *i*."""
    box = lines[i].box
    near = ROW_SLACK * (box[3] - box[1])
    level = (lines[k].box for k in others if k != i and abs(_middle(lines[k].box) - _middle(box)) <= near)
    return sum(common_width(box, other) < 0.1 for other in level)


def _middle(box: Box) -> float:
    return (box[1] + box[3]) / 2


def _unit(lines: Sequence[Line], members: Sequence[int], prose: bool) -> _Unit:
    boxes = [lines[i].box for i in members]
    box = bounding_box(boxes)
    shrink = round(SHRINK * median(one[3] - one[1] for one in boxes))
    core = (box[1] + shrink, max(box[1] + shrink + 1, box[3] - shrink))
    return _Unit(tuple(members), tuple(boxes), box, core, prose, sum(len(lines[i].text) for i in members))


def _ordered(units: Sequence[_Unit]) -> list[_Unit]:
    """Return *units* in reading order."""
    if len(units) < 2:
        return list(units)
    parts = _cut(units, lambda unit: unit.core)
    divided = _at_gutter(parts)
    if divided is not None:
        return [unit for part in divided for unit in _ordered(part)]
    if len(parts) == 1:
        parts = _columns(_cut(units, _across))
        if len(parts) == 1:
            return _in_rows(units)
    return [unit for part in parts for unit in _ordered(part)]


def _across(unit: _Unit) -> tuple[int, int]:
    return unit.box[0], unit.box[2]


def _at_gutter(parts: Sequence[list[_Unit]]) -> list[list[_Unit]] | None:
    """Return what is above the longest gutter between columns of text, left and right of it, and below it; None without one.

    *parts* stand one below the other.
    """
    best: list[list[_Unit]] | None = None
    longest = 0
    known: list[tuple[int, int, int, int]] = []
    for at, part in enumerate(parts):
        columns = _cut(part, _across)
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
                rest = ([unit for one in some for unit in one] for some in (parts[:first], parts[last:]))
                above, below = rest
                longest, best = length, [some for some in (above, *sides, below) if some]
    return best


def _extended(parts: Sequence[list[_Unit]], at: int, gap: tuple[int, int]) -> tuple[tuple[int, int], int, int]:
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


def _are_columns(left: Sequence[_Unit], right: Sequence[_Unit]) -> bool:
    """Whether the units on two sides of a gutter are columns of text, and not cells of rows that run across it."""
    rows = [_rows(side) for side in (left, right)]
    prose = _is_prose(left), _is_prose(right)
    if min(map(len, rows)) < COLUMN_LINES or not any(prose):
        return False
    # Labels of a form stand beside a value of many lines, but hold no prose themselves.
    if not all(any(unit.prose for unit in side) for side in (left, right)):
        return False
    if common_height(*(bounding_box(side) for side in rows)) < BESIDE:
        return False
    return all(prose) or max(_share_in_rows(*rows), _share_in_rows(*rows[::-1])) <= IN_ROWS


def _rows(units: Sequence[_Unit]) -> list[Box]:
    """Return the boxes of the lines of *units*; of those that stand beside each other, one."""
    rows: list[Box] = []
    for box in sorted((box for unit in units for box in unit.boxes), key=_middle):
        if not rows or common_height(rows[-1], box) <= SAME_ROW:
            rows.append(box)
    return rows


def _is_prose(units: Sequence[_Unit]) -> bool:
    return 2 * sum(unit.characters for unit in units if unit.prose) >= sum(unit.characters for unit in units)


def _share_in_rows(rows: Sequence[Box], others: Sequence[Box]) -> float:
    """Return the share of *rows* that continue one of *others*; all may rise or fall."""
    steps = list(_steps(rows, others))
    usual = median(step for step, _ in steps)
    return sum(abs(step - usual) <= ROW_SLACK * height for step, height in steps) / len(steps)


def _steps(rows: Sequence[Box], others: Sequence[Box]) -> Iterator[tuple[float, int]]:
    """Yield for each of *rows* how much lower its middle is than that of the nearest one of *others*, and its height."""
    for box in rows:
        yield min((_middle(box) - _middle(other) for other in others), key=abs), box[3] - box[1]


def _cut(units: Sequence[_Unit], extent: Callable[[_Unit], tuple[int, int]]) -> list[list[_Unit]]:
    """Return *units* divided wherever no unit is crossed; *extent* gives the rows, or the columns, of one."""
    parts: list[list[_Unit]] = []
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


def _columns(parts: Sequence[list[_Unit]]) -> list[list[_Unit]]:
    """Return *parts* with neighbours joined where neither is a column of prose: cells of a table, read in rows."""
    joined: list[list[_Unit]] = []
    before = True
    for part in parts:
        prose = _is_prose(part)
        if before or prose:
            joined.append(part)
        else:
            joined[-1] = joined[-1] + part
        before = prose
    return joined


def _in_rows(units: Sequence[_Unit]) -> list[_Unit]:
    """Return *units* row by row, each from left to right.

    A unit is in the row of the nearest unit beside it when it shares enough of its height, so rows may rise or fall.
    """
    rows: list[list[_Unit]] = []
    for unit in sorted(units, key=lambda unit: (unit.box[0], unit.box[1])):
        best, most = None, SAME_ROW
        for row in rows:
            last = row[-1]
            shared = common_height(last.box, unit.box)
            if shared > most and common_width(last.box, unit.box) < 0.1:
                best, most = row, shared
        if best is None:
            rows.append([unit])
        else:
            best.append(unit)
    # By their middles where both are; a row that begins farther right is compared by its first unit.
    rows.sort(key=lambda row: row[0].box[1] + row[0].box[3])
    return [unit for row in rows for unit in row]
