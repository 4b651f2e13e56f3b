# SPDX-License-Identifier: MPL-2.0
"""Dot leaders, the rows of dots that lead the eye from an entry to its page number in a table of contents, an index or a form.

A net makes the dots crisp, and Tesseract reads them as words, or loses the numbers after them. OCR gets the page without them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrmypdf_superres.page.image import grey_info, to_grey, to_luma
from ocrmypdf_superres.page.shading import paper_of

UNIT = 20.0
"""The largest x-height in pixels at which dots are looked for; larger text is reduced."""
DOT, CLEAR = 0.42, 0.15
"""A dot is at most this large, and at least this far from any other ink, in x-heights."""
FARTHEST = 2.0
"""The farthest that one dot of a leader follows another, in x-heights."""
LEAST_DOTS = 8
REGULAR, ALIKE, STEADY = 0.2, 0.5, 0.75
"""At least the last share of the steps from dot to dot differ from their median by at most the first share of it, or by two
pixels, and of the dots' sizes from theirs by at most the second."""
INK = 0.3
"""Pixels that are darker than the page's median by this share of it are ink."""

BAND = 256
"""Rows that are looked at together."""
PAPER_PIXELS = 4_000_000
"""Larger pages are reduced to about this many pixels before their paper is measured."""


def find_leaders(image: Image.Image, x_height: float) -> NDArray[np.bool_] | None:
    """Return where dot leaders are on *image*, of any mode, dark on light, with text *x_height* pixels high.

    Returns:
        bool (H // n, W // n) for squares of n pixels, a whole number; None where there are none.
    """
    shrink = max(1, math.ceil(x_height / UNIT))
    levels = np.asarray(to_grey(image))
    rows, columns = (side // shrink for side in levels.shape)
    unit = x_height / shrink
    dot, clear = max(3, round(DOT * unit)), max(2, round(CLEAR * unit))
    window = dot + 2 * clear
    if min(rows, columns) < window:
        return None
    limit = (1.0 - INK) * float(np.median(levels[::4, ::4]))
    found = np.zeros((rows, columns), dtype=bool)
    # A leader lies in few rows, so parts of the page are looked at by themselves, in little memory.
    for top in range(0, rows - window + 1, BAND):
        part = slice(top, min(rows, top + BAND + window - 1))
        found[part] |= _leaders_in(
            _inked(levels[part.start * shrink : part.stop * shrink], shrink, limit), dot, clear, FARTHEST * unit
        )
    return found if found.any() else None


def erase_leaders(image: Image.Image, leaders: NDArray[np.bool_]) -> Image.Image:
    """Return *image* in mode ``L``, its ``info`` kept, with paper where *leaders* are, found on the same page in any size."""
    grey = to_grey(image)
    there = Image.fromarray(leaders).resize(grey.size, Image.Resampling.NEAREST)
    shrink = max(1, round(math.sqrt(grey.width * grey.height / PAPER_PIXELS)))
    paper = paper_of(to_luma(grey.reduce(shrink) if shrink > 1 else grey))
    result = grey.copy()
    result.paste(Image.fromarray((255 * paper + 0.5).astype(np.uint8)).resize(grey.size, Image.Resampling.BILINEAR), mask=there)
    result.info = grey_info(image)
    return result


def _leaders_in(dark: NDArray[np.bool_], dot: int, clear: int, farthest: float) -> NDArray[np.bool_]:
    """Return where leaders are in *dark*: dots of up to *dot* pixels, *clear* ones from other ink, in steps to *farthest*."""
    window = dot + 2 * clear
    sums = _summed(dark)
    inner = _in_windows(sums, dot)[clear:-clear, clear:-clear]
    alone = (inner > 0) & (_in_windows(sums, window) == inner)
    alone[:, 1:] &= ~alone[:, :-1]  # one place in a row for each dot
    rows, columns = np.nonzero(alone)
    steps = np.diff(columns)
    ends = np.flatnonzero((np.diff(rows) != 0) | (steps > farthest)) + 1
    starts = np.zeros((dark.shape[0] + window - 1, dark.shape[1] + window - 1), dtype=bool)
    for first, last in zip(np.append(0, ends), np.append(ends, rows.size), strict=True):
        if last - first < LEAST_DOTS:
            continue
        sizes = inner[rows[first:last], columns[first:last]]
        if _mostly_alike(steps[first : last - 1], REGULAR, 2.0) and _mostly_alike(sizes, ALIKE):
            starts[rows[first] + window - 1, columns[first:last] + window - 1] = True
    if not starts.any():
        return np.zeros(dark.shape, dtype=bool)
    return np.asarray(_in_windows(_summed(starts), window)[: dark.shape[0], : dark.shape[1]] > 0)


def _inked(levels: NDArray[np.uint8], shrink: int, limit: float) -> NDArray[np.bool_]:
    """Return in which squares of *shrink* pixels of *levels* (H, W) any is below *limit*, without the remainders at the edges."""
    dark = levels < limit
    rows, columns = (side // shrink for side in levels.shape)
    found = np.zeros((rows, columns), dtype=bool)
    for row in range(shrink):
        for column in range(shrink):
            found |= dark[row : rows * shrink : shrink, column : columns * shrink : shrink]
    return found


def _mostly_alike(values: NDArray[np.integer[Any]], share: float, slack: float = 0.0) -> bool:
    usual = float(np.median(values))
    return bool(np.mean(np.abs(values - usual) <= max(slack, share * usual)) >= STEADY)


def _summed(values: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the sums of *values* (H, W) above and left of each corner of a pixel, (H + 1, W + 1), modulo 256."""
    sums = np.zeros((values.shape[0] + 1, values.shape[1] + 1), dtype=np.uint8)
    np.cumsum(values, axis=0, dtype=np.uint8, out=sums[1:, 1:])
    np.cumsum(sums, axis=1, dtype=np.uint8, out=sums)
    return sums


def _in_windows(sums: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return the sums in the square windows of *side* <= 15 pixels that start at each pixel, out of :func:`_summed`'s."""
    return np.asarray(sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side])
