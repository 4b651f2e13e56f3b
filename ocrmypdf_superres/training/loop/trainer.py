# SPDX-License-Identifier: MPL-2.0
"""The training loop: runs the stages of a task from the first step, or from a checkpoint.

The same loop trains super-resolution nets, recognizers, text detectors and Tesseract's networks. The random numbers of a
step depend on the seed, the step and the process alone, so that a resumed run equals an uninterrupted one bit for bit on
the CPU, and a checkpoint needs no state of generators.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from ocrmypdf_superres.errors import OptionError, SuperresError
from ocrmypdf_superres.processes import openmp_threads
from ocrmypdf_superres.training.data.batches import load_batches, naming_killed_workers
from ocrmypdf_superres.training.loop.checkpoint import load_run, mismatch, same_recipe, save_checkpoint
from ocrmypdf_superres.training.loop.processes import Processes
from ocrmypdf_superres.training.loop.run_log import RunLog, writing
from ocrmypdf_superres.training.loop.stages import freeze, learning_rate, make_optimizer, stage_at, trained_names
from ocrmypdf_superres.training.loop.time_limit import Planner, TimeLimit
from ocrmypdf_superres.training.loop.watch import Watch
from ocrmypdf_superres.training.protocols import Task, TrainingBatch
from ocrmypdf_superres.training.recipe import RunSettings, TrainingStage

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
LOG_EVERY = 100
MOST_SKIPPED = 100
"""Steps in a row without a finite gradient after which nothing good is to be expected."""

K = TypeVar("K", bound=Task[Any])


def seed_run(settings: RunSettings) -> None:
    """Seed torch for the start of a run and set its threads; to be called before the network is built."""
    torch.manual_seed(settings.seed)
    torch.set_num_threads(openmp_threads(settings.threads))


class Trainer(Generic[K]):
    """State of a run: the net, its moving average, the optimizer, the validation, and the number of steps done.

    Attributes:
        task: what is trained. net: its net. average: the moving average of the weights, by name.
        stages: the task's, with fewer steps where there is a time limit. step: steps done. seconds: time spent on them.
        watch: the course of the validation.

    Args:
        task: what to train.
        run: the folder that checkpoints, images and the log go to, made if missing; None writes nothing.
        processes: those that share the training.
        text: the recipe's text; a checkpoint of another recipe is refused. Where either has none, the names must be the same.
        limit: when training must end; None for after the recipe's steps.

    Raises:
        OptionError: a stage trains nothing, or its batches cannot be shared by the processes.
    """

    def __init__(
        self, task: K, run: Path | None, processes: Processes | None = None, text: str = "", limit: TimeLimit | None = None
    ) -> None:
        self.task: K = task
        self.run = run
        self.text = text
        self.settings = task.settings
        self.stages: tuple[TrainingStage, ...] = task.stages
        self.processes = processes or Processes()
        self.device = self.processes.device
        self.net: nn.Module = task.net
        self._check_stages()
        self.module = self.processes.wrap(task.module)
        self.average = {name: value.detach().clone() for name, value in self.net.state_dict().items()}
        self.optimizer = make_optimizer(self.net, self.stages[0], self.settings)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.settings.precision == "float16")
        self.precision = getattr(torch, self.settings.precision)
        self.step, self.seconds = 0, 0.0
        self.watch = Watch()
        self._entered = -1
        self._skipped = 0
        self._sums: dict[str, list[float]] = {}
        self._planner = None if limit is None else self._make_planner(limit)

    def _check_stages(self) -> None:
        for stage in self.stages:
            trained_names(self.net, stage)
            make_optimizer(self.net, stage, self.settings)
            if stage.batch % self.processes.size:
                raise OptionError(
                    f"Stage {stage.name} has batches of {stage.batch} strips, which {self.processes.size} processes cannot share "
                    "evenly; give a multiple."
                )

    def _make_planner(self, limit: TimeLimit) -> Planner:
        if len(self.stages) != 1:
            raise OptionError(f"A time limit was given for {len(self.stages)} stages, but it needs a recipe with one; give none.")
        return Planner(limit, self.stages[0].steps)

    @property
    def total(self) -> int:
        """The number of steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def learning_rate(self) -> float:
        """Return this step's learning rate, before the factors of ``lr_scale``."""
        stage, step, _ = stage_at(self.stages, self.step)
        return learning_rate(stage, step)

    def _enter_stage(self) -> None:
        stage, _, number = stage_at(self.stages, self.step)
        if number == self._entered:
            return
        moments = self.optimizer.state
        changed = self.task.begin_stage(number, False)
        state = self.net.state_dict()
        for name in state if changed is None else changed:
            self.average[name] = state[name].detach().clone()
        self._arrange(stage)
        if not stage.reset_optimizer and changed is not None:
            self.optimizer.state.update(moments)
        if self.settings.validation is not None:
            self.watch.begin_stage(self.settings.validation)
        self._entered = number

    def _arrange(self, stage: TrainingStage) -> None:
        freeze(self.net, stage)
        self.optimizer = make_optimizer(self.net, stage, self.settings)

    def _forward(self, *args: Any) -> Any:
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            return self.module(*args)

    def train_step(self, batch: TrainingBatch) -> dict[str, float]:
        """Do one step and return the values to log, with ``skipped`` where the gradient was not finite.

        Raises:
            SuperresError: this many steps in a row were skipped that training cannot continue.
        """
        self._enter_stage()
        seed = np.random.SeedSequence([self.settings.seed, self.step, self.processes.rank]).generate_state(1, np.uint64)
        torch.manual_seed(int(seed[0]))
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate() * group["lr_scale"]
        total, values = self.task.loss(self._forward, self.processes.part(batch).to(self.device), self.step)
        self.optimizer.zero_grad(set_to_none=True)
        self.processes.backward(self.scaler.scale(total))
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), self.settings.clip)
        if torch.isfinite(norm):
            self.scaler.step(self.optimizer)
            self._follow()
            self._skipped = 0
        else:
            self._skip()
            values["skipped"] = 1.0
        self.scaler.update()
        self.step += 1
        return values

    def _skip(self) -> None:
        # float16 finds its scale by overflowing now and then.
        level = logging.DEBUG if self.scaler.is_enabled() else logging.WARNING
        log.log(level, "Step %d has a gradient that is not finite; it is skipped.", self.step)
        self._skipped += 1
        if self._skipped == MOST_SKIPPED:
            raise SuperresError(
                f"The gradient was not finite in {MOST_SKIPPED} steps in a row, up to step {self.step}; "
                f"train with a smaller lr than {stage_at(self.stages, self.step)[0].lr:g}."
            )

    @torch.no_grad()
    def _follow(self) -> None:
        # Early on a long memory would hold the untrained net.
        decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        for name, value in self.net.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - decay)

    def averaged_net(self) -> nn.Module:
        """Return a copy of the net with the averaged weights, in evaluation mode, in float32 on the CPU.

        When the run is over and was validated these are the weights that were best.
        """
        best = self.watch.weights if self.step >= self.total else {}
        return self._net_of(best or self.average)

    def _net_of(self, weights: dict[str, torch.Tensor]) -> nn.Module:
        net = self.task.fresh_net()
        net.load_state_dict({name: value.cpu() for name, value in weights.items()})
        return net.eval()

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {
            "recipe": self.settings.name,
            "text": self.text,
            "steps": [stage.steps for stage in self.stages],
            "step": self.step,
            "stage": self._entered,
            "net": self.net.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "task": self.task.state_dict(),
            "watch": vars(self.watch),
            "sums": self._sums,
            "seconds": self.seconds,
        }

    def resume(self, path: Path) -> None:
        """Continue from the checkpoint *path*.

        Raises:
            OptionError: the checkpoint is missing, damaged, of another recipe or net, or beyond the recipe's last step.
        """
        state = load_run(path)
        if state.get("recipe") != self.settings.name:
            raise OptionError(
                f"{path} belongs to the recipe {state.get('recipe')!r}, not to {self.settings.name!r}; give another run folder."
            )
        if self.text and state.get("text") and not same_recipe(state["text"], self.text):
            raise OptionError(
                f"{path} belongs to another recipe than {self.settings.name} is now; give the recipe that it was started with, "
                "or another folder with -o."
            )
        try:
            self._restore(state)
        except (RuntimeError, ValueError, KeyError, IndexError, TypeError) as error:
            raise OptionError(
                f"{path} does not fit the network and stages of {self.settings.name} ({mismatch(error)}); give the recipe that "
                "it was started with, or another folder with -o."
            ) from error

    def _restore(self, state: dict[str, Any]) -> None:
        if self._planner is None and state["step"] > self.total:
            raise ValueError(f"it is of step {state['step']}, and the recipe ends at step {self.total}")
        self.step = int(state["step"])
        self._entered = int(state["stage"])
        if self._planner is not None:
            self.stages = (replace(self.stages[0], steps=int(state["steps"][0])),)
        if self._entered >= 0:
            self.task.begin_stage(self._entered, True)
        self._arrange(self.stages[max(0, self._entered)])
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.watch = Watch(**state["watch"])
        self.average = {k: v.to(self.device) for k, v in state["average"].items()}
        self._sums = state["sums"]
        self.seconds = float(state["seconds"])
        self.task.load_state_dict(state["task"])

    def _validate(self, runlog: RunLog | None) -> bool:
        """Compute the metric and note it; return whether the stage is to end, the same answer in all processes."""
        settings, over = self.settings.validation, False
        if settings is not None and self.processes.leader:
            stage = self.stages[max(0, self._entered)]
            value = self.task.validate(self._net_of(self.average).to(self.device))
            over = self.watch.record(settings, self.step, stage.name, value, self.average)
            if runlog is not None:
                runlog.row(self.step, stage.name, self.seconds, {f"validation {settings.metric}": value})
            best = f"best {self.watch.value:.5g} at step {self.watch.step}" if self.watch.value is not None else "none good yet"
            log.info("Step %d: validation %s %.5g (%s).", self.step, settings.metric, value, best)
        return bool(self.processes.from_leader(over))

    def _end_stage(self, number: int) -> None:
        """Leave stage *number* before its last step, with the best weights so far."""
        self.watch = self.processes.from_leader(self.watch)
        self.step = self.watch.leave_out(self.step, sum(stage.steps for stage in self.stages[: number + 1]))
        if self.watch.weights:
            self.net.load_state_dict(self.watch.weights)
            self.average = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
        log.info("Stage %s ends early: %d values in a row were no better.", self.stages[number].name, self.watch.waited)

    def fit(self) -> None:
        """Run to the last step, writing checkpoints, images and the log.

        Raises:
            OptionError, RecognizerError: something that a stage needs is missing; before any step.
            SuperresError: the disk is full, and the last checkpoint is whole; the gradient is never finite; or memory is short.
        """
        self.task.prepare()
        if self.run is None:
            self._loop(None)
            return
        with writing(self.run), naming_killed_workers():
            self.run.mkdir(parents=True, exist_ok=True)
            runlog = RunLog(self.run, self.step) if self.processes.leader else None
            try:
                self._loop(runlog)
            finally:
                if runlog is not None:
                    runlog.close()

    def _loop(self, runlog: RunLog | None) -> None:
        settings, validation = self.settings, self.settings.validation
        began = time.monotonic() - self.seconds
        batches = load_batches(self.task.batches, self.step, settings.workers)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, disable=not self.processes.leader) as progress:
            bar = progress.add_task(settings.name, total=self.total, completed=self.step)
            while self.step < self.total:
                stage, within, number = stage_at(self.stages, self.step)
                if validation is not None and self.step == 0:
                    self._validate(runlog)  # the net, or its base, before any step
                batch: TrainingBatch = next(batches)
                for name, value in self.train_step(batch).items():
                    self._sums.setdefault(name, []).append(value)
                self.seconds = time.monotonic() - began
                step, ends = self.step, within + 1 == stage.steps
                due = validation is not None and (ends or step % validation.every == 0)
                if due and self._validate(runlog) and not ends:
                    self._end_stage(number)
                    batches = load_batches(self.task.batches, self.step, settings.workers)
                    ends = True
                self._plan(step, ends)
                if runlog is not None:
                    self._write(runlog, step, stage, batch, ends)
                progress.update(bar, completed=self.step, total=self.total, description=f"{settings.name}: {stage.name}")

    def _plan(self, step: int, ends: bool) -> None:
        """Set the number of steps again after *step*, at each checkpoint, where there is a time limit."""
        if self._planner is None or ends:
            return
        self._planner.start(step)
        if step % self.settings.checkpoint_every == 0:
            # Clocks differ, and a process that stops before the others leaves them waiting for its gradients.
            steps = self.processes.from_leader(self._planner.plan(step, self.stages[0].steps))
            self.stages = (replace(self.stages[0], steps=steps),)

    def _write(self, runlog: RunLog, step: int, stage: TrainingStage, batch: TrainingBatch, ends: bool) -> None:
        """Write what is due after *step*, with which *stage* may end: a row of the log, an image, a checkpoint."""
        if step % LOG_EVERY == 0 or ends:
            runlog.row(step, stage.name, self.seconds, {name: sum(v) / len(v) for name, v in self._sums.items()})
            self._sums.clear()
        if self.run is None:
            return
        if step % self.settings.sample_every == 0:
            self.task.save_samples(self._net_of(self.average), batch, self.run / f"step-{step:06d}.png")
        if step % self.settings.checkpoint_every == 0 or ends:
            save_checkpoint(self.state(), self.run / CHECKPOINT)
