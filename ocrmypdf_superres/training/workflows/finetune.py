# SPDX-License-Identifier: MPL-2.0
"""Fine-tuning a model for one's own scans, without annotation: sort, read, train, compare, save."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import tomli_w

from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.processes import available_cores
from ocrmypdf_superres.tables import read_toml
from ocrmypdf_superres.training.data.estimate import estimate_folder, like
from ocrmypdf_superres.training.data.split import split_scans
from ocrmypdf_superres.training.loop.time_limit import TimeLimit
from ocrmypdf_superres.training.loop.trainer import CHECKPOINT
from ocrmypdf_superres.training.recipe import read_recipe
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer
from ocrmypdf_superres.training.workflows.export_run import export_run
from ocrmypdf_superres.training.workflows.finetune_recipe import choose_recognizers, set_steps, set_time, tuning_values
from ocrmypdf_superres.training.workflows.finetune_settings import Comparison, FinetuneSettings, Gain, resumable

RECIPE = "recipe.toml"


class ModelComparison(Comparison, Protocol):
    """Reads held-out pages with two models in turn."""

    def card_metrics(self, base: str) -> Mapping[str, str]:
        """Return the error rates for the card of the new model, whose base is *base*."""
        ...


@dataclass(frozen=True, kw_only=True)
class ModelSettings(FinetuneSettings):
    """How to fine-tune a model.

    Attributes:
        low: folder of low-resolution scans whose degradation is imitated.
    """

    low: Path | None = None


@dataclass(frozen=True)
class Finetuned:
    """The outcome: the *gain* over *base*, and whether the model was *saved*."""

    gain: Gain
    base: str
    saved: bool


def finetune(settings: ModelSettings, comparison: ModelComparison) -> Finetuned:
    """Fine-tune, compare, and save the model if it reads better than its base.

    Raises:
        SuperresError: an argument, the scans or the disk cannot be used.
        KeyboardInterrupt: the user stopped it; what was done is kept.
    """
    settings.check(RECIPE)
    find_model(settings.base)
    with resumable(settings.run):
        return _finetune(settings, comparison)


def _finetune(settings: ModelSettings, comparison: ModelComparison) -> Finetuned:
    began = time.monotonic()
    run, recipe = settings.run, settings.run / RECIPE
    jobs = available_cores()
    # Without a recipe a run was stopped while it was reading, and its readings are kept.
    values = None if recipe.is_file() else _prepare(settings, jobs)
    base = settings.base if values is not None else read_recipe(recipe).base
    reading_began = time.monotonic()
    seconds = comparison.read_before(run / "held-out", base, run / "readings", jobs)
    # The comparison afterwards takes what this one took, even where its readings were kept from before.
    after = max(time.monotonic() - reading_began, seconds)
    limit = None if settings.steps else TimeLimit(time.monotonic() + settings.training_seconds(began, after), after)
    if values is not None:
        if limit is None:
            set_steps(values, settings.steps or 1)
        else:
            limit = replace(limit, pace=set_time(values, run, limit.until - time.monotonic(), settings.device))
        atomic_write_text(recipe, tomli_w.dumps(values))
    _train(recipe, run, limit, settings.device)
    export_run(recipe, run, run / "model")
    gain = comparison.read_after(str(run / "model"))
    saved = gain.better or settings.force
    if saved:
        export_run(recipe, run, settings.out, metrics=comparison.card_metrics(base))
    return Finetuned(gain, base, saved)


def _prepare(settings: ModelSettings, jobs: int) -> dict[str, Any]:
    """Sort the scans, let Tesseract read them, and return the recipe, whose number of steps is yet to be set."""
    settings.read(split_scans(settings.scans), jobs)
    recognizers = choose_recognizers(settings.languages, settings.run)
    values = tuning_values(settings.out.name, find_model(settings.base), settings.languages, recognizers, settings.text)
    if settings.low is not None:
        values["degradation"] = like(estimate_folder(settings.low), values["degradation"])
    return values


def _train(recipe_path: Path, run: Path, limit: TimeLimit | None, device: str) -> None:
    """Train, and write into the recipe how many steps there were."""
    trainer = super_resolution_trainer(read_recipe(recipe_path), run, run, device, limit)
    if (run / CHECKPOINT).is_file():
        trainer.resume(run / CHECKPOINT)
    trainer.fit()
    values = read_toml(recipe_path, "The recipe")
    if values["stages"][0]["steps"] != trainer.total:
        values["stages"][0]["steps"] = trainer.total
        atomic_write_text(recipe_path, tomli_w.dumps(values))
