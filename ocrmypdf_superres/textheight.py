# SPDX-License-Identifier: MPL-2.0
"""How high the text of a page is, in pixels, measured from the grey page itself.

The claimed dpi of a scan is often wrong, but the height of a lower-case ``x`` tells what a reader sees.
The measure works on row profiles: the page is cut into narrow vertical strips, the ink of every strip is
summed along its rows, and the bands of text lines in these profiles are as high as the x-height, because
only few letters reach above or below it. A profile averages over many pixels, so noise, blur and touching
letters hardly move it, and its flanks are read with sub-pixel precision: no letters need be told apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrmypdf_superres.image import FloatImage

#: Pixels above which a page is sampled instead of measured whole.
MAX_MEASURED_PIXELS = 12_000_000


@dataclass(frozen=True)
class TextHeight:
    """What was measured.

    Attributes:
        x_height: median height of lower-case letters without ascender, in pixels; None without text.
        lines: about how many text lines stand on the page.
        ink: share of the page's pixels covered with ink, 0..1.
        bands: how many pieces of text lines the median rests on.
    """

    x_height: float | None
    lines: int
    ink: float
    bands: int


def measure_text_height(luma: FloatImage) -> TextHeight:
    """Measure *luma*, float32 (H, W) in [0, 1] with 1 = white paper.

    Never raises for a picture of any size, 1x1 included: without text the x-height is None.
    """
    if min(luma.shape) < 8:
        return TextHeight(None, 0, 0.0, 0)
    ink = _ink(luma)
    if ink is None:
        return TextHeight(None, 0, 0.0, 0)
    share = float((ink > 0.5).mean())
    width = max(24, min(luma.shape[1], 64))
    height: float | None = None
    pitch = 0.0
    bands = 0
    for _ in range(3):
        found = _bands(_profiles(ink, width), pitch)
        if found is None:
            return TextHeight(None, 0, share, 0)
        height, pitch, bands = found
        # About a dozen letters: wide enough for an average, narrow enough for a page that is not straight.
        width = int(np.clip(12 * height, 24, max(24, luma.shape[1])))
    assert height is not None
    strips = max(1.0, luma.shape[1] / width)
    return TextHeight(height, max(1, round(bands / strips)), share, bands)


def measured_part(image: Image.Image) -> Image.Image:
    """*image*, or of a very large page the stripe through its middle that is enough to measure."""
    width, height = image.size
    rows = max(1, MAX_MEASURED_PIXELS // width)
    if rows >= height:
        return image
    top = (height - rows) // 2
    return image.crop((0, top, width, top + rows))


def _ink(luma: FloatImage) -> FloatImage | None:
    """Ink in about 0..1: darkness against the local paper, scaled by the page's contrast. None: blank."""
    height, width = luma.shape
    if float(np.median(luma[::4, ::4])) < 0.35 and float(np.percentile(luma[::4, ::4], 98)) > 0.5:
        luma = 1.0 - luma  # white letters on black
    block = int(np.clip(min(height, width) // 24, 16, 96))
    step = max(1, block // 16)
    sub = luma[::step, ::step]
    size = block // step
    rows, cols = max(1, sub.shape[0] // size), max(1, sub.shape[1] // size)
    tiles = sub[: rows * size, : cols * size]
    tiles = tiles.reshape(rows, tiles.shape[0] // rows, cols, tiles.shape[1] // cols)
    paper = np.percentile(tiles, 85, axis=(1, 3)).astype(np.float32)
    smooth = np.asarray(Image.fromarray(paper).resize((width, height), Image.Resampling.BILINEAR))
    ink = np.maximum(smooth - luma, 0.0)
    contrast = float(np.percentile(ink[::2, ::2], 99.0))
    noise = float(np.median(np.abs(np.diff(luma[::2, ::2], axis=1)))) / 0.954
    if contrast < max(0.06, 3.0 * noise):
        return None
    return np.minimum(ink / contrast, 1.0, dtype=np.float32)


def _profiles(ink: FloatImage, width: int) -> NDArray[np.float32]:
    """Mean ink along the rows of strips *width* pixels wide: float32 (H, strips); ruled lines left out."""
    height, total = ink.shape
    count = max(1, total // width)
    strips = ink[:, : count * width].reshape(height, count, -1)
    profile = strips.mean(axis=2)
    solid = (strips > 0.4).mean(axis=2) > 0.85
    return np.where(solid, 0.0, profile).astype(np.float32)


def _envelope(profile: NDArray[np.float32], reach: int, largest: bool) -> NDArray[np.float32]:
    """Running maximum (or minimum) over 2 * reach + 1 rows."""
    pick = np.maximum if largest else np.minimum
    out = profile
    done = 0
    # Doubling: a window of any length from few shifts.
    while done < reach:
        shift = min(reach - done, max(1, done if done else 1))
        padded = np.pad(out, ((shift, shift), (0, 0)), mode="edge")
        out = pick(pick(padded[: -2 * shift], padded[2 * shift :]), out)
        done += shift
    return out


def _bands(profile: NDArray[np.float32], pitch: float) -> tuple[float, float, int] | None:
    """Median height of text bands, median distance between neighbours, and their number; None without."""
    reach = int(max(3, round(0.75 * pitch))) if pitch else max(6, min(60, profile.shape[0] // 8))
    high = _envelope(profile, reach, True)
    low = _envelope(profile, reach, False)
    depth = high - low
    typical = float(np.percentile(depth, 90))
    if typical < 0.02:
        return None
    level = np.where(depth > 0.35 * typical, low + 0.45 * depth, 2.0)
    over = np.pad(profile - level, ((1, 1), (0, 0)), constant_values=-1.0).T.ravel()
    rising = np.flatnonzero((over[:-1] < 0) & (over[1:] >= 0))
    falling = np.flatnonzero((over[:-1] >= 0) & (over[1:] < 0))
    if rising.size < 3:
        return None
    # Where the threshold jumps the flank is not to be interpolated far: the share is clipped.
    up = rising + np.clip(over[rising] / (over[rising] - over[rising + 1]), 0, 1)
    down = falling + np.clip(over[falling] / (over[falling] - over[falling + 1]), 0, 1)
    heights = down - up
    centres = (up + down) / 2
    distances = np.diff(centres)
    rows = profile.shape[0] + 2
    same = np.diff((centres // rows).astype(int)) == 0
    good = (heights > 1.2) & (heights < profile.shape[0] / 4)
    if good.sum() < 3:
        return None
    logs = np.log(heights[good])
    counts, edges = np.histogram(logs, bins=np.arange(logs.min() - 0.1, logs.max() + 0.3, 0.1), weights=heights[good])
    smooth = np.convolve(counts, [1.0, 2.0, 3.0, 2.0, 1.0], mode="same")
    mode = edges[int(np.argmax(smooth))] + 0.05
    near = good & (np.abs(np.log(np.maximum(heights, 1e-3)) - mode) < 0.4)
    height = float(np.median(heights[near]))
    gaps = distances[same & near[:-1] & near[1:]]
    gaps = gaps[(gaps > 1.3 * height) & (gaps < 8 * height)]
    return height, float(np.median(gaps)) if gaps.size else 2.5 * height, int(near.sum())
