# SPDX-License-Identifier: MPL-2.0
"""Nets evaluated on lines of text: PSNR and SSIM to hr, and what Tesseract and other recognizers read in sr."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.layers import grey_of, on_luma
from ocrmypdf_superres.evaluation.networks.independent_engines import IndependentEngine
from ocrmypdf_superres.evaluation.networks.peers import check_row
from ocrmypdf_superres.metrics.image import decibels, mean_squared_error, ssim_textzoom
from ocrmypdf_superres.metrics.text import TextScore, right_by_letters, right_by_textzoom, score
from ocrmypdf_superres.modelstore.store import Model
from ocrmypdf_superres.page.image import from_luma, resize_luma
from ocrmypdf_superres.recognizers.line_recognizer import LineRecognizer
from ocrmypdf_superres.tesseract import read_lines
from ocrmypdf_superres.training.data.batches import Batch, StepBatches, collate, degraded
from ocrmypdf_superres.training.data.colour import RGB
from ocrmypdf_superres.training.data.degradations import Degradation
from ocrmypdf_superres.training.data.files import spread
from ocrmypdf_superres.training.data.sources.recognition import RecognitionSet
from ocrmypdf_superres.training.data.sources.textzoom import TextZoom
from ocrmypdf_superres.training.data.sources.words import FolderLines
from ocrmypdf_superres.training.recipe import Recipe, Source, Stage
from ocrmypdf_superres.training.recognizers.tasks import enlarged
from ocrmypdf_superres.upscaling.backends.torch import load_network
from ocrmypdf_superres.upscaling.loading import load_upscaler

BATCH = 32
SEED = 999
"""Of the samples that are rendered, and of their degradation."""
CLEAN = 0.15
"""Share of lines that are reduced and not degraded."""
BLURRED = ({"name": "blur", "sigma": [0.3, 0.9]}, {"name": "downsample", "kernels": ["bicubic", "box", "bilinear"]},
           {"name": "noise", "probability": 0.7, "sigma": [1.0, 12.0]})  # fmt: skip
WHOLE_SETS = {"textzoom": TextZoom, "recognition": RecognitionSet}
"""Kinds of sets that are published, and are evaluated whole and in colour."""
Rule = Callable[[str, str], bool]
"""Called as ``rule(text, truth)``; says whether a line counts as read right."""


def rule_of(kind: str) -> Rule:
    """Return the rule by which lines of a *kind* of sets count: that of the papers for those in :data:`WHOLE_SETS`."""
    return right_by_textzoom if kind in WHOLE_SETS else right_by_letters


@dataclass(frozen=True)
class LineMetrics:
    """Metrics of a net on a set of lines.

    Attributes:
        lines: how many were read.
        psnr: in dB over all channels, the mean of the images' values, each at most 100.
        cer: Tesseract's character error rate on all lines together.
        words: share of lines that Tesseract reads without a mistake.
        recognizers: the same share for other recognizers, by name.
        psnr_batches: in dB, of the mean squared error of a batch of 32, mean over the batches, as TextZoom's users print it.
        ssim: mean of the images' values, see :func:`~ocrmypdf_superres.metrics.image.ssim_textzoom`.
        right: for Tesseract and each recognizer whether each line was read without a mistake, in the lines' order.
        others: each independent engine's edits of each line, by its name.
        errors: Tesseract's edits of each line. characters: the length of each line's text. decibels, similar: each image's PSNR
            and SSIM.
    """

    lines: int
    psnr: float
    cer: float
    words: float
    recognizers: Mapping[str, float] = field(default_factory=dict)
    psnr_batches: float = 0.0
    ssim: float = 0.0
    right: Mapping[str, tuple[bool, ...]] = field(default_factory=dict, repr=False)
    errors: tuple[int, ...] = field(default=(), repr=False)
    characters: tuple[int, ...] = field(default=(), repr=False)
    decibels: tuple[float, ...] = field(default=(), repr=False)
    similar: tuple[float, ...] = field(default=(), repr=False)
    others: Mapping[str, tuple[int, ...]] = field(default_factory=dict, repr=False)


def held_out_batches(
    source: Source, data: Path, scale: int, count: int, seed: int = SEED, degradation: Sequence[Mapping[str, Any]] = BLURRED,
    clean: float = CLEAN, cache: Path | None = None, batch: int = BATCH,
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


def all_pairs(folder: Path, scale: int, kind: str = "textzoom") -> list[Batch]:
    """Return every line of the published set in *folder*, of a *kind* of :data:`WHOLE_SETS`, in its order.

    Raises:
        OptionError, MissingDependencyError: the set cannot be read.
    """
    source = WHOLE_SETS[kind](folder)
    samples = [source.line(index, scale) for index in range(source.count)]
    parts = [samples[start : start + BATCH] for start in range(0, len(samples), BATCH)]
    return [collate(part, [sample.lr for sample in part if sample.lr is not None], scale, RGB) for part in parts]


def folder_lines(folder: Path, low: Path | None, scale: int, count: int = 0) -> list[Batch]:
    """Return the line images in *folder*, each once, by name; of more than *count*, which is not 0, as many, spread evenly.

    Those without a partner in *low* are reduced as by :func:`held_out_batches`.

    Raises:
        OptionError, ImageError: the folder or an image cannot be used.
    """
    source = FolderLines(folder, low)
    degradation = Degradation(BLURRED, CLEAN)
    samples, lrs = [], []
    for index in spread(range(len(source.items)), count):
        sample = source.line(index, scale)
        samples.append(sample)
        own = np.random.default_rng([SEED, index])
        lrs.append(degraded(degradation, sample.source, scale, own) if sample.lr is None else sample.lr)
    starts = range(0, len(samples), BATCH)
    return [collate(samples[at : at + BATCH], lrs[at : at + BATCH], scale, RGB) for at in starts]


Predictor = Callable[[Tensor, int], Tensor]
"""Called as ``predict(lr, scale)`` with float (B, C, H, W) in [0, 1], C 1 or 3; returns float (B, C, scale H, scale W)."""


def lanczos(lr: Tensor, scale: int) -> Tensor:
    """Enlarge each channel with Lanczos-3, as a :data:`Predictor`."""
    height, width = lr.shape[-2:]
    return _by_channel(lr, lambda channel: resize_luma(channel, (width * scale, height * scale)))


def _by_channel(lr: Tensor, enlarge: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Tensor:
    flat = lr.flatten(0, 1).cpu().numpy()
    made = torch.from_numpy(np.stack([enlarge(channel) for channel in flat]))
    return made.reshape(*lr.shape[:2], *made.shape[1:])


def model_predictor(
    model: Model, device: torch.device | str = "cpu", change: Callable[[nn.Module], None] | None = None
) -> Predictor:
    """Return a :data:`Predictor` that super-resolves lines with *model* on *device*; *change* is called with a line net first.

    A net for text lines gets the image as it is, a net for pages each channel through the engine. A model without the scale that
    is asked for makes its smallest one, and an antialiased bicubic brings that to the size.

    Raises:
        ModelError, DeviceError: the model cannot be used.
    """
    if model.card.line_size:
        network = load_network(model)
        if change is not None:
            change(network)
        net: Predictor = on_luma(network.to(device), model.card.channels)
    else:
        upscaler = load_upscaler(str(model.folder.resolve()), str(device))

        def net(lr: Tensor, scale: int) -> Tensor:
            return _by_channel(lr, lambda channel: upscaler.upscale(channel, scale))

    def predict(lr: Tensor, scale: int) -> Tensor:
        scales = model.card.scales
        sr: Tensor = net(lr.to(device) if model.card.line_size else lr, scale if scale in scales else min(scales))
        size = lr.shape[-2] * scale, lr.shape[-1] * scale
        if sr.shape[-2:] == size:
            return sr
        return functional.interpolate(sr, size=size, mode="bicubic", align_corners=False, antialias=True)

    return predict


class _Tally:
    """What was made of the lines of a set, as it is collected batch by batch."""

    def __init__(self, recognizers: Mapping[str, LineRecognizer], rule: Rule) -> None:
        self.recognizers = recognizers
        self.rule = rule
        self.decibels: list[float] = []
        self.batches: list[float] = []
        self.ssim: list[float] = []
        self.images: list[Any] = []
        self.texts: list[str] = []
        self.right: dict[str, list[bool]] = {name: [] for name in recognizers}

    def add(self, sr: Tensor, batch: Batch) -> None:
        ours, theirs = sr.cpu().numpy(), batch.hr.numpy()
        errors = [mean_squared_error(a, b) for a, b in zip(ours, theirs, strict=True)]
        # At most 100 dB, so that the mean over lines is finite where sr is hr itself.
        self.decibels += [decibels(error, least=1e-10) for error in errors]
        self.batches.append(decibels(sum(errors) / len(errors), least=1e-10))
        self.ssim += [ssim_textzoom(a.transpose(1, 2, 0), b.transpose(1, 2, 0)) for a, b in zip(ours, theirs, strict=True)]
        kept = [(i, box) for i, box in enumerate(batch.boxes) if box is not None and batch.texts[i].strip()]
        grey = grey_of(sr)
        self.images += [from_luma(grey[i, 0, t:b, le:r].cpu().numpy()) for i, (le, t, r, b) in kept]
        texts = [batch.texts[index] for index, _ in kept]
        self.texts += texts
        for name, recognizer in self.recognizers.items() if kept else ():
            device = next(recognizer.parameters()).device
            cut = [sr[i : i + 1, :, t:b, le:r] for i, (le, t, r, b) in kept]
            lines = torch.cat([functional.interpolate(line, cut[0].shape[2:], mode="bicubic") for line in cut]).to(device)
            found = recognizer.read(lines)
            self.right[name] += [self.rule(a, b) for a, b in zip(found, texts, strict=True)]

    def metrics(self, others: Sequence[IndependentEngine], language: str) -> LineMetrics:
        found = read_lines(self.images, language)
        scores = [score(text, truth) for text, truth in zip(found, self.texts, strict=True)]
        read = tuple(self.rule(a, b) for a, b in zip(found, self.texts, strict=True))
        count = max(1, len(self.texts))
        return LineMetrics(
            len(self.texts), _mean(self.decibels), sum(scores, TextScore()).cer, sum(read) / count,
            {name: sum(values) / count for name, values in self.right.items()}, _mean(self.batches), _mean(self.ssim),
            {"Tesseract": read, **{name: tuple(values) for name, values in self.right.items()}},
            tuple(s.edits for s in scores), tuple(s.characters for s in scores), tuple(self.decibels),
            tuple(self.ssim), {other.name: self._edits(other) for other in others},
        )  # fmt: skip

    def _edits(self, other: IndependentEngine) -> tuple[int, ...]:
        return tuple(score(other.read_line(image), text).edits for image, text in zip(self.images, self.texts, strict=True))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))


@torch.no_grad()
def evaluate(
    net: nn.Module | Predictor, batches: list[Batch], channels: int = 1,
    recognizers: Mapping[str, LineRecognizer] | None = None, others: Sequence[IndependentEngine] = (), language: str = "eng",
    rule: Rule = right_by_letters,
) -> LineMetrics:  # fmt: skip
    """Return the metrics of *net*, called as ``net(lr, scale)``, on *batches*; *recognizers* and *others* read sr, too.

    Tesseract reads with *language*, such as ``deu+eng``.

    *rule* says which lines count as read right, see :func:`rule_of`: by letters and digits without case, so that a word without
    any is right if nothing is read. The CER is Tesseract's own text's. Recognizers read a batch at a time, on the device that
    they are on.

    Raises:
        MissingDependencyError, RecognizerError: Tesseract is not installed, or has not the language.
    """
    predict = on_luma(net.eval(), channels) if isinstance(net, nn.Module) else net
    device = next(net.parameters()).device if isinstance(net, nn.Module) else torch.device("cpu")
    tally = _Tally(recognizers or {}, rule)
    for batch in batches:
        tally.add(predict(batch.lr.to(device), batch.scale).clamp(0, 1), batch)
    return tally.metrics(others, language)


def mean_metrics(rows: Sequence[LineMetrics], weighted: bool) -> LineMetrics:
    """Return the means of *rows*, a set of lines each; *weighted* by their numbers of lines, which are summed.

    What is kept of single lines is joined only where it is weighted: the plain mean is not one over lines.
    """
    weights = [float(row.lines) if weighted else 1.0 for row in rows]

    def mean(values: Iterable[float]) -> float:
        return sum(weight * value for weight, value in zip(weights, values, strict=True)) / max(1.0, sum(weights))

    means = LineMetrics(
        lines=sum(row.lines for row in rows),
        psnr=mean(row.psnr for row in rows),
        cer=mean(row.cer for row in rows),
        words=mean(row.words for row in rows),
        recognizers={name: mean(row.recognizers[name] for row in rows) for name in rows[0].recognizers},
        psnr_batches=mean(row.psnr_batches for row in rows),
        ssim=mean(row.ssim for row in rows),
    )
    if not weighted:
        return means
    return replace(
        means,
        right={name: tuple(chain.from_iterable(row.right[name] for row in rows)) for name in rows[0].right},
        errors=tuple(chain.from_iterable(row.errors for row in rows)),
        characters=tuple(chain.from_iterable(row.characters for row in rows)),
        decibels=tuple(chain.from_iterable(row.decibels for row in rows)),
        similar=tuple(chain.from_iterable(row.similar for row in rows)),
        others={name: tuple(chain.from_iterable(row.others[name] for row in rows)) for name in rows[0].others},
    )


def evaluate_models(
    models: Sequence[Model], batches: list[Batch], recognizers: Mapping[str, LineRecognizer],
    device: torch.device | str = "cpu", systems: Mapping[str, Predictor] | None = None,
    watch: Callable[[Sequence[str], str], Iterable[str]] = lambda names, what: names, language: str = "eng",
    rule: Rule = right_by_letters,
) -> dict[str, LineMetrics]:  # fmt: skip
    """Return the metrics on *batches* by name: bicubic, lanczos, each of *models* and of the user's *systems*, and hr itself.

    Tesseract reads with *language*; *rule* is as for :func:`evaluate`. *watch* passes on the names that it is given, and may
    show how far the work is.

    Raises:
        OptionError: a model or system has the name of one of the others, or of a row.
        ModelError, DeviceError, MissingDependencyError, RecognizerError: as the functions that it calls.
    """
    predictors: dict[str, Predictor] = {"bicubic": lambda lr, scale: enlarged(lr), "lanczos": lanczos}
    for model in models:
        check_row("model", model.card.name, predictors)
        predictors[model.card.name] = model_predictor(model, device)
    for name, predict in (systems or {}).items():
        check_row("system", name, predictors)
        predictors[name] = predict
    truths = iter(batches)
    predictors["hr"] = lambda lr, scale: next(truths).hr
    names = watch(list(predictors), "evaluating")
    return {name: evaluate(predictors[name], batches, recognizers=recognizers, language=language, rule=rule) for name in names}
