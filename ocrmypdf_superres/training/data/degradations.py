# SPDX-License-Identifier: MPL-2.0
"""From an hr strip to the lr strip that a poor scanner would have made of it.

A degradation is a list of stages, each a name, a probability and ranges, as the recipe gives them.
Stages before ``downsample`` work on hr pixels, stages behind it on lr pixels.  Lengths are in lr pixels
throughout, so that one recipe serves every scale.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.data.kernels import convolve, disc_kernel, walk_kernel

Array = NDArray[np.float32]
Stage = Callable[[Array, np.random.Generator, int, Mapping[str, Any]], Array]

_KERNELS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def _uniform(rng: np.random.Generator, span: Sequence[float]) -> float:
    return float(rng.uniform(span[0], span[1]))


def _blur(image: Array, rng: np.random.Generator, scale: int, options: Mapping[str, Any]) -> Array:
    """Optical blur: Gaussian of ``sigma`` lr pixels, up to a third wider along one axis."""
    sigma = _uniform(rng, options["sigma"]) * scale
    stretch = float(rng.uniform(0.85, 1.2))
    return np.asarray(ndimage.gaussian_filter(image, (sigma * stretch, sigma / stretch), truncate=3.0))


def _motion(image: Array, rng: np.random.Generator, scale: int, options: Mapping[str, Any]) -> Array:
    """Motion blur: a box of ``length`` lr pixels along one axis."""
    length = max(1, round(_uniform(rng, options["length"]) * scale))
    return np.asarray(ndimage.uniform_filter1d(image, length, axis=int(rng.integers(2))))


def _camera(image: Array, rng: np.random.Generator, scale: int, options: Mapping[str, Any]) -> Array:
    """A camera's blur: with ``shaken`` probability a random walk across ``walk`` lr pixels, else a disc of radius ``disc``."""
    if rng.random() < options["shaken"]:
        return convolve(image, walk_kernel(_uniform(rng, options["walk"]) * scale, rng))
    return convolve(image, disc_kernel(_uniform(rng, options["disc"]) * scale))


