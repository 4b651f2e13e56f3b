# SPDX-License-Identifier: MPL-2.0
"""Turning a page upright and its reading back."""

from __future__ import annotations

import numpy as np
import pytest
from ocrmypdf.hocrtransform import Baseline, BoundingBox, OcrClass, OcrElement
from PIL import Image

from ocrmypdf_superres.ocr.turning import turn_back, upright


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
