# SPDX-License-Identifier: MPL-2.0
"""Tuning RapidOCR's recognizer on prepared lines, to a folder that the plugin finds."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.export.rapidocr_int8 import save_int8
from ocrmypdf_superres.files import read_text
from ocrmypdf_superres.modelstore.cards import check_name
from ocrmypdf_superres.modelstore.rapidocr_networks import (
    RAPIDOCR_CARD,
    RAPIDOCR_INT8,
    RAPIDOCR_NETWORK,
    RapidocrCard,
    RapidocrNetwork,
    installed_model,
)
from ocrmypdf_superres.modelstore.store import sha256_of
from ocrmypdf_superres.modelstore.writer import check_target, model_folder, write_card
from ocrmypdf_superres.recognizers.ppocr.onnx_file import (
    is_latin,
    parse_model,
    read_file,
    read_model,
    save_model,
    with_characters,
    with_weights,
)
from ocrmypdf_superres.recognizers.ppocr.recognizer import PPOCRRecognizer
from ocrmypdf_superres.training.data.ocr_lines.shards import read_prepared
from ocrmypdf_superres.training.loop.processes import Processes
from ocrmypdf_superres.training.loop.trainer import CHECKPOINT, Trainer, seed_run
from ocrmypdf_superres.training.networks.reading import Reading
from ocrmypdf_superres.training.ppocr.batches import MixedBatches, as_read, read_lines_of
from ocrmypdf_superres.training.ppocr.recipe import LineTuningRecipe, read_line_tuning_recipe
from ocrmypdf_superres.training.ppocr.task import LineTuning, read_greedily

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto

    from ocrmypdf_superres.training.loop.time_limit import TimeLimit

log = logging.getLogger(__name__)

NOTICE = (
    "Derived from {base} of PaddleOCR as the package rapidocr carries it, copyright PaddlePaddle authors, licensed under the "
    "Apache License, Version 2.0. Its table of characters was reduced and its weights were changed: they were tuned on "
    "low-resolution lines of text by ocrmypdf-superres."
)


@dataclass(frozen=True)
class TunedRecognizer:
    """A tuned recognizer: its *network*, the *steps*, and how held-out lines were read *before* and *after*."""

    network: RapidocrNetwork
    steps: int
    before: Reading
    after: Reading


def base_path(recipe: LineTuningRecipe, folder: Path) -> Path:
    """Return the ONNX file of the base of *recipe*, whose folders are below *folder*.

    Raises:
        MissingDependencyError: the recipe has no ``base``, and RapidOCR is not installed.
    """
    return folder / recipe.base if recipe.base else installed_model()


@dataclass(frozen=True)
class _Base:
    """The base of a recipe as it was when it was read: the *model* with Latin letters alone, the file's *name* and *sha256*."""

    model: ModelProto
    name: str
    sha256: str


def _read_base(recipe: LineTuningRecipe, folder: Path) -> _Base:
    """Return the base of *recipe*.

    Raises:
        MissingDependencyError: the recipe has no ``base``, and RapidOCR is not installed.
        RecognizerError: it cannot be read, or is not a recognizer of PP-OCR.
    """
    path = base_path(recipe, folder)
    data = read_file(path)
    return _Base(with_characters(parse_model(data, path), is_latin), path.stem, hashlib.sha256(data).hexdigest())


def _start(recipe: LineTuningRecipe, folder: Path, base: ModelProto) -> PPOCRRecognizer:
    """Return the recognizer that training starts from.

    Raises:
        RecognizerError: it was not tuned from *base*.
    """
    known = PPOCRRecognizer(base, recipe.name)
    if not recipe.start:
        return known
    path = folder / recipe.start
    start = PPOCRRecognizer(with_characters(read_model(path), is_latin), recipe.name)
    shapes = [{name: values.shape for name, values in one.state_dict().items()} for one in (known, start)]
    if start.characters != known.characters or shapes[0] != shapes[1]:
        raise RecognizerError(
            f"start names {path}, whose characters or layers are not those of the base; give a network that was tuned from it."
        )
    return start


