# SPDX-License-Identifier: MPL-2.0
"""The lines of an engine that detects lines without a page layout, as the layout of a page whose segmentation failed.

Where Tesseract's page segmentation takes pale, dotted or noisy text apart, words of the other engine have no line to stand in.
There its own lines are the better frame, in reading order by geometry.
"""

from __future__ import annotations

from collections.abc import Mapping

from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.merge.reading_order import row_order
from ocrmypdf_superres.ocr.merge.seams import join_seams

BETTER = 1.2
"""The lines of another engine stand when its expected gain is at least this many times that of Tesseract's best reading."""


def better_lines(
    best: str, readings: Mapping[str, Hypothesis], opinions: Mapping[str, Hypothesis], calibration: Calibration
) -> str | None:
    """Return the engine of *opinions* whose lines should stand instead of those of *best*, one of *readings*; None for none."""
    gains = {name: calibration.expected_gain(opinion.words, name) for name, opinion in opinions.items()}
    least = BETTER * max(calibration.expected_gain(readings[best].words, best), 1.0)
    return max((name for name in gains if gains[name] >= least), key=lambda name: gains[name], default=None)


def arranged(opinion: Hypothesis) -> Hypothesis:
    """Return *opinion* with lines that touch end to end joined, in reading order."""
    joined, _ = join_seams(opinion)
    return joined.reordered(row_order(joined.lines))
