# SPDX-License-Identifier: MPL-2.0
"""From an hr strip to the lr strip that a poor scanner would have made of it.

A degradation is a list of stages, each a name, a probability and ranges, as the recipe gives them.
Stages before ``downsample`` work on hr pixels, stages after it on lr pixels. Lengths are in lr pixels
throughout, so that one recipe serves every scale. A span is the range that a value is sampled from, uniformly.

Each stage is a :class:`~ocrmypdf_superres.training.protocols.DegradationStage`: it takes an image, float32 (H, W) about
[0, 1], a random generator and the scale, and returns the degraded image.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from pydantic import AfterValidator
from scipy import ndimage

from ocrmypdf_superres.training.data.kernels import convolve, disc_kernel, walk_kernel
from ocrmypdf_superres.training.registries import make_degradation

Array = NDArray[np.float32]


def _rising(span: tuple[float, float]) -> tuple[float, float]:
    if not span[0] <= span[1]:
        raise ValueError(f"two rising numbers were expected; give [{span[1]}, {span[0]}]")
    return span


Span = Annotated[tuple[float, float], AfterValidator(_rising)]

_KERNELS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def _uniform(rng: np.random.Generator, span: Span) -> float:
    return float(rng.uniform(span[0], span[1]))


@dataclass(frozen=True)
class Blur:
    """Optical blur: Gaussian of ``sigma`` lr pixels, up to a third wider along one axis."""

    sigma: Span = (0.2, 0.9)

    def __call__(self, image: Array, rng: np.random.Generator, scale: int) -> Array:
        """Return the degraded image."""
        sigma = _uniform(rng, self.sigma) * scale
        stretch = float(rng.uniform(0.85, 1.2))
        return np.asarray(ndimage.gaussian_filter(image, (sigma * stretch, sigma / stretch), truncate=3.0))


@dataclass(frozen=True)
class Motion:
    """Motion blur: a box of ``length`` lr pixels along one axis."""

    length: Span = (0.5, 2.0)

    def __call__(self, image: Array, rng: np.random.Generator, scale: int) -> Array:
        """Return the degraded image."""
        length = max(1, round(_uniform(rng, self.length) * scale))
        return np.asarray(ndimage.uniform_filter1d(image, length, axis=int(rng.integers(2))))


@dataclass(frozen=True)
class Camera:
    """A camera's blur: with ``shaken`` probability a random walk across ``walk`` lr pixels, else a disc of radius ``disc``."""

    shaken: float = 0.5
    walk: Span = (1.25, 5.25)
    disc: Span = (0.0, 1.0)

    def __call__(self, image: Array, rng: np.random.Generator, scale: int) -> Array:
        """Return the degraded image."""
        if rng.random() < self.shaken:
            return convolve(image, walk_kernel(_uniform(rng, self.walk) * scale, rng))
        return convolve(image, disc_kernel(_uniform(rng, self.disc) * scale))


