# SPDX-License-Identifier: MPL-2.0
"""The report at the end of a run: how the model was made, in Markdown, for people and for the archive."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from ocrmypdf_superres.modelstore.cards import WEIGHTS
from ocrmypdf_superres.modelstore.store import Model
from ocrmypdf_superres.training.loop.processes import device_name
from ocrmypdf_superres.training.loop.run_log import read_log
from ocrmypdf_superres.training.loop.trainer import Trainer
from ocrmypdf_superres.training.recipe import Recipe
from ocrmypdf_superres.training.super_resolution import SuperResolution

_NOT_LOSSES = ("step", "stage", "seconds")


def write_report(trainer: Trainer[SuperResolution], path: Path, recipe_text: str, model: Model) -> None:
    """Write how *trainer* made *model*, from the recipe *recipe_text*, to *path*.

    Raises:
        OSError: the disk is full.
    """
    recipe = trainer.task.recipe
    facts = {
        "model": f"`{model.card.name}`, SHA-256 of `{WEIGHTS}`: `{model.card.files[WEIGHTS]}`",
        "seed": str(recipe.seed),
        "steps": f"{trainer.total} planned in {len(recipe.stages)} stages",
        "hours": f"{trainer.seconds / 3600:.2f}",
        "device": _device(trainer),
        "precision": recipe.precision,
        "base": recipe.base or "none",
        "versions": ", ".join(f"{name} {_version(name)}" for name in ("ocrmypdf-superres", "torch", "numpy")),
    }
    rows = read_log(path.parent)
    parts = [
        f"# Training of {recipe.name}",
        "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts.items())]),
        "## Losses",
        _losses(recipe, rows),
    ]
    if recipe.validation is not None:
        parts += ["## Validation", _validation(trainer)]
    parts += ["## Recipe", f"```toml\n{recipe_text.strip()}\n```"]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def _device(trainer: Trainer[SuperResolution]) -> str:
    many = f"{trainer.processes.size} processes, each on " if trainer.processes.size > 1 else ""
    threads = "" if trainer.device.type == "cuda" else f", {torch.get_num_threads()} thread(s)"
    return many + device_name(trainer.device) + threads


def _losses(recipe: Recipe, rows: list[dict[str, Any]]) -> str:
    """Return a table of each stage's losses: means over its first and its last rows of the log."""
    lines = ["| stage | steps | loss | first | last |", "|---|---|---|---|---|"]
    for stage in recipe.stages:
        own = [row for row in rows if row["stage"] == stage.name]
        names = dict.fromkeys(n for row in own for n in row if n not in _NOT_LOSSES and not n.startswith("validation "))
        for name in names:
            values = [row[name] for row in own if name in row]
            lines.append(f"| {stage.name} | up to {own[-1]['step']} | {name} | {values[0]:.5g} | {values[-1]:.5g} |")
    return "\n".join(lines)


def _validation(trainer: Trainer[SuperResolution]) -> str:
    settings, watch = trainer.settings.validation, trainer.watch
    if settings is None:
        return ""
    best = f"Best: {watch.value:.5g} at step {watch.step}; the model has these weights." if watch.value is not None else ""
    lines = ["| step | stage | " + settings.metric + " |", "|---|---|---|"]
    lines += [f"| {row['step']} | {row['stage']} | {row['value']:.5g} |" for row in watch.rows]
    what = f"`{settings.metric}` on up to {settings.lines} lines of `{settings.folder}`, pages that were not trained on."
    return f"{what} {best}\n\n" + "\n".join(lines)
