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
    filled = (np.abs(grounds - usual) > FILLED) & (share >= GROUND)
    inside = _enlarged(filled, side, luma.shape)
    if np.count_nonzero(inside) < least:
        return None, inside
    ground = _enlarged(grounds, side, luma.shape)
    ink = np.abs(luma - ground) / np.maximum(ground, 1 - ground)
    ink[_is_ground(luma, grounds, side)] = 0.0
    return np.asarray(1.0 - np.clip(ink, 0.0, 1.0), dtype=np.float32), inside


def _grounds(luma: FloatImage, side: int) -> tuple[FloatImage, FloatImage]:
    """Return the ground of each tile and the share of its pixels that have it, float32 (rows, columns) each."""
    height, width = luma.shape
    rows, columns = -(-height // side), -(-width // side)
    padded = np.pad(luma, ((0, rows * side - height), (0, columns * side - width)), mode="edge")
    tiles = padded.reshape(rows, side, columns, side).transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    levels = np.clip((tiles * LEVELS).astype(int), 0, LEVELS - 1)
    counts = np.stack([(levels == level).sum(axis=2) for level in range(LEVELS)], axis=2)
    pairs = counts[..., :-1] + counts[..., 1:]
    lower = pairs.argmax(axis=2)[..., None]
    inside = (levels == lower) | (levels == lower + 1)
    number = np.maximum(inside.sum(axis=2), 1)
    return (
        np.asarray((tiles * inside).sum(axis=2) / number, dtype=np.float32),
        np.asarray(number / tiles.shape[2], dtype=np.float32),
    )


def _is_ground(luma: FloatImage, grounds: FloatImage, side: int) -> NDArray[np.bool_]:
    """Return where *luma* is flat and has the ground of its tile or of one beside it, so that fills that meet leave no edge."""
    rows, columns = grounds.shape
    padded = np.pad(grounds, 1, mode="edge")
    near = np.zeros(luma.shape, dtype=bool)
    for row in range(3):
        for column in range(3):
            beside = padded[row : row + rows, column : column + columns]
            near |= np.abs(luma - _enlarged(beside, side, luma.shape)) < SAME
    return near & (_brightest(luma) + _brightest(-luma) < FLAT)


def _brightest(luma: FloatImage) -> FloatImage:
    """Return the maximum of each pixel's 5 x 5 neighbours; Pillow's filter takes ten times as long."""
    return running_maximum(running_maximum(luma, 2).T, 2).T


def _enlarged(tiles: NDArray[_Kind], side: int, shape: tuple[int, ...]) -> NDArray[_Kind]:
    return np.repeat(np.repeat(tiles, side, axis=0), side, axis=1)[: shape[0], : shape[1]]
