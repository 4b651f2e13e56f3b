# SPDX-License-Identifier: MPL-2.0
"""When a page is read again: only where the readings so far leave doubt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.merge.order import page_winner
from ocrmypdf_superres.ocr.variants import AS_IS

SURE = 0.76
"""A first reading whose words are right with at least this mean probability leaves no doubt.

Measured on 40 training pages reduced to 72-150 dpi: a second reading below it costs about 1.3 times the time of one
reading and finds half or more of what a second reading of every page finds.
"""
LOST = 0.4
"""A first reading below this leaves the page lost: the original is read, which costs little, and no other variant.

On 25 training pages reduced to 36-60 dpi whose first reading was below it, no reading of the blend or of the original came
more than 0.05 above the first.
"""

ASK = 0.92
"""Below this mean probability of what was read so far, further engines are asked about the page.

On 41 training pages reduced to 60-100 dpi, RapidOCR, which reads enlarged lines, helped nearly every page below it (five pages
between 0.88 and 0.92 missed 74 words without it and 44 with it); above it there was next to nothing to find.
"""

ASK_TUNED = 0.96
"""The same where a tuned network of Tesseract read the page.

On 20 training pages that were held out from the tuning, at 72 and 100 dpi, its words had 0.04 more than those of the
installed one. Further engines are asked for lines that Tesseract does not find, so the same pages should be asked about.
"""
ASK_LEFT = 0.9
"""The same for pages that were not enlarged.

On 30 training pages at 200 and 300 dpi, RapidOCR took a fifth off the errors of the 20 pages below it, and nothing off those
of the 10 above (165 edits before, 173 after; 101 words missed before, 104 after), at four times the time of a page.
"""

UNREAD = 2
"""Further engines are also asked where this many lines of ink have no words: the sureness of other lines says nothing there."""

USUAL_LIMIT = 180.0
"""Seconds that OCRmyPDF gives Tesseract for a page, where it does not say."""
TIMED_OUT = 0.95
"""A reading that took this share of the time limit is taken for one that was ended by it."""


def affordable(variants: Sequence[str], seconds: Mapping[str, float], limit: float, hopeless: bool) -> Iterator[str]:
    """Yield those of *variants* that are worth the time of another reading, given the *seconds* of those before.

    After a reading that ran into the time *limit*, and where the page is *hopeless*, nothing more of the enlarged size is
    read. All readings together start within one limit.

    Args:
        variants: in the order in which they would be read.
        seconds: how long each reading took; looked at again before each variant.
        limit: the engine's time limit in seconds.
        hopeless: whether the page's letters are too small to be read at any size.
    """
    for variant in variants:
        too_long = any(taken >= TIMED_OUT * limit for taken in seconds.values())
        if sum(seconds.values()) >= limit and not too_long:
            return
        if variant == AS_IS or not (too_long or hopeless):
            yield variant


def time_limit(options: Any) -> float:
    """Return the seconds that OCRmyPDF's *options* give the engine for a page."""
    tesseract = getattr(options, "tesseract", None)
    return float(getattr(tesseract, "timeout", None) or USUAL_LIMIT)


def ask_below(enlarged: bool, tuned: bool) -> float:
    """Return the mean probability below which further engines are asked about a page.

    Args:
        enlarged: whether the page was enlarged.
        tuned: whether a tuned network of Tesseract read it.
    """
    if not enlarged:
        return ASK_LEFT
    return ASK_TUNED if tuned else ASK


def wants_opinion(readings: Mapping[str, Hypothesis], calibration: Calibration, ask: float = ASK) -> bool:
    """Whether further engines should be asked: nothing was read, or the best reading leaves doubt."""
    if not readings:
        return True
    return _best_probability(readings, calibration) < ask


def is_doubtful(readings: Mapping[str, Hypothesis], calibration: Calibration, by_line: bool = False) -> bool:
    """Whether the readings so far call for another one of the whole page: a first one is doubtful, or has no words.

    *by_line* says that doubtful lines will be read again by themselves, which gains as much in less time.
    """
    if len(readings) > 1:
        return False
    if not any(reading.words for reading in readings.values()):
        return True
    return _best_probability(readings, calibration) < (LOST if by_line else SURE)


def is_lost(readings: Mapping[str, Hypothesis], calibration: Calibration, limit: float = LOST) -> bool:
    """Whether nothing was read, or the words of the best reading are right with less than the mean probability *limit*."""
    if not any(reading.words for reading in readings.values()):
        return True
    return _best_probability(readings, calibration) < limit


def in_turn(variants: Sequence[str], readings: Mapping[str, Hypothesis], calibration: Calibration) -> list[str]:
    """Return *variants* in the order in which they should be read: the original first where a first reading is lost."""
    return sorted(variants, key=lambda name: name != AS_IS) if is_lost(readings, calibration) else list(variants)


def _best_probability(readings: Mapping[str, Hypothesis], calibration: Calibration) -> float:
    """Return the mean probability that a word of the best reading is right."""
    best = page_winner(readings, calibration)
    return calibration.mean_probability(readings[best].words, best)
