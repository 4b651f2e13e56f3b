# SPDX-License-Identifier: MPL-2.0
"""Overlap of boxes, by hand, and one box against many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrmypdf_superres.metrics.boxes import (
    Box,
    common_share,
    common_width,
    intersection_over_union,
    non_maximum_suppression,
    pairwise_iou,
    touches,
)

LARGE, SMALL, APART = (0, 0, 10, 10), (5, 5, 15, 10), (10, 0, 12, 10)
SIDES = st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(1, 20)] * 2)


def test_overlap_by_hand() -> None:
    # They share 5 x 5 pixels; their areas are 100 and 50.
    assert intersection_over_union(LARGE, SMALL) == pytest.approx(25 / 125)
    assert common_share(LARGE, SMALL) == pytest.approx(25 / 50)
    assert common_width(LARGE, SMALL) == pytest.approx(5 / 10)
    assert touches(LARGE, SMALL)
    # An edge in common is no area.
    assert not touches(LARGE, APART) and intersection_over_union(LARGE, APART) == common_share(LARGE, APART) == 0.0
    assert intersection_over_union((3, 3, 3, 3), (3, 3, 3, 3)) == 0.0


@given(SIDES, SIDES)
def test_pairs_are_as_single_boxes(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    a, b = ((x, y, x + width, y + height) for x, y, width, height in (first, second))
    found = pairwise_iou(np.array([a, b], np.float64), np.array([a, b], np.float64))
    expected = intersection_over_union(a, b)
    assert np.allclose(found, [[1.0, expected], [expected, 1.0]])
    assert touches(a, b) == (expected > 0)


def test_inclusive_boxes_have_one_pixel_more() -> None:
    a: Box = (0, 0, 15, 9)
    found = pairwise_iou(np.array([a], np.float32), np.array([[0, 5, 15, 14]], np.float32), inclusive=True)
    assert found[0, 0] == pytest.approx(5 / 15)


def test_suppression_takes_the_best_first() -> None:
    boxes = np.array([[0, 4, 15, 35], [0, 0, 15, 31], [0, 60, 15, 91]], np.float32)
    assert non_maximum_suppression(boxes, np.array([0.8, 0.9, 0.95], np.float32), 0.3).tolist() == [2, 1]
    assert non_maximum_suppression(boxes[:0], np.zeros(0, np.float32), 0.3).tolist() == []
