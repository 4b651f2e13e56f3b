# SPDX-License-Identifier: MPL-2.0
"""Batches by step number: step n's batch depends on the seed and n alone, so that resuming is exact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ocrmypdf_superres.errors import OptionError, SuperresError
from ocrmypdf_superres.training.data.colour import LUMA_ALONE, planes
from ocrmypdf_superres.training.data.degradations import Degradation
from ocrmypdf_superres.training.data.sample import Sample
from ocrmypdf_superres.training.protocols import Batches, TrainingBatch
from ocrmypdf_superres.training.recipe import Source, check_source

HEIGHT_DEVIATION = 8.0

B = TypeVar("B", bound=TrainingBatch)


@dataclass
class Batch:
    """One step's strips: lr (B, 1, 96/s, 576/s) and hr (B, 1, 96, 576), float32 in [0, 1], and the samples' lines.

    Of text lines they are (B, C, 32/s, 128/s) and (B, C, 32, 128), with the channels of the recipe's ``colour``.
    """

    scale: int
    lr: Tensor
    hr: Tensor
    texts: list[str]
    boxes: list[tuple[int, int, int, int] | None]
    languages: list[str]

    @property
    def count(self) -> int:
        """The number of strips."""
        return len(self.texts)

    def to(self, device: torch.device) -> Batch:
        """Return the batch with its images on *device*."""
        return replace(self, lr=self.lr.to(device), hr=self.hr.to(device))

    def part(self, own: slice) -> Batch:
        """Return the strips *own* alone."""
        return Batch(self.scale, self.lr[own], self.hr[own], self.texts[own], self.boxes[own], self.languages[own])


def collate(samples: Sequence[Sample], lrs: Sequence[NDArray[np.float32]], scale: int, colour: str = LUMA_ALONE) -> Batch:
    """Return the batch of *samples*, whose low-resolution images are *lrs*, float32 (H / scale, W / scale) or with colour.

    *colour* is one of :data:`~ocrmypdf_superres.training.data.colour.COLOURS`.
    """
    return Batch(
        scale,
        torch.from_numpy(np.stack([planes(lr, colour) for lr in lrs])),
        torch.from_numpy(np.stack([planes(s.target, colour) for s in samples])),
        [s.text for s in samples],
        [s.box for s in samples],
        [s.language for s in samples],
    )


class DataSettings(Protocol):
    """The data of a recipe: :class:`~ocrmypdf_superres.training.recipe.Recipe` says what the fields mean."""

    @property
    def seed(self) -> int:
        """The seed of all random numbers."""
        ...

    @property
    def sources(self) -> tuple[Source, ...]:
        """The tables of the sources."""
        ...

    @property
    def degradation(self) -> tuple[Mapping[str, Any], ...]:
        """The tables of the degradation."""
        ...

    @property
    def usual_height(self) -> int:
        """The height near which most lines are."""
        ...

    @property
    def clean(self) -> float:
        """The share of strips that are not degraded."""
        ...

    @property
    def line_height(self) -> tuple[int, int]:
        """The range of lines' heights, hr pixels."""
        ...

    @property
    def scales(self) -> Mapping[str, float]:
        """The scales and their weights."""
        ...

    @property
    def colour(self) -> str:
        """The channels of text lines."""
        ...


