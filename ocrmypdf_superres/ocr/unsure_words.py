# SPDX-License-Identifier: MPL-2.0
"""Words that are more likely wrong than right, on pages where most are: those without text, and those that are lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.hypothesis import Word
from ocrmypdf_superres.ocr.merge.vote import Merged

LOST_PAGE = 0.33
"""A page whose words are right with less than this mean probability is lost.

Of the pages without text on which words are read (music, squared paper, engraving, scribble) 19 of 20 are below it. On
training pages below it, reduced to 36-60 dpi, nine of ten words that are left out are wrong (``ocrmypdf-superres calibrate
lost``).
"""
UNSURE = 0.5


def without_unsure(merged: Merged, calibration: Calibration, no_text: bool) -> Merged:
    """Return *merged* without the words that are more likely wrong than right, where the page is lost or has *no_text*.

    On other pages, and where nothing is known of the engine, they stay: half of a word's letters may be right, and what is
    next to it is.
    """
    hypothesis, variant = merged.hypothesis, merged.layout
    if not calibration.probabilities:
        return merged  # nothing is known of how sure this engine is
    if not no_text and calibration.mean_probability(hypothesis.words, variant) >= LOST_PAGE:
        return merged
    kept: dict[int, Sequence[Word]] = {}
    dropped = 0
    for index, line in enumerate(hypothesis.lines):
        sure = [word for word in line.words if calibration.probability(word.confidence, variant) >= UNSURE]
        if len(sure) < len(line.words):
            kept[index] = sure
            dropped += len(line.words) - len(sure)
    return replace(merged, hypothesis=hypothesis.edited(kept, {}, {}), dropped=dropped) if dropped else merged
