# SPDX-License-Identifier: MPL-2.0
"""How often a word of Tesseract's confidence c is right, for each candidate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ocrmypdf_superres.ocr.hocr import Word

COST = 0.25
"""What a character read costs, in right characters: words less sure than this are better not read at all."""
TABLE = Path(__file__).with_name("calibration.json")


@lru_cache(maxsize=1)
def _table() -> dict[str, list[float]]:
    stored: dict[str, list[float]] = json.loads(TABLE.read_text(encoding="utf-8"))["probability"]
    return stored


def probability(confidence: float, candidate: str) -> float:
    """Return the calibrated probability, 0 to 1, that a word of *confidence* (0 to 100) is right.

    Linear between the table's knots, which are evenly spaced from 0 to 100; a candidate that was not calibrated takes the model's row.
    """
    table = _table()
    knots = table.get(candidate, table["model"])
    place = min(max(confidence, 0.0), 100.0) / 100.0 * (len(knots) - 1)
    low = min(int(place), len(knots) - 2)
    return knots[low] + (place - low) * (knots[low + 1] - knots[low])


def expected_gain(words: Sequence[Word], candidate: str) -> float:
    """Return the expected number of characters in right words less :data:`COST` for each character of any word.

    A reading that lost most of the text has little to gain; one that invented text pays for it.
    """
    return sum(len(w.text) * (probability(w.confidence, candidate) - COST) for w in words)


def mean_probability(words: Sequence[Word], candidate: str) -> float:
    """Return the mean calibrated probability, weighted by the words' length; 0 where there are none."""
    characters = sum(len(w.text) for w in words)
    if not characters:
        return 0.0
    return sum(len(w.text) * probability(w.confidence, candidate) for w in words) / characters


def mean_confidence(words: Sequence[Word]) -> float:
    """Return Tesseract's own mean confidence, 0 to 100, weighted by the words' length; 0 where there are none."""
    characters = sum(len(w.text) for w in words)
    return sum(len(w.text) * w.confidence for w in words) / characters if characters else 0.0
