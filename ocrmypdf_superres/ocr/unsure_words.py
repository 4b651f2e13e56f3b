# SPDX-License-Identifier: MPL-2.0
"""Words that are more likely wrong than right, where most are: on pages without text, on lost ones, and in ink far too pale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrmypdf_superres.metrics.boxes import Box, scaled
from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.hypothesis import Word
from ocrmypdf_superres.ocr.merge.vote import Merged
from ocrmypdf_superres.page.image import to_grey

LOST_PAGE = 0.33
"""A page whose words are right with less than this mean probability is lost.

Of the pages without text on which words are read (music, squared paper, engraving, scribble) 19 of 20 are below it. On
training pages below it, reduced to 36-60 dpi, nine of ten words that are left out are wrong (``ocrmypdf-superres calibrate
lost``).
"""
UNSURE = 0.5
PALE = 0.5
"""Words that are less than so many times as dark as half of the page's words are show-through, stains or the grain of the paper,
if they are also more likely wrong than right.

Of 100 training pages reduced to 72, 100 and 150 dpi, 29 are read better without them and 4 worse by more than 0.05 points of CER.
"""
_MOST_WORDS = 200
_PAPER, _INK, _AROUND = 90, 4, 0.2
"""Percentiles of the levels of a word and its surroundings, which extend so many heights of the word beyond it."""


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
    return _keeping(merged, lambda word: _is_sure(word, merged, calibration))


def without_pale(merged: Merged, calibration: Calibration, page: Callable[[], Image.Image]) -> Merged:
    """Return *merged* without the words in ink far too pale that are more likely wrong than right.

    *page* is called where there may be such; it returns the page that was read, in any mode and size.
    """
    hypothesis = merged.hypothesis
    words = hypothesis.words
    unsure = [word for word in words if not _is_sure(word, merged, calibration)] if calibration.probabilities else []
    if not unsure:
        return merged
    levels = np.asarray(to_grey(page()))
    x, y = levels.shape[1] / hypothesis.size[0], levels.shape[0] / hypothesis.size[1]
    some = words[:: -(-len(words) // _MOST_WORDS)]
    usual = float(np.median([_darkness(levels, box) for box in scaled((word.box for word in some), x, y)]))
    boxes = scaled((word.box for word in unsure), x, y)
    pale = {word for word, box in zip(unsure, boxes, strict=True) if _darkness(levels, box) < PALE * usual}
    return _keeping(merged, lambda word: word not in pale)


def _is_sure(word: Word, merged: Merged, calibration: Calibration) -> bool:
    return calibration.probability(word.confidence, merged.layout) >= UNSURE


def _keeping(merged: Merged, keep: Callable[[Word], bool]) -> Merged:
    """Return *merged* with the words alone that *keep* is true for."""
    kept: dict[int, Sequence[Word]] = {}
    dropped = 0
    for index, line in enumerate(merged.hypothesis.lines):
        left = [word for word in line.words if keep(word)]
        if len(left) < len(line.words):
            kept[index] = left
            dropped += len(line.words) - len(left)
    if not dropped:
        return merged
    return replace(merged, hypothesis=merged.hypothesis.edited(kept, {}, {}), dropped=merged.dropped + dropped)


def _darkness(levels: NDArray[np.uint8], box: Box) -> float:
    """Return by how much the ink in *box* is darker than the paper around it, in levels of 255."""
    left, top, right, bottom = (max(0, edge) for edge in box)
    around = round(_AROUND * (bottom - top)) + 1
    inside = levels[top : bottom + 1, left : right + 1]
    outside = levels[max(0, top - around) : bottom + around, max(0, left - around) : right + around]
    return float(np.percentile(outside, _PAPER) - np.percentile(inside, _INK)) if inside.size else 0.0
