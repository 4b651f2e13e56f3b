# SPDX-License-Identifier: MPL-2.0
"""The ink of a page: its share and the noise are the same where only every second pixel is looked at."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image
from plugin_pages import draw_page

from ocrmypdf_superres.page.ink import erase_rules, ink_and_noise, is_light_on_dark
from ocrmypdf_superres.page.plan import PlanSettings, plan_image
from ocrmypdf_superres.plugin.options import SuperresOptions


@pytest.mark.parametrize("deviation", [0.0, 6.0, 15.0])
@pytest.mark.parametrize("dark", [False, True])
def test_every_second_pixel_tells_the_same(deviation: float, dark: bool) -> None:
    page = np.asarray(draw_page((1201, 1403), em=40, lines=20), dtype=np.float32)
    page = page + np.random.default_rng(3).normal(0, deviation, page.shape)
    luma = np.asarray(np.clip(page, 0, 255) / 255, dtype=np.float32)
    luma = 1 - luma if dark else luma
    whole, half = ink_and_noise(luma), ink_and_noise(luma, every=2)
    assert whole is not None and half is not None
    assert half[0].shape == (702, 601)
    assert half[1] == pytest.approx(whole[1], rel=0.02)
    assert (half[0] > 0.5).mean() == pytest.approx((whole[0] > 0.5).mean(), rel=0.03)
    assert np.abs(half[0] - whole[0][::2, ::2]).mean() < 0.01


@pytest.mark.parametrize("seed", range(20))
def test_runs_of_the_length_of_a_rule_are_erased_wherever_they_begin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = int(rng.integers(3, 60)), int(rng.integers(40, 1500))
    ink = np.asarray(rng.random((height, width)) < rng.choice([0.2, 0.9, 0.98]), dtype=np.float32)
    length = max(32, width // 16)
    for _ in range(4):
        row, start = rng.integers(height), rng.integers(width - length)
        ink[row, start : start + length + rng.integers(-1, 2)] = 1.0
    expected = ink.copy()
    for row in range(height):
        runs = "".join("x" if value > 0.4 else " " for value in ink[row])
        for found in re.finditer("x+", runs):
            if found.end() - found.start() >= length:
                expected[max(0, row - 1) : row + 2, found.start() : found.end()] = 0.0
    erase_rules(ink)
    assert np.array_equal(ink, expected)


def test_blank_paper_has_no_ink() -> None:
    blank = np.asarray(Image.new("L", (800, 1000), 230), dtype=np.float32) / 255
    assert ink_and_noise(blank) is None and ink_and_noise(blank, every=2) is None


def test_white_paper_on_a_dark_ground_is_not_light_print_on_dark() -> None:
    page = np.asarray(draw_page((850, 1100), em=16, lines=24), dtype=np.float32) / 255
    assert is_light_on_dark(1 - page) and not is_light_on_dark(page)
    on_a_table = np.full((1500, 1400), 0.1, np.float32)
    on_a_table[200:1300, 250:1100] = page
    assert np.median(on_a_table) < 0.35 and not is_light_on_dark(on_a_table)


def test_a_large_page_whose_middle_is_empty_is_not_blank() -> None:
    """Only a part of a very large page is measured."""
    page = Image.new("L", (4100, 5800), 250)
    page.paste(draw_page((2000, 1400), em=70, lines=6).resize((4000, 2800)).crop((0, 1300, 4000, 2500)), (50, 100))
    plan = plan_image(page, (500.0, 500.0), PlanSettings())
    assert plan.action == "leave" and plan.text is not None and plan.text.x_height is not None
    assert "large enough" in plan.reason


def test_words_of_lost_pages_stay_where_nothing_is_to_be_done() -> None:
    assert SuperresOptions().drops_unsure_words
    assert not SuperresOptions(trigger="off").drops_unsure_words and not SuperresOptions(unsure_words="keep").drops_unsure_words
