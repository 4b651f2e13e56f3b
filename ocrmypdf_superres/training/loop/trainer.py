# SPDX-License-Identifier: MPL-2.0
"""The trainer: runs a recipe's stages from the first step, or from a checkpoint."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.architectures.blocks.layers import on_luma
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.training.auxiliary import Supervised, check_heads, copied_names, copy_parts
from ocrmypdf_superres.training.checkpoint import load_checkpoint, save_checkpoint
from ocrmypdf_superres.training.data.batches import Batch, StepBatches, load_batches
from ocrmypdf_superres.training.objective import Objective
from ocrmypdf_superres.training.processes import Processes
from ocrmypdf_superres.training.recipe import Recipe, Stage
from ocrmypdf_superres.training.run_log import RunLog, writing
from ocrmypdf_superres.training.sample_grid import save_result_sheet
from ocrmypdf_superres.training.stages import freeze, learning_rate, make_optimizer, trained_names
from ocrmypdf_superres.training.starting_weights import start_from, take_parts
from ocrmypdf_superres.training.validation import Validator, Watch

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
LOG_EVERY = 100


class Trainer:
    """State of a run: the net, its moving average, the optimizer, the validation, and the number of steps done.

    Args:
        recipe: what to train.
        data: the folder that the recipe's source folders lie in.
        run: the folder that checkpoints, images and the log go to; made if missing.

    Raises:
        OptionError, ModelError, MissingDependencyError: the recipe, its data, its base or the processes cannot be used.
    """

    def __init__(self, recipe: Recipe, data: Path, run: Path) -> None:
        torch.manual_seed(recipe.seed)
        torch.set_num_threads(recipe.threads)
        self.run = run
        self.processes = Processes()
        self.device = self.processes.device
        spec = get(recipe.architecture)
        config = spec.parse_config(recipe.config)
        self.recipe = recipe = replace(recipe, scales=recipe.scales or {str(scale): 1.0 for scale in spec.scales(config)})
        self.net: nn.Module = spec.build(config)
        self._check_stages(spec.scales(config))
        self.average: dict[str, torch.Tensor] = {}
        # Line nets mix convolutions with recurrent rows and attention, which gain nothing from it (oneDNN even fails on them).
        self.layout = torch.channels_last if spec.task == "page" else torch.contiguous_format
        self.net.to(memory_format=self.layout)  # type: ignore[call-overload]
        self.channels = spec.channels_of(config)
        self.module = self.processes.wrap(Supervised(self.net, self.channels))
        take_parts(self.net, recipe.readers)
        self._take_base(recipe.base)
        self.optimizer = make_optimizer(self.net, recipe.stages[0], recipe)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=recipe.precision == "float16")
        self.step = 0
        self.seconds = 0.0
        self.watch = Watch()
        self._entered = -1
        self._objective: tuple[int, Objective] | None = None
        self._objective_state: dict[str, Any] = {}
        self._sums: dict[str, list[float]] = {}
        sizes = [stage.batch for stage in recipe.stages for _ in range(stage.steps)]
        scales = [stage.scales for stage in recipe.stages for _ in range(stage.steps)]
        with self.processes.leader_first(), writing(run):
            run.mkdir(parents=True, exist_ok=True)
            self.batches = StepBatches(recipe, data, run / "lines", sizes, scales)
        self.validator: Validator | None = None
        if recipe.validation is not None and self.processes.leader:
            with writing(run):
                self.validator = Validator(recipe, data, run / "lines")

    def _check_stages(self, offered: tuple[int, ...]) -> None:
        """Raise for whatever would stop a later stage, hours from now; the net has the scales *offered*."""
        for stage in self.recipe.stages:
            trained_names(self.net, stage)
            make_optimizer(self.net, stage, self.recipe)
            check_heads(self.net, stage)
            copied_names(self.net, stage)
            for scale in stage.scales or self.recipe.scales:
                if scale not in map(str, offered):
                    has = ", ".join(map(str, offered))
                    raise OptionError(f"Stage {stage.name} has the scale {scale}, which the net does not have; it has {has}.")
            if stage.base:
                find_model(stage.base)
            if stage.batch % self.processes.size:
                raise OptionError(
                    f"Stage {stage.name} has batches of {stage.batch} strips, which {self.processes.size} processes cannot share "
                    "evenly; give a multiple."
                )

    def _take_base(self, base: str) -> None:
        """Give the net the weights of the model *base*, if any, and begin the average with the net's."""
        if base:
            start_from(self.net, find_model(base))
        self.average = {k: v.detach().clone() for k, v in self.net.state_dict().items()}

    def stage_at(self, step: int) -> tuple[Stage, int, int]:
        """Return the stage of *step*, the step within it, and the stage's number."""
        for number, stage in enumerate(self.recipe.stages):
            if step < stage.steps:
                return stage, step, number
            step -= stage.steps
        raise IndexError(step)

    def learning_rate(self) -> float:
        """Return this step's learning rate, before the factors of ``lr_scale``."""
        stage, step, _ = self.stage_at(self.step)
        return learning_rate(stage, step)

    def _enter_stage(self) -> None:
        stage, _, number = self.stage_at(self.step)
        if number == self._entered:
            return
        moments = {} if stage.restart or stage.base else self.optimizer.state
        if stage.base:
            self._take_base(stage.base)
        state = self.net.state_dict()
        self.average.update({name: state[name].detach().clone() for name in copy_parts(self.net, stage)})
        self._arrange(stage)
        self.optimizer.state.update(moments)
        if self.recipe.validation is not None:
            self.watch.begin_stage(self.recipe.validation)
        self._entered = number

    def _arrange(self, stage: Stage) -> None:
        freeze(self.net, stage)
        self.optimizer = make_optimizer(self.net, stage, self.recipe)

    def objective(self) -> Objective:
        """Return the losses of the stage that the next step belongs to."""
        stage, _, number = self.stage_at(self.step)
        if self._objective is None or self._objective[0] != number:
            self._objective = number, self._make_objective(stage)
            if number == self._entered and self._objective_state:
                self._objective[1].load_state_dict(self._objective_state)
            self._objective_state = {}
        return self._objective[1]

    def _make_objective(self, stage: Stage) -> Objective:
        lines = -(-stage.recognizer_lines // self.processes.size)
        return Objective(replace(stage, recognizer_lines=lines), self.recipe.seed)

    def train_step(self, batch: Batch, objective: Objective) -> dict[str, float]:
        """Do one step and return the losses, or the reason to skip it in ``skipped``."""
        self._enter_stage()
        # What a net draws (dropout) depends on seed and step alone, so that resuming is exact.
        seed = np.random.SeedSequence([self.recipe.seed, self.step, self.processes.rank]).generate_state(1, np.uint64)
        torch.manual_seed(int(seed[0]))
        batch = self.processes.part(batch)
        lr = batch.lr.to(self.device, memory_format=self.layout)
        batch.hr = batch.hr.to(self.device)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate() * group.get("lr_scale", 1.0)
        precision = getattr(torch, self.recipe.precision)
        with torch.autocast(self.device.type, precision, enabled=precision != torch.float32):
            sr, heads, readings = self.module(lr, batch.hr, batch.scale, tuple(objective.heads), objective.image)
        total, values = objective(sr if sr is None else sr.float(), batch, self.step, heads, self.net, readings)
        self.optimizer.zero_grad(set_to_none=True)
        self.processes.backward(self.scaler.scale(total))
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), self.recipe.clip)
        if torch.isfinite(norm):
            self.scaler.step(self.optimizer)
            self._follow()
        else:
            # float16 finds its scale by overflowing now and then.
            level = logging.DEBUG if self.scaler.is_enabled() else logging.WARNING
            log.log(level, "Step %d has a gradient that is not finite; it is skipped.", self.step)
            values["skipped"] = 1.0
        self.scaler.update()
        self.step += 1
        return values

    @torch.no_grad()
    def _follow(self) -> None:
        # Early on a long memory would hold the untrained net.
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        for name, value in self.net.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - decay)

    def averaged_net(self) -> nn.Module:
        """Return a copy of the net with the averaged weights, in float32 on the CPU.

        When the run is over and was validated these are the weights that were best.
        """
        best = self.watch.weights if self.step >= len(self.batches) else {}
        return self._net_of(best or self.average)

    def _net_of(self, weights: dict[str, torch.Tensor]) -> nn.Module:
        spec = get(self.recipe.architecture)
        net = spec.build(spec.parse_config(self.recipe.config))
        net.load_state_dict({name: value.cpu() for name, value in weights.items()})
        return net.eval()

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        objective = self._objective[1] if self._objective is not None else None
        return {
            "recipe": self.recipe.name,
            "step": self.step,
            "stage": self._entered,
            "net": self.net.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "objective": objective.state_dict() if objective is not None else {},
            "watch": vars(self.watch),
            "sums": self._sums,
            "seconds": self.seconds,
        }

    def resume(self, path: Path) -> None:
        """Go on from the checkpoint *path*.

        Raises:
            OptionError: the checkpoint is damaged, of another recipe or of another net.
        """
        state = load_checkpoint(path)
        if state.get("recipe") != self.recipe.name:
            raise OptionError(
                f"{path} belongs to the recipe {state.get('recipe')!r}, not to {self.recipe.name!r}; give another run folder."
            )
        try:
            self.step = int(state["step"])
            # Checkpoints of earlier versions do not name the stage.
            self._entered = int(state.get("stage", self.stage_at(max(0, self.step - 1))[2]))
            self._arrange(self.recipe.stages[max(0, self._entered)])
            self.net.load_state_dict(state["net"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.scaler.load_state_dict(state.get("scaler", {}))
            self.watch = Watch(**state.get("watch", {}))
        except (RuntimeError, ValueError, KeyError, IndexError, TypeError) as error:
            raise OptionError(f"{path} does not fit the recipe's net and stages: {error}") from error
        self.average = {k: v.to(self.device) for k, v in state["average"].items()}
        self._sums = state.get("sums", {})
        self.seconds = float(state.get("seconds", 0.0))
        self._objective_state = state.get("objective", {})

    def _validate(self, runlog: RunLog | None) -> bool:
        """Compute the metric and note it; return whether the stage is to end, the same answer in all processes."""
        settings, over = self.recipe.validation, False
        if settings is not None and self.validator is not None and self._objective is not None:
            number, objective = self._objective
            stage = self.recipe.stages[number]
            net = on_luma(self._net_of(self.average), self.channels).to(self.device)
            value = self.validator(net, stage, objective)
            over = self.watch.record(settings, self.step, stage.name, value, self.average)
            if runlog is not None:
                runlog.row(self.step, stage.name, self.seconds, {f"validation {settings.metric}": value})
            best = f"best {self.watch.value:.5g} at step {self.watch.step}" if self.watch.value is not None else "none good yet"
            log.info("Step %d: validation %s %.5g (%s).", self.step, settings.metric, value, best)
        return bool(self.processes.from_leader(over))

    def _end_stage(self, number: int) -> None:
        """Leave stage *number* before its last step, with the best weights so far."""
        self.watch = self.processes.from_leader(self.watch)
        self.step = sum(stage.steps for stage in self.recipe.stages[: number + 1])
        if self.watch.weights:
            self.net.load_state_dict(self.watch.weights)
            self.average = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
        log.info("Stage %s ends early: %d values in turn were no better.", self.recipe.stages[number].name, self.watch.waited)

    def fit(self) -> None:
        """Run to the recipe's last step, writing checkpoints, images and the log.

        Raises:
            OptionError, RecognizerError: a stage's loss is not known or its recognizer is not installed; before any step.
            SuperresError: the disk is full; the last checkpoint is whole.
        """
        for stage in self.recipe.stages:
            self._make_objective(stage)
        with writing(self.run):
            runlog = RunLog(self.run, self.step) if self.processes.leader else None
            try:
                self._loop(runlog)
            finally:
                if runlog is not None:
                    runlog.close()

    def _loop(self, runlog: RunLog | None) -> None:
        recipe = self.recipe
        began = time.monotonic() - self.seconds
        batches = load_batches(self.batches, self.step, recipe.workers)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, disable=runlog is None) as progress:
            task = progress.add_task(recipe.name, total=len(self.batches), completed=self.step)
            while self.step < len(self.batches):
                stage, within, number = self.stage_at(self.step)
                objective = self.objective()
                if recipe.validation is not None and self.step == 0:
                    self._validate(runlog)  # what the net, or its base, is before any step
                batch = next(batches)
                for name, value in self.train_step(batch, objective).items():
                    self._sums.setdefault(name, []).append(value)
                self.seconds = time.monotonic() - began
                step, ends = self.step, within + 1 == stage.steps
                due = recipe.validation is not None and (ends or step % recipe.validation.every == 0)
                if due and self._validate(runlog) and not ends:
                    self._end_stage(number)
                    batches = load_batches(self.batches, self.step, recipe.workers)
                    ends = True
                if runlog is not None:
                    self._write(runlog, step, stage, batch, ends)
                progress.update(task, completed=self.step, total=len(self.batches), description=f"{recipe.name}: {stage.name}")

    def _write(self, runlog: RunLog, step: int, stage: Stage, batch: Batch, ends: bool) -> None:
        """Write what is due after *step*, with which *stage* may end: a row of the log, an image, a checkpoint."""
        if step % LOG_EVERY == 0 or ends:
            runlog.row(step, stage.name, self.seconds, {name: sum(v) / len(v) for name, v in self._sums.items()})
            self._sums.clear()
        if step % self.recipe.image_every == 0:
            save_result_sheet(on_luma(self._net_of(self.average), self.channels), batch, self.run / f"step-{step:06d}.png")
        if step % self.recipe.checkpoint_every == 0 or ends:
            save_checkpoint(self.state(), self.run / CHECKPOINT)
