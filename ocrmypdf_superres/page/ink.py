# SPDX-License-Identifier: MPL-2.0
"""The ink of a page: darkness against the local paper, without ruled lines."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrmypdf_superres.page.image import FloatImage, percentile_of_tiles

_Kind = TypeVar("_Kind", bound=np.generic)

#: Pixels that a page has on its shorter side, at least, for anything to be measured on it.
LEAST_SIDE = 8
#: Tiles along the shorter side of a page, and the percentile of a tile's luma that is taken for its paper.
TILES, PAPER = 24, 85
#: Sides of the tiles here, in pixels: from the first to the second.
_TILE_SIDES = (16, 96)
#: Pages whose median luma is darker have a dark ground, and light letters where the brightest are lighter by more than this.
DARK_GROUND, LIGHT_LETTERS = 0.35, 0.25
#: Percentiles of darkness that tell a page's contrast: the first on most pages, the second on a page of few words.
_USUAL, _RARE = 99.0, 99.95
#: Darkness that these must have for the page not to be blank: in luma, and in standard deviations of the paper's noise.
_LEAST_USUAL, _LEAST_RARE = (0.06, 3.7), (0.12, 5.5)
#: Lower quartile of the differences between pixels with noise of deviation 1: that of a normal one, 0.319, times the root of 2.
_QUARTILE = 0.45
#: Side in pixels of the squares that have ink or none, and of the smaller ones whose means are compared in them, which have less
#: noise. Paper differs by less than the first of these levels, and by less than so many times the quarter of the squares that
#: differ least; where that is more than the last, ink is not told from paper.
_SQUARE, _MEAN, _PAPER_LEVELS, _PAPER_TIMES, _MOST_LEVELS = 8, 2, 10.0, 2.5, 24.0
#: Areas of ink that are at most this many squares apart, one below the other, are one.
_APART = 8
#: Share of the contrast from which a pixel belongs to a ruled line.
_RULE_INK = 0.4
#: Length of a ruled line: at least so many pixels, and this part of the page's width.
_RULE_PIXELS, _RULE_PART = 32, 16
#: Pixels of a run of that length that are looked at first; a power of two.
_RULE_DOTS = 8


def page_ink(luma: FloatImage, deviations: float = 0.0, most: float = 1.0) -> FloatImage | None:
    """Return the ink of *luma*, float32 (H, W) in about 0..1 against the local paper, without ruled lines; None if blank.

    Darkness below so many standard *deviations* of the paper's noise is not ink, up to the share *most* of the contrast.
    """
    found = ink_and_noise(luma) if min(luma.shape) >= LEAST_SIDE else None
    if found is None:
        return None
    ink, noise = found
    erase_rules(ink)
    if deviations:
        ink[ink < min(deviations * noise, most)] = 0.0
    return ink


def is_light_on_dark(luma: FloatImage) -> bool:
    """Whether *luma*, float32 (H, W) in [0, 1], has light letters on a dark ground: most of it is dark, and little is light.

    Small thin letters are far from white, and cover few hundredths of a page. Where much is light that is the paper, on a dark
    table or beside a dark photograph.
    """
    ground, more, light = (float(level) for level in np.percentile(luma[::4, ::4], (50, 80, 99)))
    return ground < DARK_GROUND and light > ground + LIGHT_LETTERS and more < (ground + light) / 2


def ink_and_noise(luma: FloatImage, every: int = 1) -> tuple[FloatImage, float] | None:
    """Return the ink in about 0..1, which is darkness against the local paper over the page's contrast, and the noise.

    The noise is the paper's standard deviation over the contrast. None: the page is blank. The ink is that of one pixel in
    *every* rows and columns: 1 or 2.
    """
    height, width = luma.shape
    if is_light_on_dark(luma):
        luma = 1.0 - luma
    block = int(np.clip(min(height, width) // TILES, *_TILE_SIDES))
    step = max(1, block // 16)
    sub = luma[::step, ::step]
    size = block // step
    rows, cols = max(1, sub.shape[0] // size), max(1, sub.shape[1] // size)
    paper = percentile_of_tiles(sub[: rows * size, : cols * size], rows, cols, PAPER)
    some = luma[::every, ::every]
    ink = np.asarray(_bilinear(rows, some.shape[0]) @ paper @ _bilinear(cols, some.shape[1]).T, dtype=np.float32)
    ink -= some
    np.maximum(ink, 0.0, out=ink)
    noise = paper_noise(luma[::4, ::2])
    usual, rare = (float(level) for level in np.percentile(ink[:: 2 // every, :: 2 // every], (_USUAL, _RARE)))
    if usual >= max(_LEAST_USUAL[0], _LEAST_USUAL[1] * noise):
        contrast = usual
    elif rare >= max(_LEAST_RARE[0], _LEAST_RARE[1] * noise):
        contrast = rare  # a page of few words
    else:
        return None
    ink /= np.float32(contrast)
    np.minimum(ink, 1.0, out=ink)
    return ink, noise / contrast


def paper_noise(values: FloatImage | NDArray[np.int16]) -> float:
    """Return the standard deviation of the paper's noise on *values* (H, W), in their unit."""
    if values.shape[1] < 2:
        return 0.0
    # The lower quartile of differences stays that of the paper even where letters cover half the page.
    return float(np.percentile(np.abs(np.diff(values, axis=1)), 25)) / _QUARTILE


