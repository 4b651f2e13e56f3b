# SPDX-License-Identifier: MPL-2.0
"""Evaluation of a table's rows: figures of single patches and lines, from which means and intervals follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.networks.independent_engines import independent_engines
from ocrmypdf_superres.evaluation.networks.line_sets import (
    WHOLE_SETS,
    LineMetrics,
    Predictor,
    all_pairs,
    evaluate,
    held_out_batches,
    lanczos,
    model_predictor,
    rule_of,
)
from ocrmypdf_superres.evaluation.networks.patches import evaluate_patches, patches, predictor
from ocrmypdf_superres.evaluation.reproduction.table import PaperTable, Row, Setting
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.recognizers.folder import load_line_recognizer
from ocrmypdf_superres.tables import read_table
from ocrmypdf_superres.training.data.batches import Batch
from ocrmypdf_superres.training.losses.recognition.detector import load_detector
from ocrmypdf_superres.training.recipe import Recipe, Source
from ocrmypdf_superres.training.recognizers.tasks import enlarged

OWN = "recognizer"
"""The name of a row's own recognizer in the columns."""
Shrink = Callable[[nn.Module, int, str], None]
"""Called as ``shrink(net, bits, part)``, part ``sr`` or ``recognizer``: gives *net*, in place, weights of *bits* bits."""


@dataclass(frozen=True)
class Figures:
    """One column of one row and seed: a sum of *above* over a sum of *below*, by patches or lines; *percent* for people."""

    above: tuple[float, ...]
    below: tuple[float, ...]


