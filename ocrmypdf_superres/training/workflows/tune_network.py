# SPDX-License-Identifier: MPL-2.0
"""Fine-tuning a Tesseract network on lines with known text, to be saved for the stock binary.

The second stage of super-resolution for OCR: after the net has learned to make images for the recognizer, the recognizer
learns how the letters in them look.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset

from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.page.image import IMAGE_SUFFIXES, to_luma
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import TrainedData
from ocrmypdf_superres.recognizers.tesseract.format.writer import float_copy
from ocrmypdf_superres.recognizers.tesseract.network import LineNetwork
from ocrmypdf_superres.recognizers.tesseract.recognizer import TesseractRecognizer
from ocrmypdf_superres.training.loop.processes import Processes
from ocrmypdf_superres.training.loop.trainer import CHECKPOINT, Trainer, seed_run
from ocrmypdf_superres.training.losses.recognition.ctc import CTCLoss, steps_needed
from ocrmypdf_superres.training.recipe import RunSettings, TrainingStage, Validation

log = logging.getLogger(__name__)

CHECKPOINT_EVERY = 100

Line = tuple[Tensor, list[int]]
"""A normalised image, float (1, height, W), and the codes of its text."""


@dataclass(frozen=True)
class LineExample:
    """An image of one line, dark on light, and its text in logical order."""

    image: Image.Image
    text: str


@dataclass(frozen=True)
class TuneSettings:
    """How to tune.

    *epochs* over all lines, *batch* lines a step, *lr* the peak rate of Adam, *seed* of the order. *ema* is how much of the
    average of the weights is kept at each step; 0 takes the last weights. With a *patience* tuning ends when so many
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
    """
    examples = []
    for path in sorted(folder.glob("*")):
        text = path.with_name(f"{path.stem}.gt.txt")
        if path.suffix.lower() in IMAGE_SUFFIXES and text.is_file():
            with Image.open(path) as image:
                grey = Image.fromarray((to_luma(image) * 255.0 + 0.5).astype(np.uint8))
            examples.append(LineExample(grey, text.read_text(encoding="utf-8").strip()))
    if not examples:
        raise RecognizerError(
            f"The folder {folder} has no line images with texts, pairs such as 001.png and 001.gt.txt were expected; "
            f"give another folder."
        )
    return examples


@dataclass
class LineBatch:
    """Lines for a Tesseract network: *images*, float (B, 1, height, W), their *widths*, int64 (B,), and their texts' *codes*."""

    images: Tensor
    widths: Tensor
    codes: list[list[int]]

    @property
    def count(self) -> int:
        """The number of lines."""
        return len(self.codes)

    def to(self, device: torch.device) -> LineBatch:
        """Return the batch with its images on *device*."""
        return LineBatch(self.images.to(device), self.widths.to(device), self.codes)

    def part(self, own: slice) -> LineBatch:
        """Return the lines *own* alone."""
        return LineBatch(self.images[own], self.widths[own], self.codes[own])


class EpochBatches(Dataset[LineBatch]):
    """All *lines* once in each of *epochs*, *size* at a time: lines of like width together, groups in random order."""

    def __init__(self, lines: list[Line], size: int, epochs: int, seed: int) -> None:
        self.lines = lines
        self.groups: list[list[int]] = []
        rng = np.random.default_rng(seed)
        for _ in range(epochs):
            jitter = rng.uniform(0.9, 1.1, len(lines))
            widths = [image.shape[2] * factor for (image, _), factor in zip(lines, jitter, strict=True)]
            order = sorted(range(len(lines)), key=widths.__getitem__)
            groups = [order[start : start + size] for start in range(0, len(order), size)]
            self.groups += [groups[place] for place in rng.permutation(len(groups))]

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, step: int) -> LineBatch:
        chosen = [self.lines[index] for index in self.groups[step]]
        widths = torch.tensor([image.shape[2] for image, _ in chosen])
        images = chosen[0][0].new_zeros(len(chosen), 1, chosen[0][0].shape[1], int(widths.max()))
        for index, (image, _) in enumerate(chosen):
            images[index, :, :, : image.shape[2]] = image
        return LineBatch(images, widths, [codes for _, codes in chosen])


