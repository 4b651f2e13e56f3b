# SPDX-License-Identifier: MPL-2.0
"""Dot leaders are found and erased; dots that belong to text are not."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ocrmypdf_superres.page.marks.leaders import erase_leaders, find_leaders

SIZE = 36
X_HEIGHT = 19.0


def draw(lines: list[str], paper: int = 255, size: int = SIZE) -> Image.Image:
    """A page with *lines* in Pillow's own face, whose x-height is about half of *size*."""
    page = Image.new("L", (1400, 60 + 60 * len(lines)), paper)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size)
    for number, line in enumerate(lines):
        pen.text((60, 30 + 60 * number), line, font=font, fill=20)
    return page


def contents(dots: str = " .", count: int = 30, paper: int = 255) -> tuple[Image.Image, Image.Image]:
    """A table of contents, and the same page without its leaders."""
    with_dots, without = draw([], paper).resize((1400, 500)), draw([], paper).resize((1400, 500))
    font = ImageFont.load_default(SIZE)
    for page, leader in ((with_dots, dots * count), (without, "")):
        pen = ImageDraw.Draw(page)
        for row, (entry, number) in enumerate([("Harvest", "17"), ("Of mills", "42"), ("Rivers", "108"), ("Index", "211")]):
            pen.text((60, 40 + 100 * row), entry, font=font, fill=20)
            pen.text((280, 40 + 100 * row), leader, font=font, fill=20)
            pen.text((1280, 40 + 100 * row), number, font=font, fill=20)
    return with_dots, without


@pytest.mark.parametrize("paper", [255, 200])
@pytest.mark.parametrize("blur", [0.0, 1.5])
def test_leaders_are_erased_and_nothing_else(paper: int, blur: float) -> None:
    page, wanted = (image.filter(ImageFilter.GaussianBlur(blur)) for image in contents(paper=paper))
    page.info.update(dpi=(200.0, 200.0), icc_profile=b"not one")
    leaders = find_leaders(page, X_HEIGHT)
    assert leaders is not None
    result = erase_leaders(page, leaders)
    assert (result.mode, result.info["dpi"], "icc_profile" in result.info) == ("L", (200.0, 200.0), False)
    assert np.abs(np.asarray(result, int) - np.asarray(wanted, int)).max() <= 8


def test_leaders_are_erased_from_the_same_page_in_another_size_and_in_one_bit() -> None:
    page, wanted = contents()
    leaders = find_leaders(page, X_HEIGHT)
    assert leaders is not None
    half = (page.width // 2, page.height // 2)
    small = erase_leaders(page.resize(half, Image.Resampling.BOX).convert("RGB"), leaders)
    assert np.abs(np.asarray(small, int) - np.asarray(wanted.resize(half, Image.Resampling.BOX), int)).max() <= 8
    assert find_leaders(page.convert("1"), X_HEIGHT) is not None


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["Illimitable villi in his pixie lilies will skiing"],
        ["1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9"],
        ["U.S.S.R. e.g. i.e. a.m. p.m. Ph.D. M.Sc. etc. vs."],
        ["0.5 0.7 0.3 0.1 0.9 0.2 0.4 0.6 0.8 0.5 0.7 0.1"],
        ["wait ..... what ... no ....."],
        ["o o o o o o o o o o o o o o o o o o o o o o o"],
        ["' ' \" \" ' ' a, b, c, d, e, f, g, h, i, j, k, l, m"],
    ],
)
def test_dots_of_text_are_not_leaders(lines: list[str]) -> None:
    assert find_leaders(draw(lines), X_HEIGHT) is None


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (40, 40)])
@pytest.mark.parametrize("x_height", [1.0, 20.0, 300.0])
def test_images_of_any_size_are_looked_at(size: tuple[int, int], x_height: float) -> None:
    assert find_leaders(Image.new("L", size, 255), x_height) is None
