# SPDX-License-Identifier: MPL-2.0
"""Nets evaluated on lines of text: PSNR to hr, and what Tesseract and other recognizers read in sr."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.layers import on_luma
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.metrics.image import decibels, mean_squared_error
from ocrmypdf_superres.metrics.text import TextScore, letters_and_digits, score
from ocrmypdf_superres.modelstore.store import Model
from ocrmypdf_superres.page.image import from_luma, resize_luma
from ocrmypdf_superres.recognizers.line_recognizer import LineRecognizer
from ocrmypdf_superres.tesseract import read_lines
from ocrmypdf_superres.training.data.batches import Batch, StepBatches, collate
from ocrmypdf_superres.training.data.sources.textzoom import TextZoom
from ocrmypdf_superres.training.recipe import Recipe, Source, Stage
from ocrmypdf_superres.training.recognizers.tasks import enlarged
from ocrmypdf_superres.upscaling.backends.torch import load_network
from ocrmypdf_superres.upscaling.loading import load_upscaler

BATCH = 32
BLURRED = ({"name": "blur", "sigma": [0.3, 0.9]}, {"name": "downsample", "kernels": ["bicubic", "box", "bilinear"]},
           {"name": "noise", "probability": 0.7, "sigma": [1.0, 12.0]})  # fmt: skip


@dataclass(frozen=True)
class LineMetrics:
    """Metrics of a net on a set of lines.

    Attributes:
        lines: how many were read.
        psnr: in dB, the mean of the images' values, each at most 100.
        cer: Tesseract's character error rate on all lines together.
        words: share of lines that Tesseract reads without a mistake.
        recognizers: the same share for other recognizers, by name.
    """

    lines: int
    psnr: float
    cer: float
    words: float
    recognizers: Mapping[str, float] = field(default_factory=dict)


def held_out_batches(
    source: Source, data: Path, scale: int, count: int, seed: int = 999, degradation: Sequence[Mapping[str, Any]] = BLURRED,
    clean: float = 0.15, cache: Path | None = None, batch: int = BATCH,
) -> list[Batch]:  # fmt: skip
    """Return *count* lines or strips of *source*, a folder below *data*, *batch* at a time.

    Those without lr of their own are reduced by *degradation* (default: blurred, reduced and noisy), except for the
    share *clean*. *cache* keeps the lines that are found in scans.

    Raises:
        OptionError: the source cannot be used.
    """
    stage = Stage("held-out", 1, {"l2": 1.0})
    recipe = Recipe("held-out", "", (source,), tuple(degradation), (stage,), seed=seed, scales={str(scale): 1.0}, clean=clean)
    sizes = [batch] * (count // batch) + [count % batch] * (count % batch > 0)
    with TemporaryDirectory() as temporary:
        batches = StepBatches(recipe, data, cache or Path(temporary), sizes)
        return [batches[index] for index in range(len(sizes))]


def all_pairs(folder: Path, scale: int) -> list[Batch]:
    """Return every pair of the TextZoom set in *folder*, in its order.

    Raises:
        OptionError, MissingDependencyError: the set cannot be read.
    """
    source = TextZoom(folder)
    samples = [source.line(index, scale) for index in range(source.count)]
    parts = [samples[start : start + BATCH] for start in range(0, len(samples), BATCH)]
    return [collate(part, [sample.lr for sample in part if sample.lr is not None], scale) for part in parts]


Predictor = Callable[[Tensor, int], Tensor]
"""Called as ``predict(lr, scale)`` with luma, float (B, 1, H, W) in [0, 1]; returns float (B, 1, scale H, scale W)."""


def lanczos(lr: Tensor, scale: int) -> Tensor:
    """Enlarge with Lanczos-3, as a :data:`Predictor`."""
    height, width = lr.shape[-2:]
    return torch.from_numpy(np.stack([resize_luma(line, (width * scale, height * scale)) for line in lr[:, 0].numpy()]))[:, None]


def model_predictor(model: Model) -> Predictor:
    """Return a :data:`Predictor` that super-resolves lines with *model*.

    A net for text lines gets the image as it is, a net for pages through the engine. A model without the scale that is
    asked for makes its smallest one, and an antialiased bicubic brings that to the size.

    Raises:
        ModelError, DeviceError: the model cannot be used.
    """
    net = on_luma(load_network(model), model.card.channels) if model.card.line_size else _page_predictor(model)

    def predict(lr: Tensor, scale: int) -> Tensor:
        scales = model.card.scales
        sr: Tensor = net(lr, scale if scale in scales else min(scales))
        size = lr.shape[-2] * scale, lr.shape[-1] * scale
        if sr.shape[-2:] == size:
            return sr
        return functional.interpolate(sr, size=size, mode="bicubic", align_corners=False, antialias=True)

    return predict


def _page_predictor(model: Model) -> Predictor:
    upscaler = load_upscaler(str(model.folder.resolve()), "cpu")
    return lambda lr, scale: torch.from_numpy(np.stack([upscaler.upscale(line, scale) for line in lr[:, 0].numpy()]))[:, None]


@torch.no_grad()
def evaluate(
    net: nn.Module | Predictor, batches: list[Batch], channels: int = 1,
    recognizers: Mapping[str, LineRecognizer] | None = None,
) -> LineMetrics:  # fmt: skip
    """Return the metrics of *net*, called as ``net(lr, scale)``, on *batches*; *recognizers* read sr beside Tesseract.

    Shares of lines are of letters and digits without case, as the benchmarks count; the CER is Tesseract's own text's.

    Raises:
        MissingDependencyError, RecognizerError: Tesseract is not installed, or has not the language.
    """
    predict = on_luma(net.eval(), channels) if isinstance(net, nn.Module) else net
    psnr: list[float] = []
    images, texts = [], []
    right = dict.fromkeys(recognizers or {}, 0)
    for batch in batches:
        sr = predict(batch.lr, batch.scale).clamp(0, 1)
        # At most 100 dB, so that the mean over lines is finite where sr is hr itself.
        psnr += [
            decibels(mean_squared_error(ours, hr), least=1e-10)
            for ours, hr in zip(sr.cpu().numpy(), batch.hr.numpy(), strict=True)
        ]
        for index, (text, box) in enumerate(zip(batch.texts, batch.boxes, strict=True)):
            if box is None or not letters_and_digits(text):
                continue
            left, top, bottom, end = box[0], box[1], box[3], box[2]
            line = sr[index : index + 1, :, top:bottom, left:end]
            images.append(from_luma(line[0, 0].cpu().numpy()))
            texts.append(text)
            for name, recognizer in (recognizers or {}).items():
                right[name] += letters_and_digits(recognizer.read(line)[0]) == letters_and_digits(text)
    found = read_lines(images, "eng")
    total = sum((score(text, truth) for text, truth in zip(found, texts, strict=True)), TextScore())
    count = max(1, len(texts))
    words = sum(letters_and_digits(a) == letters_and_digits(b) for a, b in zip(found, texts, strict=True)) / count
    return LineMetrics(
        len(texts), sum(psnr) / max(1, len(psnr)), total.cer, words, {name: n / count for name, n in right.items()}
    )


def mean_metrics(rows: Sequence[LineMetrics], weighted: bool) -> LineMetrics:
    """Return the means of *rows*, a set of lines each; *weighted* by their numbers of lines, which are summed."""
    weights = [float(row.lines) if weighted else 1.0 for row in rows]
    total = sum(weights)

    def mean(values: list[float]) -> float:
        return sum(w * v for w, v in zip(weights, values, strict=True)) / max(1.0, total)

    recognizers = {name: mean([row.recognizers[name] for row in rows]) for name in rows[0].recognizers}
    lines = sum(row.lines for row in rows)
    return LineMetrics(
        lines, mean([r.psnr for r in rows]), mean([r.cer for r in rows]), mean([r.words for r in rows]), recognizers
    )


def evaluate_models(
    models: Sequence[Model], batches: list[Batch], recognizers: Mapping[str, LineRecognizer]
) -> dict[str, LineMetrics]:
    """Return the metrics on *batches* by name: bicubic, lanczos, each of *models*, and hr itself.

    Raises:
        OptionError: a model has the name of one of the others, or of a row.
        ModelError, DeviceError, MissingDependencyError, RecognizerError: as the functions that it calls.
    """
    predictors: dict[str, Predictor] = {"bicubic": lambda lr, scale: enlarged(lr), "lanczos": lanczos}
    for model in models:
        if model.card.name in (*predictors, "hr"):
            raise OptionError(f"A model is called {model.card.name}, which is a row of the table; give it another name.")
        predictors[model.card.name] = model_predictor(model)
    truths = iter(batches)
    predictors["hr"] = lambda lr, scale: next(truths).hr
    return {name: evaluate(predict, batches, recognizers=recognizers) for name, predict in predictors.items()}
