# SPDX-License-Identifier: MPL-2.0
"""The height of text, against pages of known type size."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from plugin_pages import FONT, draw_page, x_height

from ocrmypdf_superres.page.height_network import BINS, bin_heights
from ocrmypdf_superres.page.image import to_luma
from ocrmypdf_superres.page.text_height import Evidence, conclude, measure_text_height
from ocrmypdf_superres.training.data.rendered_pages.page import render
from ocrmypdf_superres.training.data.rendered_pages.scripts import SCRIPTS, Face


@pytest.mark.parametrize("em", [7, 9, 12, 17, 30, 44])
def test_height_of_clean_text(em: int) -> None:
    page = draw_page((850, 700), em=em, lines=30)
    found = measure_text_height(to_luma(page))
    assert found.x_height == pytest.approx(x_height(em), rel=0.2)
    assert found.lines >= 5


@pytest.mark.parametrize("em", [9, 17, 30])
def test_text_on_its_side_is_measured_as_it_is_upright(em: int) -> None:
    luma = to_luma(draw_page((900, 900), em=em, lines=40))
    upright, left, right = (measure_text_height(np.ascontiguousarray(np.rot90(luma, turns))) for turns in (0, 1, 3))
    assert (upright.sideways, left.sideways, right.sideways) == (False, True, True)
    assert [left.x_height, right.x_height] == pytest.approx([upright.x_height] * 2, rel=0.05)


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


def test_most_letters_decide_and_not_the_title(em: int = 16) -> None:
    page = Image.new("L", (850, 1100), 255)
    draw = ImageDraw.Draw(page)
    for row, line in enumerate(("Row and column", "in our data", "for all users")):
        draw.text((40, 60 + 110 * row), line, font=ImageFont.truetype(FONT, 84), fill=0)
    for row in range(14):
        draw.text((420, 640 + 26 * row), "Kent Milligan, Tom Miller", font=ImageFont.truetype(FONT, em), fill=0)
    found = measure_text_height(to_luma(page))
    assert found.x_height == pytest.approx(x_height(em), rel=0.2) and found.sure


@pytest.mark.parametrize(("small", "expected"), [(9.0, 9.0), (4.0, 30.0)])
def test_hardly_readable_names_do_not_decide(small: float, expected: float) -> None:
    heights = bin_heights()
    support = np.zeros(BINS, np.float32)
    for height, share in ((small, 0.4), (30.0, 0.6)):
        support[int(np.argmin(np.abs(np.log(heights / height))))] = share
    evidence = Evidence(5.0, support, heights, np.array([1.0, 0, 0, 0]), np.array([1.0, 0, 0, 0]), 0.0, decided=0.9)
    assert conclude(evidence, np.zeros((100, 100), np.float32), 0.0).x_height == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3), (8, 8), (40, 17)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_tiny_and_blank_images_have_no_text(size: tuple[int, int], level: int) -> None:
    assert measure_text_height(to_luma(Image.new("L", size, level))).x_height is None


def test_noise_alone_is_no_text() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.05, (600, 500)).clip(0, 1).astype(np.float32)
    assert measure_text_height(values).x_height is None


def test_letters_under_strong_noise_are_measured() -> None:
    page = to_luma(draw_page((520, 640), em=11, lines=30))
    noise = np.random.default_rng(0).normal(0.25, 0.18, page.shape)
    found = measure_text_height((0.5 * page + noise).clip(0, 1).astype(np.float32))
    assert found.x_height == pytest.approx(x_height(11), rel=0.3)


@pytest.mark.parametrize("seed", [14, 18, 21])
def test_scribble_is_not_taken_for_letters_that_only_a_reduced_page_shows(seed: int) -> None:
    face = Face(str(ImageFont.truetype(FONT).path), 0)
    page = render("handwriting", SCRIPTS[0], 5.0, (620, 880), random.Random(seed), face=face)
    assert measure_text_height(page.luma).x_height is None


@pytest.mark.parametrize(("band", "expected"), [(12.0, 15.0), (7.0, 7.0)])
def test_bands_tell_hypotheses_apart_and_do_not_correct_them(band: float, expected: float) -> None:
    heights = bin_heights()
    support = np.zeros(BINS, np.float32)
    for height, share in ((15.0, 0.55), (7.0, 0.45)):
        support[int(np.argmin(np.abs(np.log(heights / height))))] = share
    ink = np.zeros((600, 500), np.float32)
    for top in range(20, 560, 36):
        ink[top : top + round(band)] = np.where(np.arange(500) % 9 < 5, 1.0, 0.0)
    unsure = Evidence(16.0, support, heights, np.array([1.0, 0, 0, 0]), np.array([0.1, 0, 0, 0.9]), 0.0)
    found = conclude(unsure, ink, 0.0)
    assert found.sure and found.x_height == pytest.approx(expected, rel=0.06)
