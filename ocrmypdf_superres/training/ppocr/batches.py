# SPDX-License-Identifier: MPL-2.0
"""Batches of lines of like width in several languages, by step number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.recognizers.ppocr.recognizer import HEIGHT, NARROWEST, PPOCRRecognizer, scaled, scaled_width, stacked
from ocrmypdf_superres.training.data.ocr_lines.shards import read_shard, shard_paths
from ocrmypdf_superres.training.losses.recognition.ctc import steps_needed
from ocrmypdf_superres.training.ppocr.disturbance import disturbed

_COLUMNS_A_STEP = 8
_ROOM = 0.9
"""The share of a line's steps that its text may need: a disturbed line is narrower."""
_STRETCH = (0.92, 1.08)


@dataclass
class Lines:
    """The lines of one language: images, uint8 (H, W), codes of their texts, and widths at the network's height, by width.

    *left_out* says how many could not be used.
    """

    images: list[NDArray[np.uint8]] = field(default_factory=list)
    codes: list[list[int]] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)
    left_out: int = 0


def read_lines_of(folder: Path, recognizer: PPOCRRecognizer, widest: int) -> Lines:
    """Return the lines prepared in *folder* that *recognizer* can write and that are no wider than *widest*.

    Raises:
        OptionError: there is none, or a file is damaged.
    """
    found: list[tuple[int, NDArray[np.uint8], list[int]]] = []
    count = 0
    for path in shard_paths(folder):
        for line in read_shard(path):
            count += 1
            width = scaled_width(*line.image.shape)
            try:
                codes = recognizer.encode(line.text)
            except RecognizerError:
                continue
            if codes and width <= widest and steps_needed(codes) <= _ROOM * width / _COLUMNS_A_STEP:
                found.append((width, line.image, codes))
    if not found:
        raise OptionError(f"{folder} has no prepared lines that can be used, of {count}; make some with `recognizer lines`.")
    found.sort(key=lambda one: one[0])
    return Lines([one[1] for one in found], [one[2] for one in found], [one[0] for one in found], count - len(found))


@dataclass
class LineBatch:
    """Lines for PP-OCR's network: *images*, float (B, 3, HEIGHT, W) in [-1, 1], and their texts' *codes*."""

    images: Tensor
    codes: list[list[int]]

    @property
    def count(self) -> int:
        """The number of lines."""
        return len(self.codes)

    def to(self, device: torch.device) -> LineBatch:
        """Return the batch with its images on *device*."""
        return LineBatch(self.images.to(device), self.codes)

    def part(self, own: slice) -> LineBatch:
        """Return the lines *own* alone."""
        return LineBatch(self.images[own], self.codes[own])


class MixedBatches(Dataset[LineBatch]):
    """Batches of random lines of like width, each line of a language by its share.

    Batch *step* depends on the seed, the step and the lines alone.

    Args:
        lines, shares: of each language. sizes: the most lines of each step. pixels: the most columns of a batch. seed: of the
            choice and of the disturbances.
    """

    def __init__(
        self, lines: Mapping[str, Lines], shares: Mapping[str, float], sizes: Sequence[int], pixels: int, seed: int
    ) -> None:
        self.lines = list(lines.values())
        given = np.array([shares[language] for language in lines], dtype=np.float64)
        self.shares = given / given.sum()
        self.sizes = sizes
        self.pixels = pixels
        self.seed = seed
        # Widths are chosen as they are over all languages, so that wide lines are not seen more often than others.
        self._widths = [np.array(one.widths) for one in self.lines]

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, step: int) -> LineBatch:
        rng = np.random.default_rng([self.seed, step])
        first = self.lines[int(rng.choice(len(self.lines), p=self.shares))]
        width = first.widths[int(rng.integers(len(first.widths)))]
        size = max(1, min(self.sizes[step], self.pixels // max(NARROWEST, width)))
        images, codes = [], []
        for place in rng.choice(len(self.lines), size, p=self.shares).tolist():
            index = self._near(place, width, rng)
            images.append(_prepared(self.lines[place].images[index], rng))
            codes.append(self.lines[place].codes[index])
        return LineBatch(stacked(images), codes)

    def _near(self, place: int, width: int, rng: np.random.Generator) -> int:
        """Return the index of a random line of a language whose width is like *width*."""
        widths = self._widths[place]
        low, high = np.searchsorted(widths, [0.93 * width, 1.07 * width])
        if low == high:
            return int(min(low, len(widths) - 1))
        return int(rng.integers(low, high))


def _prepared(line: NDArray[np.uint8], rng: np.random.Generator) -> Tensor:
    value = torch.from_numpy(disturbed(line, rng))[None, None]
    size = (HEIGHT, max(8, round(scaled_width(value.shape[2], value.shape[3]) * rng.uniform(*_STRETCH))))
    return torch.nn.functional.interpolate(value, size, mode="bilinear", align_corners=False)


def as_read(line: NDArray[np.uint8]) -> Tensor:
    """Return the network's input, float (1, 3, HEIGHT, W), of *line*, uint8 (H, W), as RapidOCR prepares it."""
    return stacked([scaled(torch.from_numpy(line.astype(np.float32) / 255)[None, None])])
