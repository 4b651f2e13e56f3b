# SPDX-License-Identifier: MPL-2.0
"""When a page is read again: only where the readings so far leave doubt."""

from __future__ import annotations

from collections.abc import Mapping

from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.merge.order import page_winner

SURE = 0.76
"""A first reading whose words are right with at least this mean probability leaves no doubt.

Measured on 40 training pages reduced to 72-150 dpi: a second reading below it costs about 1.3 times the time of one
reading and finds half or more of what a second reading of every page finds.
"""
LOST = 0.4
"""Two readings of which the better one is below this leave the page lost, and the further variants are read too."""

ASK = 0.88
"""Below this mean probability of what was read so far, further engines are asked about the page.

On 41 training pages reduced to 60-100 dpi, RapidOCR's vote helped nearly every page below it; above it as many words were
lost as were found.
"""


def wants_opinion(readings: Mapping[str, Hypothesis], calibration: Calibration) -> bool:
    """Whether further engines should be asked: nothing was read, or the best reading leaves doubt."""
    if not readings:
        return True
    return _best_probability(readings, calibration) < ASK


def is_doubtful(readings: Mapping[str, Hypothesis], calibration: Calibration) -> bool:
    """Whether the readings so far call for another one: a doubtful first one, or two of a page that seems lost."""
    if not readings:
        return True
    return _best_probability(readings, calibration) < (SURE if len(readings) == 1 else LOST)


def _best_probability(readings: Mapping[str, Hypothesis], calibration: Calibration) -> float:
    """Return the mean probability that a word of the best reading is right."""
    best = page_winner(readings, calibration)
    return calibration.mean_probability(readings[best].words, best)
