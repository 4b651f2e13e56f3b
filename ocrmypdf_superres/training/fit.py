# SPDX-License-Identifier: MPL-2.0
"""The trainer: runs a recipe's stages from the first step, or from a checkpoint, to a model folder."""

from __future__ import annotations

import json
import logging
import math
import time
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.modelstore import find_model
from ocrmypdf_superres.training.base import start_from
from ocrmypdf_superres.training.checkpoint import load_checkpoint, save_checkpoint
from ocrmypdf_superres.training.contact_sheet import save_data_sheet, save_result_sheet
from ocrmypdf_superres.training.data.batches import Batch, StepBatches, load_batches
from ocrmypdf_superres.training.objective import Objective
from ocrmypdf_superres.training.recipe import Recipe, Stage, read_recipe

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"


class Trainer:
    """State of a run: the net, its moving average, the optimizer, and the number of steps done.

    Args:
        recipe: what to train.
        data: the folder that the recipe's source folders lie in.
        run: the folder that checkpoints, pictures and the log go to; made if missing.
    """

    def __init__(self, recipe: Recipe, data: Path, run: Path) -> None:
        torch.manual_seed(recipe.seed)
        torch.set_num_threads(recipe.threads)
        self.recipe = recipe
        self.run = run
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        spec = get(recipe.architecture)
        config = spec.parse_config(recipe.config)
        self.net: nn.Module = spec.build(config)
        if recipe.base:
            start_from(self.net, find_model(recipe.base))
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.net.to(self.device)
        self.average = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
        self.optimizer = torch.optim.AdamW(self.net.parameters(), weight_decay=1e-4, betas=(0.9, 0.99))
        self.step = 0
        sizes = [stage.batch for stage in recipe.stages for _ in range(stage.steps)]
        run.mkdir(parents=True, exist_ok=True)
        self.batches = StepBatches(recipe, data, run / "lines", sizes)

    def stage_at(self, step: int) -> tuple[Stage, int, int]:
        """Return the stage of *step*, the step within it, and the stage's number."""
        for number, stage in enumerate(self.recipe.stages):
            if step < stage.steps:
                return stage, step, number
            step -= stage.steps
        raise IndexError(step)

    def learning_rate(self) -> float:
        """Return this step's learning rate: linear warm-up, then a cosine down to the stage's final share."""
        stage, step, _ = self.stage_at(self.step)
        if step < stage.warmup:
            return stage.lr * (step + 1) / stage.warmup
        progress = (step - stage.warmup) / max(1, stage.steps - stage.warmup)
        return stage.lr * (stage.final + (1 - stage.final) * 0.5 * (1 + math.cos(math.pi * progress)))

    def train_step(self, batch: Batch, objective: Objective) -> dict[str, float]:
        """Do one step and return the losses, or the reason to skip it in ``skipped``."""
        lr = batch.lr.to(self.device, memory_format=torch.channels_last)
        batch.hr = batch.hr.to(self.device)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16"):
            sr = self.net(lr, batch.scale)
        total, values = objective(sr.float(), batch, self.step)
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        if not torch.isfinite(norm):
            log.warning("Step %d has a gradient that is not finite; it is skipped.", self.step)
            values["skipped"] = 1.0
        else:
            self.optimizer.step()
            self._follow()
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
        """Return a copy of the net with the averaged weights, in float32 on the CPU."""
        spec = get(self.recipe.architecture)
        net = spec.build(spec.parse_config(self.recipe.config))
        net.load_state_dict({k: v.cpu() for k, v in self.average.items()})
        return net.eval()

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {
            "recipe": self.recipe.name,
            "step": self.step,
            "net": self.net.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
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
            self.net.load_state_dict(state["net"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise OptionError(f"{path} does not fit the recipe's net: {error}") from error
        self.average = {k: v.to(self.device) for k, v in state["average"].items()}
        self.step = int(state["step"])

    def fit(self) -> None:
        """Run to the recipe's last step, writing checkpoints, pictures and ``log.jsonl``."""
        recipe = self.recipe
        last = len(self.batches)
        batches = load_batches(self.batches, self.step, recipe.workers)
        number, objective = -1, None
        sums: dict[str, list[float]] = {}
        began = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns) as progress, open(self.run / "log.jsonl", "a", encoding="utf-8") as lines:
            task = progress.add_task(recipe.name, total=last, completed=self.step)
            while self.step < last:
                stage, _, at = self.stage_at(self.step)
                if at != number or objective is None:
                    number, objective = at, Objective(stage, recipe.seed)
                batch = next(batches)
                for name, value in self.train_step(batch, objective).items():
                    sums.setdefault(name, []).append(value)
                progress.update(task, completed=self.step, description=f"{recipe.name}: {stage.name}")
                if self.step % 100 == 0 or self.step == last:
                    row: dict[str, Any] = {"step": self.step, "stage": stage.name, "seconds": round(time.monotonic() - began, 1)}
                    row.update({name: round(sum(v) / len(v), 6) for name, v in sums.items()})
                    lines.write(json.dumps(row) + "\n")
                    lines.flush()
                    sums.clear()
                if self.step % recipe.picture_every == 0:
                    save_result_sheet(self.averaged_net(), batch, self.run / f"step-{self.step:06d}.png")
                if self.step % recipe.checkpoint_every == 0 or self.step == last:
                    save_checkpoint(self.state(), self.run / CHECKPOINT)


def main_train(
    recipe_path: Path, out: Path | None = None, data: Path = Path("."), resume: bool = False, show_data: bool = False
) -> Path:
    """Train what *recipe_path* describes, or with *show_data* only draw a contact sheet; return the folder written.

    *data* is the folder that the recipe's sources lie in; *out* is the run's folder, by default ``runs/NAME``.
    The finished net is exported to ``out/model``.

    Raises:
        OptionError: the recipe, the data or the checkpoint cannot be used, or the run exists and *resume* is not set.
    """
    recipe = read_recipe(recipe_path)
    run = out or Path("runs") / recipe.name
    if (run / CHECKPOINT).exists() and not resume and not show_data:
        raise OptionError(f"{run} holds a training run already; add --resume to go on with it, or give another folder with -o.")
    trainer = Trainer(recipe, data, run)
    if show_data:
        save_data_sheet(trainer.batches, run / "data.png")
        return run / "data.png"
    if resume:
        trainer.resume(run / CHECKPOINT)
    trainer.fit()
    from ocrmypdf_superres.export.onnx import export_model

    spec = get(recipe.architecture)
    export_model(
        trainer.averaged_net(),
        spec,
        spec.parse_config(recipe.config),
        run / "model",
        recipe.name,
        description=recipe.description,
        recipe=recipe_path.read_text(encoding="utf-8"),
    )
    return run / "model"
