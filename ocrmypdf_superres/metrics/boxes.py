# SPDX-License-Identifier: MPL-2.0
"""Boxes (left, top, right, bottom): their overlap, non-maximum suppression, and the areas that sets of boxes cover.

Right and bottom are exclusive. Boxes of CTPN count their last row and column: they pass ``inclusive=True``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Box", "intersection_over_union", "non_maximum_suppression"]

Box = tuple[int, int, int, int]


def intersection(a: Box, b: Box) -> int:
    """Return the area that two boxes share, in pixels."""
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


def area(box: Box) -> int:
    """Return the area of *box* in pixels."""
    return (box[2] - box[0]) * (box[3] - box[1])


def bounding_box(boxes: Iterable[Box]) -> Box:
    """Return the smallest box around all *boxes*, of which there is at least one."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def touches(a: Box, b: Box) -> bool:
    """Whether two boxes share any area."""
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def intersection_over_union(a: Box, b: Box) -> float:
    """Return the area that two boxes share over the area that they cover together, 0 to 1."""
    shared = intersection(a, b)
    return shared / (area(a) + area(b) - shared) if shared else 0.0


def common_share(a: Box, b: Box) -> float:
    """Return the area that two boxes share over the area of the smaller one, 0 to 1."""
    shared = intersection(a, b)
    return shared / min(area(a), area(b)) if shared else 0.0


def common_width(a: Box, b: Box) -> float:
    """Return the columns that two boxes share over the width of the narrower one, 0 to 1, wherever their rows are."""
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) / max(1, min(a[2] - a[0], b[2] - b[0]))


def common_height(a: Box, b: Box) -> float:
    """Return the rows that two boxes share over the height of the lower one, 0 to 1, wherever their columns are."""
    return max(0, min(a[3], b[3]) - max(a[1], b[1])) / max(1, min(a[3] - a[1], b[3] - b[1]))


def pairwise_iou(first: NDArray[Any], second: NDArray[Any], *, inclusive: bool = False) -> NDArray[Any]:
    """Return the intersection over union of every pair of boxes, (A, B), for boxes (A, 4) and (B, 4) of a float dtype.

    With *inclusive* the last row and column belong to a box, which is then one pixel wider and higher.
    """
    one = 1 if inclusive else 0
    corners = np.minimum(first[:, None, 2:], second[None, :, 2:]) - np.maximum(first[:, None, :2], second[None, :, :2]) + one
    shared = np.maximum(corners, 0).prod(axis=2)
    areas = [(boxes[:, 2] - boxes[:, 0] + one) * (boxes[:, 3] - boxes[:, 1] + one) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - shared
    result: NDArray[Any] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return result


def non_maximum_suppression(
    boxes: NDArray[Any], scores: NDArray[Any], limit: float, *, inclusive: bool = False
) -> NDArray[np.intp]:
    """Return the indices of the boxes that stay, best first: none overlaps a better one by more than *limit*.

    Args:
        boxes: float (N, 4).
        scores: float (N,); of equal ones the first counts as better.
        limit: intersection over union, 0 to 1.
        inclusive: as for :func:`pairwise_iou`.
    """
    order = np.argsort(-scores, kind="stable")
    left = np.ones(len(boxes), dtype=bool)
    kept = []
    for index in order:
        if left[index]:
            kept.append(index)
            left &= pairwise_iou(boxes[index : index + 1], boxes, inclusive=inclusive)[0] <= limit
    return np.asarray(kept, dtype=np.intp)


def covered_area(boxes: Sequence[Box], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels that *boxes* cover in an image of *size* = (width, height), as bool (H, W)."""
    covered = np.zeros((size[1], size[0]), dtype=bool)
    for left, top, right, bottom in boxes:
        covered[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
    return covered


def area_iou(found: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> float:
    """Return the intersection over union of two areas, bool (H, W) each; 1 where both are empty.

    For the areas of word boxes this is the measure of detected text in Zyrek and Kawulok, Task-driven single-image
    super-resolution reconstruction of document scans, 2024: boxes found in the sr image against those of the hr image.
    """
    union = int((found | wanted).sum())
    return int((found & wanted).sum()) / union if union else 1.0


def boxes_iou(found: Sequence[Box], wanted: Sequence[Box], size: tuple[int, int]) -> float:
    """Return :func:`area_iou` of the areas that two sets of boxes cover in an image of *size* = (width, height)."""
    return area_iou(covered_area(found, size), covered_area(wanted, size))


def scaled(boxes: Iterable[Box], x: float, y: float) -> list[Box]:
    """Return *boxes* in the pixels of an image *x* times as wide and *y* times as high."""
    return [(round(left * x), round(top * y), round(right * x), round(bottom * y)) for left, top, right, bottom in boxes]


def in_rows_of(box: Box, boxes: NDArray[np.int64]) -> list[int]:
    """Return the indices of those of *boxes*, (n, 4), that share rows with *box*."""
    found: list[int] = np.flatnonzero((boxes[:, 1] < box[3]) & (boxes[:, 3] > box[1])).tolist()
    return found


def as_array(boxes: Iterable[Box]) -> NDArray[np.int64]:
    """Return *boxes* as int64 (n, 4), for :func:`in_rows_of`."""
    return np.array(list(boxes), dtype=np.int64).reshape(-1, 4)
