# SPDX-License-Identifier: MPL-2.0
"""Cutting a page into tiles that agree with the whole page.

The overlap is the radius of the net's receptive field, so a tile's inner part does not depend on its border. Tiles start
at multiples of the net's size multiple, since space-to-depth and pooling are not shift-invariant otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Tile:
    """The inner part of a tile in lr page pixels: [top, bottom) x [left, right)."""

    top: int
    bottom: int
    left: int
    right: int


def _cuts(length: int, size: int, multiple: int) -> list[tuple[int, int]]:
    """Divide *length* into spans of about equal length, at most *size* long, that start at multiples."""
    count = -(-length // size)
    step = -(-length // count)
    step = -(-step // multiple) * multiple
    return [(start, min(start + step, length)) for start in range(0, length, step)]


def tile_rows(height: int, width: int, size: int, multiple: int) -> Iterator[list[Tile]]:
    """Yield the page's tiles row by row, from the top; each row's tiles from the left.

    *size* is the largest inner side in lr pixels, a multiple of *multiple*.
    """
    columns = _cuts(width, size, multiple)
    for top, bottom in _cuts(height, size, multiple):
        yield [Tile(top, bottom, left, right) for left, right in columns]
