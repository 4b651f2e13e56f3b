# SPDX-License-Identifier: MPL-2.0
"""Batches of lines of like width, by step number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.recognizers.tesseract.preprocess import normalise
from ocrmypdf_superres.training.networks.lines import LineFolder, LinePool

LIMITED = 0.5
"""Share of lines whose input is limited to what an int8 network can hold, so that the weights suit both forms."""
PIXELS = 4500
"""Pixels of width that a batch may have in all: wide lines come in smaller batches."""
SMALLEST = 6
LOOK_EVERY = 250
"""Steps after which the folder of lines is searched for new files."""
_NARROWEST = 32
_SLOPE = 0.1


@dataclass
class LineBatch:
    """Lines for a Tesseract network: *images*, float (B, 1, height, W), their *widths*, int64 (B,), and their texts' *codes*."""

    images: Tensor
    widths: Tensor
    codes: list[list[int]]

    @property
    def count(self) -> int:
        """The number of lines."""
        return len(self.codes)

    def to(self, device: torch.device) -> LineBatch:
        """Return the batch with its images on *device*."""
        return LineBatch(self.images.to(device), self.widths.to(device), self.codes)

    def part(self, own: slice) -> LineBatch:
        """Return the lines *own* alone."""
        return LineBatch(self.images[own], self.widths[own], self.codes[own])


def stack(pool: LinePool, chosen: Sequence[int], limited: Tensor) -> LineBatch:
    """Return the lines *chosen* of *pool*, normalised; those where *limited*, bool (B,), is set as int8 input."""
    widths = torch.tensor([pool.levels[index].shape[1] for index in chosen])
    levels = torch.zeros(len(chosen), pool.recognizer.height, int(widths.max()))
    for row, index in enumerate(chosen):
        levels[row, :, : widths[row]] = pool.levels[index]
    images = normalise(levels, widths, integer=False, slope=0.0, rounding=True)
    if bool(limited.any()):
        within = normalise(levels, widths, integer=True, slope=_SLOPE, rounding=True)
        images = torch.where(limited[:, None, None], within, images)
    images = functional.pad(images, (0, max(0, _NARROWEST - images.shape[2])))
    return LineBatch(images[:, None], widths, [pool.codes[index] for index in chosen])


class EpochBatches(Dataset[LineBatch]):
    """All lines of *pool* once in each of *epochs*, *size* at a time: of like width together, groups in random order.

    Raises:
        RecognizerError: there is no line.
    """

    def __init__(self, pool: LinePool, size: int, epochs: int, seed: int) -> None:
        self.pool = pool
        self.seed = seed
        self.groups: list[list[int]] = []
        _check(pool)
        rng = np.random.default_rng(seed)
        for _ in range(epochs):
            widths = np.array(pool.widths()) * rng.uniform(0.9, 1.1, len(pool))
            order = np.argsort(widths, kind="stable").tolist()
            groups = [order[start : start + size] for start in range(0, len(order), size)]
            self.groups += [groups[place] for place in rng.permutation(len(groups))]

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, step: int) -> LineBatch:
        chosen = self.groups[step]
        rng = np.random.default_rng([self.seed, step])
        return stack(self.pool, chosen, torch.from_numpy(rng.random(len(chosen)) < LIMITED))


class FolderBatches(Dataset[LineBatch]):
    """Batches of random lines of *folder*, of like width, whose new files are taken in as they come.

    Batch *step* depends on the seed, the step, and the files that were found before: resume with ``folder.restore``.

    Args:
        folder: of prepared lines. sizes: the most lines of each step. seed: of the choice.

    Raises:
        RecognizerError: there is no line.
    """

    def __init__(self, folder: LineFolder, sizes: Sequence[int], seed: int) -> None:
        self.folder = folder
        self.sizes = sizes
        self.seed = seed
        self._order = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, step: int) -> LineBatch:
        pool = self.folder.pool
        if step % LOOK_EVERY == 0:
            self.folder.update()
        if len(self._order) != len(pool):
            self._order = np.argsort(pool.widths(), kind="stable")
        _check(pool)
        rng = np.random.default_rng([self.seed, step])
        start = int(rng.integers(len(pool)))
        width = pool.levels[int(self._order[start])].shape[1]
        size = min(self.sizes[step], max(SMALLEST, PIXELS // width))
        window = self._order[max(0, start - 2 * size) : start + 2 * size]
        chosen = rng.choice(window, min(size, len(window)), replace=False).tolist()
        return stack(pool, chosen, torch.from_numpy(rng.random(len(chosen)) < LIMITED))


def _check(pool: LinePool) -> None:
    if not len(pool):
        first = next(iter(pool.reasons.values()), "no line was given")
        raise RecognizerError(
            f"None of {len(pool.reasons)} lines can be used for tuning (the first: {first}), one was expected; give others."
        )