def rapidocr_trainer(
    recipe: LineTuningRecipe,
    folder: Path,
    run: Path | None,
    text: str = "",
    device: str = "auto",
    limit: TimeLimit | None = None,
    base: ModelProto | None = None,
) -> Trainer[LineTuning]:
    """Return the trainer of the recognizer of *recipe*, which reads Latin letters alone.

    Args:
        recipe: how to tune.
        folder: the root of its folders.
        run: the folder for the log and checkpoints; None writes nothing.
        text: the recipe's text, which a checkpoint must have too to be resumed.
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
        limit: when training must end; None for after the recipe's steps.
        base: the recipe's base with Latin letters alone, where it has been read; else it is read.

    Raises:
        OptionError, RecognizerError, DeviceError, MissingDependencyError: lines, the base or the device cannot be used.
    """
    seed_run(recipe)
    recognizer = _start(recipe, folder, base or _read_base(recipe, folder).model)
    lines = {name: read_lines_of(folder / path, recognizer, recipe.widest) for name, path in recipe.folders().items()}
    for name, found in lines.items():
        log.info("%s: %d lines, %d left out.", name, len(found.images), found.left_out)
    sizes = [stage.batch for stage in recipe.stages for _ in range(stage.steps)]
    batches = MixedBatches(lines, recipe.languages, sizes, recipe.pixels, recipe.seed)
    each = max(1, recipe.held_out.lines // len(recipe.languages))
    held_out = [line for path in recipe.held_out_folders().values() for line in read_prepared(folder / path, each)]
    return Trainer(LineTuning(recipe, recognizer, batches, held_out), run, Processes(device), text, limit)


def tune_rapidocr(
    recipe_path: Path,
    out: Path,
    folder: Path,
    resume: bool = False,
    device: str = "auto",
    limit: TimeLimit | None = None,
) -> TunedRecognizer:
    """Tune as the recipe in *recipe_path* says, on prepared lines below *folder*, and write the network to the folder *out*.

    The folder ``OUT.run`` beside *out* holds the log and the checkpoint from which *resume* continues.

    Raises:
        OptionError, RecognizerError, DeviceError, MissingDependencyError: as :func:`rapidocr_trainer`; or there is a checkpoint
            and *resume* is not set, or *out* holds something else.
    """
    check_name(out.name)
    check_target(out, RAPIDOCR_CARD, RecognizerError)
    recipe, text = read_line_tuning_recipe(recipe_path), read_text(recipe_path, "The recipe")
    run = out.with_name(f"{out.name}.run")
    if (run / CHECKPOINT).is_file() and not resume:
        raise OptionError(f"{run} holds an earlier run; add --resume to continue it, delete it, or give another --output.")
    base = _read_base(recipe, folder)
    trainer = rapidocr_trainer(recipe, folder, run, text, device, limit, base.model)
    if (run / CHECKPOINT).is_file():
        trainer.resume(run / CHECKPOINT)
    trainer.fit()
    tuned = trainer.averaged_net()
    if not isinstance(tuned, PPOCRRecognizer):
        raise TypeError(f"{type(tuned).__name__} is not a recognizer of PP-OCR")
    model = with_weights(base.model, tuned.network, recipe.base_share)
    with model_folder(out, RAPIDOCR_CARD, RecognizerError) as made:
        save_model(model, made / RAPIDOCR_NETWORK)
        if recipe.int8_lines:
            save_int8(model, _some_lines(trainer.task.batches, recipe.int8_lines), made / RAPIDOCR_INT8)
        hashes = [sha256_of(made / name) if (made / name).is_file() else "" for name in (RAPIDOCR_NETWORK, RAPIDOCR_INT8)]
        card = RapidocrCard(
            out.name, hashes[0], tuple(recipe.languages), base.name, base.sha256, hashes[1],
            trainer.watch.done(trainer.step),
            notice=NOTICE.format(base=base.name), description=recipe.description, recipe=text,
        )  # fmt: skip
        write_card(card, made / RAPIDOCR_CARD)
    lines = trainer.task.held_out
    before, after = (read_greedily(PPOCRRecognizer(one), lines) for one in (base.model, model))
    return TunedRecognizer(RapidocrNetwork(card, out), card.steps, before, after)


def _some_lines(batches: MixedBatches, count: int) -> list[NDArray[np.float32]]:
    """Return the network's input for *count* lines, or a few more, the same number in each language, spread over all widths."""
    each = -(-count // len(batches.lines))
    chosen = [
        one.images[int((place + 0.5) / each * len(one.images))]
        for one in batches.lines
        for place in range(min(each, len(one.images)))
    ]
    return [as_read(image).numpy() for image in chosen]
