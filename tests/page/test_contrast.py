# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocrmypdf_superres.page.contrast import even_ink


def bars(ink: float) -> np.ndarray:
    """White paper with bars of darkness *ink* at the left, and a black block at the right."""
    page = np.full((300, 400), 0.95, np.float32)
    page[20:280:12, 30:170] -= ink
    page[100:200, 280:380] = 0.02
    return page


@pytest.mark.parametrize("ink", [0.15, 0.3, 0.8])
def test_pale_ink_becomes_dark_beside_a_stamp(ink):
    even = even_ink(bars(ink))
    assert even[20:280:12, 40:160].mean() < 0.25
    assert even[26:280:12, 40:160].mean() > 0.9 and even[:, 200:260].mean() > 0.95


def test_noise_is_not_ink():
    noisy = np.clip(0.9 + np.random.default_rng(0).normal(0, 0.02, (300, 400)), 0, 1).astype(np.float32)
    assert even_ink(noisy).mean() > 0.97


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 5))
def test_any_size_stays_in_range(height, width, seed):
    luma = np.random.default_rng(seed).random((height, width), dtype=np.float32)
    even = even_ink(luma)
    assert even.shape == luma.shape and even.dtype == np.float32 and even.min() >= 0 and even.max() <= 1
    assert np.array_equal(even_ink(np.ones((height, width), np.float32)), np.ones((height, width), np.float32))
