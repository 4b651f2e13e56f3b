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

ASK = 0.92
"""Below this mean probability of what was read so far, further engines are asked about the page.

On 41 training pages reduced to 60-100 dpi, RapidOCR, which reads enlarged lines, helped nearly every page below it (five pages
between 0.88 and 0.92 missed 74 words without it and 44 with it); above it there was next to nothing to find.
"""


UNREAD = 2
"""They are also asked where so many lines of ink have no words: how sure the others are says nothing of those."""


def wants_opinion(readings: Mapping[str, Hypothesis], calibration: Calibration) -> bool:
    """Whether further engines should be asked: nothing was read, or the best reading leaves doubt."""
    if not readings:
        return True
    return _best_probability(readings, calibration) < ASK


def is_doubtful(readings: Mapping[str, Hypothesis], calibration: Calibration, by_line: bool = False) -> bool:
    """Whether the readings so far call for another one of the whole page: it seems lost, or a first one is doubtful.

    *by_line* says that doubtful lines will be read again by themselves, which does as much for less.
    """
    if not readings:
        return True
    return _best_probability(readings, calibration) < (SURE if len(readings) == 1 and not by_line else LOST)


def _best_probability(readings: Mapping[str, Hypothesis], calibration: Calibration) -> float:
    """Return the mean probability that a word of the best reading is right."""
    best = page_winner(readings, calibration)
    return calibration.mean_probability(readings[best].words, best)
