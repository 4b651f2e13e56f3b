# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocrmypdf_superres.page.marks.fills import even_fills


def page(ground: float, ink: float) -> np.ndarray:
    """White paper with strokes of black ink at the left, and an area of tone *ground* with strokes of *ink* at the right."""
    luma = np.full((280, 480), 1.0, np.float32)
    luma[:, 280:] = ground
    luma[20:260:14, 30:180] = 0.1
    luma[20:260:14, 310:460] = ink
    return luma


@pytest.mark.parametrize(("ground", "ink"), [(0.15, 0.95), (0.5, 0.05), (0.6, 1.0), (0.85, 0.1)])
def test_a_filled_area_becomes_white_with_dark_ink(ground, ink):
    even, filled = even_fills(page(ground, ink), 14)
    assert even[20:260:14, 315:455].max() < 0.45
    assert even[27:260:14, 300:].min() > 0.9
    assert filled[:, 300:].all() and not filled[:, :260].any()


def test_a_page_with_little_filled_is_not_evened():
    luma = page(0.15, 0.95)
    assert even_fills(luma, 14, least=luma.size)[0] is None


def test_white_paper_stays_as_it_is():
    luma = page(1.0, 0.2)
    even, filled = even_fills(luma, 14)
    assert not filled.any() and np.abs(even - luma).max() < 0.05


def test_a_photograph_is_not_filled():
    luma = page(1.0, 0.2)
    luma[:, 280:] = np.random.default_rng(0).random((280, 200))
    assert even_fills(luma, 14)[1].mean() < 0.05


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(8, 20), st.integers(0, 5))
def test_any_size_stays_in_range(height, width, side, seed):
    luma = np.random.default_rng(seed).random((height, width), dtype=np.float32)
    even, filled = even_fills(luma, side)
    assert even.shape == filled.shape == luma.shape and even.dtype == np.float32 and filled.dtype == bool
    assert even.min() >= 0 and even.max() <= 1
