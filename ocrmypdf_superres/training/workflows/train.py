# SPDX-License-Identifier: MPL-2.0
"""A whole training: from a recipe's file to a run's folder with a model and a report in it."""

from __future__ import annotations

from pathlib import Path

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.files import read_text
from ocrmypdf_superres.modelstore.cards import check_name
from ocrmypdf_superres.training.loop.run_log import writing
from ocrmypdf_superres.training.loop.trainer import CHECKPOINT
from ocrmypdf_superres.training.recipe import read_recipe
from ocrmypdf_superres.training.sample_grid import save_data_sheet
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer
from ocrmypdf_superres.training.workflows.report import write_report


def train(
    recipe_path: Path,
    out: Path | None = None,
    data: Path = Path(),
    resume: bool = False,
    show_data: bool = False,
    device: str = "auto",
    cache: Path | None = None,
) -> Path:
    """Train what *recipe_path* describes; return the folder written.

    The finished net is exported to ``out/model``, and ``out/report.md`` tells how it was made.

    Args:
        recipe_path: the recipe of a super-resolution net.
        out: the run's folder, by default ``runs/NAME``.
        data: the folder that the recipe's sources are in.
        resume: whether to continue from the run's checkpoint.
        show_data: only write a grid of training strips, ``data.png``, whose path is returned.
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
        cache: a folder for lines that were found in scans, which runs can share; None for one of this run.

    Raises:
        OptionError: the recipe, the data or the checkpoint cannot be used, or the run exists and *resume* is not set.
        ModelError: no model can have the recipe's name.
        SuperresError: the disk is full, or something that the recipe names is not installed; see :meth:`Trainer.fit`.
    """
    recipe = read_recipe(recipe_path)
    check_name(recipe.name)
    text = read_text(recipe_path, "The recipe")  # now, since it may be another one when training ends
    run = out or Path("runs") / recipe.name
    if (run / CHECKPOINT).exists() and not resume and not show_data:
        raise OptionError(f"{run} holds a training run already; add --resume to continue it, or give another folder with -o.")
    trainer = super_resolution_trainer(recipe, data, run, device, cache=cache, text=text)
    if show_data:
        run.mkdir(parents=True, exist_ok=True)
        save_data_sheet(trainer.task.batches, run / "data.png")
        return run / "data.png"
    if resume:
        trainer.resume(run / CHECKPOINT)
    trainer.fit()
    if trainer.processes.leader:
        from ocrmypdf_superres.export.onnx import export_model

        spec = get(recipe.architecture)
        config = spec.parse_config(recipe.config)
        with writing(run):
            model = export_model(
                trainer.averaged_net(), spec, config, run / "model", recipe.name, description=recipe.description, recipe=text,
                scales=recipe.offered_scales,
            )  # fmt: skip
            write_report(trainer, run / "report.md", text, model)
    return run / "model"
