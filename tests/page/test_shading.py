# SPDX-License-Identifier: MPL-2.0
"""What counts as uneven paper."""

from __future__ import annotations

import numpy as np
import pytest

from ocrmypdf_superres.page.shading import UNEVEN, unevenness


def table() -> np.ndarray:
    """A page of lines of text on white paper, with rules."""
    luma = np.full((600, 900), 1.0, np.float32)
    for row in range(40, 560, 20):
        luma[row : row + 7, 60:840:3] = 0.1
    luma[40:560:40, 50:850] = 0.3
    return luma


@pytest.mark.parametrize("tone", [0.05, 0.25, 0.5])
def test_a_frame_around_the_page_and_the_head_of_a_table_are_no_shade(tone: float) -> None:
    luma = table()
    luma[:, :20] = luma[:, -20:] = luma[:12] = luma[-30:] = tone
    luma[50:130, 60:840] = 0.1
    assert unevenness(luma) == 0.0


@pytest.mark.parametrize("edge", [0.02, 0.1, 0.4])
def test_a_shadow_is_shade(edge: float) -> None:
    luma = table()
    y, x = np.mgrid[0:1:600j, 0:1:900j]
    light = 1 - 0.5 / (1 + np.exp(-(0.5 * x + 0.5 * y - 0.6) / edge))
    assert unevenness((luma * light).astype(np.float32)) > UNEVEN


def test_a_gutter_is_shade() -> None:
    luma = table() * (1 - 0.6 * np.exp(-np.linspace(0, 1, 900) / 0.12))
    assert unevenness(luma.astype(np.float32)) > UNEVEN


@pytest.mark.parametrize("tone", [0.2, 0.3, 0.4])
def test_light_ink_on_a_dark_area_is_no_paper(tone: float) -> None:
    luma = table()
    luma[:280] = tone + (1 - luma[:280]) * 0.6
    assert unevenness(luma) == 0.0


def test_a_short_letter_in_the_shade_on_a_dark_table_is_shade() -> None:
    luma = table()
    luma[130:] = 1.0
    luma = luma * np.linspace(1, 0.5, 900)
    luma[:, :50] = luma[:, -50:] = luma[:30] = luma[-30:] = 0.15
    assert unevenness(luma.astype(np.float32)) > UNEVEN
