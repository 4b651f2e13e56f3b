# SPDX-License-Identifier: MPL-2.0
"""The ink of a page: its share and the noise are the same where only every second pixel is looked at."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from plugin_pages import draw_page

from ocrmypdf_superres.page.ink import ink_and_noise


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


def test_blank_paper_has_no_ink() -> None:
    blank = np.asarray(Image.new("L", (800, 1000), 230), dtype=np.float32) / 255
    assert ink_and_noise(blank) is None and ink_and_noise(blank, every=2) is None
