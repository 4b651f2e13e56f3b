# SPDX-License-Identifier: MPL-2.0
"""Variants of a page: the images of it that an engine may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ocrmypdf_superres.errors import ImageError
from ocrmypdf_superres.page.image import flatten, inverted, is_colour, merge_luma, to_grey
from ocrmypdf_superres.page.ink import is_light_on_dark
from ocrmypdf_superres.page.shading import even_out

if TYPE_CHECKING:
    from ocrmypdf_superres.page.plan import Plan
    from ocrmypdf_superres.upscaling.upscaler import Upscaler

__all__ = ["VARIANTS", "make_variant"]

NET, BLEND, LANCZOS, AS_IS = "net", "blend", "lanczos", "as-is"
"""Enlarged by the net; by Lanczos to the same size; the mean of both; and the original page."""
EVEN = "even"
"""As net, with the paper evened out: read after the net's variant where the paper is somewhat uneven."""
SAUVOLA = "sauvola"
"""The net's image once more, with Sauvola's threshold for each place (Pattern Recognition 33, 2000) to find lines and letters by.

Read where the paper was evened out and the first reading is in doubt. On 27 training pages of 72 dpi with the light falling off
by a third, the vote of both had a CER of 10.9 % where the first had 11.8, and with the blend beside the first 11.3. Alone it is
no better than the first: it joins the columns of some typescripts. Larger windows, other factors, and ink made equally dark
(``even_ink``) read worse.
"""
VARIANTS = (NET, BLEND, LANCZOS, AS_IS)
"""The variants of every page, in the order in which they are read."""


def enlarge(image: Image.Image, plan: Plan, upscaler: Upscaler, colour: bool = False, ink_only: bool = False) -> Image.Image:
    """Return *image* enlarged to ``plan.target_size``: grey, or in its colours where *colour* asks for it.

    With *ink_only*, for OCR, the net need not enlarge even paper: people would see where that, which keeps its noise, begins.

    The net enlarges by ``plan.scale``; what then differs from the planned size is resampled with Lanczos.
    ``info['dpi']`` is set. Beside the images themselves, memory is bounded for any size of page.

    Raises:
        ImageError: the plan is to leave the page, or it is not for an image of this size.
        DeviceError, ModelError: from the backend.
    """
    if plan.action != "enlarge" or plan.scale is None:
        raise ImageError("A plan to leave the page was given, a plan to enlarge was expected; use the image as it is.")
    flat = flatten(image)
    grey = to_grey(flat)
    # Nets have learned dark letters on light paper, and smear others.
    dark = has_dark_ground(grey)
    upscale = upscaler.upscale_ink if ink_only else upscaler.upscale_bytes
    large = Image.fromarray(upscale(np.asarray(inverted(grey) if dark else grey), plan.scale))
    if dark:
        large = inverted(large)
    if large.size != plan.target_size:
        large = large.resize(plan.target_size, Image.Resampling.LANCZOS)
    if colour and is_colour(flat):
        large = merge_luma(flat, np.asarray(large, dtype=np.float32) / np.float32(255.0))
    large.info["dpi"] = tuple(
        float(claimed) * new / old for claimed, new, old in zip(plan.dpi, plan.target_size, image.size, strict=True)
    )
    return large


def has_dark_ground(grey: Image.Image) -> bool:
    """Whether *grey*, of mode ``L``, has light letters on a dark ground; every other pixel and row is looked at."""
    return is_light_on_dark(np.asarray(grey)[::2, ::2].astype(np.float32) / np.float32(255))


def lanczos(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return *image* in grey, resized to *size* = (width, height) with Lanczos-3."""
    return to_grey(image).resize(size, Image.Resampling.LANCZOS)


def make_variant(name: str, original: Image.Image, net: Image.Image) -> Image.Image:
    """Return the variant *name* in grey.

    Args:
        name: one of :data:`VARIANTS`, or :data:`EVEN`, or :data:`SAUVOLA`, whose image is the net's.
        original: the page before it was enlarged.
        net: the page enlarged by the net; blend and lanczos take its size and its ``info['dpi']``.
    """
    if name == NET:
        return net
    if name == SAUVOLA:
        return net.copy()
    if name == AS_IS:
        return to_grey(original)
    image = even_out(net) if name == EVEN else lanczos(original, net.size)
    if name == BLEND:
        image = Image.blend(image, net.convert("L"), 0.5)
    if "dpi" in net.info:
        image.info["dpi"] = net.info["dpi"]
    return image
