# SPDX-License-Identifier: MPL-2.0
"""Benchmarks of scene text recognition (IC15, SVT, SVTP, CUTE80) as LEMMA's table 5 uses them: small words, degraded further.

Guo et al., IJCAI 2023, section 4.1 and the supplement; ranges as in the authors' code. There is no hr: the undegraded image
stands for it, so that only what is read counts.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.page.image import flatten
from ocrmypdf_superres.training.data.lmdb_words import count_entries, open_word, read_entries
from ocrmypdf_superres.training.data.sample import Sample
from ocrmypdf_superres.training.data.sources.words import BOX, HEIGHT, WIDTH, resized_rgb
from ocrmypdf_superres.training.protocols import SourceKind
from ocrmypdf_superres.training.recipe import Source

log = logging.getLogger(__name__)

LARGEST = 1024
"""Images of more pixels than lr has (16 x 64) are left out."""
Array = NDArray[np.float32]


class RecognitionSet:
    """The LMDB of a recognition benchmark: ``num-samples``, and from 1 on ``image-%09d`` and ``label-%09d``.

    Args:
        folder: with ``data.mdb``.
        degraded: whether the images are degraded as in LEMMA's table 5.
        largest: the most pixels that an image may have; 0 for any.

    Raises:
        MissingDependencyError: the package lmdb is not installed. OptionError: the folder is not such a database, or has no image
            of so few pixels.
    """

    def __init__(self, folder: Path, degraded: bool = True, largest: int = LARGEST) -> None:
        self.folder, self.degraded = folder, degraded
        count = count_entries(folder)
        self.indices = [number for number in range(1, count + 1) if largest == 0 or self._area(number) <= largest]
        if len(self.indices) < count:
            log.info(
                "%s: %d of %d words are of at most %d pixels; the others are left out.", folder, len(self.indices), count, largest
            )
        if not self.indices:
            raise OptionError(f"No image in {folder} has at most {largest} pixels; give a set of small words, or largest = 0.")
        self.count = len(self.indices)

    def _area(self, number: int) -> int:
        key = f"image-{number:09d}"
        size = open_word(self.folder, key, *read_entries(self.folder, [key])).size
        return size[0] * size[1]

    def line(self, index: int, scale: int = 2) -> Sample:
        """Return the word *index*, from 0: lr float32 (3, 32 / scale, 128 / scale) RGB in [0, 1], degraded by its own seed.

        Raises:
            IndexError: there is no such word. ImageError: it is damaged.
        """
        if not 0 <= index < self.count:
            raise IndexError(index)
        number = self.indices[index]
        key = f"image-{number:09d}"
        stored, label = read_entries(self.folder, [key, f"label-{number:09d}"])
        image = flatten(open_word(self.folder, key, stored)).convert("RGB")
        poor = image
        if self.degraded:
            poor = Image.fromarray(degrade(np.asarray(image, dtype=np.uint8), np.random.default_rng([20230817, number])))
        hr = resized_rgb(image, (WIDTH, HEIGHT))
        lr = resized_rgb(poor, (WIDTH // scale, HEIGHT // scale))
        return Sample(hr, hr, label.decode("utf-8", errors="replace"), BOX, "eng", lr)

    def sample(self, rng: np.random.Generator, line_height: int, scale: int) -> Sample:
        """Return a word at its own height; *line_height* is ignored."""
        return self.line(int(rng.integers(self.count)), scale)


def degrade(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return *image*, uint8 (H, W, 3), blurred, noisy, smoothed and sharpened, as the authors of LEMMA make low resolution.

    A Gaussian of 3 or 5 pixels and sigma 5 to 6; with probability 0.8 noise of variance shot x level + read, shot up to 0.005 and
    read up to 0.015 on levels of 0 to 255; with probability 0.7 a Gaussian of 3 or 5 pixels and sigma 2 to 3, else a bilateral
    filter of 7 pixels; unsharp masking by 3 to 4 times what a Gaussian of 3 or 5 pixels removes.
    """
    value = _gaussian(image.astype(np.float32), int(rng.choice((3, 5))), rng.uniform(5, 6))
    if rng.random() > 0.2 and value.mean() <= 252:
        deviation = np.sqrt(rng.uniform(0, 0.005) * value + rng.uniform(0, 0.015))
        value = np.clip(value + rng.standard_normal(value.shape) * deviation, 0, 255).astype(np.float32)
    value = np.round(value)
    if rng.random() < 0.7:
        value = np.round(_gaussian(value, int(rng.choice((3, 5))), rng.uniform(2, 3)))
    else:
        value = np.round(_bilateral(value, 3, rng.uniform(70, 80), rng.uniform(70, 80)))
    soft = _gaussian(value, int(rng.choice((3, 5))), rng.uniform(2, 3))
    return np.clip(value + (value - soft) * rng.uniform(3, 4), 0, 255).astype(np.uint8)


def _shifted(image: Array, reach: int) -> list[tuple[int, int, Array]]:
    """Return (row, column, image moved by them) for all moves of up to *reach* pixels; borders are mirrored."""
    height, width = image.shape[:2]
    # NumPy mirrors no further than an image is wide, so tiny ones repeat their edge.
    mode = "reflect" if min(height, width) > reach else "edge"
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode=mode)  # type: ignore[call-overload]
    moves = range(-reach, reach + 1)
    return [(dy, dx, padded[reach + dy : reach + dy + height, reach + dx : reach + dx + width]) for dy in moves for dx in moves]


def _gaussian(image: Array, size: int, sigma: float) -> Array:
    taps = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * sigma**2))
    taps = taps / taps.sum()
    half = size // 2
    total = np.zeros(image.shape, dtype=np.float64)
    for dy, dx, moved in _shifted(image, half):
        total += taps[dy + half] * taps[dx + half] * moved
    return total.astype(np.float32)


def _bilateral(image: Array, radius: int, colour_sigma: float, space_sigma: float) -> Array:
    total = np.zeros(image.shape, dtype=np.float64)
    weights = np.zeros((*image.shape[:2], 1), dtype=np.float64)
    for dy, dx, moved in _shifted(image, radius):
        if dy * dy + dx * dx > radius * radius:
            continue
        distance = np.abs(moved - image).sum(axis=2, keepdims=True)
        weight = np.exp(-(dy * dy + dx * dx) / (2 * space_sigma**2) - distance**2 / (2 * colour_sigma**2))
        total += weight * moved
        weights += weight
    return (total / weights).astype(np.float32)


def _make(source: Source, data: Path, cache: Path, degraded: bool = True, largest: int = LARGEST) -> RecognitionSet:
    return RecognitionSet(data / source.folder, degraded, largest)


KIND = SourceKind(_make, lines=True)
