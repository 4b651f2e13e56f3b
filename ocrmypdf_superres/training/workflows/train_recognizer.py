# SPDX-License-Identifier: MPL-2.0
"""Training a recognizer or a detector from its recipe, and saving it as a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.files import read_text
from ocrmypdf_superres.modelstore.cards import check_name
from ocrmypdf_superres.modelstore.writer import check_target
from ocrmypdf_superres.recognizers import folder as folders
from ocrmypdf_superres.training.loop.processes import Processes
from ocrmypdf_superres.training.loop.run_log import writing
from ocrmypdf_superres.training.loop.trainer import CHECKPOINT, Trainer
from ocrmypdf_superres.training.recognizers.recipe import DETECTOR, RecognizerRecipe, read_recognizer_recipe
from ocrmypdf_superres.training.recognizers.tasks import Detection, Recognition


def recognizer_trainer(
    recipe: RecognizerRecipe, data: Path, run: Path | None, text: str = "", device: str = "auto"
) -> Trainer[Any]:
    """Return the trainer of the network of *recipe* on data below *data*, which writes to the folder *run*.

    Args:
        recipe: what to train.
        data: the folder that the recipe's source folders are in.
        run: the folder that checkpoints and the log go to; None writes nothing.
        text: the recipe's text, which a checkpoint must have too to be resumed.
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        OptionError, RecognizerError, ModelError, DeviceError: the recipe, something that it names, or the device cannot be
            used.
    """
    cache = (run or data) / "lines"
    task = Detection(recipe, data) if recipe.network == DETECTOR else Recognition(recipe, data, cache)
    return Trainer(task, run, Processes(device), text)


def train_recognizer(recipe_path: Path, out: Path, data: Path, resume: bool = False, device: str = "auto") -> Path:
    """Train what *recipe_path* describes on data below *data* and save it to the folder *out*; return it.

    The folder ``OUT.run`` beside *out* holds the log and the checkpoint from which *resume* continues an interrupted run;
    the checkpoint is deleted when *out* is whole.

    Raises:
        OptionError, RecognizerError, ModelError, DeviceError: the recipe, its data, *out*, the device or the checkpoint
            cannot be used, or there is a checkpoint and *resume* is not set.
        SuperresError: the disk is full.
    """
    recipe = read_recognizer_recipe(recipe_path)
    check_name(recipe.name)
    text = read_text(recipe_path, "The recipe")
    check_target(out, folders.card_name(recipe.network), OptionError)
    run = out.absolute().with_name(f"{out.absolute().name}.run")
    checkpoint = run / CHECKPOINT
    if checkpoint.exists() and not resume:
        raise OptionError(
            f"{run} holds an interrupted run; add --resume to continue it, delete it, or give another folder with -o."
        )
    trainer = recognizer_trainer(recipe, data, run, text, device)
    if resume:
        trainer.resume(checkpoint)
    trainer.fit()
    if trainer.processes.leader:
        with writing(run):
            _save(trainer, recipe, out, text)
            checkpoint.unlink()
    return out


def _save(trainer: Trainer[Any], recipe: RecognizerRecipe, out: Path, text: str) -> None:
    net, metrics = trainer.averaged_net(), {}
    if isinstance(trainer.task, Recognition) and trainer.task.held_out:
        shares = trainer.task.accuracies(net)
        metrics = {f"lines read without a mistake, {which}": round(share, 4) for which, share in shares.items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    folders.save(net, recipe.network, out, recipe.name, description=recipe.description, metrics=metrics, recipe=text)