def _downsample(image: Array, rng: np.random.Generator, scale: int, options: Mapping[str, Any]) -> Array:
    """Reduce by the scale with one of ``kernels``; ``nearest`` samples single pixels, as old faxes did."""
    name = str(rng.choice(options["kernels"]))
    height, width = image.shape
    size = (width // scale, height // scale)
    if name == "nearest":
        offset = scale // 2
        # A little blur first: a scanner's sensor is never a point.
        soft = ndimage.uniform_filter(image, max(1, scale // 2))
        return np.ascontiguousarray(soft[offset::scale, offset::scale])
    return np.asarray(Image.fromarray(image).resize(size, _KERNELS[name]), dtype=np.float32)


def _resample(image: Array, rng: np.random.Generator, scale: int, options: Mapping[str, Any]) -> Array:
    """Reduce by ``factor`` and enlarge again: an image that was resampled before."""
    height, width = image.shape
    factor = _uniform(rng, options["factor"])
    kernels = list(_KERNELS.values())
    down = Image.fromarray(image).resize(
        (max(8, round(width * factor)), max(8, round(height * factor))), kernels[int(rng.integers(4))]
    )
    return np.asarray(down.resize((width, height), kernels[int(rng.integers(1, 4))]), dtype=np.float32)


def _contrast(image: Array, rng: np.random.Generator, scale: int, options: Mapping[str, Any]) -> Array:
    """Pull the levels together by ``factor`` around a grey between 0.4 and 1."""
    pivot = float(rng.uniform(0.4, 1.0))
    return pivot + (image - pivot) * np.float32(_uniform(rng, options["factor"]))


def _noise(image: Array, rng: np.random.Generator, scale: int, options: Mapping[str, Any]) -> Array:
    """Sensor noise of ``sigma`` (of 255), white or, with ``grain`` probability, of about two pixels."""
    sigma = _uniform(rng, options["sigma"]) / 255.0
    field = rng.standard_normal(image.shape, dtype=np.float32)
    if rng.random() < options["grain"]:
        field = ndimage.gaussian_filter(field, 0.7) * np.float32(2.5)
    return image + field * np.float32(sigma)


def _speckle(image: Array, rng: np.random.Generator, scale: int, options: Mapping[str, Any]) -> Array:
    """Dust: a ``share`` of the pixels turned black or white."""
    image = image.copy()
    hit = rng.random(image.shape) < _uniform(rng, options["share"])
    image[hit] = (rng.random(int(hit.sum())) < 0.4).astype(np.float32)
    return image


def _sharpen(image: Array, rng: np.random.Generator, scale: int, options: Mapping[str, Any]) -> Array:
    """Unsharp mask of ``amount``, as scanners' software applies it."""
    soft = ndimage.gaussian_filter(image, 1.0)
    return image + (image - soft) * np.float32(_uniform(rng, options["amount"]))


def _jpeg(image: Array, rng: np.random.Generator, scale: int, options: Mapping[str, Any]) -> Array:
    """JPEG at a ``quality`` from the range, with a random alignment of its 8x8 blocks."""
    shift = (int(rng.integers(8)), int(rng.integers(8)))
    padded = np.pad(image, ((shift[0], 0), (shift[1], 0)), mode="edge")
    buffer = io.BytesIO()
    levels = (np.clip(padded, 0, 1) * 255 + 0.5).astype(np.uint8)
    Image.fromarray(levels).save(buffer, "JPEG", quality=int(rng.integers(options["quality"][0], options["quality"][1] + 1)))
    decoded = np.asarray(Image.open(buffer), dtype=np.float32) / np.float32(255.0)
    return decoded[shift[0] :, shift[1] :]


def _threshold(image: Array, rng: np.random.Generator, scale: int, options: Mapping[str, Any]) -> Array:
    """1-bit: cut at the middle of paper and ink, moved by up to ``shift``."""
    low, high = np.quantile(image, (0.02, 0.9))
    level = (low + high) / 2 + _uniform(rng, options["shift"]) * (high - low)
    return (image > level).astype(np.float32)


def _binarize(image: Array, rng: np.random.Generator, scale: int, options: Mapping[str, Any]) -> Array:
    """Faxes and archives' 1-bit masters: grain of ``sigma`` (of 255) at ``size`` lr pixels, cut at a moved threshold.

    Meant for hr pixels, so that ``downsample`` makes greys of ragged edges.
    """
    grain = ndimage.gaussian_filter(rng.standard_normal(image.shape, dtype=np.float32), _uniform(rng, options["size"]) * scale)
    grain *= np.float32(_uniform(rng, options["sigma"]) / 255.0 / max(float(grain.std()), 1e-6))
    return _threshold(image + grain, rng, scale, options)


def _halftone(image: Array, rng: np.random.Generator, scale: int, options: Mapping[str, Any]) -> Array:
    """1-bit by Floyd-Steinberg error diffusion."""
    levels = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.asarray(Image.fromarray(levels).convert("1").convert("L"), dtype=np.float32) / np.float32(255.0)


def _median(image: Array, rng: np.random.Generator, scale: int, options: Mapping[str, Any]) -> Array:
    """3x3 median, as despeckling software applies it."""
    levels = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.asarray(Image.fromarray(levels).filter(ImageFilter.MedianFilter(3)), dtype=np.float32) / np.float32(255.0)


_STAGES: dict[str, tuple[Stage, dict[str, Any]]] = {
    "blur": (_blur, {"sigma": [0.2, 0.9]}),
    "motion": (_motion, {"length": [0.5, 2.0]}),
    "camera": (_camera, {"shaken": 0.5, "walk": [1.25, 5.25], "disc": [0.0, 1.0]}),
    "downsample": (_downsample, {"kernels": ["box", "bilinear", "bicubic", "lanczos"]}),
    "resample": (_resample, {"factor": [0.6, 0.95]}),
    "contrast": (_contrast, {"factor": [0.5, 1.0]}),
    "noise": (_noise, {"sigma": [1.0, 10.0], "grain": 0.3}),
    "speckle": (_speckle, {"share": [0.0005, 0.005]}),
    "sharpen": (_sharpen, {"amount": [0.2, 1.2]}),
    "jpeg": (_jpeg, {"quality": [25, 92]}),
    "threshold": (_threshold, {"shift": [-0.2, 0.2]}),
    "halftone": (_halftone, {}),
    "binarize": (_binarize, {"sigma": [5.0, 45.0], "size": [0.1, 0.4], "shift": [-0.25, 0.25]}),
    "median": (_median, {}),
}


@dataclass(frozen=True)
class DegradationStage:
    """One stage: its name, the probability that it is applied, and its ranges (defaults where left out)."""

    name: str
    probability: float
    options: Mapping[str, Any]


class Degradation:
    """A pipeline of stages.

    Args:
        stages: tables of a recipe: ``name``, ``probability`` (default 1) and the stage's own ranges.
        clean: share of strips that skip all stages but ``downsample``: a good page must stay good.

    Raises:
        OptionError: an unknown stage or setting, a probability outside [0, 1], or not exactly one ``downsample``.
    """

    def __init__(self, stages: Sequence[Mapping[str, Any]], clean: float = 0.15) -> None:
        self.clean = clean
        self.stages: list[DegradationStage] = []
        for table in stages:
            name = str(table.get("name", ""))
            if name not in _STAGES:
                raise OptionError(f"Degradation stage {name!r} is not known; known are {', '.join(_STAGES)}.")
            defaults = _STAGES[name][1]
            unknown = sorted(set(table) - set(defaults) - {"name", "probability"})
            if unknown:
                raise OptionError(
                    f"Degradation stage {name} was given the unknown setting {unknown[0]!r}; known are probability"
                    + "".join(f", {k}" for k in defaults)
                    + "."
                )
            probability = float(table.get("probability", 1.0))
            if not 0.0 <= probability <= 1.0:
                raise OptionError(f"Degradation stage {name} has probability {probability}; give one from 0 to 1.")
            options = {**defaults, **{k: v for k, v in table.items() if k in defaults}}
            self.stages.append(DegradationStage(name, probability, options))
        if sum(stage.name == "downsample" for stage in self.stages) != 1:
            raise OptionError("A degradation needs exactly one stage named downsample.")

    def __call__(self, hr: Array, scale: int, rng: np.random.Generator) -> Array:
        """Return the lr strip, float32 (H / scale, W / scale) in [0, 1], of *hr*, float32 (H, W) in [0, 1]."""
        clean = rng.random() < self.clean
        image = hr
        for stage in self.stages:
            applies = stage.name == "downsample" or (not clean and rng.random() < stage.probability)
            if applies:
                image = _STAGES[stage.name][0](image, rng, scale, stage.options)
        return np.clip(image, 0.0, 1.0).astype(np.float32)