@dataclass
class Scorer:
    """Evaluates rows on data that is read once.

    Attributes:
        table, setting: what is evaluated on what. data: the folder that sets and sources are in. recipe: whose degradation
            reduces patches. cache: for lines found in scans. device: where nets run. shrink: quantises, see :data:`Shrink`.
        count: patches or lines of each set; 0 for the setting's.
    """

    table: PaperTable
    setting: Setting
    data: Path
    cache: Path
    device: torch.device
    recipe: Recipe | None = None
    shrink: Shrink | None = None
    count: int = 0

    def __post_init__(self) -> None:
        self._patches: dict[float | None, list[Batch]] = {}
        self._lines: dict[str, list[Batch]] = {}
        self._others = independent_engines(self.setting.engines)

    def score(self, row: Row, method: str, model: Path | None, recognizer: Path | None) -> dict[str, Figures]:
        """Return the figures of *row* by column.

        Args:
            row: for its bits.
            method: ``bicubic``, ``lanczos``, ``hr``, or what ``patches`` takes; empty for *model* alone.
            model: the folder of the row's model.
            recognizer: that of its recognizer.
        """
        if self.table.evaluation == "patches":
            return self._score_patches(method or str(model), self._patches_with(row.noise))
        return self._score_lines(row, method, model, recognizer)

    def _patches_with(self, noise: float | None) -> list[Batch]:
        if noise not in self._patches:
            source = read_table(Source, {"kind": "patches", **self.setting.source}, "The table's source")
            count = self.count or self.setting.count
            degradation, clean = (self.recipe.degradation, self.recipe.clean) if self.recipe else ((), 0.0)
            if noise is not None:
                if not any(stage["name"] == "noise" for stage in degradation):
                    raise OptionError(
                        "A row of the table gives noise, but its setting has no recipe with noise in its degradation; add one."
                    )
                degradation = tuple(s if s["name"] != "noise" else {**s, "sigma": [noise, noise]} for s in degradation)
            self._patches[noise] = patches(self.data, self.setting.scale, count, degradation, clean, "eng", self.cache, source)
        return self._patches[noise]

    def _score_patches(self, method: str, batches: list[Batch]) -> dict[str, Figures]:
        truths = iter(batches)
        predict: Callable[[Tensor], Tensor] = lambda lr: next(truths).hr  # noqa: E731 - the other branch is a function, too
        if method != "hr":
            predict = predictor(method, self.setting.scale, self.device)
        detector = load_detector(self.setting.detector).to(self.device) if self.setting.detector else None
        metrics = evaluate_patches(predict, batches, detector, others=self._others)
        found = {name: _mean(metrics.single[name]) for name in ("psnr", "ssim", "s_lcs", "s_ld", "iou") if metrics.single[name]}
        if metrics.single["characters"]:
            found["cer"] = Figures(tuple(100 * e for e in metrics.single["edits"]), metrics.single["characters"])
        for name in self.setting.engines:
            found[f"iou {name}"] = _mean(metrics.single[f"iou {name}"])
            if metrics.single["characters"]:
                edits = tuple(100 * e for e in metrics.single[f"edits {name}"])
                found[f"cer {name}"] = Figures(edits, metrics.single["characters"])
        return found

    def _score_lines(self, row: Row, method: str, model: Path | None, recognizer: Path | None) -> dict[str, Figures]:
        recognizers = {Path(name).name: load_line_recognizer(name) for name in self.setting.evaluators}
        if recognizer is not None:
            recognizers[OWN] = load_line_recognizer(str(recognizer))
            if "recognizer" in row.bits and self.shrink is not None:
                self.shrink(recognizers[OWN], row.bits["recognizer"], "recognizer")
        for network in recognizers.values():
            network.to(self.device)
        rows, rule = {}, rule_of(self.setting.kind)
        for place in self.setting.sets:
            batches = self._set(place)
            predict = self._line_predictor(row, method, model, batches)
            rows[Path(place).name] = evaluate(predict, batches, recognizers=recognizers, others=self._others, rule=rule)
        return line_figures(rows, self.table.average == "plain")

    def _set(self, place: str) -> list[Batch]:
        if place not in self._lines:
            folder, kind = self.data / place, self.setting.kind
            if kind in WHOLE_SETS:
                self._lines[place] = all_pairs(folder, 2, kind)
            else:
                languages = {"eng": 1.0} if kind == "words" else {}
                self._lines[place] = held_out_batches(
                    Source(kind, place, languages=languages), self.data, 2, self.count or self.setting.count
                )
        return self._lines[place]

    def _line_predictor(self, row: Row, method: str, model: Path | None, batches: Sequence[Batch]) -> Predictor:
        truths = iter(batches)
        fixed: dict[str, Predictor] = {
            "bicubic": lambda lr, scale: enlarged(lr), "lanczos": lanczos, "hr": lambda lr, scale: next(truths).hr,
        }  # fmt: skip
        if method in fixed:
            return fixed[method]
        found = find_model(method or str(model))
        if "sr" not in row.bits or self.shrink is None:
            return model_predictor(found, self.device)
        shrink, bits = self.shrink, row.bits["sr"]
        return model_predictor(found, self.device, lambda net: shrink(net, bits, "sr"))


def _mean(values: Sequence[float]) -> Figures:
    return Figures(tuple(values), (1.0,) * len(values))


def line_figures(rows: Mapping[str, LineMetrics], plain: bool) -> dict[str, Figures]:
    """Return the columns of *rows*, the metrics of each set: accuracies in percent by recognizer and set, and of all sets.

    The average is over lines, or where *plain* the mean of the sets' accuracies, in which a line of a small set weighs more.
    """
    found: dict[str, Figures] = {}
    for name in next(iter(rows.values())).right:
        total: list[float] = []
        weights: list[float] = []
        for place, row in rows.items():
            right = [100.0 * value for value in row.right[name]]
            if len(rows) > 1:
                found[f"{name} {place}"] = _mean(right)
            weight = 1.0 / max(1, len(right)) if plain else 1.0
            total += [weight * value for value in right]
            weights += [weight] * len(right)
        found[f"{name} average"] = Figures(tuple(total), tuple(weights))
    found["psnr"] = _mean([value for row in rows.values() for value in row.decibels])
    found["ssim"] = _mean([value for row in rows.values() for value in row.similar])
    characters = tuple(float(n) for row in rows.values() for n in row.characters)
    found["cer"] = Figures(tuple(100.0 * n for row in rows.values() for n in row.errors), characters)
    for name in next(iter(rows.values())).others:
        edits = tuple(100.0 * n for row in rows.values() for n in row.others[name])
        found[f"cer {name}"] = Figures(edits, characters)
    return found
