# SPDX-License-Identifier: MPL-2.0
"""Pale rules of tables and forms are erased; letters, dark rules, underlines, frames and staves are not."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ocrmypdf_superres.page.marks.rules import without_grid

X_HEIGHT = 8.0
WORDS = ["Washers", "Brackets 17", "42,118", "jumpy", "Riga", "9.50", "Hinges", "gypsy", "1931"]
DRAWN_AT = 4


def page(rules: list[tuple[float, float, float, float]], words: bool = True, tone: int = 170, width: int = 1) -> Image.Image:
    """A page of 800 x 600 pixels with *rules*, (left, top, right, bottom), and words in nine columns of 20 rows."""
    image = Image.new("L", (800 * DRAWN_AT, 600 * DRAWN_AT), 250)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(15 * DRAWN_AT)
    for left, top, right, bottom in rules:
        pen.line([DRAWN_AT * side for side in (left, top, right, bottom)], tone, width * DRAWN_AT)
    for row in range(20 if words else 0):
        for column in range(9):
            pen.text((DRAWN_AT * (24 + 84 * column), DRAWN_AT * (24 + 27 * row)), WORDS[(row + column) % 9], 20, font)
    return image.resize((800, 600), Image.Resampling.BOX)


def grid(rows: int = 21, columns: int = 10) -> list[tuple[float, float, float, float]]:
    across = [(20.0, 20.0 + 27 * row, 776.0, 20.0 + 27 * row) for row in range(rows)]
    return across + [(20.0 + 84 * column, 20.0, 20.0 + 84 * column, 20.0 + 27 * (rows - 1)) for column in range(columns)]


def differences(image: Image.Image | None, wanted: Image.Image) -> tuple[int, float]:
    assert image is not None and image.mode == "L"
    off = np.abs(np.asarray(image, int) - np.asarray(wanted, int))
    return int(off.max()), float((off > 20).mean())


@pytest.mark.parametrize(("tone", "width"), [(160, 1), (190, 1), (170, 2)])
def test_the_grid_of_a_table_is_erased_and_nothing_else(tone: int, width: int) -> None:
    ruled = page(grid(), tone=tone, width=width)
    ruled.info.update(dpi=(90.0, 90.0), icc_profile=b"not one")
    result = without_grid(ruled, X_HEIGHT)
    assert differences(ruled, page([]))[1] > 0.04 and differences(result, page([]))[1] < 0.002
    assert result is not None and result.info == {"dpi": (90.0, 90.0)}


@pytest.mark.parametrize("turn", [-1.2, 0.7])
def test_one_that_is_not_quite_level_is_erased(turn: float) -> None:
    ruled, plain = (image.rotate(turn, Image.Resampling.BICUBIC, fillcolor=250) for image in (page(grid()), page([])))
    assert differences(without_grid(ruled, X_HEIGHT), plain)[1] < 0.25 * differences(ruled, plain)[1]


def test_noise_and_blur_do_not_hide_rules() -> None:
    generator = np.random.default_rng(5)
    noise = generator.normal(0, 8, (600, 800))

    def scanned(image: Image.Image) -> Image.Image:
        blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(0.6)), float)
        return Image.fromarray(np.clip(blurred + noise, 0, 255).astype(np.uint8))

    ruled, plain = scanned(page(grid())), scanned(page([]))
    assert differences(without_grid(ruled, X_HEIGHT), plain)[1] < 0.2 * differences(ruled, plain)[1]


def test_the_sides_of_boxes_for_letters_are_erased() -> None:
    boxes = []
    for top in (100.0, 160.0, 220.0):
        boxes += [(60.0, top, 500.0, top), (60.0, top + 24, 500.0, top + 24)]
        boxes += [(60.0 + 22 * column, top, 60.0 + 22 * column, top + 24) for column in range(21)]
    ruled, plain = page(boxes, words=False), page([], words=False)
    for image in (ruled, plain):
        ImageDraw.Draw(image).rectangle((600, 500, 690, 510), 20)  # what ink is as dark as
    assert differences(without_grid(ruled, X_HEIGHT), plain)[1] < 0.0002


def test_letters_that_touch_a_rule_keep_their_ink() -> None:
    """Descenders of the words reach the rules below them, which are three pixels higher here."""
    lower = [(left, top - 3, right, bottom - 3) for left, top, right, bottom in grid()]
    result = without_grid(page(lower), X_HEIGHT)
    assert result is not None
    ink = np.asarray(page([]), int) < 100
    assert (np.asarray(result, int)[ink] < 150).mean() > 0.97


def test_dark_rules_are_left_to_tesseract() -> None:
    assert without_grid(page(grid(), tone=20, width=2), X_HEIGHT) is None


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [(20.0, 44.0 + 27 * row, 300.0, 44.0 + 27 * row) for row in range(8)],  # underlines
        [(10.0, 10.0, 790.0, 10.0), (10.0, 590.0, 790.0, 590.0), (10.0, 10.0, 10.0, 590.0), (790.0, 10.0, 790.0, 590.0)],
        [(104.0, 10.0, 104.0, 590.0), (356.0, 10.0, 356.0, 590.0), (608.0, 10.0, 608.0, 590.0)],  # between columns
        [(20.0, 15.0 + 40 * row + 5 * line, 780.0, 15.0 + 40 * row + 5 * line) for row in range(14) for line in range(5)],
    ],
)
def test_other_rules_and_text_stay(rules: list[tuple[float, float, float, float]]) -> None:
    assert without_grid(page(rules), X_HEIGHT) is None


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (40, 40)])
@pytest.mark.parametrize("x_height", [1.0, 20.0, 300.0])
@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_images_of_any_size_and_mode_are_looked_at(size: tuple[int, int], x_height: float, mode: str) -> None:
    assert without_grid(Image.new(mode, size, 1 if mode == "1" else "white"), x_height) is None
