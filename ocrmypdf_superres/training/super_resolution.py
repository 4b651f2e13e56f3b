# SPDX-License-Identifier: MPL-2.0
"""Training a super-resolution net: the task that the training loop is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.architectures.blocks.layers import on_luma
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.training.auxiliary import Supervised, check_heads, copied_names, copy_parts
from ocrmypdf_superres.training.data.batches import Batch, StepBatches
from ocrmypdf_superres.training.data.colour import COLOURS, RGB_MASK
from ocrmypdf_superres.training.loop.processes import Processes
from ocrmypdf_superres.training.loop.run_log import writing
from ocrmypdf_superres.training.loop.time_limit import TimeLimit
from ocrmypdf_superres.training.loop.trainer import Trainer, seed_run
from ocrmypdf_superres.training.objective import Objective, SharedParts
from ocrmypdf_superres.training.recipe import Recipe, Stage
from ocrmypdf_superres.training.sample_grid import save_result_sheet
from ocrmypdf_superres.training.starting_weights import start_from, take_parts
from ocrmypdf_superres.training.validation import Validator


class SuperResolution:
    """The net of *recipe*, its strips, and the losses of its stages; a :class:`~ocrmypdf_superres.training.protocols.Task`.

    Args:
        recipe: what to train.
        data: the folder that the recipe's source folders are in.
        cache: a folder for lines that were found in scans.
        processes: those that share the training.

    Raises:
        OptionError, ModelError, RecognizerError: the recipe, its data or its base cannot be used.
    """

    def __init__(self, recipe: Recipe, data: Path, cache: Path, processes: Processes) -> None:
        seed_run(recipe)
        self.spec = get(recipe.architecture)
        self.config = self.spec.parse_config(recipe.config)
        scales = self.spec.scales(self.config)
        self.recipe = replace(recipe, scales=recipe.scales or {str(scale): 1.0 for scale in scales})
        self.settings = self.recipe
        self.stages: tuple[Stage, ...] = recipe.stages
        self.processes = processes
        self.net: nn.Module = self.spec.build(self.config)
        self._check_stages(scales)
        if recipe.colour == RGB_MASK and getattr(self.config, "input_channels", 1) != COLOURS[RGB_MASK]:
            raise OptionError(
                f"{recipe.name} has colour = {RGB_MASK!r}, but its net takes no mask; set input_channels = 4 or rgb."
            )
        # Line nets mix convolutions with recurrent rows and attention, which gain nothing from it (oneDNN even fails on them).
        self.layout = torch.channels_last if self.spec.task == "page" else torch.contiguous_format
        self.net.to(memory_format=self.layout)  # type: ignore[call-overload]
        self.channels = self.spec.channels_of(self.config)
        take_parts(self.net, recipe.parts)
        if recipe.base:
            start_from(self.net, find_model(recipe.base))
        self.module = Supervised(self.net, self.channels)
        self.objectives: list[Objective] = []
        self.number = 0
        sizes = [stage.batch for stage in recipe.stages for _ in range(stage.steps)]
        by_step = [stage.scales for stage in recipe.stages for _ in range(stage.steps)]
        with processes.leader_first(), writing(cache.parent):
            self.batches = StepBatches(self.recipe, data, cache, sizes, by_step)
        self.validator: Validator | None = None
        if recipe.validation is not None and processes.leader:
            with writing(cache.parent):
                self.validator = Validator(self.recipe, data, cache)

    def _check_stages(self, offered: tuple[int, ...]) -> None:
        """Raise for settings that would stop a later stage, hours from now; the net has the scales *offered*."""
        for stage in self.stages:
            check_heads(self.net, stage)
            copied_names(self.net, stage)
            for scale in stage.scales or self.recipe.scales:
                if scale not in map(str, offered):
                    has = ", ".join(map(str, offered))
                    raise OptionError(f"Stage {stage.name} has the scale {scale}, which the net does not have; it has {has}.")
            if stage.base:
                find_model(stage.base)

    def prepare(self) -> None:
        """Make the losses of all stages.

        Raises:
            OptionError, RecognizerError: a loss cannot be made, or a recognizer is not installed.
        """
        if self.objectives:
            return
        shared = SharedParts(self.processes.device)
        for stage in self.stages:
            lines = -(-stage.recognizer_lines // self.processes.size)
            self.objectives.append(Objective(replace(stage, recognizer_lines=lines), self.recipe.seed, shared))

    @property
    def objective(self) -> Objective:
        """The losses of the stage that was begun last."""
        self.prepare()
        return self.objectives[self.number]

    def begin_stage(self, number: int, resumed: bool) -> list[str] | None:
        """Give the net the weights that stage *number* begins with; see :meth:`Task.begin_stage`."""
        self.number = number
        stage = self.stages[number]
        if resumed:
            return []
        if stage.base:
            start_from(self.net, find_model(stage.base))
        copied = copy_parts(self.net, stage)
        return None if stage.base else copied

    def loss(self, forward: Callable[..., Any], batch: Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the weighted sum of the stage's losses on *batch*, and each one's value."""
        objective = self.objective
        lr = batch.lr.to(memory_format=self.layout)
        sr, heads, readings = forward(lr, batch.hr, batch.scale, tuple(objective.heads), objective.image)
        return objective(None if sr is None else sr.float(), batch, step, heads, self.net, readings)

    def fresh_net(self) -> nn.Module:
        """Return a new net of the recipe's architecture on the CPU."""
        return self.spec.build(self.config)

    def validate(self, net: nn.Module) -> float:
        """Return the metric of the recipe's ``[validation]`` for *net*."""
        if self.validator is None:
            raise OptionError(f"The recipe {self.recipe.name} has no [validation] table; add one.")
        return self.validator(on_luma(net, self.channels), self.objective)

    def save_samples(self, net: nn.Module, batch: Batch, path: Path) -> None:
        """Write lr, sr and hr of the first strips of *batch* side by side to *path*."""
        save_result_sheet(on_luma(net, self.channels), batch.to(torch.device("cpu")), path)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds: the state of the stage's balance."""
        return self.objective.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state_dict` returned.

        Raises:
            OptionError: it belongs to other losses.
        """
        if state:
            self.objective.load_state_dict(state)


def super_resolution_trainer(
    recipe: Recipe, data: Path, run: Path, device: str = "auto", limit: TimeLimit | None = None, cache: Path | None = None,
    text: str = "",
) -> Trainer[SuperResolution]:  # fmt: skip
    """Return the trainer of the super-resolution net of *recipe*.

    Args:
        recipe: what to train.
        data: the folder that the recipe's source folders are in.
        run: the folder that checkpoints, images and the log go to; made if missing.
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
        limit: when training must end; None for after the recipe's steps.
        cache: a folder for lines that were found in scans, which runs can share; None for one of this run.
        text: the recipe's text, which a checkpoint must have too to be resumed; empty for any.

    Raises:
        OptionError, ModelError, DeviceError, MissingDependencyError: the recipe, its data, its base, the device or the
            processes cannot be used.
    """
    processes = Processes(device)
    return Trainer(SuperResolution(recipe, data, cache or run / "lines", processes), run, processes, text, limit)
