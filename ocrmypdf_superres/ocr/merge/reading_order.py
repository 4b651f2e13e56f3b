# SPDX-License-Identifier: MPL-2.0
"""Reading order by geometry: columns of prose one after another, cells of forms and tables row by row.

Page segmentation that knows prose takes the columns of a form for columns of text, so that a label and its value, which
stand side by side, end up far apart. The order here is that of a recursive X-Y cut (Nagy, Seth 1984) of lines and of blocks
of prose, in which a region of cells is read in rows, and in which a gutter between two columns of text goes before any gap
between lines.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from ocrmypdf_superres.metrics.boxes import Box, bounding_box, common_height, common_width
from ocrmypdf_superres.ocr.hypothesis import Line
from ocrmypdf_superres.ocr.merge.gutters import ROW_SLACK, SAME_ROW, Divided, Unit, across, at_gutter, cut, is_prose, middle_row

PROSE_LINES = 3
"""A block of prose has at least this many lines ..."""
PROSE_CHARACTERS = 20
"""... of at least this many characters in the median, ..."""
LEADING = 1.3
"""... each at most this many line heights below the one above it, from box to box, ..."""
SAME_EDGE = 2.0
"""... whose left edges differ by at most this many line heights."""
SHRINK = 0.25
"""Ascenders and descenders of neighbouring lines may overlap: a cut may cross this share of a line at its top and bottom."""
APART = 1.2
"""Lines of a column that stand this many times as far apart as its others may be of two cells, ..."""
ROW_STARTS = 2
"""... and are where at least this many lines beside the lower one begin with it; a column of cells has as many such places."""
ROWS = 0.8
"""A block is not prose, but entries of a list, when at least this share of its lines have a number or another short line beside
them."""
CELLS = 0.3
"""A page is a form or a table when at least this share of its lines stand beside another one without being prose."""


def form_order(lines: Sequence[Line]) -> list[int] | None:
    """Return the order in which a form or table with *lines* is read, as indices; None for any other page.

    Lines that run up or down the page stay after the line that they follow.
    """
    lines = _mirrored(lines)
    upright = _upright(lines)
    return _with_turned(lines, _ordered(_units(lines, upright))) if _is_form(lines, upright) else None


def row_order(lines: Sequence[Line]) -> list[int]:
    """Return the order in which *lines* without a page layout are read, as indices.

    Columns of prose come one after another, all else row by row. Lines that run up or down the page stay after the line
    that they follow.
    """
    lines = _mirrored(lines)
    return _with_turned(lines, _by_rows(lines, _units(lines, _upright(lines))))


def head_order(lines: Sequence[Line]) -> list[int] | None:
    """Return the order of *lines*, as indices, in which what stands above columns of prose comes before them; None where it does.

    Page segmentation reads the parts of a masthead or of a wide title with the columns below them. All else stays as it is.
    """
    lines = _mirrored(lines)
    order = list(range(len(lines)))
    for divided in _gutters(_units(lines, _upright(lines))):
        heads = {i for unit in divided.above for i in unit.lines}
        columns = {i for unit in (*divided.left, *divided.right) for i in unit.lines}
        first = next(at for at, i in enumerate(order) if i in columns)
        late = [i for i in order[first:] if i in heads]
        order = order[:first] + late + [i for i in order[first:] if i not in heads]
    return order if order != sorted(order) else None


def _mirrored(lines: Sequence[Line]) -> Sequence[Line]:
    """Return *lines* with left and right exchanged where most are read from right to left: their columns and cells are, too."""
    if 2 * sum(line.from_right for line in lines) <= len(lines):
        return lines
    return [replace(line, box=(-line.box[2], line.box[1], -line.box[0], line.box[3])) for line in lines]


def _gutters(units: Sequence[Unit]) -> Iterator[Divided]:
    divided = at_gutter(cut(units, lambda unit: unit.core))
    if divided is not None:
        yield divided
        for part in divided.parts:
            yield from _gutters(part)


def _by_rows(lines: Sequence[Line], units: Sequence[Unit]) -> list[Unit]:
    divided = at_gutter(cut(units, lambda unit: unit.core))
    if divided is None:
        return _in_rows([_unit(lines, [i], prose=False) for unit in units for i in unit.lines])
    return [unit for part in divided.parts for unit in _by_rows(lines, part)]


def _upright(lines: Sequence[Line]) -> list[int]:
    return [i for i, line in enumerate(lines) if not line.turned]


def _with_turned(lines: Sequence[Line], units: Sequence[Unit]) -> list[int]:
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


def _units(lines: Sequence[Line], upright: Sequence[int]) -> list[Unit]:
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
    steps = [middle_row(lines[lower].box) - middle_row(lines[upper].box) for upper, lower in itertools.pairwise(block)]
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
    level = (lines[k].box for k in others if k != i and abs(middle_row(lines[k].box) - middle_row(box)) <= near)
    return sum(common_width(box, other) < 0.1 for other in level)


def _unit(lines: Sequence[Line], members: Sequence[int], prose: bool) -> Unit:
    boxes = [lines[i].box for i in members]
    box = bounding_box(boxes)
    shrink = round(SHRINK * median(one[3] - one[1] for one in boxes))
    core = (box[1] + shrink, max(box[1] + shrink + 1, box[3] - shrink))
    return Unit(tuple(members), tuple(boxes), box, core, prose, sum(len(lines[i].text) for i in members))


def _ordered(units: Sequence[Unit]) -> list[Unit]:
    """Return *units* in reading order."""
    if len(units) < 2:
        return list(units)
    parts = cut(units, lambda unit: unit.core)
    divided = at_gutter(parts)
    if divided is not None:
        return [unit for part in divided.parts for unit in _ordered(part)]
    if len(parts) == 1:
        parts = _columns(cut(units, across))
        if len(parts) == 1:
            return _in_rows(units)
    return [unit for part in parts for unit in _ordered(part)]


def _columns(parts: Sequence[list[Unit]]) -> list[list[Unit]]:
    """Return *parts* with neighbours joined where neither is a column of prose: cells of a table, read in rows."""
    joined: list[list[Unit]] = []
    before = True
    for part in parts:
        prose = is_prose(part)
        if before or prose:
            joined.append(part)
        else:
            joined[-1] = joined[-1] + part
        before = prose
    return joined


def _in_rows(units: Sequence[Unit]) -> list[Unit]:
    """Return *units* row by row, each from left to right.

    A unit is in the row of the nearest unit beside it when it shares enough of its height, so rows may rise or fall.
    """
    rows: list[list[Unit]] = []
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