def _bilinear(tiles: int, pixels: int) -> FloatImage:
    """Return the weights, float32 (*pixels*, *tiles*), that interpolate one value a tile over so many pixels.

    A product with them is several times as fast as resizing an image of floats.
    """
    eye = Image.fromarray(np.eye(tiles, dtype=np.float32))
    return np.asarray(eye.resize((tiles, pixels), Image.Resampling.BILINEAR))


def inked_areas(levels: NDArray[np.uint8], margin: int) -> list[tuple[slice, slice]] | None:
    """Return the rows and columns of the areas of a page with ink or anything else on them; the rest is even paper.

    Args:
        levels: uint8 (H, W).
        margin: of paper around each area, in pixels.

    Returns:
        Areas one below the other, which may overlap by their margins; none for an empty page. None where the paper is too noisy.
    """
    height, width = levels.shape
    padded = np.pad(levels, ((0, -height % _SQUARE), (0, -width % _SQUARE)), mode="edge")
    means = np.asarray(Image.fromarray(padded).reduce(_MEAN))
    side = _SQUARE // _MEAN
    rows = means.reshape(len(means) // side, side, -1)
    light, dark = (ends.reshape(len(rows), -1, side) for ends in (rows.max(axis=1), rows.min(axis=1)))
    differences = light.max(axis=2).astype(np.int16) - dark.min(axis=2)
    least = max(_PAPER_LEVELS, _PAPER_TIMES * float(np.percentile(differences, 25)))
    if least > _MOST_LEVELS:
        return None
    inked = differences > least
    at = np.flatnonzero(inked.any(axis=1))
    parts = np.split(at, np.flatnonzero(np.diff(at) > _APART) + 1) if at.size else []
    areas = []
    for part in parts:
        columns = np.flatnonzero(inked[part[0] : part[-1] + 1].any(axis=0))
        areas.append((_grown(part, margin, height), _grown(columns, margin, width)))
    return areas


def _grown(squares: NDArray[np.intp], margin: int, length: int) -> slice:
    """Return the pixels from the first of *squares* to the last and *margin* more, within *length*."""
    first, last = int(squares[0]) * _SQUARE - margin, (int(squares[-1]) + 1) * _SQUARE + margin
    return slice(max(0, first), min(length, last))


def erase_rules(ink: FloatImage) -> None:
    """Erase ruled lines, which are not text, from *ink*: runs far longer than any letter."""
    height, width = ink.shape
    length = max(_RULE_PIXELS, width // _RULE_PART)
    if width <= length + 1:
        return
    # A run that long has ink at so many neighbours of every few columns; few rows have, and only these are looked at whole.
    dotted = ink[:, :: length // _RULE_DOTS] > _RULE_INK
    shift = 1
    while shift < _RULE_DOTS:
        dotted = dotted[:, shift:] & dotted[:, :-shift]
        shift *= 2
    rows = np.flatnonzero(dotted.any(axis=1))
    if not rows.size:
        return
    count = np.zeros((rows.size, width + 1), dtype=np.int32)
    np.cumsum(ink[rows] > _RULE_INK, axis=1, out=count[:, 1:])
    full = count[:, length:] - count[:, :-length] == length
    starts = np.zeros((rows.size, width + 1), dtype=np.int32)
    starts[:, : full.shape[1]] = full
    starts[:, length:] -= full[:, : width + 1 - length]
    ruled = np.zeros((height + 2, width), dtype=bool)
    ruled[rows + 1] = np.cumsum(starts, axis=1)[:, :width] > 0
    # The grey edges above and below belong to the rule.
    ink[ruled[1:-1] | ruled[:-2] | ruled[2:]] = 0.0


def running_maximum(values: NDArray[_Kind], radius: int) -> NDArray[_Kind]:
    """Return the maximum over 2 radius + 1 rows of *values* (H, W); edges are repeated."""
    found, done = np.pad(values, ((radius, radius), (0, 0)), mode="edge"), 1
    # Doubling: a window of any length from few shifts.
    while done < 2 * radius + 1:
        shift = min(done, 2 * radius + 1 - done)
        found = np.maximum(found[shift:], found[:-shift])
        done += shift
    return found
