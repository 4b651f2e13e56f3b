# SPDX-License-Identifier: MPL-2.0
"""The image for OCR with its text upright and its lines level; the engine lays its reading back onto the page as it is."""

from __future__ import annotations

from typing import Any

from PIL import Image

from ocrmypdf_superres.ocr.turning import turns_of, upright
from ocrmypdf_superres.page.dewarp.surface import surface_of
from ocrmypdf_superres.page.plan import Plan
from ocrmypdf_superres.plugin.handover import PageState


def straighten(image: Image.Image, plan: Plan, state: PageState, options: Any) -> Image.Image:
    """Return *image*, made for OCR by *plan*, with its text upright and its lines level; *state* says how.

    An engine whose reading cannot be laid back (OCRmyPDF's ``sandwich`` renderer) gets *image* as it is.
    """
    if plan.text is None or plan.text.x_height is None or options.pdf_renderer == "sandwich":
        return image
    if plan.text.sideways:
        image = _turned(image, state)
    return image if state.hopeless else _dewarped(image, plan, plan.text.x_height, state)


def _turned(image: Image.Image, state: PageState) -> Image.Image:
    found = turns_of(image)
    turns = found if found % 2 else 0  # the measurement is surer that the lines run up or down
    state.record.reason += "; turned upright for OCR" if turns else "; which side is up is not clear, see --rotate-pages"
    if not turns:
        return image
    state.turns = turns
    if state.original is not None:
        state.original = upright(state.original, turns)
    return upright(image, turns)


def _dewarped(image: Image.Image, plan: Plan, x_height: float, state: PageState) -> Image.Image:
    """Return *image* dewarped where its lines need it; *x_height* is that of the pixels that were planned for."""
    source = image if state.original is None else state.original
    # The text was measured before the page was turned and, where it is left, perhaps on a scan of more pixels.
    planned = max(plan.target_size) / plan.factor
    surface = surface_of(source, x_height * max(source.size) / planned)
    if surface is None or surface.is_level:
        return image
    state.surface = surface
    state.record.reason += "; lines made level for OCR"
    if state.original is not None:
        state.original = surface.dewarp(state.original)
    return surface.dewarp(image)
