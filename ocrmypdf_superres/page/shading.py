# SPDX-License-Identifier: MPL-2.0
"""Uneven paper: dark corners, gutters, shadows; how uneven it is, and evening it out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrmypdf_superres.page.image import FloatImage, grey_info, percentile_of_tiles, to_grey
from ocrmypdf_superres.page.ink import DARK_GROUND, PAPER, TILES, running_maximum

#: Paper that varies by more than this share of its brightest is evened out before OCR.
#:
#: Of 13 training pages between 0.1 and 0.2 (foxed and grey paper), read at 72 to 200 dpi, as many read better as worse. With
#: the light falling off by a third (0.26 to 0.37) 27 pages at 72 dpi have a CER of 11.8 % in place of 13.9, and nine at
#: 150 dpi 4.1 in place of 8.4.
UNEVEN = 0.2
#: Paper that varies by less is even: nothing would change.
EVEN = 0.08
#: Share of the paper's variance that a smooth surface must explain, so that photographs do not count as shade.
SMOOTH = 0.6
#: Neither do frames and dark heads of tables on white paper: more than this share of the tiles is as bright as the
#: brightest, give or take a little, and more than that share is far off the surface. Shade leaves few tiles off it.
WHITE, ABRUPT = 0.75, 0.15
_WHITE_SLACK, _FAR = 0.04, 0.1
#: Luma by which a tile lies off the surface where it counts half in the next round, and the number of rounds.
_OFF, _ROUNDS = 0.05, 3
_DARKEST = 0.12
#: Share of a tile that has at least the ink of a few letters; ink differs from the tile's median by this much on one side, and
#: by twice as much as anything on the other side.
_INK_SHARE, _INK = 4, 0.12
#: Light ink on filled areas would be taken for their paper. A page has some where there are more tiles of it than this share of
#: those of dark ink: on 8 rendered pages with text on dark and on white areas it was 0.68 and more, on photographs of pages
#: 0.02 and less.
LIGHT_INK = 0.25


def paper_of(luma: FloatImage) -> FloatImage:
    """Return the paper of *luma*, float32 (H, W) in [0, 1]: a bright percentile of each tile, float32 (rows, columns)."""
    return _of_tiles(luma, PAPER)


def _of_tiles(luma: FloatImage, percentile: float) -> FloatImage:
    block = max(8, min(luma.shape) // TILES)
    step = max(1, block // 16)
    sub = luma[::step, ::step]
    size = max(1, block // step)
    rows, columns = max(1, sub.shape[0] // size), max(1, sub.shape[1] // size)
    return percentile_of_tiles(sub, rows, columns, percentile)


def _has_light_ink(luma: FloatImage) -> bool:
    darkest, ground, brightest = (_of_tiles(luma, share) for share in (_INK_SHARE, 50, 100 - _INK_SHARE))
    above, below = brightest - ground, ground - darkest
    light, dark = above > np.maximum(_INK, 2 * below), below > np.maximum(_INK, 2 * above)
    # The edge of a page on a dark table is as bright as the page beside it.
    light &= brightest - running_maximum(running_maximum(ground, 1).T, 1).T > _INK
    return bool(light.sum() > LIGHT_INK * dark.sum())


def unevenness(luma: FloatImage) -> float:
    """Return how much the light on *luma*, float32 (H, W) in [0, 1], varies: 0 for even paper, towards 1 for deep shade.

    It is the range of a smooth surface through the paper, as a share of its brightest; 0 where no smooth surface explains it,
    as with photographs and frames, and where the page is dark on the whole or has light ink on dark areas.
    """
    paper = paper_of(luma)
    if min(paper.shape) < 3 or float(np.median(luma[::4, ::4])) < DARK_GROUND:
        return 0.0
    y, x = (values.ravel() for values in np.mgrid[-1 : 1 : paper.shape[0] * 1j, -1 : 1 : paper.shape[1] * 1j])
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y, x**3, y**3], axis=1)
    flat = paper.ravel()
    weights = np.ones_like(flat)
    for _ in range(_ROUNDS):  # tiles that a photograph or a table head fills count less each time
        surface = terms @ np.linalg.lstsq(terms * weights[:, None], flat * weights, rcond=None)[0]
        weights = 1 / (1 + ((flat - surface) / _OFF) ** 2)
    spread = float((weights * (flat - np.average(flat, weights=weights)) ** 2).sum())
    left = float((weights * (flat - surface) ** 2).sum())
    if spread <= 0 or 1 - left / spread < SMOOTH:
        return 0.0
    white = flat > float(np.percentile(flat, 98)) - _WHITE_SLACK
    if white.mean() > WHITE and (np.abs(flat - surface) > _FAR).mean() > ABRUPT:
        return 0.0
    low, high = (float(value) for value in np.percentile(surface, (2, 98)))
    found = float(np.clip((high - max(low, 0.0)) / max(high, 1e-3), 0, 1))
    # Even pages, which are most, need no second look at all tiles.
    return 0.0 if found > EVEN and _has_light_ink(luma) else found


def even_out(image: Image.Image) -> Image.Image:
    """Return *image* in grey with its paper white everywhere: divided by the local paper, ink included.

    ``info`` is kept, but for a colour profile.
    """
    grey = to_grey(image)
    values = np.asarray(grey)
    paper = paper_of(values[:: _stride(values), :: _stride(values)].astype(np.float32) / np.float32(255))
    # A tile that is all ink or image takes its paper from around it.
    around = np.asarray(Image.fromarray(_larger(paper)).resize(grey.size, Image.Resampling.BICUBIC), dtype=np.float32)
    table = np.float32(250.0) / np.maximum(around, np.float32(_DARKEST))
    result = Image.fromarray(np.clip(values.astype(np.float32) / 255 * table + 0.5, 0, 255).astype(np.uint8))
    result.info.update(grey_info(image))
    return result


def _stride(values: NDArray[np.uint8]) -> int:
    return max(1, int(min(values.shape)) // 800)


def _larger(paper: FloatImage) -> FloatImage:
    """Return the median of each tile and its neighbours, but no darker than the tile itself."""
    padded = np.pad(paper, 1, mode="edge")
    rows, columns = paper.shape
    around = np.stack([padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)])
    return np.asarray(np.maximum(np.median(around, axis=0), paper * 0.98), dtype=np.float32)