class Tuning:
    """The network of a ``.traineddata`` file and its lines; a :class:`~ocrmypdf_superres.training.protocols.Task`.

    Args:
        data: the network, int8 or float. examples: to tune on. settings: how.
        error_rate: gives the error rate of a tuned float network, for validation; the best weights are kept.

    Attributes:
        report: lines that are left out, as the text cannot be written with the charset, or does not fit into the image.

    Raises:
        RecognizerError: no line is left.
    """

    def __init__(
        self,
        data: TrainedData,
        examples: Sequence[LineExample],
        settings: TuneSettings,
        error_rate: Callable[[TrainedData], float] | None = None,
    ) -> None:
        validation = None
        if error_rate is not None:
            validation = Validation("", metric="cer", every=settings.validate_every, patience=settings.patience)
        self.settings = RunSettings(
            "tune", seed=settings.seed, ema=settings.ema, clip=settings.clip, weight_decay=0.0, workers=0,
            threads=settings.threads or torch.get_num_threads(), validation=validation, checkpoint_every=CHECKPOINT_EVERY,
        )  # fmt: skip
        seed_run(self.settings)
        self.data = data
        self.error_rate = error_rate
        self.recognizer = TesseractRecognizer(float_copy(data), rounding=True)
        # Tesseract puts noise around a line, and the tuned network has to stand it.
        self.recognizer.set_border("random")
        self.report = TuneReport()
        lines = list(_prepare(self.recognizer, examples, self.report))
        if not lines:
            first = next(iter(self.report.skipped.values()), "no line was given")
            raise RecognizerError(
                f"None of {len(examples)} lines can be used for tuning, at least one was expected; first reason: {first}"
            )
        self.net: nn.Module = self.recognizer.network
        self.module = self.net
        self.net.requires_grad_(True)
        self.batches = EpochBatches(lines, settings.batch, settings.epochs, settings.seed)
        self.epochs = settings.epochs
        total = len(self.batches)
        warmup = max(1, min(20, total // 10))
        stage = TrainingStage("tune", total, batch=settings.batch, lr=settings.lr, final=0.05, warmup=warmup)
        self.stages: tuple[TrainingStage, ...] = (stage,)
        self.criterion = CTCLoss()
        self.values: list[float] = []

    def prepare(self) -> None:
        """Do nothing: all that is needed was loaded at the start."""

    def begin_stage(self, number: int, resumed: bool) -> list[str] | None:
        """Change no weight; see :meth:`Task.begin_stage`."""
        return []

    def loss(self, forward: Callable[..., Any], batch: LineBatch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return CTC, in nats a character, of *batch*."""
        logits, lengths = forward(batch.images, batch.widths)
        value: Tensor = self.criterion(logits, lengths, batch.codes, self.recognizer.blank)
        self.values.append(float(value.detach()))
        return value, {"ctc": self.values[-1]}

    def fresh_net(self) -> nn.Module:
        """Return a new network of the same layers on the CPU."""
        return copy.deepcopy(self.net).cpu()

    def tuned(self, net: nn.Module) -> TrainedData:
        """Return the float network with the weights of *net*."""
        if not isinstance(net, LineNetwork):
            raise TypeError(f"{type(net).__name__} is not a network of Tesseract")
        return float_copy(self.data, net.cpu())

    def validate(self, net: nn.Module) -> float:
        """Return the error rate of *net* as a file for the binary."""
        if self.error_rate is None:
            raise OptionError("A validation was asked for without something that gives the error rate; give one.")
        return self.error_rate(self.tuned(net))

    def save_samples(self, net: nn.Module, batch: LineBatch, path: Path) -> None:
        """Write nothing: a recognizer makes no images."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds: the losses of the steps."""
        return {"values": self.values}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.values = list(state["values"])

    def finish(self, steps: int) -> TuneReport:
        """Return the report after *steps* steps."""
        self.report.steps = steps
        size = len(self.batches) // self.epochs
        epochs = [self.values[start : start + size] for start in range(0, len(self.values), size)]
        self.report.losses = [float(np.mean(values)) for values in epochs]
        return self.report


def tune(
    data: TrainedData,
    examples: Sequence[LineExample],
    settings: TuneSettings | None = None,
    run: Path | None = None,
    resume: bool = False,
    device: str = "auto",
    error_rate: Callable[[TrainedData], float] | None = None,
) -> tuple[TrainedData, TuneReport]:
    """Tune the network of *data*, int8 or float, on *examples*; return a float copy and what was done.

    Lines whose text cannot be written with the charset, or does not fit into the image, are left out and reported.

    Args:
        data: the network to start from.
        examples: the lines to learn.
        settings: how; the defaults where it is None.
        run: the folder for the log and checkpoints; None writes nothing.
        resume: whether to go on from the checkpoint in *run*.
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
        error_rate: gives the error rate of a tuned network, such as that of the binary on held-out lines; with it the best
            weights are kept.

    Raises:
        RecognizerError: no line is left.
        OptionError, DeviceError: the checkpoint or the device cannot be used.
        SuperresError: the gradient is never finite, or the disk is full.
    """
    task = Tuning(data, examples, settings or TuneSettings(), error_rate)
    trainer: Trainer[Tuning] = Trainer(task, run, Processes(device))
    if resume and run is not None:
        trainer.resume(run / CHECKPOINT)
    trainer.fit()
    report = task.finish(trainer.step)
    for number, value in enumerate(report.losses):
        log.info("Epoch %d of %d: %.4f nats a character.", number + 1, task.epochs, value)
    tuned = task.tuned(trainer.averaged_net())
    tuned.training_iteration += report.steps * task.stages[0].batch
    return tuned, report


def _prepare(recognizer: TesseractRecognizer, examples: Sequence[LineExample], report: TuneReport) -> Iterator[Line]:
    """Yield the lines that can be used; the others go to *report*."""
    for index, example in enumerate(examples):
        try:
            codes = recognizer.encode(example.text)
        except RecognizerError as error:
            report.skipped[index] = str(error)
            continue
        grey = torch.from_numpy(np.ascontiguousarray(to_luma(example.image)))
        with torch.no_grad():
            value, _ = recognizer.prepare(grey[None, None], torch.tensor([grey.shape[1]]))
        # A third of the width is what the published networks have as steps.
        if not codes or steps_needed(codes) > value.shape[3] // 3:
            report.skipped[index] = f"The text {example.text[:60]!r} does not fit into {value.shape[3] // 3} steps."
            continue
        yield value[0], codes
