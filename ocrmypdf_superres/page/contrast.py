# SPDX-License-Identifier: MPL-2.0
"""Pale ink made as dark as the darkest of its neighbourhood: a threshold for the page then keeps it.

A dark stamp, a bold heading or a stroke of a pen sets the contrast of a page, and pale print beside it is lost. Here the
contrast is measured in tiles, in the manner of adaptive equalization (Pizer et al., CVGIP 1987), so that each neighbourhood
has its own.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from ocrmypdf_superres.page.image import FloatImage, percentile_of_tiles

TILES = 24
"""About this many tiles lie along the shorter side."""
PAPER, INK = 85, 3
"""Percentiles of a tile that stand for its paper and its ink."""
BLANK = 3.0
"""What is less than this many times the noise below the paper is paper."""
NOISE = 4.0
"""Ink is at least this many times as dark as the noise of the paper; what is paler stays as pale as it is."""
_LEAST_DARK = 0.04
"""... and at least as dark as this, in luma."""
_MEDIAN = 0.95
"""Median of the differences between pixels with noise of deviation 1: that of a normal one, 0.674, times the root of 2."""


def even_ink(luma: FloatImage) -> FloatImage:
    """Return *luma*, float32 (H, W) in [0, 1] with 1 = white paper, with the ink of each neighbourhood equally dark.

    The paper becomes white, and ink as dark as the darkest of its tile black. A page without ink becomes white.
    """
    height, width = luma.shape
    side = max(8, min(height, width) // TILES)
    rows, columns = max(1, height // side), max(1, width // side)
    paper = _spread(percentile_of_tiles(luma, rows, columns, PAPER), ImageFilter.MaxFilter(3), (width, height))
    noise = float(np.percentile(np.abs(np.diff(luma, axis=1)), 50)) / _MEDIAN if luma.shape[1] > 1 else 0.0
    depth = np.maximum(paper - luma - np.float32(BLANK * noise), 0.0)
    dark = percentile_of_tiles(depth, rows, columns, 100 - INK)
    floor = np.float32(max(NOISE * noise, _LEAST_DARK))
    ink = _spread(np.maximum(dark, floor), ImageFilter.MedianFilter(3), (width, height))
    return np.asarray(1.0 - np.clip(depth / ink, 0.0, 1.0), dtype=np.float32)


def _spread(levels: FloatImage, smooth: ImageFilter.RankFilter, size: tuple[int, int]) -> FloatImage:
    """Return the *levels* of tiles, float32 (rows, columns) in [0, 1], smoothed and resized to *size* = (width, height)."""
    eight = Image.fromarray(np.round(np.clip(levels, 0, 1) * 255).astype(np.uint8)).filter(smooth)
    whole = Image.fromarray(np.asarray(eight, dtype=np.float32) / 255).resize(size, Image.Resampling.BILINEAR)
    return np.maximum(np.asarray(whole, dtype=np.float32), 1 / 255)
