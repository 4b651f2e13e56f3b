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
Form = Literal["net", "blend", "lanczos", "hr"]
FORMS: tuple[Form, ...] = ("net", "blend", "lanczos")
TARGET_X_HEIGHT = 20.0
#: Tesseract's line reaches at least so far above and below the baseline, in x-heights.
_ASCENT, _DESCENT = 1.45, 0.32
_UNTOUCHED = 0.12


class Enlarger(Protocol):
    """What :class:`~ocrmypdf_superres.upscaling.upscaler.Upscaler` offers."""

    scales: tuple[int, ...]

    def upscale_bytes(self, levels: Levels, scale: int) -> Levels:
        """Return *levels*, uint8 (H, W), enlarged to uint8 (scale H, scale W)."""
        ...


@dataclass(frozen=True)
class Quality:
    """How well a degraded line can be read.

    Attributes:
        x_height: in pixels of the degraded strip.
        contrast: between paper and ink, in shares of the range from black to white.
        noise: standard deviation of what the degradation added to paper, in shares of the contrast.
        likeness: correlation with the strip as it would be without degradation, -1 to 1.
    """

    x_height: float
    contrast: float
    noise: float
    likeness: float

    @property
    def legibility(self) -> float:
        """Return the x-height that as much of a letter's shape is left for: pixels times the share of variance explained."""
        return self.x_height * max(0.0, self.likeness) ** 2


@lru_cache(maxsize=2)
def degradation(clean: bool) -> Degradation:
    """Return the degradation of low-resolution lines, or the slight one of *clean* lines."""
    with resources.as_file(resources.files(__package__) / "degradation.toml") as path:
        tables: dict[str, Any] = read_toml(path, "The list of degradations")
    return Degradation(tables["clean" if clean else "degradation"], clean=0.0 if clean else _UNTOUCHED)


def degrade(strip: Strip, scale: int, clean: bool, rng: np.random.Generator) -> tuple[Strip, Quality]:
    """Return *strip* reduced by *scale* and degraded, in pixels of the smaller strip, and how well it can be read."""
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
    # Blur is not noise: only what differs from one pixel to the next counts.
    rough = seen - ndimage.uniform_filter(seen, 3)
    noise = float(rough[paper].std()) / max(contrast, 1e-3) if paper.any() else 0.0
    spread = float(seen.std() * ideal.std())
    likeness = float(((seen - seen.mean()) * (ideal - ideal.mean())).mean()) / spread if spread > 1e-6 else 0.0
    return Quality(strip.x_height, contrast, noise, likeness)


def planned_factor(x_height: float, noisy: bool, scales: tuple[int, ...]) -> tuple[float, int]:
    """Return the factor that a page with letters of *x_height* pixels is enlarged by, and the scale of the net.

    A page whose letters are large enough is left as it is, which is (1.0, 1).
    """
    needed = needed_factor(x_height, TARGET_X_HEIGHT)
    if needed < (MIN_FACTOR_NOISY if noisy else MIN_FACTOR):
        return 1.0, 1
    factor = min(needed, MAX_FACTOR)
    scale = net_scale(scales, factor)
    return (float(scale) if abs(scale / factor - 1.0) <= SIZE_SLACK else factor), scale


def enlarge(levels: Levels, factor: float, scale: int, form: Form, net: Enlarger) -> Levels:
    """Return *levels*, uint8 (H, W), enlarged by *factor* in one of the forms that the plugin reads.

    Args:
        levels: the degraded strip.
        factor: of the enlarged size, which is rounded to whole pixels.
        scale: one of the net's scales; its image is resampled to the size with Lanczos where it differs.
        form: the image of the net, of Lanczos alone, or the mean of both.
        net: the net.
    """
    height, width = levels.shape
    size = (round(width * factor), round(height * factor))
    if form == "lanczos":
        return np.asarray(Image.fromarray(levels).resize(size, Image.Resampling.LANCZOS))
    large = Image.fromarray(net.upscale_bytes(levels, scale))
    if large.size != size:
        large = large.resize(size, Image.Resampling.LANCZOS)
    if form == "blend":
        large = Image.blend(Image.fromarray(levels).resize(size, Image.Resampling.LANCZOS), large, 0.5)
    return np.asarray(large)


def reduce_strip(large: Strip | None, levels: Levels, factor: float) -> Levels:
    """Return the strip *large* at the size of its degraded *levels* enlarged by *factor*: what a net should make of them."""
    if large is None:
        return levels
    height, width = levels.shape
    # The degradation cut what does not divide by its scale.
    scale = large.image.shape[0] // height
    whole = Image.fromarray(large.image[: height * scale, : width * scale])
    small = whole.resize((round(width * factor), round(height * factor)), Image.Resampling.LANCZOS)
    return np.asarray(np.clip(np.asarray(small), 0, 1) * 255 + 0.5, dtype=np.uint8)


def crop(levels: Levels, strip: Strip, factor: float, rng: np.random.Generator) -> Levels:
    """Return the line as Tesseract cuts it out of the page *levels*, which is *strip* enlarged by *factor*.

    Its box holds the line's ink and the usual ascenders and descenders, and is padded by
    :data:`~ocrmypdf_superres.training.data.sample.LINE_PAD` pixels; every edge is moved a little, since layout analysis errs.
    """
    top = min(strip.top, strip.baseline - _ASCENT * strip.x_height) * factor
    bottom = max(strip.bottom, strip.baseline + _DESCENT * strip.x_height) * factor
    move = np.clip(rng.normal(0, 1.2, 4), -2.5, 4.0)
    if rng.random() < 0.07:
        # A neighbour's descender or a rule that touches a letter makes the box higher.
        move[int(rng.integers(2)) * 2 + 1] += strip.x_height * factor * rng.uniform(0.15, 0.5)
    left = round(strip.left * factor - LINE_PAD - move[0])
    upper = round(top - LINE_PAD - move[1])
    right = round(strip.right * factor + LINE_PAD + move[2])
    lower = round(bottom + LINE_PAD + move[3])
    return np.ascontiguousarray(levels[max(0, upper) : lower, max(0, left) : right])
