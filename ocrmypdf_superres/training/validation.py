# SPDX-License-Identifier: MPL-2.0
"""Validation: a metric on strips of pages held back, by which the best weights are kept and stages end early.

The strips are drawn once from the ``[validation]`` table's folder, as training draws its own: pages spread evenly over
the folder, lines found (and, without ``NAME.gt.txt``, read) by Tesseract on the hr page, reduced by the recipe's
degradation and scales, with the table's seed.  They are the same for every evaluation, run and machine.  Metrics:

``cer``   edits / characters, over all lines, of what the Tesseract program reads in the sr lines (raw line mode);
``ctc``   -log p(text | line) / codes in nats of the ported recognizer, mean over the lines that it can write;
``psnr``  dB, 10 log10(1 / mean squared error) of the clipped sr, over the pixels of all strips, so that none is infinite;
``loss``  the stage's losses, weighted as the recipe does; other losses mean another scale, so each stage has its own best.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.metrics.image import decibels, mean_squared_error
from ocrmypdf_superres.metrics.text import TextScore, score
from ocrmypdf_superres.page.image import from_luma
from ocrmypdf_superres.recognizers import load
from ocrmypdf_superres.recognizers.base import stack_lines
from ocrmypdf_superres.tesseract import read_lines
from ocrmypdf_superres.training.data.batches import Batch, StepBatches
from ocrmypdf_superres.training.losses.recognition.ctc import CTCLoss
from ocrmypdf_superres.training.objective import Objective
from ocrmypdf_superres.training.recipe import Recipe, Source, Stage, Validation

BATCH = 16
NARROWEST = 16
"""Lines of fewer hr pixels are not read, as in training."""
HIGHER_IS_BETTER = ("psnr",)


@dataclass
class Watch:
    """The validation's course so far, which a checkpoint keeps.

    Attributes:
        rows: step, stage and value of each evaluation.
        value, step, weights: of the best one, None and empty before the first.
        waited: evaluations of this stage since the last improvement.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    value: float | None = None
    step: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)
    waited: int = 0

    def begin_stage(self, settings: Validation) -> None:
        """Count anew; see the module's docstring for ``loss``."""
        self.waited = 0
        if settings.metric == "loss":
            self.value = None

    def record(self, settings: Validation, step: int, stage: str, value: float, weights: dict[str, Tensor]) -> bool:
        """Note *value*, keep copies of *weights* where it is the best; return whether the patience has run out."""
        self.rows.append({"step": step, "stage": stage, "value": value})
        sign = 1.0 if settings.metric in HIGHER_IS_BETTER else -1.0
        if math.isfinite(value) and (self.value is None or sign * value > sign * self.value):
            self.value, self.step, self.waited = value, step, 0
            self.weights = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
        else:
            self.waited += 1
        return 0 < settings.patience <= self.waited


