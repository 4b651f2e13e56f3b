# SPDX-License-Identifier: MPL-2.0
"""Choosing the best reading as a whole, and the one that gives the order of lines."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.hypothesis import Hypothesis, Line

PAGE_MARGIN = 0.03
"""Another reading wins when its expected gain is above that of the first one by this share."""
LAYOUT_MARGIN = 0.1
"""A reading may give the order of lines when its expected gain is within this share of the best one's."""
FARTHEST = 20.0
"""The largest cost of one move of the eye, in line heights: a jump to the top of the next column is as it should be."""


def page_winner(readings: Mapping[str, Hypothesis], calibration: Calibration) -> str:
    """Return the variant whose whole reading is the best; the first one stays unless another wins by the margin.

    *readings* are by variant, not empty. The gains are expected right characters, so a reading that lost most of the
    text loses, and so does one that invented text.
    """
    names = list(readings)
    winner = names[0]
    gains = {name: calibration.expected_gain(readings[name].words, name) for name in names}
    for name in names[1:]:
        if gains[name] > gains[winner] + PAGE_MARGIN * max(abs(gains[winner]), 1.0):
            winner = name
    return winner


def layout_winner(readings: Mapping[str, Hypothesis], calibration: Calibration) -> str:
    """Return the variant whose order of lines stands: of those that read nearly as much as any, the one with the shortest way.

    Where Tesseract takes a column or a table apart, a person's eye has to jump across the page.
    """
    gains = {name: calibration.expected_gain(reading.words, name) for name, reading in readings.items()}
    enough = max(gains.values()) - LAYOUT_MARGIN * abs(max(gains.values())) - 1.0
    able = [name for name in readings if gains[name] >= enough]
    return min(able, key=lambda name: (way(readings[name].lines), -gains[name]))


def way(lines: Sequence[Line]) -> float:
    """Return how far the eye moves from line to line, in line heights: down, and a fifth of the way across."""
    total = 0.0
    for one, following in itertools.pairwise(lines):
        height = max(1, one.box[3] - one.box[1])
        total += min(FARTHEST, abs(following.box[1] - one.box[3]) / height)
        total += min(FARTHEST, abs(following.box[0] - one.box[0]) / height / 5)
    return total
