# SPDX-License-Identifier: MPL-2.0
"""Reading order by geometry: columns of prose one after another, cells of forms and tables row by row.

Page segmentation that knows prose takes the columns of a form for columns of text, so that a label and its value, which
stand side by side, end up far apart. The order here is that of a recursive X-Y cut (Nagy, Seth 1984) of lines and of blocks
of prose, in which a region of cells is read in rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
CELLS = 0.3
"""A page is a form or a table when at least this share of its lines stand beside another one without being prose."""


@dataclass(frozen=True)
class _Unit:
    """A unit that is moved as a whole: one line, or the lines of a block of prose.

    Attributes:
        lines: their indices, in order.
        box: the box around them.
        core: the rows of it that no cut may cross.
        prose: whether it is a block of prose.
        characters: how many it has.
    """

    lines: tuple[int, ...]
    box: Box
    core: tuple[int, int]
    prose: bool
    characters: int


def form_order(lines: Sequence[Line]) -> list[int] | None:
    """Return the order in which a form or table with *lines* is read, as indices; None for any other page.

    Lines that run up or down the page stay after the line that they follow.
    """
    upright = [i for i, line in enumerate(lines) if not line.turned]
    if not _is_form(lines, upright):
        return None
    order = [i for unit in _ordered(_units(lines, upright)) for i in unit.lines]
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
    units = [_unit(lines, block, prose=True) for block in blocks]
    return units + [_unit(lines, [i], prose=False) for i in upright if i not in taken]


def _unit(lines: Sequence[Line], members: Sequence[int], prose: bool) -> _Unit:
    boxes = [lines[i].box for i in members]
    box = bounding_box(boxes)
    shrink = round(SHRINK * median(one[3] - one[1] for one in boxes))
    core = (box[1] + shrink, max(box[1] + shrink + 1, box[3] - shrink))
    return _Unit(tuple(members), box, core, prose, sum(len(lines[i].text) for i in members))


def _ordered(units: Sequence[_Unit]) -> list[_Unit]:
    """Return *units* in reading order."""
    if len(units) < 2:
        return list(units)
    parts = _cut(units, lambda unit: unit.core)
    if len(parts) == 1:
        parts = _columns(_cut(units, lambda unit: (unit.box[0], unit.box[2])))
        if len(parts) == 1:
            return _in_rows(units)
    return [unit for part in parts for unit in _ordered(part)]


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
        prose = 2 * sum(unit.characters for unit in part if unit.prose) >= sum(unit.characters for unit in part)
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
