# SPDX-License-Identifier: MPL-2.0
"""Validation: a metric on strips of held-out pages, by which the best weights are kept and stages end early.

The strips are cut once from the ``[validation]`` table's folder, as training cuts its own: pages spread evenly over
the folder, lines found (and, without ``NAME.gt.txt``, read) by Tesseract on the hr page, reduced by the recipe's
degradation and scales, with the table's seed.  They are the same for every evaluation, run and machine.  Metrics:

``cer``   edits / characters, over all lines, of the text that the Tesseract program reads in the sr lines (raw line mode);
``ctc``   -log p(text | line) / codes in nats of the ported recognizer, mean over the lines that it can write;
``psnr``  dB, 10 log10(1 / mean squared error) of the clipped sr, over the pixels of all strips, so that none is infinite;
``loss``  the stage's losses, weighted as the recipe does; other losses mean another scale, so each stage has its own best.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ocrmypdf_superres.architectures.blocks.layers import grey_of
from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.metrics.image import decibels, mean_squared_error
from ocrmypdf_superres.metrics.text import TextScore, score
from ocrmypdf_superres.page.image import from_luma
from ocrmypdf_superres.recognizers import load
from ocrmypdf_superres.recognizers.base import Recognizer, stack_lines
from ocrmypdf_superres.tesseract import read_lines
from ocrmypdf_superres.training.data.batches import Batch, StepBatches
from ocrmypdf_superres.training.data.held_out import check_held_out
from ocrmypdf_superres.training.losses.recognition.ctc import CTCLoss, equal_codes
from ocrmypdf_superres.training.objective import Objective
from ocrmypdf_superres.training.recipe import Recipe

BATCH = 16
NARROWEST = 16
"""Lines of fewer hr pixels are not read, as in training."""


class Validator:
    """Computes the metric of the recipe's ``[validation]`` table.

    Args:
        recipe: with a validation table. data: the root of its folders. cache: a folder for lines that were found.

    Raises:
        OptionError: the folder cannot be used, is one that is trained on, or has no line with a text.
        RecognizerError: the recognizer for ``ctc`` is not installed.
    """

    def __init__(self, recipe: Recipe, data: Path, cache: Path) -> None:
        settings = recipe.validation
        if settings is None:
            raise OptionError(f"The recipe {recipe.name} has no [validation] table; add one.")
        check_held_out(recipe.sources, settings.source, data)
        self.settings = settings
        sizes = [BATCH] * (settings.lines // BATCH) + [settings.lines % BATCH] * (settings.lines % BATCH > 0)
        batches = StepBatches(replace(recipe, seed=settings.seed, sources=(settings.source,)), data, cache, sizes)
        self.batches = [batches[index] for index in range(len(batches))]
        if settings.metric in ("cer", "ctc") and not any(_lines(batch) for batch in self.batches):
            raise OptionError(f"No strip of the validation folder {settings.folder} has a line with text; give other pages.")
        self.recognizer: Recognizer | None = None
        if settings.metric == "ctc":
            self.recognizer = load(settings.recognizer or f"tesseract:{settings.language}")

    @torch.no_grad()
    def __call__(self, net: nn.Module, objective: Objective) -> float:
        """Return the metric of *net*, which is in evaluation mode; *objective* computes ``loss``.

        Raises:
            OptionError: ``ctc`` found no line that its recognizer can write.
            MissingDependencyError, RecognizerError: Tesseract is not installed, or not for the language.
        """
        device = next(net.parameters()).device
        results = [(net(batch.lr.to(device), batch.scale).float(), batch) for batch in self.batches]
        if self.settings.metric == "psnr":
            return _psnr(results)
        if self.settings.metric == "loss":
            return _loss(results, objective)
        return _cer(results) if self.recognizer is None else self._ctc(results, self.recognizer)

    def _ctc(self, results: list[tuple[Tensor, Batch]], recognizer: Recognizer) -> float:
        if isinstance(recognizer, nn.Module):
            recognizer.to(results[0][0].device)
        distance = CTCLoss()
        total, count = 0.0, 0
        for sr, batch in results:
            codes, images = [], []
            for index, (left, top, right, bottom) in _lines(batch):
                try:
                    codes.append(recognizer.encode(batch.texts[index]))
                except RecognizerError:
                    continue  # a line in another script than the recognizer's does not count
                images.append(grey_of(sr)[index, 0, top:bottom, left:right])
            if not codes:
                continue
            logits, lengths = recognizer.logits(*stack_lines(images))
            value = float(distance(logits, lengths, codes, recognizer.blank, equal_codes(recognizer)))
            good = len(codes) - distance.infeasible
            total, count = total + value * good, count + good
        if not count:
            raise OptionError(
                f"{recognizer.name} can write no line of the validation folder {self.settings.folder}; give its language."
            )
        return total / count


def _lines(batch: Batch) -> list[tuple[int, tuple[int, int, int, int]]]:
    return [(i, box) for i, box in enumerate(batch.boxes) if box is not None and batch.texts[i] and box[2] - box[0] >= NARROWEST]


def _cer(results: list[tuple[Tensor, Batch]]) -> float:
    by_language: dict[str, list[tuple[Any, str]]] = {}
    for sr, batch in results:
        for index, (left, top, right, bottom) in _lines(batch):
            image = from_luma(grey_of(sr)[index, 0, top:bottom, left:right].cpu().numpy())
            by_language.setdefault(batch.languages[index], []).append((image, batch.texts[index]))
    total = TextScore()
    for language, lines in sorted(by_language.items()):
        texts = read_lines([image for image, _ in lines], language)
        total = sum((score(text, truth) for text, (_, truth) in zip(texts, lines, strict=True)), total)
    return total.cer


def _psnr(results: list[tuple[Tensor, Batch]]) -> float:
    errors = [
        mean_squared_error(ours, hr)
        for sr, batch in results
        for ours, hr in zip(sr.clamp(0, 1).cpu().numpy(), batch.hr.cpu().numpy(), strict=True)
    ]
    return decibels(sum(errors) / len(errors), least=1e-12)


def _loss(results: list[tuple[Tensor, Batch]], objective: Objective) -> float:
    sums: dict[str, list[float]] = {}
    for index, (sr, batch) in enumerate(results):
        _, values = objective(sr, batch.to(sr.device), index)
        for name, value in values.items():
            sums.setdefault(name, []).append(value)
    return sum(objective.weights[name] * sum(values) / len(values) for name, values in sums.items())
