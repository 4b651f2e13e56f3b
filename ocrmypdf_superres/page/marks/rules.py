# SPDX-License-Identifier: MPL-2.0
"""Pale ruled lines of tables and forms, erased.

Tesseract takes rules out of a page by itself where they are dark and whole. Pale ones break when the page is made black and
white: what is left of them is read as letters, and spoils the words beside it. Underlines, frames and rules between columns stay:
of 31 training pages that have some as many read worse without them as better.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrmypdf_superres.page.image import grey_info, to_grey
from ocrmypdf_superres.page.ink import paper_noise, running_maximum

Mask = NDArray[np.bool_]
Levels = NDArray[np.uint8]

THICK = 0.5
"""A rule is at most this many x-heights thick, and two pixels at least may be."""
ACROSS, DOWN = 15.0, 8.0
"""Rules across and down the page are at least this many x-heights long: longer than words, and than letters of a title."""
BOX = 2.0
"""Between two rules across the page, those down it are at least this many x-heights long: the sides of boxes for letters."""
LETTERS = 2.5
"""Ink across a line of text is at most this many x-heights high: letters with a rule that they touch."""
INK, NOISE, PALE = 0.12, 3.0, 0.5
"""Darkness of a pale rule: at least the first share of the page's contrast, and so many deviations of the paper's noise, and at
most the last share of the contrast."""
MOSTLY = 0.75
"""Share of a rule's length on which it is as thin as that: letters may touch it, and other rules cross it."""
STEADY, PALER = 0.95, 0.5
"""On at least the first share of its length a rule has at least the second share of its usual darkness: there is none between
words, and little between letters."""
LEAST_RULES, LEAST_CROSSINGS = 2, 9
"""A table has at least the first number of rules in either direction, and the second is their product: a frame with a line below
a page's head and one above its foot has 8."""
_PAPER, _INK = 85, 0.1
"""Percentiles of the levels of a page that stand for its paper and its ink."""


def without_grid(image: Image.Image, x_height: float) -> Image.Image | None:
    """Return *image*, of any mode, dark on light, in mode ``L`` without ruled lines; None where they make no table or form.

    Its text is *x_height* pixels high. ``info`` is kept, but for a colour profile.
    """
    grey = to_grey(image)
    levels = np.asarray(grey)
    paper, ink = (float(level) for level in np.percentile(levels[::4, ::4], (_PAPER, _INK)))
    noise = paper_noise(levels[::4, ::2].astype(np.int16))
    between = max(INK * (paper - ink), NOISE * noise, 1.0), PALE * (paper - ink)
    across, level = _erase_along_rows(levels, x_height, between, round(ACROSS * x_height))
    lines = _most_along_rows(across.T)
    if lines < LEAST_RULES:
        return None
    # Rules down the page are whole again where those across it are gone.
    boxes = (round(BOX * x_height), running_maximum(np.ascontiguousarray(running_maximum(across, 1).T), 1))
    down, both = _erase_along_rows(np.ascontiguousarray(level.T), x_height, between, round(DOWN * x_height), boxes)
    columns = _most_along_rows(down.T)
    if columns < LEAST_RULES or lines * columns < LEAST_CROSSINGS:
        return None
    result = Image.fromarray(np.ascontiguousarray(both.T))
    result.info.update(grey_info(image))
    return result


def _erase_along_rows(
    levels: Levels, x_height: float, between: tuple[float, float], length: int, boxes: tuple[int, Mask] | None = None
) -> tuple[Mask, Levels]:
    """Return where rules go along the rows of *levels*, and *levels* without them.

    They are darker than what is above and below by at least the first of *between*, and usually at most the second. They are at
    least *length* columns long, or as many as the first of *boxes* where they begin and end at what the second is true for.
    """
    least, most = between
    thick, letters = (max(1, round(share * x_height / 2)) for share in (THICK, LETTERS))
    around = _closed(levels, thick)
    thin = around - levels > least
    # Letters may touch a rule, and other rules cross it.
    beside = np.ascontiguousarray(_closed(np.ascontiguousarray(levels.T), thick).T)
    depth = np.maximum(_closed(levels, letters), beside) - levels
    # One that is not quite level passes from one row into the next.
    near, depth = running_maximum(thin, 1), running_maximum(depth, 1)
    runs = _opened(depth > least, boxes[0] if boxes else length)
    rows = np.flatnonzero((runs & near).any(axis=1))
    found = np.zeros(levels.shape, dtype=bool)
    edges = np.diff(np.pad(runs[rows], ((0, 0), (1, 1))).astype(np.int8), axis=1)
    (at, starts), (_, ends) = np.nonzero(edges == 1), np.nonzero(edges == -1)
    sums = np.pad(np.cumsum(near[rows], axis=1, dtype=np.int32), ((0, 0), (1, 0)))
    good = sums[at, ends] - sums[at, starts] >= MOSTLY * (ends - starts)
    if boxes is not None:
        good &= (ends - starts >= length) | (boxes[1][rows[at], starts] & boxes[1][rows[at], ends - 1])
    depth = running_maximum(depth, 1)
    for row, start, end in zip(rows[at[good]], starts[good], ends[good], strict=True):
        run = depth[row, start:end]
        usual = float(np.median(run))
        found[row, start:end] = usual <= most and np.mean(run >= PALER * usual) >= STEADY
    found = running_maximum(found, 1)
    # Their grey edges belong to them; letters that touch them are as dark as before in what is around.
    return found, np.where(running_maximum(found & thin, 1), around, levels)


def _most_along_rows(values: Mask) -> int:
    """Return how many runs the row of *values* has that has most."""
    return int((values[:, 1:] & ~values[:, :-1]).sum(axis=1).max(initial=0))


def _closed(levels: Levels, radius: int) -> Levels:
    """Return *levels* without what is dark in at most 2 *radius* rows one below the other."""
    return ~running_maximum(~running_maximum(levels, radius), radius)


def _opened(values: Mask, length: int) -> Mask:
    """Return the runs of *values* along its rows that are at least about *length* long."""
    columns, radius = np.ascontiguousarray(values.T), max(1, length // 2)
    return np.ascontiguousarray(running_maximum(~running_maximum(~columns, radius), radius).T)
