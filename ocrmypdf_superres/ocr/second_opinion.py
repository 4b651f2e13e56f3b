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


def is_doubtful(readings: Mapping[str, Hypothesis], calibration: Calibration) -> bool:
    """Whether the readings so far call for another one: a doubtful first one, or two of a page that seems lost."""
    if not readings:
        return True
    best = page_winner(readings, calibration)
    return calibration.mean_probability(readings[best].words, best) < (SURE if len(readings) == 1 else LOST)
