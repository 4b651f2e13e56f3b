# SPDX-License-Identifier: MPL-2.0
"""The plan for a page, and carrying it out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps
from plugin_pages import draw_page, x_height

from ocrmypdf_superres.errors import ImageError
from ocrmypdf_superres.ocr.variants import enlarge, lanczos
from ocrmypdf_superres.page.image import to_luma
from ocrmypdf_superres.page.plan import (
    MIN_FACTOR_NOISY,
    TESSERACT_MAX_SIDE,
    Plan,
    PlanSettings,
    plan_image,
    plan_page,
)
from ocrmypdf_superres.page.text_height import TextHeight
from ocrmypdf_superres.upscaling.loading import load_upscaler

AUTO = PlanSettings()


def test_small_text_is_brought_to_the_target_height() -> None:
    page = draw_page((600, 500), em=11, lines=20)
    plan = plan_page(to_luma(page), (72.0, 72.0), AUTO)
    assert plan.action == "enlarge"
    assert x_height(11) * plan.target_size[0] / page.width == pytest.approx(AUTO.target_x_height, rel=0.3)
    assert plan.target_size[0] / page.width == pytest.approx(plan.target_size[1] / page.height, rel=0.01)


def test_large_text_is_left() -> None:
    plan = plan_page(to_luma(draw_page((850, 700), em=36)), (300.0, 300.0), AUTO)
    assert (plan.action, plan.scale, plan.target_size) == ("leave", None, (850, 700))
    assert "large enough" in plan.reason


def test_claimed_dpi_does_not_deceive() -> None:
    small, large = draw_page((600, 500), em=10, lines=20), draw_page((850, 700), em=40)
    assert plan_page(to_luma(small), (300.0, 300.0), AUTO).action == "enlarge"
    assert plan_page(to_luma(large), (72.0, 72.0), AUTO).action == "leave"


@pytest.mark.parametrize(
    ("kind", "share", "languages", "target"),
    [("ideographs", 0.9, (), 35.0), ("one case", 0.4, (), 26.0), ("one case", 0.4, ("heb",), 20.0),
     ("one case", 0.4, ("eng", "jpn"), 26.0), ("small letters", 0.1, (), 20.0), ("ideographs", 0.7, ("eng",), 29.0)],
)  # fmt: skip
def test_letters_that_may_be_ideographs_are_to_be_larger(
    kind: str, share: float, languages: tuple[str, ...], target: float
) -> None:
    text = TextHeight(10.9, 20, 0.05, 100, kind=kind, ideographs=share)
    assert replace(AUTO, languages=languages).target_for(text) == pytest.approx(target)


def test_blank_page_and_page_of_rules_are_left() -> None:
    assert plan_page(np.ones((500, 400), np.float32), (72.0, 72.0), AUTO).reason == "blank page"
    ruled = Image.new("L", (500, 400), 255)
    ImageDraw.Draw(ruled).rectangle((50, 50, 450, 350), outline=0, width=2)
    assert plan_page(to_luma(ruled), (72.0, 72.0), AUTO).action == "leave"


def test_triggers() -> None:
    page = to_luma(draw_page((600, 500), em=40))
    assert plan_page(page, (72.0, 72.0), replace(AUTO, trigger="off")).action == "leave"
    assert plan_page(page, (72.0, 72.0), replace(AUTO, trigger="always")).scale == 2
    by_dpi = plan_page(page, (100.0, 100.0), replace(AUTO, trigger="dpi"))
    assert (by_dpi.scale, by_dpi.target_size) == (3, (1800, 1500))
    assert plan_page(page, (300.0, 300.0), replace(AUTO, trigger="dpi")).action == "leave"
    assert plan_page(np.ones((50, 40), np.float32), (72.0, 72.0), replace(AUTO, trigger="always")).action == "enlarge"


def test_more_than_the_largest_scale_is_resampled() -> None:
    page = draw_page((400, 300), em=7, lines=20)
    plan = plan_page(to_luma(page), (72.0, 72.0), replace(AUTO, target_x_height=30.0, scales=(2, 3)))
    assert plan.scale == 3
    assert plan.factor > 3.5


@given(
    width=st.integers(1, 40000),
    height=st.integers(1, 40000),
    dpi=st.floats(0, 1200),
    trigger=st.sampled_from(["dpi", "always", "auto"]),
    mpixels=st.floats(0.1, 500),
)
@settings(max_examples=150, deadline=None)
def test_limits_hold_for_any_size(width: int, height: int, dpi: float, trigger: str, mpixels: float) -> None:
    wanted = replace(AUTO, trigger=trigger, max_pixels=mpixels * 1e6)
    plan = plan_page(np.ones((4, 4), np.float32), (dpi, dpi), wanted, (width, height))
    if plan.action == "leave":
        assert plan.target_size == (width, height)
        return
    assert plan.scale in AUTO.scales
    assert max(plan.target_size) <= TESSERACT_MAX_SIDE
    assert plan.target_size[0] * plan.target_size[1] <= max(mpixels * 1e6, max(plan.target_size) + 1)
    assert plan.factor >= 1.0
    assert plan.factor >= MIN_FACTOR_NOISY or trigger == "always"


def test_huge_page_is_left_without_reading_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    Image.new("1", (20000, 20000), 1).save(path)
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path) as image:
            plan = plan_image(image, (300.0, 300.0), AUTO)
            assert plan.action == "leave"
            assert "no room" in plan.reason
            assert getattr(image, "_im", None) is None
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def test_enlarging_equals_lanczos_for_the_untrained_net(lanczos_net: Path) -> None:
    page = draw_page((300, 200), em=11, lines=4)
    page.info["dpi"] = (72.0, 72.0)
    upscaler = load_upscaler(str(lanczos_net), "cpu", threads=1)
    plan = plan_image(page, (72.0, 72.0), replace(AUTO, trigger="always"))
    large = enlarge(page, plan, upscaler)
    assert (large.mode, large.size) == ("L", plan.target_size)
    assert large.info["dpi"] == pytest.approx((72 * plan.factor, 72 * plan.factor), rel=0.01)
    difference = np.abs(np.asarray(large, np.int16) - np.asarray(lanczos(page, plan.target_size), np.int16))
    assert np.percentile(difference[8:-8, 8:-8], 99) <= 6


def test_light_letters_on_dark_are_enlarged_as_dark_ones_on_light() -> None:
    page = draw_page((300, 200), em=11, lines=4)
    upscaler = load_upscaler("docsr-s2", "cpu", threads=1)
    plan = Plan("enlarge", "", 2, 2.2, (660, 440), (72.0, 72.0))
    light, dark = enlarge(page, plan, upscaler), enlarge(ImageOps.invert(page), plan, upscaler)
    assert light.info["dpi"] == dark.info["dpi"]
    difference = np.asarray(light, np.int16) - (255 - np.asarray(dark, np.int16))
    assert np.abs(difference).max() <= 1


def test_colour_is_kept_where_it_is_asked_for(lanczos_net: Path) -> None:
    page = draw_page((200, 120), em=14, lines=2, mode="RGB")
    page.paste((200, 30, 30), (100, 80, 160, 110))
    plan = Plan("enlarge", "", 2, 2.0, (400, 240), (72.0, 72.0))
    upscaler = load_upscaler(str(lanczos_net), "cpu", threads=1)
    assert enlarge(page, plan, upscaler).mode == "L"
    coloured = enlarge(page, plan, upscaler, colour=True)
    assert coloured.mode == "RGB"
    red, green, _ = coloured.getpixel((260, 190))
    assert (red, green) == pytest.approx((200, 30), abs=8)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "I;16", "YCbCr"])
def test_every_mode_is_enlarged(mode: str, lanczos_net: Path) -> None:
    page = draw_page((120, 80), em=12, lines=2)
    image = page.convert("I").point(lambda v: v * 257).convert("I;16") if mode == "I;16" else page.convert(mode)
    plan = Plan("enlarge", "", 2, 2.0, (240, 160), (72.0, 72.0))
    large = enlarge(image, plan, load_upscaler(str(lanczos_net), "cpu", threads=1))
    assert np.asarray(large, float).mean() == pytest.approx(np.asarray(page, float).mean(), abs=6)


def test_a_plan_to_leave_is_not_carried_out(lanczos_net: Path) -> None:
    with pytest.raises(ImageError, match="plan to leave"):
        enlarge(
            Image.new("L", (9, 9)), Plan("leave", "", None, 1.0, (9, 9), (72.0, 72.0)), load_upscaler(str(lanczos_net), "cpu")
        )
