# SPDX-License-Identifier: MPL-2.0
"""Training recognizers and text detectors: the tasks that the training loop is given."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.metrics.text import letters_and_digits
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.recognizers import folder as folders
from ocrmypdf_superres.recognizers.line_recognizer import LineRecognizer
from ocrmypdf_superres.training.data.batches import Batch, StepBatches
from ocrmypdf_superres.training.data.held_out import check_held_out
from ocrmypdf_superres.training.data.sources.detector_pages import RenderedPages
from ocrmypdf_superres.training.loop.trainer import seed_run
from ocrmypdf_superres.training.recipe import TrainingStage
from ocrmypdf_superres.training.recognizers.detector_targets import CTPNLoss
from ocrmypdf_superres.training.recognizers.recipe import RecognizerRecipe
from ocrmypdf_superres.upscaling.backends.torch import load_network

log = logging.getLogger(__name__)

HELD_OUT_BATCH = 32


def enlarged(lr: Tensor) -> Tensor:
    """Return lines of lr (B, 1, H, W) twice as large, bicubic, clipped to [0, 1]."""
    return functional.interpolate(lr, scale_factor=2, mode="bicubic", align_corners=False).clamp(0, 1)


class _NetworkTask:
    """What the two tasks share: a network of :mod:`ocrmypdf_superres.recognizers.folder` with one loss in all stages."""

    def __init__(self, recipe: RecognizerRecipe) -> None:
        seed_run(recipe)
        self.recipe = recipe
        self.settings = recipe
        self.stages: tuple[TrainingStage, ...] = recipe.stages
        self.net: nn.Module = self.fresh_net()
        if recipe.base:
            try:
                base = folders.load(recipe.base, (recipe.network,))
                if base.config != self.net.config:
                    raise RuntimeError("the weights would fit, and mean something else")
                self.net.load_state_dict(base.state_dict())
            except RuntimeError as error:
                raise OptionError(
                    f"{recipe.name}: base = {recipe.base!r} has another configuration; give the recipe the same [config]."
                ) from error

    @property
    def sizes(self) -> list[int]:
        """The number of images of each step."""
        return [stage.batch for stage in self.stages for _ in range(stage.steps)]

    def prepare(self) -> None:
        """Do nothing: all that is needed was loaded at the start."""

    def begin_stage(self, number: int, resumed: bool) -> list[str] | None:
        """Change no weight; see :meth:`Task.begin_stage`."""
        return []

    def fresh_net(self) -> nn.Module:
        """Return a new network of the recipe's kind on the CPU."""
        return folders.build(self.recipe.network, self.recipe.config)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds: nothing, since the loss has no state."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state_dict` returned."""


class _ReadingLoss(nn.Module):
    """Calls the loss of a recognizer through one forward, as several processes need it."""

    def __init__(self, net: LineRecognizer) -> None:
        super().__init__()
        self.net = net

    def forward(self, lines: Tensor, texts: Sequence[str]) -> Tensor:
        """Return the loss, a scalar, of *lines*, float (B, 1, H, W) in [0, 1], that say *texts*."""
        return self.net.loss(lines, texts)


