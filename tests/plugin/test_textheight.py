# SPDX-License-Identifier: MPL-2.0
"""The height of text, against pages of known type size."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from plugin_pages import draw_page, x_height

from ocrmypdf_superres.page.image import to_luma
from ocrmypdf_superres.page.text_height import measure_text_height


@pytest.mark.parametrize("em", [7, 9, 12, 17, 30, 44])
def test_height_of_clean_text(em: int) -> None:
    page = draw_page((850, 700), em=em, lines=30)
    found = measure_text_height(to_luma(page))
    assert found.x_height == pytest.approx(x_height(em), rel=0.2)
    assert found.lines >= 5


def _noisy(page: Image.Image) -> Image.Image:
    values = np.asarray(page.filter(ImageFilter.GaussianBlur(0.7)), dtype=np.float32) * 0.6 + 60
    values += np.random.default_rng(1).normal(0, 10, values.shape)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _dark_paper(page: Image.Image) -> Image.Image:
    values = (0.25 + 0.75 * np.asarray(page, dtype=np.float32) / 255) * np.linspace(0.45, 0.8, page.width)
    return Image.fromarray((values * 255).astype(np.uint8))


def _one_bit(page: Image.Image) -> Image.Image:
    return page.point(lambda level: 255 if level > 140 else 0).convert("1")


def _inverted(page: Image.Image) -> Image.Image:
    return page.point(lambda level: 255 - level)


def _slanted(page: Image.Image) -> Image.Image:
    return page.rotate(1.0, Image.Resampling.BICUBIC, fillcolor=255)


def _ruled(page: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(page)
    for y in range(20, page.height, 90):
        draw.line((0, y, page.width, y), fill=0, width=2)
    draw.line((100, 0, 100, page.height), fill=0, width=2)
    return page


@pytest.mark.parametrize("damage", [_noisy, _dark_paper, _one_bit, _inverted, _slanted, _ruled])
@pytest.mark.parametrize("em", [9, 20])
def test_height_of_damaged_text(em: int, damage) -> None:
    found = measure_text_height(to_luma(damage(draw_page((850, 700), em=em, lines=30))))
    assert found.x_height == pytest.approx(x_height(em), rel=0.25)


def test_columns_of_different_lines() -> None:
    page = Image.new("L", (900, 700), 255)
    page.paste(draw_page((450, 700), em=10, lines=40), (0, 0))
    page.paste(draw_page((450, 690), em=10, lines=40, leading=1.3), (450, 10))
    found = measure_text_height(to_luma(page))
    assert found.x_height == pytest.approx(x_height(10), rel=0.2)


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3), (8, 8), (40, 17)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_tiny_and_blank_images_have_no_text(size: tuple[int, int], level: int) -> None:
    assert measure_text_height(to_luma(Image.new("L", size, level))).x_height is None


def test_noise_alone_is_no_text() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.05, (600, 500)).clip(0, 1).astype(np.float32)
    assert measure_text_height(values).x_height is None
