# SPDX-License-Identifier: MPL-2.0
"""Where the text lines of a page are, for nets that work on lines.

The ink of a page, averaged along its rows over a few letters, is dense between baseline and x-height and sparse above
and below. The dense bands are the bodies of the lines; each is followed along its slope.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.page.image import FloatImage
from ocrmypdf_superres.page.ink import page_ink, running_maximum
from ocrmypdf_superres.page.text_height import measure_text_height

Columns = TypeVar("Columns", float, NDArray[np.float64])
"""A column of a page, or an array of them."""
WINDOW = 3.0
"""How many x-heights ink is averaged over along a row; wider gaps separate two lines."""
BODY_SHARE = 0.5
PAPER, MOST_PAPER = 4.0, 0.4
"""Darkness below this many standard deviations of the paper's noise is not ink, up to this share of the contrast.

Most pixels are paper: what little is left of its noise would fill the gaps between lines, or hide the lines."""
BARS = 0.35
"""Rows, in x-heights, over which ink is averaged to join the bars of a line. Of a clean table of figures with serifs, 20 of 69
lines were found without."""
HEIGHT = 2.2
"""From the top of the ascenders to the bottom of the descenders, and a little paper, in x-heights."""


@dataclass(frozen=True)
class FoundLine:
    """A text line in page pixels: columns *left* to *right*, middle of its body at row ``offset + slope * column``.

    *height* is the whole line's, ascenders and descenders included; *ink* is how much ink each column from *left* on has,
    so that the line can be cut between words. *margin* is the paper that belongs to it on either side, as a share of the
    height.
    """

    left: int
    right: int
    offset: float
    slope: float
    height: float
    ink: NDArray[np.float32]
    margin: float = 0.15

    def middle(self, column: Columns) -> Columns:
        """Return the row of the body's middle at *column*, or the rows at an array of columns."""
        return self.offset + self.slope * column


def find_lines(luma: FloatImage, x_height: float | None = None, *, bars: bool = False) -> list[FoundLine]:
    """Return the text lines of *luma*, float32 (H, W) in [0, 1] with 1 = white paper, from the top; none on a blank page.

    *x_height* is that of its text in pixels, where it was measured before. With *bars* the rows of a line are joined that figures
    and serifs make far denser than the others: more lines are found, and some a little too high.
    """
    x_height = x_height or measure_text_height(luma).x_height
    ink = page_ink(luma, PAPER, MOST_PAPER) if x_height is not None else None
    if x_height is None or ink is None:
        return []
    dense = _row_means(ink, max(3, round(WINDOW * x_height)))
    if bars and (height := round(BARS * x_height)) > 1:
        dense = np.ascontiguousarray(_row_means(np.ascontiguousarray(dense.T), height).T)
    highest = running_maximum(dense, max(2, round(1.3 * x_height)))
    inked = dense[dense > 0.02]
    if not inked.size:
        return []
    mask = (dense > BODY_SHARE * highest) & (dense > 0.3 * float(np.percentile(inked, 90)))
    lines = []
    for rows, columns in _components(mask):
        line = _line(ink, rows, columns, x_height)
        if line is not None:
            lines.append(line)
    return sorted(lines, key=lambda line: (line.middle(line.left), line.left))


def whole_line(luma: FloatImage) -> list[FoundLine]:
    """Return the whole of *luma*, float32 (H, W) in [0, 1], the image of one line, as that line; none where it is blank."""
    ink = page_ink(luma)
    if ink is None:
        return []
    height, width = luma.shape
    return [FoundLine(0, width, height / 2, 0.0, float(height), ink.sum(axis=0), margin=0.0)]


def _row_means(ink: FloatImage, width: int) -> FloatImage:
    """Return running means along the rows over *width* pixels."""
    before, after = (width - 1) // 2, width - 1 - (width - 1) // 2
    padded = np.pad(ink, ((0, 0), (before + 1, after)))
    sums = np.cumsum(padded, axis=1, dtype=np.float64)
    return ((sums[:, width:] - sums[:, :-width]) / width).astype(np.float32)


def _components(mask: NDArray[np.bool_]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return rows and columns of the connected parts of *mask*; runs of neighbouring rows that touch belong together."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    parents = list(range(len(starts)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    first = np.searchsorted(starts[:, 0], np.arange(mask.shape[0] + 1))
    for row in range(1, mask.shape[0]):
        above, here = int(first[row - 1]), int(first[row])
        while above < first[row] and here < first[row + 1]:
            if starts[above, 1] < ends[here, 1] and starts[here, 1] < ends[above, 1]:
                parents[root(here)] = root(above)
            if ends[above, 1] < ends[here, 1]:
                above += 1
            else:
                here += 1
    labels = np.array([root(index) for index in range(len(starts))], dtype=np.intp)
    together = np.argsort(labels, kind="stable")
    parts = []
    for runs in np.split(together, np.flatnonzero(np.diff(labels[together])) + 1) if len(starts) else []:
        lengths = ends[runs, 1] - starts[runs, 1]
        begun = np.cumsum(lengths) - lengths
        parts.append(
            (np.repeat(starts[runs, 0], lengths), np.arange(lengths.sum()) + np.repeat(starts[runs, 1] - begun, lengths))
        )
    return parts


def _line(ink: FloatImage, rows: NDArray[np.intp], columns: NDArray[np.intp], x_height: float) -> FoundLine | None:
    """Return the line whose body has the pixels *rows*, *columns*; None where they are not a line of text."""
    width = int(columns.max()) - int(columns.min()) + 1
    body = len(rows) / width
    if width < 1.5 * x_height or not 0.35 * x_height <= body <= 3.0 * x_height:
        return None
    slope, offset = 0.0, float(rows.mean())
    if width > 8 * x_height:
        slope, offset = (float(v) for v in np.polyfit(columns, rows, 1))
    height = HEIGHT * float(np.clip(body, 0.8 * x_height, 3.0 * x_height))
    # The averaging extends beyond the ends, which the ink itself shows.
    first = int(columns.min())
    profile = _columns_of_ink(ink, first + np.arange(width), offset, slope, height)
    inked = np.flatnonzero(profile > 0.5)
    if len(inked) < 2:
        return None
    left, right = first + int(inked[0]), first + int(inked[-1]) + 1
    return FoundLine(left, right, offset, slope, height, profile[inked[0] : inked[-1] + 1])


def _columns_of_ink(
    ink: FloatImage, columns: NDArray[np.intp], offset: float, slope: float, height: float
) -> NDArray[np.float32]:
    """Return the ink in each of *columns* of a line, which is *height* high about its middle."""
    middle = offset + slope * columns
    top = np.maximum(0, np.round(middle - height / 2).astype(np.intp))
    bottom = np.minimum(ink.shape[0], np.round(middle + height / 2).astype(np.intp) + 1)
    first, last = int(top.min()), int(bottom.max())
    band = ink[first:last, columns[0] : columns[-1] + 1]
    rows = np.arange(first, max(first, last))[:, None]
    return np.asarray(np.where((rows >= top) & (rows < bottom), band, 0.0).sum(axis=0), dtype=np.float32)