class Recognition(_NetworkTask):
    """A recognizer of text lines; a :class:`~ocrmypdf_superres.training.protocols.Task`.

    Args:
        recipe: what to train.
        data: the folder that the recipe's source folders are in.
        cache: a folder for what sources keep.

    Raises:
        OptionError, RecognizerError, ModelError: the recipe or something that it names cannot be used.
    """

    def __init__(self, recipe: RecognizerRecipe, data: Path, cache: Path) -> None:
        super().__init__(recipe)
        if not isinstance(self.net, LineRecognizer):
            raise OptionError(f"{recipe.name}: network = {recipe.network!r} does not read lines; give a recognizer.")
        self.module = _ReadingLoss(self.net)
        self.line_model: nn.Module | None = None
        if recipe.sr:
            model = find_model(recipe.sr)
            if not model.card.line_size:
                raise OptionError(f"{recipe.name}: sr = {recipe.sr!r} is a model for pages; give one for text lines.")
            self.line_model = load_network(model).requires_grad_(False)
        self.batches = StepBatches(recipe, data, cache, self.sizes)
        shares = np.array([float(share) for share in recipe.images.values()])
        self.shares = shares / shares.sum()
        self.held_out: list[Batch] = []
        if recipe.validation is not None:
            check_held_out(recipe.sources, recipe.validation.source, data)
            lines = recipe.validation.lines
            sizes = [HELD_OUT_BATCH] * (lines // HELD_OUT_BATCH) + [lines % HELD_OUT_BATCH] * (lines % HELD_OUT_BATCH > 0)
            held_out = replace(recipe, sources=(recipe.validation.source,), seed=recipe.validation.seed)
            batches = StepBatches(held_out, data, cache, sizes)
            self.held_out = [batches[index] for index in range(len(batches))]

    def loss(self, forward: Callable[..., Any], batch: Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of the lines that have a text to learn, on one kind of image, which the step decides."""
        rng = np.random.default_rng([self.recipe.seed, step, 2])
        image = str(rng.choice(list(self.recipe.images), p=self.shares))
        kept = [index for index, text in enumerate(batch.texts) if letters_and_digits(text)]
        if not kept:
            # Every step, and every process, needs a loss with a gradient: here that of any text, times 0.
            value: Tensor = 0.0 * forward(self.images(batch, image), ["0"] * batch.count)
        else:
            value = forward(self.images(batch, image)[kept], [batch.texts[index] for index in kept])
        return value, {"loss": float(value.detach())}

    def images(self, batch: Batch, which: str) -> Tensor:
        """Return the lines of *batch* as *which*, hr, lr enlarged or sr, float (B, 1, 32, 128) in [0, 1]."""
        if which == "hr":
            return batch.hr
        if which == "lr" or self.line_model is None:
            return enlarged(batch.lr)
        with torch.no_grad():
            value: Tensor = self.line_model.to(batch.lr.device)(batch.lr, 2)
        return value.clamp(0, 1)

    @torch.no_grad()
    def accuracies(self, net: nn.Module) -> dict[str, float]:
        """Return the shares of held-out lines that *net* reads without a mistake, for each kind of image that it is shown."""
        if not isinstance(net, LineRecognizer):
            raise TypeError(f"{type(net).__name__} does not read lines")
        result = {}
        device = next(net.parameters()).device
        for which in self.recipe.images:
            right = total = 0
            for batch in self.held_out:
                found = net.read(self.images(batch.to(device), which))
                pairs = [
                    (letters_and_digits(text), letters_and_digits(truth)) for text, truth in zip(found, batch.texts, strict=True)
                ]
                right += sum(text == truth for text, truth in pairs if truth)
                total += sum(bool(truth) for _, truth in pairs)
            result[which] = right / max(1, total)
        return result

    def validate(self, net: nn.Module) -> float:
        """Return the mean of :meth:`accuracies`."""
        found = self.accuracies(net)
        log.info("Lines read without a mistake: %s.", ", ".join(f"{which} {share:.3f}" for which, share in found.items()))
        return sum(found.values()) / len(found)

    def save_samples(self, net: nn.Module, batch: Batch, path: Path) -> None:
        """Write nothing: a recognizer makes no images."""


@dataclass
class PageBatch:
    """Pages for a detector: *images*, float (B, 1, H, W) in [0, 1], and the *boxes* of their lines, float (N, 4) each."""

    images: Tensor
    boxes: list[Tensor]

    @property
    def count(self) -> int:
        """The number of pages."""
        return len(self.boxes)

    def to(self, device: torch.device) -> PageBatch:
        """Return the batch with its images on *device*; boxes stay, since targets are made of them on the CPU."""
        return PageBatch(self.images.to(device), self.boxes)

    def part(self, own: slice) -> PageBatch:
        """Return the pages *own* alone."""
        return PageBatch(self.images[own], self.boxes[own])


class PageBatches(Dataset[PageBatch]):
    """The rendered pages of each step; ``sizes[step]`` is their number."""

    def __init__(self, pages: RenderedPages, seed: int, sizes: list[int]) -> None:
        self.pages = pages
        self.seed = seed
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, step: int) -> PageBatch:
        rng = np.random.default_rng([self.seed, step])
        made = [self.pages.page(rng) for _ in range(self.sizes[step])]
        images = torch.from_numpy(np.stack([page for page, _ in made]))[:, None]
        return PageBatch(images, [torch.from_numpy(boxes) for _, boxes in made])


class Detection(_NetworkTask):
    """The text detector CTPN on rendered pages; a :class:`~ocrmypdf_superres.training.protocols.Task`.

    Args:
        recipe: what to train, from one source of rendered text.
        data: the folder that the source's folder is in.

    Raises:
        OptionError, RecognizerError: the recipe or something that it names cannot be used.
    """

    def __init__(self, recipe: RecognizerRecipe, data: Path) -> None:
        super().__init__(recipe)
        self.module = self.net
        if len(recipe.sources) > 1:
            raise OptionError(f"{recipe.name} has {len(recipe.sources)} sources, but a detector takes one; leave the others out.")
        source = recipe.sources[0]
        pages = RenderedPages(data / source.folder, dict(source.languages), recipe.size)
        self.batches = PageBatches(pages, recipe.seed, self.sizes)
        self.criterion = CTPNLoss()

    def loss(self, forward: Callable[..., Any], batch: PageBatch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of the anchors' scores and coordinates on *batch*."""
        _, scores, coordinates = forward(batch.images)
        size = (batch.images.shape[2], batch.images.shape[3])
        value: Tensor = self.criterion(scores.float(), coordinates.float(), batch.boxes, size)
        return value, {"loss": float(value.detach())}

    def validate(self, net: nn.Module) -> float:
        """Refuse: a detector's recipe has no validation."""
        raise OptionError(f"{self.recipe.name} is a detector, which has no metric to validate with; leave out [validation].")

    def save_samples(self, net: nn.Module, batch: PageBatch, path: Path) -> None:
        """Write nothing: a detector makes no images."""
