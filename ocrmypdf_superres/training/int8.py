# SPDX-License-Identifier: MPL-2.0
"""Quantisation-aware training: a net in 8-bit integers learns to give what it gives in floats."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ocrmypdf_superres.errors import ModelError
from ocrmypdf_superres.export.int8 import export_int8, prepare_int8, rounding_layers
from ocrmypdf_superres.modelstore.store import Model
from ocrmypdf_superres.training.data.batches import Batch, StepBatches
from ocrmypdf_superres.training.loop.processes import Processes
from ocrmypdf_superres.training.loop.trainer import CHECKPOINT, Trainer, seed_run
from ocrmypdf_superres.training.recipe import Recipe, RunSettings, TrainingStage, parse_recipe
from ocrmypdf_superres.upscaling.backends.torch import load_network

OBSERVED = 24
"""Batches from which the ranges of the activations are taken."""
HELD_OUT = 8
"""Batches at the end on which the difference is measured."""


@dataclass(frozen=True)
class Int8Settings:
    """How long a net is trained after rounding, and how fast; 0 steps only round it."""

    steps: int = 1000
    batch: int = 8
    lr: float = 3e-4
    seed: int = 0


class Int8Tuning:
    """The net of *model*, rounded, on the strips of its own recipe; a :class:`~ocrmypdf_superres.training.protocols.Task`.

    The net as it is gives the target: what is trained is that rounding changes nothing, so nothing else changes either.

    Args:
        model: a model whose card has its recipe.
        data: the folder that the recipe's sources are in.
        cache: a folder for lines that were found in scans.
        settings: how long, how fast.

    Raises:
        ModelError: the card has no recipe, or the model is damaged.
        OptionError: the architecture has no 8-bit form, or the recipe's data cannot be used.
    """

    def __init__(self, model: Model, data: Path, cache: Path, settings: Int8Settings) -> None:
        recipe = _recipe_of(model)
        self.settings = RunSettings("int8", seed=settings.seed, ema=0.99, weight_decay=0.0, threads=1, workers=0)
        seed_run(self.settings)
        self.target = load_network(model).requires_grad_(False)
        self.scales = model.card.scales
        self.net: nn.Module = prepare_int8(self.target).requires_grad_(True)
        self.module = self.net
        stage = TrainingStage("int8", max(1, settings.steps), batch=settings.batch, lr=settings.lr, final=0.01, warmup=20)
        self.stages: tuple[TrainingStage, ...] = (stage,)
        sizes = [settings.batch] * (stage.steps + OBSERVED + HELD_OUT)
        scales = recipe.scales or {str(scale): 1.0 for scale in self.scales}
        self.batches = StepBatches(replace(recipe, seed=settings.seed + 1, scales=scales), data, cache, sizes)
        self._observe()

    def _observe(self) -> None:
        """Set the ranges to what the activations of the net as it is have."""
        layers = rounding_layers(self.net).values()
        for layer in layers:
            layer.observing = True
        with torch.inference_mode():
            for step in range(self.stages[0].steps, self.stages[0].steps + OBSERVED):
                lr = self.batches[step].lr
                for scale in self.scales:
                    self.net(lr, scale)
        for layer in layers:
            layer.observing = False

    def difference(self, net: nn.Module) -> float:
        """Return the mean absolute difference of *net* from the net in floats, both clipped, in grey levels of 255."""
        first = self.stages[0].steps + OBSERVED
        total, count = 0.0, 0
        with torch.inference_mode():
            for step in range(first, first + HELD_OUT):
                batch = self.batches[step]
                found, expected = (each(batch.lr, batch.scale).clamp(0, 1) for each in (net, self.target))
                total += float((found - expected).abs().sum())
                count += expected.numel()
        return 255 * total / count

    def prepare(self) -> None:
        """Do nothing: all that is needed was loaded at the start."""

    def begin_stage(self, number: int, resumed: bool) -> list[str] | None:
        """Change no weight; see :meth:`Task.begin_stage`."""
        return []

    def loss(self, forward: Callable[..., Any], batch: Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the mean square of the difference from the net in floats, in grey levels of 255."""
        with torch.no_grad():
            expected = self.target(batch.lr, batch.scale)
        value: Tensor = ((forward(batch.lr, batch.scale) - expected) * 255).square().mean()
        return value, {"square": float(value.detach())}

    def fresh_net(self) -> nn.Module:
        """Return a copy of the net, for weights to be loaded into."""
        return copy.deepcopy(self.net)

    def validate(self, net: nn.Module) -> float:
        """Return :meth:`difference`."""
        return self.difference(net)

    def save_samples(self, net: nn.Module, batch: Batch, path: Path) -> None:
        """Write nothing: the images look as before."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the ranges are among the net's buffers."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Do nothing; see :meth:`state_dict`."""


def add_int8(model: Model, data: Path, folder: Path, name: str, run: Path, settings: Int8Settings | None = None) -> Model:
    """Write *model* with graphs in 8-bit integers as the model *name* to *folder*; return it.

    Args:
        model: a model of an architecture that has an 8-bit form, with its recipe in its card.
        data: the folder that the recipe's sources are in.
        folder: the model folder to write; that of *model* itself is replaced.
        name: the new model's.
        run: the folder that checkpoints go to; a run that was interrupted there is continued.
        settings: how long the rounded net is trained.

    Raises:
        ModelError, OptionError: see :class:`Int8Tuning` and :func:`~ocrmypdf_superres.export.int8.export_int8`.
        MissingDependencyError: the package onnx is missing.
    """
    settings = settings or Int8Settings()
    task = Int8Tuning(model, data, run / "lines", settings)
    before = task.difference(task.net)
    net: nn.Module = task.net
    if settings.steps:
        trainer = Trainer(task, run, Processes("cpu"))
        if (run / CHECKPOINT).exists():
            trainer.resume(run / CHECKPOINT)
        trainer.fit()
        net = trainer.averaged_net()
    after = task.difference(net)
    about = {"int8, mean difference in grey levels": f"{after:.2f} ({before:.2f} before {settings.steps:,} steps)"}
    return export_int8(model, net.eval(), folder, name, about)


def _recipe_of(model: Model) -> Recipe:
    if not model.card.recipe:
        raise ModelError(
            f"The card of model {model.card.name} has no recipe, so its data is not known; give a model trained here."
        )
    where = f"The recipe in the card of {model.card.name}"
    try:
        return parse_recipe(tomllib.loads(model.card.recipe), where)
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{where} is damaged ({error}); give another model.") from error
