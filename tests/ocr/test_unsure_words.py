# SPDX-License-Identifier: MPL-2.0
"""Words that are more likely wrong than right leave pages that nothing can be read on."""

from __future__ import annotations

import numpy as np
import pytest
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement
from PIL import Image

from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.merge.vote import Merged
from ocrmypdf_superres.ocr.unsure_words import without_pale, without_unsure

STRAIGHT = Calibration({"net": [0.0, 1.0]}, [0.0, 1.0])


def _page(*confidences: float) -> Merged:
    lines = []
    for row, confidence in enumerate(confidences):
        box = BoundingBox(0, 20 * row, 50, 20 * row + 10)
        word = OcrElement(OcrClass.WORD, bbox=box, text=f"word{row}", confidence=confidence)
        lines.append(OcrElement(OcrClass.LINE, bbox=box, children=[word]))
    paragraph = OcrElement(OcrClass.PARAGRAPH, bbox=BoundingBox(0, 0, 50, 200), children=lines)
    return Merged(Hypothesis(OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, 100, 200), children=[paragraph])), "net")


@pytest.mark.parametrize(
    ("confidences", "no_text", "kept"),
    [
        ((0.9, 0.3, 0.9), False, 3),
        ((0.9, 0.3, 0.9), True, 2),
        ((0.1, 0.2, 0.3), False, 0),
        ((0.1, 0.2, 0.6), False, 1),
    ],
    ids=["readable", "no text", "lost", "lost but for a word"],
)
def test_unsure_words_go_only_where_the_page_is_lost(confidences: tuple[float, ...], no_text: bool, kept: int) -> None:
    result = without_unsure(_page(*confidences), STRAIGHT, no_text)
    assert without_unsure(_page(*confidences), Calibration({}, [0.0, 1.0]), no_text).dropped == 0
    assert len(result.hypothesis.words) == kept
    assert result.mixed == (kept < len(confidences))
    assert result.dropped == len(confidences) - kept


@pytest.mark.parametrize("shrink", [1, 2])
@pytest.mark.parametrize(
    ("confidences", "levels", "kept"),
    [
        ((0.9, 0.3, 0.9, 0.9), (20, 20, 20, 20), 4),  # as dark as the others
        ((0.9, 0.3, 0.9, 0.9), (20, 200, 20, 20), 3),
        ((0.9, 0.6, 0.9, 0.9), (20, 200, 20, 20), 4),  # pale, but more likely right
        ((0.9, 0.3, 0.3, 0.3), (200, 200, 200, 20), 4),  # most of the page is pale
    ],
    ids=["dark", "pale", "pale and right", "pale page"],
)
def test_unsure_words_in_pale_ink_go(confidences: tuple[float, ...], levels: tuple[int, ...], kept: int, shrink: int) -> None:
    page = np.full((200, 100), 240, np.uint8)
    for row, level in enumerate(levels):
        page[20 * row + 2 : 20 * row + 8 : 3, 4:46] = level
    image = Image.fromarray(page[::shrink, ::shrink] if shrink > 1 else page)
    merged = _page(*confidences)
    result = without_pale(merged, STRAIGHT, lambda: image)
    assert (len(result.hypothesis.words), result.dropped) == (kept, len(confidences) - kept)
    assert without_pale(merged, Calibration({}, [0.0, 1.0]), lambda: image) is merged


def test_the_page_is_not_opened_where_all_words_are_sure() -> None:
    merged = _page(0.9, 0.8)
    assert without_pale(merged, STRAIGHT, lambda: pytest.fail("opened")) is merged
