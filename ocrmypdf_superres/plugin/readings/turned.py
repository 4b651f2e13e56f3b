# SPDX-License-Identifier: MPL-2.0
"""Pages that are upside down or sideways, which only their lost first reading reveals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.turning import is_upside_down, turns_of, upright
from ocrmypdf_superres.ocr.variants import NET
from ocrmypdf_superres.plugin.handover import PageState
from ocrmypdf_superres.plugin.readings.gathered import Gathered

LOST_UPRIGHT = 0.4
"""A reading whose words are right with less than this mean probability may be of a page that is turned.

Training pages upside down are read with 0.23 to 0.30, the same pages upright with 0.53 and more.
"""
SURE_OF_TURN = 1.5
"""Tesseract's confidence in the orientation: 2.6 and more on training pages upside down, up to 1.2 on scribble."""
CLEARLY = 0.1
TURNED = "turned"
"""The name under which the record has the seconds of the reading before the page was turned."""


@dataclass(frozen=True)
class Straightened:
    """A page turned upright: its image file, (width, height) and dpi, and the quarter turns counter-clockwise undone."""

    path: Path
    size: tuple[int, int]
    dpi: tuple[float, float]
    turns: int


def straightened(
    image_file: Path, target: Path, found: Gathered, state: PageState, languages: Sequence[str]
) -> Straightened | None:
    """Return the page turned upright, where its first reading is lost and Tesseract finds or reads that it is turned; else None.

    Args:
        image_file: the image that was read.
        target: where to write the upright one, without suffix.
        found: its reading, and how far that can be trusted.
        state: of the page; one without text, with text too small, or turned already, is not asked about.
        languages: of the text.
    """
    if state.turns or state.no_text or state.hopeless or state.record.action == "failed":
        return None
    reading, calibration = found.whole.get(NET), found.calibration
    if reading is None or calibration is None or not reading.words:
        return None
    if calibration.mean_probability(reading.words, NET) >= LOST_UPRIGHT:
        return None
    with Image.open(image_file) as image:
        turns = turns_of(image, SURE_OF_TURN) or (2 if is_upside_down(image, languages) else 0)
        # Lines that were made level are level.
        if not turns or (turns % 2 and state.surface is not None):
            return None
        straight = upright(image, turns)
    path, dpi = target.with_suffix(".png"), straight.info.get("dpi", (300.0, 300.0))
    straight.save(path, dpi=dpi, compress_level=1)
    return Straightened(path, straight.size, dpi, turns)


def is_better(found: Gathered, other: Hypothesis) -> bool:
    """Whether the words *found* are clearly surer than those of *other*; by little they are on pages of scribble."""
    reading, calibration = found.whole.get(NET), found.calibration
    if reading is None or calibration is None:
        return False
    return calibration.mean_probability(reading.words, NET) > CLEARLY + calibration.mean_probability(other.words, NET)


def turn_state(state: PageState, page: Straightened) -> None:
    """Note in *state* that the page was turned upright, and turn its original likewise."""
    if state.original is not None:
        state.original = upright(state.original, page.turns)
    if state.surface is not None:
        state.surface = state.surface.turned()
    state.turns, state.size = page.turns, page.size
    state.record.reason += "; turned upright for OCR"
