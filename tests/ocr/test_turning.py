# SPDX-License-Identifier: MPL-2.0
"""Turning a page upright and its reading back."""

from __future__ import annotations

import numpy as np
import pytest
from ocrmypdf.hocrtransform import Baseline, BoundingBox, OcrClass, OcrElement
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.ocr.turning import is_upside_down, turn_back, upright


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_box_comes_back_to_its_place_on_the_page(turns: int) -> None:
    page = Image.new("L", (70, 50), 255)
    page.paste(0, (12, 8, 30, 13))
    turned = Image.fromarray(np.rot90(np.asarray(page), turns).copy())
    turned.info["dpi"] = (100.0, 200.0)
    straight = upright(turned, turns)
    assert np.array_equal(np.asarray(straight), np.asarray(page))
    assert straight.info["dpi"] == ((100.0, 200.0), (200.0, 100.0))[turns % 2]
    word = OcrElement(OcrClass.WORD, bbox=BoundingBox(12, 8, 30, 13), text="word")
    line = OcrElement(OcrClass.LINE, bbox=BoundingBox(12, 8, 30, 13), baseline=Baseline(0.0, -1.0), children=[word])
    root = OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, *page.size), children=[line])
    turn_back(root, turns, page.size)
    box = word.bbox
    assert box is not None and root.bbox is not None
    assert (root.bbox.right, root.bbox.bottom) == turned.size
    shown = np.asarray(turned)[round(box.top) : round(box.bottom), round(box.left) : round(box.right)]
    assert shown.size == 18 * 5 and not shown.any()
    assert (line.textangle or 0.0) == (0, 90, 180, -90)[turns]
    assert (line.baseline is None) == bool(turns)


def _printed(lines: int) -> Image.Image:
    page = Image.new("L", (1200, 1600), 255)
    text = "The quick brown fox jumps over a lazy dog.\n" * lines
    ImageDraw.Draw(page).multiline_text((120, 700), text, font=ImageFont.truetype("DejaVuSerif.ttf", 40), fill=20)
    page.info["dpi"] = (300.0, 300.0)
    return page


def test_a_strip_tells_whether_a_page_is_upside_down() -> None:
    page = _printed(6)
    assert is_upside_down(page, ["eng"]) is False
    assert is_upside_down(upright(page, 2), ["eng"]) is True


@pytest.mark.parametrize(
    ("page", "languages"),
    [
        (Image.new("L", (300, 200), 255), ["eng"]),
        (Image.new("1", (1, 1)), ["eng"]),
        (Image.fromarray((np.random.default_rng(0).random((400, 400)) * 255).astype(np.uint8)), ["eng"]),
        (_printed(6), ["none-such"]),
    ],
    ids=["blank", "one pixel", "noise", "a language that is missing"],
)
def test_where_nothing_can_be_read_it_does_not_show(page: Image.Image, languages: list[str]) -> None:
    assert is_upside_down(page, languages) is None