class StepBatches(Dataset[Batch]):
    """``self[step]`` is the batch of that step, of ``sizes[step]`` strips.

    Args:
        recipe: the data and the seed. data: the root of its folders. cache: a folder for lines found in scans.
        sizes: the number of strips of each step.
        scales: the scales of each step and their weights; without it, or where it is empty, the recipe's.

    Raises:
        OptionError: a source cannot be used, or the weights or sources do not fit together.
    """

    def __init__(
        self, recipe: DataSettings, data: Path, cache: Path, sizes: list[int], scales: list[Mapping[str, float]] | None = None
    ) -> None:
        self.seed = recipe.seed
        self.line_height = recipe.line_height
        self.usual_height = recipe.usual_height
        self.colour = recipe.colour
        self.sizes = sizes
        self.degradation = Degradation(recipe.degradation, recipe.clean)
        kinds = [check_source(source, "The recipe") for source in recipe.sources]
        if len({kind.lines for kind in kinds}) > 1:
            raise OptionError("The recipe mixes sources of page strips and of text lines; give sources of one sort.")
        self.sources = [kind.open(source, data, cache) for kind, source in zip(kinds, recipe.sources, strict=True)]
        weights = np.array([source.weight for source in recipe.sources])
        if not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
            raise OptionError("The weights of the recipe's sources must be 0 or more, and one of them above 0.")
        self.weights = weights / weights.sum()
        usual = recipe.scales or {"2": 1.0, "3": 1.0, "4": 1.0}
        self.scales = [table or usual for table in scales] if scales else [usual] * len(sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, step])
        share = np.array([float(weight) for weight in self.scales[step].values()])
        scale = int(rng.choice([int(s) for s in self.scales[step]], p=share / share.sum()))
        low, high = self.line_height
        # Most text is scaled to about one height, by default that which Tesseract reads best; the rest of a page is not.
        line_height = int(np.clip(rng.normal(self.usual_height, HEIGHT_DEVIATION), low, high))
        samples: list[Sample] = []
        lrs = []
        for _ in range(self.sizes[step]):
            source = self.sources[int(rng.choice(len(self.sources), p=self.weights))]
            sample = source.sample(rng, line_height, scale)
            if any(side % scale for side in sample.target.shape[-2:]):
                shape = " x ".join(map(str, sample.target.shape[-2:]))
                raise OptionError(
                    f"The recipe's sources give images of {shape} pixels, which x{scale} does not divide; change either."
                )
            samples.append(sample)
            lrs.append(degraded(self.degradation, sample.source, scale, rng) if sample.lr is None else sample.lr)
        if len({sample.target.shape[-2:] for sample in samples}) > 1:
            shapes = " and ".join(sorted({" x ".join(map(str, sample.target.shape[-2:])) for sample in samples}))
            raise OptionError(f"The recipe's sources give images of {shapes} pixels; give sources of one size.")
        return collate(samples, lrs, scale, self.colour)


def degraded(degradation: Degradation, source: NDArray[np.float32], scale: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return *source*, float32 (H, W) or (C, H, W) in [0, 1], reduced by *scale* and degraded, its channels all alike."""
    if source.ndim == 2:
        return degradation(source, scale, rng)
    # The same blur and noise in all channels: what a camera does to a page, not what it does to a colour.
    seed = int(rng.integers(2**63))
    return np.stack([degradation(channel, scale, np.random.default_rng(seed)) for channel in source])


def load_batches(batches: Batches[B], first: int, workers: int) -> Iterator[B]:
    """Return the batches from step *first* on, in order, made by *workers* processes (0: in this one).

    What is raised while one is made is raised where it is taken.
    """
    loader: DataLoader[B | Exception] = DataLoader(
        _OrErrors(batches),
        batch_size=None,
        sampler=range(first, len(batches)),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
    )
    return without_errors(iter(loader))


_KILLED = (
    "A process that makes batches was killed, most often because memory ran out; free some, or lower workers, and "
    "continue with --resume."
)


@contextmanager
def naming_killed_workers() -> Iterator[None]:
    """Turn torch's error of a loader's process that was killed, which it raises anywhere in the body, into a SuperresError."""
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise SuperresError(_KILLED) from error


class _OrErrors(Dataset[B | Exception]):
    """Batches, and errors as values, since a loader's process would put its whole traceback into their messages."""

    def __init__(self, batches: Batches[B]) -> None:
        self.batches = batches

    def __getitem__(self, step: int) -> B | Exception:
        try:
            return self.batches[step]
        except (SuperresError, OSError) as error:
            return error


def without_errors(loaded: Iterator[B | Exception]) -> Iterator[B]:
    """Yield the batches that a loader yields, raising the errors among them.

    Raises:
        SuperresError: the loader's process was killed while it handed a batch over.
    """
    while True:
        try:
            batch = next(loaded)
        except StopIteration:
            return
        except (ConnectionError, EOFError) as error:
            # Killed while it handed a batch over: its socket closes before torch sees that the process is gone.
            raise SuperresError(_KILLED) from error
        if isinstance(batch, Exception):
            raise batch
        yield batch