@dataclass(frozen=True)
class Downsample:
    """Reduce by the scale with one of ``kernels``; ``nearest`` samples single pixels, as old faxes did."""

    kernels: tuple[Literal["box", "bilinear", "bicubic", "lanczos", "nearest"], ...] = ("box", "bilinear", "bicubic", "lanczos")

    def __call__(self, image: Array, rng: np.random.Generator, scale: int) -> Array:
        """Return the degraded image."""
        name = str(rng.choice(self.kernels))
        height, width = image.shape
        size = (width // scale, height // scale)
        if name == "nearest":
            offset = scale // 2
            # A little blur first: a scanner's sensor is never a point.
            soft = ndimage.uniform_filter(image, max(1, scale // 2))
            return np.ascontiguousarray(soft[offset::scale, offset::scale])
        return np.asarray(Image.fromarray(image).resize(size, _KERNELS[name]), dtype=np.float32)


@dataclass(frozen=True)
class Resample:
    """Reduce by ``factor`` and enlarge again: an image that was resampled before."""

    factor: Span = (0.6, 0.95)

    def __call__(self, image: Array, rng: np.random.Generator, scale: int) -> Array:
        """Return the degraded image."""
        height, width = image.shape
        factor = _uniform(rng, self.factor)
        kernels = list(_KERNELS.values())
        down = Image.fromarray(image).resize(
            (max(8, round(width * factor)), max(8, round(height * factor))), kernels[int(rng.integers(4))]
        )
        return np.asarray(down.resize((width, height), kernels[int(rng.integers(1, 4))]), dtype=np.float32)


@dataclass(frozen=True)
class Contrast:
    """Pull the levels together by ``factor`` around a grey between 0.4 and 1."""

    factor: Span = (0.5, 1.0)

    def __call__(self, image: Array, rng: np.random.Generator, scale: int) -> Array:
        """Return the degraded image."""
        pivot = float(rng.uniform(0.4, 1.0))
        return pivot + (image - pivot) * np.float32(_uniform(rng, self.factor))


@dataclass(frozen=True)
class Noise:
    """Sensor noise of ``sigma`` (of 255), white or, with ``grain`` probability, of about two pixels."""

    sigma: Span = (1.0, 10.0)
    grain: float = 0.3

    def __call__(self, image: Array, rng: np.random.Generator, scale: int) -> Array:
        """Return the degraded image."""
        sigma = _uniform(rng, self.sigma) / 255.0
        field = rng.standard_normal(image.shape, dtype=np.float32)
        if rng.random() < self.grain:
            field = ndimage.gaussian_filter(field, 0.7) * np.float32(2.5)
        return image + field * np.float32(sigma)


@dataclass(frozen=True)
class Speckle:
    """Dust: a ``share`` of the pixels turned black or white."""

    share: Span = (0.0005, 0.005)

    def __call__(self, image: Array, rng: np.random.Generator, scale: int) -> Array:
        """Return the degraded image."""
        image = image.copy()
        hit = rng.random(image.shape) < _uniform(rng, self.share)
        image[hit] = (rng.random(int(hit.sum())) < 0.4).astype(np.float32)
        return image


@dataclass(frozen=True)
class Sharpen:
    """Unsharp mask of ``amount``, as scanners' software applies it."""

    amount: Span = (0.2, 1.2)

    def __call__(self, image: Array, rng: np.random.Generator, scale: int) -> Array:
        """Return the degraded image."""
        soft = ndimage.gaussian_filter(image, 1.0)
        return np.asarray(image + (image - soft) * np.float32(_uniform(rng, self.amount)))


@dataclass(frozen=True)
class Jpeg:
    """JPEG at a ``quality`` from the range, with a random alignment of its 8x8 blocks."""

    quality: Annotated[tuple[int, int], AfterValidator(_rising)] = (25, 92)

    def __call__(self, image: Array, rng: np.random.Generator, scale: int) -> Array:
        """Return the degraded image."""
        shift = (int(rng.integers(8)), int(rng.integers(8)))
        padded = np.pad(image, ((shift[0], 0), (shift[1], 0)), mode="edge")
        buffer = io.BytesIO()
        levels = (np.clip(padded, 0, 1) * 255 + 0.5).astype(np.uint8)
        Image.fromarray(levels).save(buffer, "JPEG", quality=int(rng.integers(self.quality[0], self.quality[1] + 1)))
        decoded = np.asarray(Image.open(buffer), dtype=np.float32) / np.float32(255.0)
        return decoded[shift[0] :, shift[1] :]


@dataclass(frozen=True)
class Threshold:
    """1-bit: cut at the middle of paper and ink, moved by up to ``shift``."""

    shift: Span = (-0.2, 0.2)

    def __call__(self, image: Array, rng: np.random.Generator, scale: int) -> Array:
        """Return the degraded image."""
        low, high = np.quantile(image, (0.02, 0.9))
        level = (low + high) / 2 + _uniform(rng, self.shift) * (high - low)
        return np.asarray(image > level, dtype=np.float32)


@dataclass(frozen=True)
class Binarize:
    """Faxes and archives' 1-bit masters: grain of ``sigma`` (of 255) at ``size`` lr pixels, cut at a moved threshold.

    Meant for hr pixels, so that ``downsample`` makes greys of ragged edges.
    """

    sigma: Span = (5.0, 45.0)
    size: Span = (0.1, 0.4)
    shift: Span = (-0.25, 0.25)

    def __call__(self, image: Array, rng: np.random.Generator, scale: int) -> Array:
        """Return the degraded image."""
        grain = ndimage.gaussian_filter(rng.standard_normal(image.shape, dtype=np.float32), _uniform(rng, self.size) * scale)
        grain *= np.float32(_uniform(rng, self.sigma) / 255.0 / max(float(grain.std()), 1e-6))
        return Threshold(self.shift)(image + grain, rng, scale)


@dataclass(frozen=True)
class Halftone:
    """1-bit by Floyd-Steinberg error diffusion."""

    def __call__(self, image: Array, rng: np.random.Generator, scale: int) -> Array:
        """Return the degraded image."""
        levels = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
        return np.asarray(Image.fromarray(levels).convert("1").convert("L"), dtype=np.float32) / np.float32(255.0)


@dataclass(frozen=True)
class Median:
    """3x3 median, as despeckling software applies it."""

    def __call__(self, image: Array, rng: np.random.Generator, scale: int) -> Array:
        """Return the degraded image."""
        levels = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
        return np.asarray(Image.fromarray(levels).filter(ImageFilter.MedianFilter(3)), dtype=np.float32) / np.float32(255.0)


class Degradation:
    """A pipeline of stages.

    Args:
        stages: tables of a recipe: ``name``, ``probability`` (default 1) and the stage's own ranges.
        clean: share of strips that skip all stages but ``downsample``: a good page must stay good.

    Raises:
        OptionError: see :func:`~ocrmypdf_superres.training.registries.make_degradation`.
    """

    def __init__(self, stages: Sequence[Mapping[str, Any]], clean: float = 0.15) -> None:
        self.clean = clean
        self.stages = make_degradation(stages)

    def __call__(self, hr: Array, scale: int, rng: np.random.Generator) -> Array:
        """Return the lr strip, float32 (H / scale, W / scale) in [0, 1], of *hr*, float32 (H, W) in [0, 1]."""
        clean = rng.random() < self.clean
        image = hr
        for stage in self.stages:
            applies = stage.name == "downsample" or (not clean and rng.random() < stage.probability)
            if applies:
                image = stage.apply(image, rng, scale)
        return np.clip(image, 0.0, 1.0).astype(np.float32)