class Validator:
    """Computes the metric of the recipe's ``[validation]`` table.

    Args:
        recipe: with a validation table. data: the root of its folders. cache: where lines that were found are kept.

    Raises:
        OptionError: the folder cannot be used, is one that training draws from, or has no line with a text.
        RecognizerError: the recognizer for ``ctc`` is not installed.
    """

    def __init__(self, recipe: Recipe, data: Path, cache: Path) -> None:
        settings = recipe.validation
        if settings is None:
            raise OptionError(f"The recipe {recipe.name} has no [validation] table; add one.")
        _check_held_back(recipe, settings, data)
        self.settings = settings
        source = Source(settings.kind, settings.folder, language=settings.language, pages=settings.pages)
        sizes = [BATCH] * (settings.lines // BATCH) + [settings.lines % BATCH] * (settings.lines % BATCH > 0)
        batches = StepBatches(replace(recipe, seed=settings.seed, sources=(source,)), data, cache, sizes)
        self.batches = [batches[index] for index in range(len(batches))]
        if settings.metric in ("cer", "ctc") and not any(_lines(batch) for batch in self.batches):
            raise OptionError(f"No strip of the validation folder {settings.folder} has a line with text; give other pages.")
        self.recognizer = None
        if settings.metric == "ctc":
            self.recognizer = load(settings.recognizer or f"tesseract:{settings.language}")

    @torch.no_grad()
    def __call__(self, net: nn.Module, stage: Stage, objective: Objective) -> float:
        """Return the metric of *net*, which is in evaluation mode.

        Raises:
            OptionError: ``ctc`` found no line that its recognizer can write.
            MissingDependencyError, RecognizerError: Tesseract is not installed, or not for the language.
        """
        device = next(net.parameters()).device
        drawn = []
        for batch in self.batches:
            drawn.append((net(batch.lr.to(device), batch.scale).float(), batch))
        if self.settings.metric == "psnr":
            return _psnr(drawn)
        if self.settings.metric == "loss":
            return _loss(drawn, objective)
        return self._ctc(drawn) if self.settings.metric == "ctc" else _cer(drawn)

    def _ctc(self, drawn: list[tuple[Tensor, Batch]]) -> float:
        reader = self.recognizer
        assert reader is not None
        if isinstance(reader, nn.Module):
            reader.to(drawn[0][0].device)
        distance = CTCLoss()
        total, count = 0.0, 0
        for sr, batch in drawn:
            codes, images = [], []
            for index, (left, top, right, bottom) in _lines(batch):
                try:
                    codes.append(reader.encode(batch.texts[index]))
                except RecognizerError:
                    continue  # a line in another script than the recognizer's is none to judge by
                images.append(sr[index, 0, top:bottom, left:right])
            if not codes:
                continue
            logits, lengths = reader.logits(*stack_lines(images))
            value = float(distance(logits, lengths, codes, reader.blank, getattr(reader, "equals", ())))
            good = len(codes) - distance.infeasible
            total, count = total + value * good, count + good
        if not count:
            raise OptionError(f"{reader.name} can write no line of the validation folder {self.settings.folder}; give its language.")
        return total / count


def _check_held_back(recipe: Recipe, settings: Validation, data: Path) -> None:
    held = (data / settings.folder).resolve()
    for source in recipe.sources:
        folder = (data / source.folder).resolve()
        if source.kind == settings.kind == "scans" and (held == folder or held in folder.parents or folder in held.parents):
            raise OptionError(
                f"The validation folder {settings.folder} and the source {source.folder} share pages; "
                "give a folder of pages that are not trained on."
            )


def _lines(batch: Batch) -> list[tuple[int, tuple[int, int, int, int]]]:
    return [(i, box) for i, box in enumerate(batch.boxes) if box is not None and batch.texts[i] and box[2] - box[0] >= NARROWEST]


def _cer(drawn: list[tuple[Tensor, Batch]]) -> float:
    by_language: dict[str, list[tuple[Any, str]]] = {}
    for sr, batch in drawn:
        for index, (left, top, right, bottom) in _lines(batch):
            image = from_luma(sr[index, 0, top:bottom, left:right].cpu().numpy())
            by_language.setdefault(batch.languages[index], []).append((image, batch.texts[index]))
    total = TextScore()
    for language, lines in sorted(by_language.items()):
        texts = read_lines([image for image, _ in lines], language)
        total = sum((score(text, truth) for text, (_, truth) in zip(texts, lines, strict=True)), total)
    return total.cer


def _psnr(drawn: list[tuple[Tensor, Batch]]) -> float:
    errors = [mean_squared_error(ours, hr) for sr, batch in drawn for ours, hr in zip(sr.clamp(0, 1).cpu().numpy(), batch.hr.cpu().numpy(), strict=True)]
    return decibels(sum(errors) / len(errors), least=1e-12)


def _loss(drawn: list[tuple[Tensor, Batch]], objective: Objective) -> float:
    sums: dict[str, list[float]] = {}
    for index, (sr, batch) in enumerate(drawn):
        _, values = objective(sr, replace(batch, hr=batch.hr.to(sr.device)), index)
        for name, value in values.items():
            sums.setdefault(name, []).append(value)
    return sum(objective.weights[name] * sum(values) / len(values) for name, values in sums.items())
