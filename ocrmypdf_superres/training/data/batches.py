# SPDX-License-Identifier: MPL-2.0
"""Batches by step number: step n's batch depends on the seed and n alone, so that resuming is exact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.data.degradations import Degradation
from ocrmypdf_superres.training.data.sample import Sample
from ocrmypdf_superres.training.data.sources.pairs import PairSource
from ocrmypdf_superres.training.data.sources.rendered import RenderedSource
from ocrmypdf_superres.training.data.sources.scans import ScanSource
from ocrmypdf_superres.training.data.sources.words import FolderLines, LineSource, TextZoom, WordSource
from ocrmypdf_superres.training.recipe import LINE_KINDS, Recipe, Source


@dataclass
class Batch:
    """One step's strips: lr (B, 1, 96/s, 576/s) and hr (B, 1, 96, 576), float32 in [0, 1], and the samples' lines.

    Of text lines they are (B, 1, 32/s, 128/s) and (B, 1, 32, 128).
    """

    scale: int
    lr: Tensor
    hr: Tensor
    texts: list[str]
    boxes: list[tuple[int, int, int, int] | None]
    languages: list[str]


class StepBatches(Dataset[Batch]):
    """``self[step]`` is the batch of that step, of ``sizes[step]`` strips.

    *scales* gives each step's scales and their weights; without it all steps have the recipe's.
    """

    def __init__(
        self, recipe: Recipe, data: Path, cache: Path, sizes: list[int], scales: list[Mapping[str, float]] | None = None
    ) -> None:
        self.seed = recipe.seed
        self.line_height = recipe.line_height
        self.sizes = sizes
        self.degradation = Degradation(recipe.degradation, recipe.clean)
        if len({source.kind in LINE_KINDS for source in recipe.sources}) > 1:
            raise OptionError("A recipe draws strips of pages or text lines, not both; give sources of one sort.")
        self.sources = [_make_source(source, data, cache) for source in recipe.sources]
        weights = np.array([source.weight for source in recipe.sources])
        if (weights < 0).any() or weights.sum() <= 0:
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
        # Most text is brought near the height that Tesseract reads best; the rest of a page is not.
        line_height = int(np.clip(rng.normal(47, 8), low, high))
        samples: list[Sample] = []
        lrs = []
        for _ in range(self.sizes[step]):
            source = self.sources[int(rng.choice(len(self.sources), p=self.weights))]
            drawn = getattr(source, "draw_pair", None)  # sources of real pairs have it
            pair = drawn(rng, line_height, scale) if drawn is not None else None
            if pair is None:
                sample = source.draw(rng, line_height)
                pair = sample, self.degradation(sample.source, scale, rng)
            samples.append(pair[0])
            lrs.append(pair[1])
        return Batch(
            scale,
            torch.from_numpy(np.stack(lrs))[:, None],
            torch.from_numpy(np.stack([s.target for s in samples]))[:, None],
            [s.text for s in samples],
            [s.box for s in samples],
            [s.language for s in samples],
        )


def _make_source(source: Source, data: Path, cache: Path) -> RenderedSource | ScanSource | LineSource:
    folder = data / source.folder
    low = data / source.low if source.low else None
    if source.kind == "rendered":
        return RenderedSource(folder, dict(source.languages))
    if source.kind == "words":
        return WordSource(folder, dict(source.languages))
    if source.kind == "textzoom":
        return TextZoom(folder, source.language)
    if source.kind == "lines":
        return FolderLines(folder, low, source.language)
    if low is not None:
        return PairSource(folder, low, cache, source.language, source.pages, source.confidence)
    return ScanSource(folder, cache, source.language, source.pages, source.confidence)


def load_batches(dataset: StepBatches, first: int, workers: int) -> Iterator[Batch]:
    """Return the batches from step *first* on, in order, made by *workers* processes (0: in this one)."""
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=range(first, len(dataset)),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
    )
    return iter(loader)
