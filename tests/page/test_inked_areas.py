# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ocrmypdf_superres.page.ink import inked_areas


def paper(height: int = 400, width: int = 300, level: int = 230, noise: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.clip(rng.normal(level, noise, (height, width)) + 0.5, 0, 255).astype(np.uint8)


def test_areas_lie_below_one_another_with_their_margin():
    page = paper()
    page[40:60, 100:180] = 20
    page[70:90, 80:120] = 20
    page[300:310, 200:260] = 20
    assert inked_areas(page, 16) == [(slice(24, 112), slice(64, 200)), (slice(280, 328), slice(184, 280))]


def test_empty_paper_has_none_and_noise_is_not_told_from_ink():
    assert inked_areas(paper(), 8) == []
    assert inked_areas(paper(noise=2.0), 8) == []
    assert inked_areas(paper(noise=4.0), 8) == []
    assert inked_areas(paper(noise=9.0), 8) is None
    assert inked_areas(paper(3, 1), 8) == []


def test_slow_shade_is_paper():
    shade = np.linspace(250, 150, 400, dtype=np.float32)[:, None].repeat(300, axis=1)
    assert inked_areas(shade.astype(np.uint8), 8) == []


def test_pale_and_light_ink_are_ink():
    for level in (215, 255):
        page = paper(level=235)
        page[201:204, 50:90] = level
        assert inked_areas(page, 0) == [(slice(200, 208), slice(48, 96))]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 120), st.integers(1, 120), st.lists(st.tuples(st.integers(0, 119), st.integers(0, 119)), max_size=6))
def test_every_dark_pixel_is_in_an_area(height, width, places):
    page = paper(height, width)
    inside = [(row, column) for row, column in places if row < height and column < width]
    for row, column in inside:
        page[row, column] = 0
    areas = inked_areas(page, 5)
    if areas is None:
        squares = math.ceil(height / 8) * math.ceil(width / 8)
        inked = {(row // 8, column // 8) for row, column in inside}
        assert len(inked) >= squares - math.ceil((squares - 1) / 4), "ink is told from paper where a quarter of it is paper"
        return
    for row, column in inside:
        assert any(rows.start <= row < rows.stop and columns.start <= column < columns.stop for rows, columns in areas)
    assert all(0 <= rows.start < rows.stop <= height and 0 <= columns.start < columns.stop <= width for rows, columns in areas)
