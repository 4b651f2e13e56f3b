# SPDX-License-Identifier: MPL-2.0
"""From a strip of a page to the image that Tesseract's network receives: degraded, enlarged as the plugin does, cropped."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ocrmypdf_superres.page.image import FloatImage
from ocrmypdf_superres.page.plan import MAX_FACTOR, MIN_FACTOR, MIN_FACTOR_NOISY, SIZE_SLACK, needed_factor, net_scale
from ocrmypdf_superres.tables import read_toml
from ocrmypdf_superres.training.data.degradations import Degradation
from ocrmypdf_superres.training.data.ocr_lines.rendering import Strip
from ocrmypdf_superres.training.data.sample import LINE_PAD

Levels = NDArray[np.uint8]
LineVariant = Literal["net", "blend", "lanczos", "hr"]
VARIANTS: tuple[LineVariant, ...] = ("net", "blend", "lanczos")
TARGET_X_HEIGHT = 20.0
#: Tesseract's line box extends at least this far above and below the baseline, in x-heights.
_ASCENT, _DESCENT = 1.45, 0.32
#: Share of low-resolution lines that are only reduced.
_UNDEGRADED = 0.12


class Enlarger(Protocol):
    """What :class:`~ocrmypdf_superres.upscaling.upscaler.Upscaler` offers."""

    scales: tuple[int, ...]

    def upscale_bytes(self, levels: Levels, scale: int) -> Levels:
        """Return *levels*, uint8 (H, W), enlarged to uint8 (scale H, scale W)."""
        ...


@dataclass(frozen=True)
class Quality:
    """What the legibility of a degraded line depends on.

    Attributes:
        x_height: in pixels of the degraded strip.
        contrast: difference between paper and ink, in [0, 1].
        noise: standard deviation of the noise on paper, as a fraction of the contrast.
        correlation: with the strip that was reduced without degradation, in [-1, 1].
    """

    x_height: float
    contrast: float
    noise: float
    correlation: float

    @property
    def legibility(self) -> float:
        """The x-height in pixels times the share of the variance that the correlation explains."""
        return self.x_height * max(0.0, self.correlation) ** 2


@lru_cache(maxsize=2)
def degradation(clean: bool) -> Degradation:
    """Return the degradation of low-resolution lines, or the slight one of *clean* lines."""
    with resources.as_file(resources.files(__package__) / "degradation.toml") as path:
        tables: dict[str, Any] = read_toml(path, "The list of degradations")
    return Degradation(tables["clean" if clean else "degradation"], clean=0.0 if clean else _UNDEGRADED)


def degrade(strip: Strip, scale: int, clean: bool, rng: np.random.Generator) -> tuple[Strip, Quality]:
    """Return *strip* reduced by *scale* and degraded, in pixels of the reduced strip, and its quality."""
    height, width = (side // scale * scale for side in strip.image.shape)
    whole = strip.image[:height, :width]
    low = degradation(clean)(whole, scale, rng)
    plain = np.asarray(Image.fromarray(whole).resize((width // scale, height // scale), Image.Resampling.BOX), dtype=np.float32)
    edges = (value / scale for value in (strip.baseline, strip.x_height, strip.left, strip.top, strip.right, strip.bottom))
    reduced = Strip(low, strip.text, *edges)
    return reduced, _quality(reduced, plain)


def _quality(strip: Strip, plain: FloatImage) -> Quality:
    rows = slice(max(0, int(strip.top)), int(np.ceil(strip.bottom)) + 1)
    columns = slice(max(0, int(strip.left)), int(np.ceil(strip.right)) + 1)
    seen, ideal = strip.image[rows, columns], plain[rows, columns]
    dark, light = np.quantile(seen, (0.05, 0.9))
    contrast = float(light - dark)
    paper = ideal >= np.quantile(ideal, 0.6)
    # Only differences between neighbouring pixels are noise; smooth ones are blur or uneven paper.
    rough = seen - ndimage.uniform_filter(seen, 3)
    noise = float(rough[paper].std()) / max(contrast, 1e-3) if paper.any() else 0.0
    spread = float(seen.std() * ideal.std())
    correlation = float(((seen - seen.mean()) * (ideal - ideal.mean())).mean()) / spread if spread > 1e-6 else 0.0
    return Quality(strip.x_height, contrast, noise, correlation)


def planned_factor(x_height: float, noisy: bool, scales: tuple[int, ...]) -> tuple[float, int]:
    """Return the factor by which the plugin enlarges a page with letters of *x_height* pixels, and the scale of the net.

    It is (1.0, 1) if the letters are large enough already.
    """
    needed = needed_factor(x_height, TARGET_X_HEIGHT)
    if needed < (MIN_FACTOR_NOISY if noisy else MIN_FACTOR):
        return 1.0, 1
    factor = min(needed, MAX_FACTOR)
    scale = net_scale(scales, factor)
    return (float(scale) if abs(scale / factor - 1.0) <= SIZE_SLACK else factor), scale


def enlarge(levels: Levels, factor: float, scale: int, variant: LineVariant, net: Enlarger) -> Levels:
    """Return *levels*, uint8 (H, W), enlarged by *factor*: one of the variants that the plugin reads.

    Args:
        levels: the degraded strip.
        factor: ratio of the sizes; the enlarged size is rounded to whole pixels.
        scale: one of the net's scales; if the net's image has another size, Lanczos resampling follows.
        variant: the image of the net, of Lanczos alone, or the mean of both.
        net: the net.
    """
    height, width = levels.shape
    size = (round(width * factor), round(height * factor))
    if variant == "lanczos":
        return np.asarray(Image.fromarray(levels).resize(size, Image.Resampling.LANCZOS))
    large = Image.fromarray(net.upscale_bytes(levels, scale))
    if large.size != size:
        large = large.resize(size, Image.Resampling.LANCZOS)
    if variant == "blend":
        large = Image.blend(Image.fromarray(levels).resize(size, Image.Resampling.LANCZOS), large, 0.5)
    return np.asarray(large)


def reduce_strip(large: Strip | None, levels: Levels, factor: float) -> Levels:
    """Return the hr strip *large* at the size of *levels* enlarged by *factor*: the ideal result of a net.

    Without an hr strip, *levels* are returned.
    """
    if large is None:
        return levels
    height, width = levels.shape
    # The degradation cropped the strip to a multiple of its scale.
    scale = large.image.shape[0] // height
    whole = Image.fromarray(large.image[: height * scale, : width * scale])
    small = whole.resize((round(width * factor), round(height * factor)), Image.Resampling.LANCZOS)
    return np.asarray(np.clip(np.asarray(small), 0, 1) * 255 + 0.5, dtype=np.uint8)


def crop(levels: Levels, strip: Strip, factor: float, rng: np.random.Generator) -> Levels:
    """Return the line as Tesseract cuts it out of the page *levels*, which is *strip* enlarged by *factor*.

    Its box holds the line's ink and the usual ascenders and descenders, and is padded by
    :data:`~ocrmypdf_superres.training.data.sample.LINE_PAD` pixels; its edges are
    moved a little, as layout analysis is not exact.
    """
    top = min(strip.top, strip.baseline - _ASCENT * strip.x_height) * factor
    bottom = max(strip.bottom, strip.baseline + _DESCENT * strip.x_height) * factor
    move = np.clip(rng.normal(0, 1.2, 4), -2.5, 4.0)
    if rng.random() < 0.07:
        # A rule or a neighbour's descender that touches a letter makes the box taller.
        move[int(rng.integers(2)) * 2 + 1] += strip.x_height * factor * rng.uniform(0.15, 0.5)
    left = round(strip.left * factor - LINE_PAD - move[0])
    upper = round(top - LINE_PAD - move[1])
    right = round(strip.right * factor + LINE_PAD + move[2])
    lower = round(bottom + LINE_PAD + move[3])
    return np.ascontiguousarray(levels[max(0, upper) : lower, max(0, left) : right])
