# SPDX-License-Identifier: MPL-2.0
"""How fast a net runs here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ocrmypdf_superres.upscaling.upscaler import Upscaler

SIDE = 192


def seconds_a_megapixel(upscaler: Upscaler, scale: int) -> float:
    """Return the seconds that *upscaler* takes for a megapixel of lr at *scale*, measured on one tile of noise, run twice."""
    tile = np.random.default_rng(0).random((SIDE, SIDE), dtype=np.float32)
    upscaler.upscale(tile, scale)
    began = time.perf_counter()
    upscaler.upscale(tile, scale)
    return (time.perf_counter() - began) * 1e6 / tile.size
