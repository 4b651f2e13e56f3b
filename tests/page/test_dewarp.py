# SPDX-License-Identifier: MPL-2.0
"""How the lines of a page run, and making them level."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from ocrmypdf.hocrtransform import Baseline, BoundingBox, OcrClass, OcrElement
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.ocr.warping_back import warp_back
from ocrmypdf_superres.page.dewarp.surface import POINTS, Surface, surface_of

SIZE, EM = (640, 860), 20
X_HEIGHT = 10.0
TEXT = "plain lines that stand upon paper as they stood before the rain came down over old harbour walls "
Run = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""By how many pixels the place at columns x and rows y, each from -1 to 1, is moved down."""

RUNS: dict[str, Run] = {
    "skew": lambda x, y: 26 * x,
    "gutter": lambda x, y: 34 * np.exp(-(x + 1) / 0.4),
    "arc": lambda x, y: 16 * x**2,
    "fan": lambda x, y: 20 * x * (1 - 0.6 * y),
}


def page(lines: int = 30) -> Image.Image:
    image = Image.new("L", SIZE, 240)
    draw, font = ImageDraw.Draw(image), ImageFont.truetype("DejaVuSerif.ttf", EM)
    for line in range(lines):
        shift = 7 * line % len(TEXT)
        draw.text((60, 60 + 25 * line), (TEXT[shift:] + TEXT)[:46], font=font, fill=20)
    return image


def curled(image: Image.Image, run: Run) -> Image.Image:
    values = np.asarray(image, dtype=np.float64)
    height, width = values.shape
    x, y = np.linspace(-1, 1, width)[None, :], np.linspace(-1, 1, height)[:, None]
    rows = np.clip(np.arange(height)[:, None] - (run(x, y) + 0 * y), 0, height - 1.001)
    above, part = rows.astype(int), rows % 1
    columns = np.arange(width)[None, :]
    return Image.fromarray((values[above, columns] * (1 - part) + values[above + 1, columns] * part).astype(np.uint8))


def found(image: Image.Image) -> Surface:
    surface = surface_of(image, X_HEIGHT)
    assert surface is not None
    return surface


def test_level_lines_are_level() -> None:
    surface = found(page())
    assert surface.is_level
    assert surface.drop < 0.1


@pytest.mark.parametrize("name", RUNS)
def test_lines_become_level(name: str) -> None:
    warped = curled(page(), RUNS[name])
    surface = found(warped)
    assert not surface.is_level
    result = surface.dewarp(warped)
    assert result.size == SIZE
    after = found(result)
    assert after.is_level
    assert after.drop < 0.4


@pytest.mark.parametrize("name", RUNS)
def test_the_run_is_measured_to_a_fraction_of_a_letter(name: str) -> None:
    surface = found(curled(page(), RUNS[name]))
    for row in (150, 430, 700):
        places = np.linspace(90, 550, 12)
        run = RUNS[name](places / SIZE[0] * 2 - 1, np.float64(row / SIZE[1] * 2 - 1))
        there = np.array([surface.at(float(x), row, SIZE) for x in places])
        assert np.abs((there - there.mean()) - (run - run.mean())).max() < 0.3 * X_HEIGHT


def test_a_place_is_found_where_it_came_from() -> None:
    warped = curled(page(), RUNS["gutter"])
    surface = found(warped)
    for x, y in ((40, 500), (320, 300), (600, 820)):
        marked = warped.convert("RGB")
        row = round(y + surface.at(x, y, SIZE))
        ImageDraw.Draw(marked).rectangle((x - 2, row - 2, x + 2, row + 2), fill=(255, 0, 0))
        pixels = np.asarray(surface.dewarp(marked)).astype(int)
        rows, columns = np.nonzero((pixels[..., 0] > 180) & (pixels[..., 1] < 90))
        assert (columns.mean(), rows.mean()) == (pytest.approx(x, abs=1.5), pytest.approx(y, abs=1.5))


