# SPDX-License-Identifier: MPL-2.0
"""Fine-tuning a Tesseract network on lines with known text, to be saved for the stock binary.

The second stage of super-resolution for OCR: after the net has learned to draw for the recognizer, the recognizer
learns what the drawn letters look like.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.page.image import IMAGE_SUFFIXES, to_luma
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import TrainedData
from ocrmypdf_superres.recognizers.tesseract.format.writer import float_copy
from ocrmypdf_superres.recognizers.tesseract.recognizer import TesseractRecognizer
from ocrmypdf_superres.training.losses.recognition.ctc import CTCLoss, steps_needed

log = logging.getLogger(__name__)



@dataclass(frozen=True)
class LineExample:
    """An image of one line, dark on light, and its text in logical order."""

    image: Image.Image
    text: str


@dataclass(frozen=True)
class TuneSettings:
    """How to tune: *epochs* over all lines, *batch* lines a step, *lr* the peak rate of Adam, *seed* of the order."""

    epochs: int = 4
    batch: int = 16
    lr: float = 1e-3
    clip: float = 1.0
    seed: int = 0


@dataclass
class TuneReport:
    """What a tuning did: steps, mean loss of each epoch in nats a character, and lines left out with the reason."""

    steps: int = 0
    losses: list[float] = field(default_factory=list)
    skipped: dict[int, str] = field(default_factory=dict)


def read_examples(folder: Path) -> list[LineExample]:
    """Line images in *folder* that have a text beside them, ``NAME.png`` and ``NAME.gt.txt``, by name.

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


def tune(
    data: TrainedData, examples: Sequence[LineExample], settings: TuneSettings | None = None
) -> tuple[TrainedData, TuneReport]:
    """Tune the network of *data*, int8 or float, on *examples*; gives a float copy and what was done.

    Lines whose text cannot be written with the charset, or does not fit into the image, are left out and reported.

    Raises:
        RecognizerError: no line is left, or the loss is no longer finite.
    """
    settings = settings or TuneSettings()
    torch.manual_seed(settings.seed)
    reader = TesseractRecognizer(float_copy(data), rounding=True)
    # Tesseract puts noise around a line, and the tuned network has to stand it.
    reader.set_border("random")
    report = TuneReport()
    lines = list(_prepare(reader, examples, report))
    if not lines:
        first = next(iter(report.skipped.values()), "no line was given")
        raise RecognizerError(
            f"None of {len(examples)} lines can be used for tuning, at least one was expected; first reason: {first}"
        )
    reader.network.requires_grad_(True)
    optimiser = torch.optim.Adam(reader.network.parameters(), lr=settings.lr, betas=(0.9, 0.99))
    total = settings.epochs * -(-len(lines) // settings.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, total))
    criterion = CTCLoss()
    rng = np.random.default_rng(settings.seed)
    for epoch in range(settings.epochs):
        values = []
        for group in _batches(lines, settings.batch, rng):
            batch, widths = _stack([value for value, _ in group])
            logits, lengths = reader.network(batch, widths)
            loss = criterion(logits, lengths, [codes for _, codes in group], reader.blank)
            if not bool(torch.isfinite(loss)):
                raise RecognizerError(
                    f"The loss is no longer finite at step {report.steps + 1}, a number was expected; "
                    f"tune with a smaller lr than {settings.lr}."
                )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(reader.network.parameters(), settings.clip)
            optimiser.step()
            schedule.step()
            values.append(float(loss.detach()))
            report.steps += 1
        report.losses.append(float(np.mean(values)))
        log.info("epoch %d of %d: %.4f nats a character", epoch + 1, settings.epochs, report.losses[-1])
    tuned = float_copy(data, reader.network)
    tuned.training_iteration += report.steps * settings.batch
    return tuned, report


def _rate(step: int, total: int) -> float:
    """Share of the peak rate: a short warm-up, then a cosine down to a twentieth."""
    warm = max(1, min(20, total // 10))
    if step < warm:
        return (step + 1) / warm
    return 0.05 + 0.95 * 0.5 * (1.0 + float(np.cos(np.pi * min(1.0, (step - warm) / max(1, total - warm)))))


def _prepare(
    reader: TesseractRecognizer, examples: Sequence[LineExample], report: TuneReport
) -> Iterator[tuple[Tensor, list[int]]]:
    """Normalised images (1, height, W) and codes of the lines that can be used."""
    for index, example in enumerate(examples):
        try:
            codes = reader.encode(example.text)
        except RecognizerError as error:
            report.skipped[index] = str(error)
            continue
        grey = torch.from_numpy(np.ascontiguousarray(to_luma(example.image)))
        with torch.no_grad():
            value, _ = reader.prepare(grey[None, None], torch.tensor([grey.shape[1]]))
        # A third of the width is what the published networks have as steps.
        if not codes or steps_needed(codes) > value.shape[3] // 3:
            report.skipped[index] = f"The text {example.text[:60]!r} does not fit into {value.shape[3] // 3} steps."
            continue
        yield value[0], codes


def _batches(
    lines: list[tuple[Tensor, list[int]]], size: int, rng: np.random.Generator
) -> Iterator[list[tuple[Tensor, list[int]]]]:
    """All lines in batches of like width, in random order."""
    jitter = rng.uniform(0.9, 1.1, len(lines))
    order = sorted(range(len(lines)), key=lambda index: lines[index][0].shape[2] * jitter[index])
    groups = [order[start : start + size] for start in range(0, len(order), size)]
    for place in rng.permutation(len(groups)):
        yield [lines[index] for index in groups[place]]


def _stack(values: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    widths = torch.tensor([value.shape[2] for value in values])
    batch = values[0].new_zeros(len(values), 1, values[0].shape[1], int(widths.max()))
    for index, value in enumerate(values):
        batch[index, :, :, : value.shape[2]] = value
    return batch, widths
