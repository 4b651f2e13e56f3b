# SPDX-License-Identifier: MPL-2.0
"""Areas of a page that are filled with grey or a dark tone, as heads and rows of tables are, made white with dark text on them.

One threshold for a page, and a page segmentation that takes filled areas for images, lose the text there. Here each tile of
the page has its own ground, the tone that most of it has, and ink is what differs from it, darker or lighter.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.page.image import FloatImage
from ocrmypdf_superres.page.ink import running_maximum

_Kind = TypeVar("_Kind", bound=np.generic)

CELLS = 5
"""Cells along a side of the windows that a ground is looked for in."""
LEVELS = 24
"""Tones that are told apart; a ground has two neighbouring ones."""
FLAT = 0.08
"""A pixel is flat where its 5 x 5 neighbours differ by at most this much: no stroke of small letters is."""
SAME = 0.06
"""A flat pixel of the ground of a tile beside it, give or take this much, is ground too."""
FILLED = 0.1
"""A tile is filled when its ground differs by more than this from the most common one."""
GROUND = 0.5
"""... which at least this share of its pixels have: in photographs they have not."""
PRINTED = 0.25
"""Beside such a tile, one of the same ground needs only this share: heavy letters cover more than half of theirs."""


def even_fills(luma: FloatImage, side: int, least: int = 0) -> tuple[FloatImage | None, NDArray[np.bool_]]:
    """Return *luma* with white ground and dark ink everywhere, and which of its pixels lie in filled areas.

    Args:
        luma: float32 (H, W) in [0, 1] with 1 = white.
        side: of the tiles, in pixels: about two x-heights, so that letters do not fill one.
        least: the page is not wanted where fewer pixels than this lie in filled areas.

    Returns:
        The page, float32 (H, W) in [0, 1], or None, and bool (H, W).
    """
    grounds, share = _grounds(luma, side)
    counts = np.bincount(np.round(grounds * LEVELS).astype(int).ravel(), minlength=LEVELS + 1)
    usual = float(np.argmax(counts)) / LEVELS
    other = np.abs(grounds - usual) > FILLED
    filled = _enlarged(_grown(other & (share >= GROUND), other & (share >= PRINTED), grounds), side, luma.shape)
    if np.count_nonzero(filled) < least:
        return None, filled
    # Once more in a window that moves on by a cell, which finds the edges of filled areas to a cell.
    cell = max(1, round(side / CELLS))
    grounds, _ = _grounds(luma, cell, CELLS)
    ground = _enlarged(grounds, cell, luma.shape)
    ink = np.abs(luma - ground) / np.maximum(ground, 1 - ground)
    ink[_is_ground(luma, grounds, cell)] = 0.0
    return np.asarray(1.0 - np.clip(ink, 0.0, 1.0), dtype=np.float32), filled


def _grounds(luma: FloatImage, cell: int, window: int = 1) -> tuple[FloatImage, FloatImage]:
    """Return the ground of *window* x *window* cells around each cell, and the share of their pixels that have it.

    Both are float32 (rows, columns), with a cell of *cell* x *cell* pixels each.
    """
    height, width = luma.shape
    rows, columns = -(-height // cell), -(-width // cell)
    padded = np.pad(luma, ((0, rows * cell - height), (0, columns * cell - width)), mode="edge")
    levels = np.clip((padded * LEVELS).astype(np.int32), 0, LEVELS - 1)
    first, second = (np.repeat(np.arange(number, dtype=np.int32), cell) for number in (rows, columns))
    bins = ((first[:, None] * columns + second) * LEVELS + levels).ravel()
    both = (np.bincount(bins, weights, rows * columns * LEVELS) for weights in (None, padded.ravel()))
    counts, sums = (_around(values.astype(np.float32).reshape(rows, columns, LEVELS), window) for values in both)
    pairs = counts[..., :-1] + counts[..., 1:]
    lower = pairs.argmax(axis=2)[..., None]
    number, total = (np.take_along_axis(values, lower, axis=2)[..., 0] for values in (pairs, sums[..., :-1] + sums[..., 1:]))
    return np.asarray(total / number, dtype=np.float32), np.asarray(number / (window * cell) ** 2, dtype=np.float32)


def _around(cells: FloatImage, window: int) -> FloatImage:
    """Return the sums of *cells*, float32 (rows, columns, LEVELS), over *window* x *window* of them around each."""
    rows, columns, half = cells.shape[0], cells.shape[1], window // 2
    padded = np.pad(cells, ((half, half), (half, half), (0, 0)), mode="edge")
    down = np.sum([padded[i : i + rows] for i in range(window)], axis=0)
    return np.asarray(np.sum([down[:, i : i + columns] for i in range(window)], axis=0), dtype=np.float32)


def _grown(tiles: NDArray[np.bool_], may: NDArray[np.bool_], grounds: FloatImage) -> NDArray[np.bool_]:
    """Return *tiles* and those of *may* that touch one of them that has the same ground, and so on."""
    same = [np.abs(beside - grounds) < SAME for beside in _beside(grounds, 1)]
    while True:
        touched = [beside & like for beside, like in zip(_beside(tiles, 1), same, strict=True)]
        grown: NDArray[np.bool_] = tiles | (may & np.any(touched, axis=0))
        if np.array_equal(grown, tiles):
            return grown
        tiles = grown


def _beside(tiles: NDArray[_Kind], step: int) -> list[NDArray[_Kind]]:
    """Return *tiles* moved by *step* in each of nine directions; edges are repeated."""
    rows, columns = tiles.shape
    padded = np.pad(tiles, step, mode="edge")
    moves = (0, step, 2 * step)
    return [padded[row : row + rows, column : column + columns] for row in moves for column in moves]


def _is_ground(luma: FloatImage, grounds: FloatImage, cell: int) -> NDArray[np.bool_]:
    """Return where *luma* is flat and has the ground of a window near it, so that fills that meet leave no edge."""
    near = np.zeros(luma.shape, dtype=bool)
    for beside in _beside(grounds, CELLS // 2):
        near |= np.abs(luma - _enlarged(beside, cell, luma.shape)) < SAME
    return near & (_brightest(luma) + _brightest(-luma) < FLAT)


def _brightest(luma: FloatImage) -> FloatImage:
    """Return the maximum of each pixel's 5 x 5 neighbours; Pillow's filter takes ten times as long."""
    return running_maximum(running_maximum(luma, 2).T, 2).T


def _enlarged(tiles: NDArray[_Kind], side: int, shape: tuple[int, ...]) -> NDArray[_Kind]:
    return np.repeat(np.repeat(tiles, side, axis=0), side, axis=1)[: shape[0], : shape[1]]