def test_nothing_is_lost_at_the_edges() -> None:
    warped = curled(page(), RUNS["skew"]).convert("RGB")
    draw = ImageDraw.Draw(warped)
    for x, colour in ((12, (255, 0, 0)), (320, (0, 255, 0)), (626, (0, 0, 255))):
        draw.rectangle((x - 5, 0, x + 5, 10), fill=colour)
        draw.rectangle((x - 5, SIZE[1] - 11, x + 5, SIZE[1] - 1), fill=colour)
    pixels = np.asarray(found(warped).dewarp(warped)).astype(int)
    for channel in range(3):
        others = pixels.sum(axis=2) - pixels[..., channel]
        coloured = (pixels[..., channel] > 180) & (others < 120)
        assert coloured[: SIZE[1] // 2].sum() > 80
        assert coloured[SIZE[1] // 2 :].sum() > 80


def test_an_upside_down_page_has_the_upside_down_surface() -> None:
    warped = curled(page(), RUNS["fan"])
    surface = found(warped)
    over = surface.turned().dewarp(warped.transpose(Image.Transpose.ROTATE_180)).transpose(Image.Transpose.ROTATE_180)
    difference = np.asarray(over).astype(int) - np.asarray(surface.dewarp(warped)).astype(int)
    assert np.abs(difference).mean() < 1


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA"])
def test_any_mode_is_dewarped(mode: str) -> None:
    warped = curled(page(), RUNS["skew"])
    warped.info["dpi"] = (96.0, 96.0)
    surface = found(warped)
    given_mode = warped.convert(mode)
    given_mode.info["dpi"] = (96.0, 96.0)
    result = surface.dewarp(given_mode)
    assert result.mode in ("L", "RGB")
    assert result.info["dpi"] == (96.0, 96.0)


def test_too_little_text_says_nothing() -> None:
    assert surface_of(Image.new("L", SIZE, 240), X_HEIGHT) is None
    assert surface_of(page(lines=1), X_HEIGHT) is None
    assert surface_of(Image.new("L", (9, 5), 0), X_HEIGHT) is None


def test_a_roll_of_a_few_letters_width_says_nothing() -> None:
    roll = Image.new("L", (66, 4000), 240)
    draw, font = ImageDraw.Draw(roll), ImageFont.truetype("DejaVuSerif.ttf", 12)
    for row in range(0, 4000, 16):
        draw.text((2, row), TEXT[row % 40 :][:9], font=font, fill=20)
    assert surface_of(roll, 6.0) is None


def test_texture_is_left_as_it_is() -> None:
    noise = np.random.default_rng(3).integers(0, 255, (860, 640)).astype(np.uint8)
    surface = surface_of(Image.fromarray(noise), X_HEIGHT)
    assert surface is None or surface.is_level


def test_a_steep_fan_of_unruly_lines_becomes_level() -> None:
    rng = np.random.default_rng(5)
    unruly = Image.new("L", SIZE, 240)
    draw, font = ImageDraw.Draw(unruly), ImageFont.truetype("DejaVuSerif.ttf", EM)
    for row in range(30):
        for column, word in enumerate(TEXT.split()[row % 8 :][:6]):
            draw.text((60 + 90 * column, 60 + 25 * row + rng.integers(-2, 3)), word, font=font, fill=20)
    assert found(unruly).is_level
    surface = found(curled(unruly, lambda x, y: 40 * x * -y))
    assert surface.drop > 3 and not surface.is_level


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(2.0, 40.0), st.tuples(st.integers(1, 300), st.integers(1, 300)))
def test_any_image_gives_a_surface_or_none(seed: int, x_height: float, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(seed).integers(0, 2, size).astype(np.uint8) * 255
    surface = surface_of(Image.fromarray(noise), x_height)
    assert surface is None or surface.dewarp(Image.fromarray(noise)).size == (size[1], size[0])


def test_a_reading_is_laid_back_onto_the_page() -> None:
    slope = 0.05
    shifts = np.tile(np.linspace(0, slope, POINTS), (POINTS, 1))  # 0.05 of the width lower at the right edge
    surface = Surface(shifts, drop=3.0, bend=0.0)
    words = [OcrElement(ocr_class=OcrClass.WORD, bbox=BoundingBox(left, 200, left + 80, 230), text="word") for left in (100, 400)]
    line = OcrElement(
        ocr_class=OcrClass.LINE,
        bbox=BoundingBox(100, 200, 480, 230),
        baseline=Baseline(slope=0.0, intercept=-6.0),
        children=words,
    )
    tree = OcrElement(ocr_class=OcrClass.PAGE, bbox=BoundingBox(0, 0, *SIZE), children=[line])
    warp_back(tree, surface, SIZE)
    assert tree.bbox == BoundingBox(0, 0, *SIZE)
    first, second = (word.bbox for word in words)
    assert first is not None and second is not None and line.bbox is not None and line.baseline is not None
    assert (first.top, first.bottom) == (pytest.approx(205), pytest.approx(239))
    assert (second.top, second.bottom) == (pytest.approx(220), pytest.approx(254))
    assert (line.bbox.top, line.bbox.bottom) == (pytest.approx(205), pytest.approx(254))
    assert line.baseline.slope == pytest.approx(slope)
    assert line.bbox.bottom + line.baseline.intercept == pytest.approx(230 - 6 + slope * 100)


@pytest.mark.parametrize("slope", [-0.1, 0.1])
def test_letters_of_steep_lines_keep_their_height(slope: float) -> None:
    surface = Surface(np.tile(np.linspace(0, slope, POINTS), (POINTS, 1)), drop=5.0, bend=0.0)
    words = [OcrElement(ocr_class=OcrClass.WORD, bbox=BoundingBox(left, 200, left + 80, 230), text="word") for left in (100, 400)]
    baseline = Baseline(slope=0.0, intercept=-6.0)
    line = OcrElement(ocr_class=OcrClass.LINE, bbox=BoundingBox(100, 200, 480, 230), baseline=baseline, children=words)
    block = OcrElement(ocr_class=OcrClass.PARAGRAPH, bbox=line.bbox, children=[line])
    warp_back(block, surface, SIZE)
    # OCRmyPDF draws letters as high as the line's box is above the left end of the baseline.
    assert line.bbox.height + line.baseline.intercept == pytest.approx(24)
    assert block.bbox.top == min(word.bbox.top for word in words)
    assert block.bbox.bottom == max(word.bbox.bottom for word in words)
