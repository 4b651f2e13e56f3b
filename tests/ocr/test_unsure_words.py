# SPDX-License-Identifier: MPL-2.0
"""Words that are more likely wrong than right leave pages that nothing can be read on."""

from __future__ import annotations

import pytest
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement

from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.merge.vote import Merged
from ocrmypdf_superres.ocr.unsure_words import without_unsure

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
