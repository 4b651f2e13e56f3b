# SPDX-License-Identifier: MPL-2.0
"""Tuning a Tesseract network on lines with known text, to be saved for the stock program.

The second stage of super-resolution for OCR: after the net has learned to make images for the recognizer, the recognizer
learns how the letters in them look. :func:`tune` takes a few line images, :func:`tune_on_lines` folders of prepared lines.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import tomli_w
import torch
from PIL import Image

from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.files import read_text
from ocrmypdf_superres.modelstore.networks import NETWORK_CARD, read_network
from ocrmypdf_superres.page.image import from_luma, to_luma
from ocrmypdf_superres.recognizers.tesseract.format.int8 import int8_copy
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import TrainedData, read_traineddata
from ocrmypdf_superres.recognizers.tesseract.networks.language_file import open_language_file
from ocrmypdf_superres.recognizers.tesseract.networks.pack import joined, with_outputs
from ocrmypdf_superres.recognizers.tesseract.recognizer import TesseractRecognizer
from ocrmypdf_superres.tesseract import find_traineddata
from ocrmypdf_superres.training.data.files import transcribed
from ocrmypdf_superres.training.data.ocr_lines.shards import read_prepared
from ocrmypdf_superres.training.data.ocr_lines.stream import Line
from ocrmypdf_superres.training.data.sources.words import open_line
from ocrmypdf_superres.training.loop.processes import Processes
from ocrmypdf_superres.training.loop.time_limit import TimeLimit
from ocrmypdf_superres.training.loop.trainer import CHECKPOINT, Trainer, seed_run
from ocrmypdf_superres.training.networks.batches import EpochBatches, FolderBatches
from ocrmypdf_superres.training.networks.lines import LineFolder, LinePool
from ocrmypdf_superres.training.networks.reading import Reading, read_by_program, read_greedily, writable
from ocrmypdf_superres.training.networks.recipe import TuningRecipe, recipe_text
from ocrmypdf_superres.training.networks.task import ErrorRate, NetworkTuning, only_outputs, tunable
from ocrmypdf_superres.training.recipe import RunSettings, TrainingStage, Validation

log = logging.getLogger(__name__)

CHECKPOINT_EVERY = 100


@dataclass(frozen=True)
class LineExample:
    """An image of one line, dark on light, and its text in logical order."""

    image: Image.Image
    text: str


@dataclass(frozen=True)
class TuneSettings:
    """How to tune on line images.

    *epochs* over all lines, *batch* lines a step, *lr* the peak rate of Adam, *seed* of the order. *ema* is the decay of the
    moving average of the weights; 0 takes the last weights. With a *patience* tuning ends when this many
    validations in a row, one every *validate_every* steps, were no better. *threads* are torch's; 0 leaves them.
    """

    epochs: int = 4
    batch: int = 16
    lr: float = 1e-3
    clip: float = 1.0
    seed: int = 0
    ema: float = 0.0
    validate_every: int = 100
    patience: int = 0
    threads: int = 0


@dataclass
class TuneReport:
    """What a tuning did: steps, mean loss of each epoch in nats a character, and lines left out with the reason."""

    steps: int = 0
    losses: list[float] = field(default_factory=list)
    skipped: dict[int, str] = field(default_factory=dict)


def read_examples(folder: Path) -> list[LineExample]:
    """Return the images in *folder* that have their text in ``NAME.gt.txt`` beside them, by name.

    Raises:
        RecognizerError: there is none.
        ImageError, OptionError: an image is damaged, or a text is not UTF-8.
    """
    pairs = transcribed(folder.glob("*"))
    examples = [LineExample(from_luma(to_luma(open_line(image))), read_text(text).strip()) for image, text in pairs]
    if not examples:
        raise RecognizerError(
            f"The folder {folder} has no line images with texts, pairs such as 001.png and 001.gt.txt were expected; "
            f"give another folder."
        )
    return examples


def tune(
    data: TrainedData,
    examples: Sequence[LineExample],
    settings: TuneSettings | None = None,
    run: Path | None = None,
    resume: bool = False,
    device: str = "auto",
    error_rate: ErrorRate | None = None,
) -> tuple[TrainedData, TuneReport]:
    """Tune the network of *data*, int8 or float, on *examples*; return a float copy and what was done.

    Lines whose text cannot be written with the charset, or does not fit into the image, are left out and reported.

    Args:
        data: the network to start from.
        examples: the lines to learn.
        settings: how; the defaults where it is None.
        run: the folder for the log and checkpoints; None writes nothing.
        resume: whether to continue from the checkpoint in *run*.
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
        error_rate: gives the error rate of a tuned network, such as that of the program on held-out lines; with it the best
            weights are kept.

    Raises:
        RecognizerError: no line is left.
        OptionError, DeviceError: the checkpoint or the device cannot be used.
        SuperresError: the gradient is never finite, or the disk is full.
    """
    how = settings or TuneSettings()
    validation = Validation("", metric="cer", every=how.validate_every, patience=how.patience) if error_rate else None
    run_settings = RunSettings(
        "tune", seed=how.seed, ema=how.ema, clip=how.clip, weight_decay=0.0, workers=0,
        threads=how.threads or torch.get_num_threads(), validation=validation, checkpoint_every=CHECKPOINT_EVERY,
    )  # fmt: skip
    seed_run(run_settings)
    recognizer = tunable(data)
    pool = LinePool(recognizer, widest=1 << 16)
    pool.add([Line((to_luma(e.image) * 255.0 + 0.5).astype(np.uint8), e.text, "image", "as-is", 0.0) for e in examples])
    batches = EpochBatches(pool, how.batch, how.epochs, how.seed)
    steps = len(batches)
    stage = TrainingStage("tune", steps, batch=how.batch, lr=how.lr, final=0.05, warmup=max(1, min(20, steps // 10)))
    task = NetworkTuning(data, recognizer, batches, run_settings, (stage,), error_rate)
    trainer = Trainer(task, run, Processes(device), _description(how, [example.text for example in examples]))
    if resume and run is not None:
        trainer.resume(run / CHECKPOINT)
    trainer.fit()
    report = TuneReport(trainer.watch.done(trainer.step), trainer.task.mean_losses(steps // how.epochs), pool.reasons)
    for number, value in enumerate(report.losses):
        log.info("Epoch %d of %d: %.4f nats a character.", number + 1, how.epochs, value)
    return _result(trainer, how.batch), report


def _description(how: TuneSettings, texts: Sequence[str]) -> str:
    """Return all that makes a tuning on line images as TOML, which a checkpoint keeps to refuse another one."""
    values = asdict(how) | {"texts": hashlib.sha256("\n".join(texts).encode()).hexdigest()}
    return tomli_w.dumps({name: value for name, value in values.items() if name != "threads"})


def _result(trainer: Trainer[NetworkTuning], batch: int) -> TrainedData:
    tuned = trainer.task.tuned(trainer.averaged_net())
    tuned.training_iteration += trainer.watch.done(trainer.step) * batch
    return tuned


class HeldOutLines:
    """Held-out lines, and how a network reads them.

    Args:
        recipe: with the folder of lines. folder: the data root. data: the network, of which lines must be written.

    Raises:
        OptionError: there are no lines that the network can write.
    """

    def __init__(self, recipe: TuningRecipe, folder: Path, data: TrainedData) -> None:
        where = folder / recipe.held_out.folder
        self.lines = writable(TesseractRecognizer(data), read_prepared(where, recipe.held_out.lines))
        if not self.lines:
            raise OptionError(f"{recipe.language} can write none of the lines in {where}; make them with its --language.")

    def __call__(self, data: TrainedData) -> float:
        """Return the program's CER in percent with the float network *data* as int8, and log this and the greedy one's."""
        program, greedy = self.read(data)
        for name, reading in (("Tesseract", program), ("Greedy", greedy)):
            log.info("%s: %s.", name, ", ".join(f"{group} {rate:.2f}" for group, rate in sorted(reading.rates.items())))
        return program.cer

    def read(self, data: TrainedData) -> tuple[Reading, Reading]:
        """Return how the program and the best path of the network of *data* read the lines, both as int8."""
        return read_by_program(data, self.lines), read_greedily(TesseractRecognizer(data, rounding=True), self.lines)


@dataclass(frozen=True)
class TunedNetwork:
    """A tuned network: *data*, int8 where its base is, the *steps*, and how the program read held-out lines with both."""

    data: TrainedData
    steps: int
    before: Reading
    after: Reading

    @property
    def better(self) -> bool:
        """Whether held-out lines are read better, and clean ones, where there are any, are read no worse."""
        clean = [reading.rates.get("clean", 0.0) for reading in (self.before, self.after)]
        return self.after.cer < self.before.cer and clean[1] <= clean[0]


def time_limit(minutes: float) -> TimeLimit | None:
    """Return the limit of a tuning that is to end *minutes* from now, reading held-out lines at the end included; None for 0.

    Raises:
        OptionError: *minutes* is below 0.
    """
    if minutes < 0:
        raise OptionError(f"--minutes {minutes:g} was given, a number above 0 was expected; correct it.")
    return TimeLimit(time.monotonic() + 60 * minutes, 0.0) if minutes else None


def network_trainer(
    recipe: TuningRecipe, folder: Path, run: Path | None, device: str = "auto", limit: TimeLimit | None = None
) -> tuple[Trainer[NetworkTuning], HeldOutLines]:
    """Return the trainer of the network of *recipe* and the held-out lines that it is validated on.

    Args:
        recipe: what to tune.
        folder: the root of its folders.
        run: the folder for the log and checkpoints; None writes nothing.
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
        limit: when training must end; None for after the recipe's steps.

    Raises:
        OptionError, RecognizerError, DeviceError: lines, the language or the device cannot be used.
    """
    seed_run(recipe)
    data = _start(recipe, folder)
    held_out = HeldOutLines(recipe, folder, data)
    recognizer = tunable(data)
    if recipe.outputs:
        trained = only_outputs(recognizer, recipe.outputs)
        recipe = replace(recipe, stages=tuple(replace(stage, train=trained, freeze=()) for stage in recipe.stages))
    lines = LineFolder(folder / recipe.lines, LinePool(recognizer, recipe.widest))
    batches = FolderBatches(lines, [stage.batch for stage in recipe.stages for _ in range(stage.steps)], recipe.seed)
    task = NetworkTuning(data, recognizer, batches, recipe, recipe.stages, held_out)
    return Trainer(task, run, Processes(device), text=recipe_text(recipe), limit=limit), held_out


def _start(recipe: TuningRecipe, folder: Path) -> TrainedData:
    """Return the network that *recipe* starts from; raises as :func:`network_trainer`."""
    base = folder / recipe.base if recipe.base else find_traineddata(recipe.language)
    if base.is_dir():
        network = read_network(base)
        if network is None:
            raise RecognizerError(f"The folder {base} holds no packed network ({NETWORK_CARD}); give one that has it, or a file.")
        data = joined(network, open_language_file(find_traineddata(recipe.language)))
    else:
        data = read_traineddata(base)
    if recipe.outputs:
        data = with_outputs(data, read_traineddata(find_traineddata(recipe.language)), recipe.outputs)
    return data


def tune_on_lines(
    recipe: TuningRecipe,
    folder: Path,
    run: Path | None,
    resume: bool = False,
    device: str = "auto",
    limit: TimeLimit | None = None,
) -> TunedNetwork:
    """Tune the network of *recipe* on prepared lines below *folder*; files that are added while it trains are used too.

    For the arguments and what is raised see :func:`network_trainer`; *resume* continues from the checkpoint in *run*.
    """
    trainer, held_out = network_trainer(recipe, folder, run, device, limit)
    if resume and run is not None and (run / CHECKPOINT).is_file():
        trainer.resume(run / CHECKPOINT)
    trainer.fit()
    base = trainer.task.data
    tuned = _result(trainer, max(stage.batch for stage in recipe.stages))
    tuned = int8_copy(tuned) if base.integer else tuned
    return TunedNetwork(tuned, trainer.watch.done(trainer.step), held_out.read(base)[0], held_out.read(tuned)[0])
