# SPDX-License-Identifier: MPL-2.0
"""Steps on the image for OCR: without rules and dot leaders, and labelled with the dpi that its text implies."""

from __future__ import annotations

from PIL import Image

from ocrmypdf_superres.ocr.variants import has_dark_ground
from ocrmypdf_superres.page.image import to_grey
from ocrmypdf_superres.page.marks.leaders import erase_leaders, find_leaders
from ocrmypdf_superres.page.marks.rules import without_grid
from ocrmypdf_superres.page.plan import Plan, label_for
from ocrmypdf_superres.plugin.handover import PageState


def unruled(image: Image.Image, plan: Plan, state: PageState) -> Image.Image:
    """Return *image*, which *plan* was made for, without pale rules of tables and forms; as it is where its letters are light."""
    height = plan.text.x_height if plan.text is not None and plan.text.sure else None
    if height is None or has_dark_ground(to_grey(image)):
        return image
    without = without_grid(image, height)
    if without is None:
        return image
    state.record.reason += "; pale rules erased for OCR"
    return without


def without_leaders(image: Image.Image, plan: Plan, state: PageState) -> Image.Image:
    """Return *image*, made for OCR by *plan*, without dot leaders; the original of *state* follows."""
    if plan.text is None or plan.text.x_height is None or not plan.text.sure:
        return image
    leaders = find_leaders(image, plan.text.x_height * _factor(image, plan))
    if leaders is None:
        return image
    state.record.reason += "; dot leaders erased for OCR"
    if state.original is not None:
        state.original = erase_leaders(state.original, leaders)
    return erase_leaders(image, leaders)


def _factor(image: Image.Image, plan: Plan) -> float:
    """Return by how much *image* is larger than the pixels that *plan* was made for.

    A page that is left may be planned for by the pixels of its scan, and read in those of the raster.
    """
    return plan.factor * image.width / plan.target_size[0]


def labelled(image: Image.Image, plan: Plan, state: PageState) -> Image.Image:
    """Return *image* with the dpi that the height of its text implies, where its own is far from that."""
    claimed = image.info.get("dpi", (0.0, 0.0))
    fitting = label_for(plan.text, _factor(image, plan), max(claimed))
    if fitting is None:
        return image
    state.dpi = float(claimed[0]) or None
    state.record.extra["told_dpi"] = round(fitting)
    result = image.copy()
    result.info["dpi"] = (fitting, fitting)
    if state.original is not None:
        state.original.info["dpi"] = (fitting / plan.factor, fitting / plan.factor)
    return result
