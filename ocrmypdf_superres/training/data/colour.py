# SPDX-License-Identifier: MPL-2.0
"""In which channels text lines are trained and evaluated: luma, RGB, or RGB and the mask of TextZoom's users."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.architectures.blocks.layers import LUMA
from ocrmypdf_superres.errors import OptionError

Array = NDArray[np.float32]
LUMA_ALONE, RGB, RGB_MASK = "luma", "rgb", "rgb+mask"
COLOURS = {LUMA_ALONE: 1, RGB: 3, RGB_MASK: 4}
"""What a recipe may ask for, and its number of channels."""


def grey(image: Array) -> Array:
    """Return the luma, float32 (H, W), of *image*, float32 (H, W) or (3, H, W)."""
    if image.ndim == 2:
        return image
    return np.asarray(np.tensordot(np.asarray(LUMA, dtype=np.float32), image, axes=1), dtype=np.float32)


def planes(image: Array, colour: str) -> Array:
    """Return *image*, float32 (H, W) or (3, H, W) in [0, 1], as float32 (C, H, W) with the channels of *colour*.

    Grey is replicated for RGB. The mask is 1 where a pixel's luma is not above the image's mean, and 0 elsewhere: 1 on dark ink
    (Wang et al., TextZoom, ECCV 2020, section 4.1).
    """
    if colour == LUMA_ALONE:
        return grey(image)[None]
    rgb = image if image.ndim == 3 else np.repeat(image[None], 3, axis=0)
    if colour == RGB:
        return np.ascontiguousarray(rgb)
    luma = grey(image)
    mask = (luma <= luma.mean()).astype(np.float32)
    return np.concatenate([rgb, mask[None]])


def check_colour(colour: str, lines: bool, where: str, crops: bool = False) -> None:
    """Raise OptionError where *colour* is not known, or its sources have none.

    *lines* says whether they give text lines, *crops* whether they give crops in RGB; page strips are in luma, as pages are read.
    """
    if colour not in COLOURS or (colour != LUMA_ALONE and not lines and not (crops and colour == RGB)):
        raise OptionError(
            f"{where} has colour = {colour!r}; give one of {', '.join(COLOURS)}; for pages luma, in which they are read, or rgb "
            "with sources of the kind patches and options = { colour = true }."
        )
