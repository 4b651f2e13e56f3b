# SPDX-License-Identifier: MPL-2.0
"""The image for OCR with its text upright and its lines level; the engine lays its reading back onto the page as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from ocrmypdf_superres.ocr.turning import is_upside_down, turns_of, upright
from ocrmypdf_superres.page.dewarp.surface import surface_of
from ocrmypdf_superres.page.plan import Plan
from ocrmypdf_superres.plugin.handover import PageState


def turn_upright(image: Image.Image, plan: Plan, state: PageState, options: Any) -> Image.Image:
    """Return *image*, made for OCR by *plan*, with its text upright; *state* and its original follow."""
    if plan.text is None or not plan.text.sideways or not _can_be_laid_back(options):
        return image
    turns = _sideways_turns(image, options.languages or ())
    state.record.reason += "; turned upright for OCR" if turns else "; which side is up is not clear, see --rotate-pages"
    if not turns:
        return image
    result = upright(image, turns)
    if state.original is not None:
        state.original = upright(state.original, turns)
    state.turns = turns
    return result


def _sideways_turns(image: Image.Image, languages: Sequence[str]) -> int:
    """Return the quarter turns counter-clockwise, 1 or 3, of the text on *image*, whose lines run up or down; 0 if unclear."""
    upside_down = is_upside_down(upright(image, 1), languages)
    if upside_down is None:
        found = turns_of(image)
        return found if found % 2 else 0  # the measurement is surer that the lines run up or down
    return 3 if upside_down else 1


def level_lines(image: Image.Image, plan: Plan, state: PageState, options: Any) -> Image.Image:
    """Return *image*, made for OCR by *plan* and upright, with its lines level; *state* and its original follow."""
    if plan.text is None or plan.text.x_height is None or state.hopeless or not _can_be_laid_back(options):
        return image
    if plan.text.sideways and not state.turns:
        return image  # its lines still run up or down
    source = image if state.original is None else state.original
    # The text was measured before the page was turned and, where it is left, perhaps on a scan of more pixels.
    planned = max(plan.target_size) / plan.factor
    surface = surface_of(source, plan.text.x_height * max(source.size) / planned)
    if surface is None or surface.is_level:
        return image
    result = surface.dewarp(image)
    if state.original is not None:
        state.original = surface.dewarp(state.original)
    state.surface = surface
    state.record.reason += "; lines made level for OCR"
    return result


def _can_be_laid_back(options: Any) -> bool:
    """Whether the reading passes through this plugin on its way onto the page; with the ``sandwich`` renderer it does not."""
    return bool(options.pdf_renderer != "sandwich")
