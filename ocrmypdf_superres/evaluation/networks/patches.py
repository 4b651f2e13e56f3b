# SPDX-License-Identifier: MPL-2.0
"""Nets for pages evaluated on patches with hr: by pixels, by what Tesseract reads, and by what a text detector finds.

The measures of papers 000 (PSNR, SSIM, LPIPS, overlap of detected text, distances of a detector's features), 002 (PSNR,
SSIM, S_LCS, S_LD) and 004 (PSNR, SSIM, characters read), all on the same patches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from ocrmypdf_superres.architectures.blocks.layers import Bicubic, on_luma
from ocrmypdf_superres.architectures.spec import HasAuxiliaryOutputs
from ocrmypdf_superres.detectors.ctpn import CTPN
from ocrmypdf_superres.detectors.ctpn_lines import LineSettings, lines_of, proposals, union_mask
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.networks.independent_engines import IndependentEngine
from ocrmypdf_superres.evaluation.networks.line_sets import held_out_batches
from ocrmypdf_superres.metrics.boxes import area_iou
from ocrmypdf_superres.metrics.image import decibels, mean_squared_error, ssim
from ocrmypdf_superres.metrics.lpips import LPIPS, lpips
from ocrmypdf_superres.metrics.text import TextScore, s_lcs, s_ld, score
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.page.image import from_luma
from ocrmypdf_superres.tesseract import RAW_LINE, read_lines
from ocrmypdf_superres.training.data.batches import Batch, collate
from ocrmypdf_superres.training.data.degradations import Degradation
from ocrmypdf_superres.training.data.sources.patches import PatchSource
from ocrmypdf_superres.training.losses.recognition.detector import PARTS
from ocrmypdf_superres.training.recipe import Source, check_source
from ocrmypdf_superres.upscaling.backends.torch import load_network

Predictor = Callable[[Tensor], Tensor]
"""Makes sr, float (B, 1, scale H, scale W), of lr, float (B, 1, H, W), both luma in [0, 1]."""

BATCH = 16
BLOCK = 6
"""Tesseract's mode for a block of text."""
BICUBIC = ({"name": "downsample", "kernels": ["bicubic"]},)


@dataclass(frozen=True)
class PatchMetrics:
    """Means over patches, and over their lines.

    Attributes:
        psnr: dB, mean of the patches', each at most 100. ssim: mean. lpips: mean, or None without its weights.
        cer: of all lines together. s_lcs, s_ld: means over the lines.
        iou: mean overlap of detected text in sr and hr, or None without a detector.
        distances: mean absolute difference of the detector's deep features, logits and regressions.
        single: what the means are over: ``psnr``, ``ssim``, ``lpips``, ``iou`` of patches, ``edits``, ``characters``, ``s_lcs``,
            ``s_ld`` of lines, in their order; of each independent engine NAME ``iou NAME`` and ``edits NAME``.
    """

    patches: int
    lines: int
    psnr: float
    ssim: float
    cer: float
    s_lcs: float
    s_ld: float
    lpips: float | None = None
    iou: float | None = None
    distances: Mapping[str, float] = field(default_factory=dict)
    single: Mapping[str, tuple[float, ...]] = field(default_factory=dict, repr=False)

    def summary(self) -> dict[str, Any]:
        """Return the figures by name, without what is kept of single patches and lines; those of text are None without lines."""
        of_text = () if self.lines else ("cer", "s_lcs", "s_ld")
        return {key: None if key in of_text else value for key, value in asdict(self).items() if key != "single"}


def patches(
    folder: Path, scale: int, count: int, degradation: Sequence[Mapping[str, Any]] = (), clean: float = 0.0,
    language: str = "eng", cache: Path | None = None, source: Source | None = None,
) -> list[Batch]:  # fmt: skip
    """Return *count* strips, 96 x 576 of hr, of the page scans in *folder*, reduced by *degradation* (default: bicubic alone).

    Another *source* below *folder* has strips of its own; of one of the kind ``patches`` each image gives one, in the images'
    order, and a *count* of 0 takes all.

    Raises:
        OptionError: the folder holds no page that can be used.
    """
    source = source or Source("scans", ".", language=language)
    if source.kind == "patches":
        return _each(source, folder, scale, count, degradation or BICUBIC, clean)
    return held_out_batches(
        source, folder, scale, count, degradation=degradation or BICUBIC, clean=clean, cache=cache, batch=BATCH
    )


def _each(
    source: Source, folder: Path, scale: int, count: int, degradation: Sequence[Mapping[str, Any]], clean: float
) -> list[Batch]:
    opened = check_source(source, "The patches").open(source, folder, folder)
    if not isinstance(opened, PatchSource):
        raise OptionError(f"The source kind {source.kind!r} does not give its images one by one; give patches.")
    samples = opened.each(count, scale)
    reduce, rng = Degradation(degradation, clean), np.random.default_rng(999)
    lrs = [reduce(sample.source, scale, rng) if sample.lr is None else sample.lr for sample in samples]
    return [collate(samples[at : at + BATCH], lrs[at : at + BATCH], scale) for at in range(0, len(samples), BATCH)]


def predictor(text: str, scale: int, device: torch.device | str = "cpu") -> Predictor:
    """Return the method that *text* names, as one function that enlarges by *scale*.

    *text* is ``bicubic``, or the name or folder of a model. ``MODEL:PART`` is one of the net's outputs that training
    can supervise (``epgr:image0``, the image after the first module), or a part of the net that turns an image into an
    image (``dpnet:stages.1``, the second stage alone). ``A@2+B@2`` is A and then B, each by the factor after its ``@``:
    a mixed cascade. Nets run on *device*.

    Raises:
        OptionError: it is not of this form, or enlarges by another factor. ModelError: there is no such model.
    """
    steps: list[Predictor] = []
    total = 1
    for part in text.split("+"):
        name, _, by = part.rpartition("@") if "@" in part else (part, "", str(scale))
        if not by.isdigit() or not name:
            cascade = f"bicubic@2+{part.partition('@')[0]}@2"
            raise OptionError(f"{text!r} is not a method; give a model, MODEL:PART, or a cascade such as {cascade}.")
        total *= int(by)
        steps.append(_step(name, int(by), device))
    if total != scale:
        raise OptionError(f"{text!r} enlarges {total} times, but x{scale} is compared; give factors after @ that make x{scale}.")

    def predict(lr: Tensor) -> Tensor:
        image = lr.to(device)
        for step in steps:
            image = step(image).clamp(0.0, 1.0)
        return image

    return predict


def _step(name: str, factor: int, device: torch.device | str) -> Predictor:
    if name == "bicubic":
        return Bicubic(1, factor).to(device)
    name, _, part = name.partition(":")
    model = find_model(name)
    card = model.card
    if card.line_size:
        raise OptionError(
            f"Model {card.name} is for text lines, but patches of pages are compared; compare it with the command lines."
        )
    net = load_network(model).to(device)
    auxiliary = net.auxiliary_names if isinstance(net, HasAuxiliaryOutputs) else ()
    if isinstance(net, HasAuxiliaryOutputs) and part in auxiliary:
        return lambda lr: _head(net, card.channels, lr, factor, part)
    if part:
        try:
            piece = net.get_submodule(part)
        except AttributeError as error:
            has = ", ".join(auxiliary) or "none"
            raise OptionError(f"Model {card.name} has no output and no part {part!r}; its outputs are: {has}.") from error
        return lambda lr: piece(lr.expand(-1, card.channels, -1, -1)).mean(dim=1, keepdim=True)
    if factor not in card.scales:
        offered = ", ".join(f"x{s}" for s in card.scales)
        raise OptionError(f"Model {card.name} offers {offered}, but x{factor} was asked for; give another --scale.")
    luma = on_luma(net, card.channels)
    return lambda lr: luma(lr, factor)


def _head(net: HasAuxiliaryOutputs, channels: int, lr: Tensor, factor: int, part: str) -> Tensor:
    # Only the output is wanted; its target in training would come from hr, so lr stands in for it.
    wide = lr.expand(-1, channels, -1, -1)
    hr = nn.functional.interpolate(wide, scale_factor=factor, mode="nearest")
    output = net.auxiliary_outputs(wide, hr, factor, [part])[part][0]
    return output.mean(dim=1, keepdim=True)


@dataclass
class _Patches:
    """What is collected patch by patch, sr against hr.

    Attributes:
        psnr, ssim, lpips: of each patch; LPIPS only with its network.
        overlaps: intersection over union of each patch's text areas, with a detector.
        distances: sums over the patches of the mean absolute difference of the detector's outputs, by name.
        lines: (image, text) of the lines or blocks with text, by language and page segmentation mode.
        images: (sr, hr) of each patch.
    """

    psnr: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)
    lpips: list[float] = field(default_factory=list)
    overlaps: list[float] = field(default_factory=list)
    distances: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    lines: dict[tuple[str, int], list[tuple[Image.Image, str]]] = field(default_factory=dict)
    images: list[tuple[Image.Image, Image.Image]] = field(default_factory=list)

    def add(self, sr: Tensor, batch: Batch, perceptual: LPIPS | None) -> None:
        """Add the images of *sr*, float (B, 1, H, W) in [0, 1] on the CPU, and the lines of *batch* on them."""
        for index in range(len(sr)):
            ours, theirs = sr[index, 0].numpy(), batch.hr[index, 0].numpy()
            # At most 100 dB, so that the mean over patches is finite where sr is hr itself.
            self.psnr.append(decibels(mean_squared_error(ours, theirs), least=1e-10))
            self.ssim.append(ssim(ours, theirs))
            if perceptual is not None:
                self.lpips.append(lpips(ours, theirs, perceptual))
            self.images.append((from_luma(ours), from_luma(theirs)))
            box, text = batch.boxes[index], batch.texts[index]
            if text:
                image = from_luma(ours if box is None else ours[box[1] : box[3], box[0] : box[2]])
                # A text without a line's box is that of the whole patch.
                mode = BLOCK if box is None else RAW_LINE
                self.lines.setdefault((batch.languages[index], mode), []).append((image, text))

    def add_detected(self, sr: Tensor, hr: Tensor, detector: CTPN) -> None:
        """Add what *detector* finds on *sr* and on *hr*, float (B, 1, H, W) in [0, 1]."""
        size = (int(sr.shape[2]), int(sr.shape[3]))
        device = next(detector.parameters()).device
        seen, wanted = detector(sr.to(device)), detector(hr.to(device))
        masks = zip(text_masks(seen[1], seen[2], size), text_masks(wanted[1], wanted[2], size), strict=True)
        self.overlaps += [area_iou(a, b) for a, b in masks]
        for name, a, b in zip(PARTS, seen, wanted, strict=True):
            self.distances[name] += float((a - b).abs().mean()) * len(sr)


@torch.no_grad()
def evaluate_patches(
    predict: Predictor, batches: Sequence[Batch], detector: CTPN | None = None, perceptual: LPIPS | None = None,
    others: Sequence[IndependentEngine] = (),
) -> PatchMetrics:  # fmt: skip
    """Return the metrics of what *predict* makes of *batches*; of ``hr`` itself where it returns the batch's hr.

    Args:
        predict: makes sr of lr.
        batches: patches with lr and hr.
        detector: finds text in sr and hr, at the same size.
        perceptual: LPIPS with its weights.
        others: engines that find and read text, too.

    Raises:
        MissingDependencyError, RecognizerError: Tesseract is not installed, or has not a language.
    """
    found = _Patches()
    for batch in batches:
        sr = predict(batch.lr)
        found.add(sr.cpu(), batch, perceptual)
        if detector is not None:
            found.add_detected(sr, batch.hr, detector)
    texts = _read(found.lines)
    scores = [score(a, b) for a, b in texts]
    single = {
        "psnr": found.psnr, "ssim": found.ssim, "lpips": found.lpips, "iou": found.overlaps,
        "edits": [float(s.edits) for s in scores], "characters": [float(s.characters) for s in scores],
        "s_lcs": [s_lcs(a, b) for a, b in texts], "s_ld": [s_ld(a, b) for a, b in texts],
    }  # fmt: skip
    for other in others:
        seen, known = (other.text_masks([pair[index] for pair in found.images]) for index in (0, 1))
        single[f"iou {other.name}"] = [area_iou(a, b) for a, b in zip(seen, known, strict=True)]
        single[f"edits {other.name}"] = _read_by(other, found.lines)
    means = {name: sum(values) / max(1, len(values)) for name, values in single.items()}
    return PatchMetrics(
        len(found.psnr), len(texts), means["psnr"], means["ssim"], sum(scores, TextScore()).cer, means["s_lcs"], means["s_ld"],
        means["lpips"] if found.lpips else None, means["iou"] if found.overlaps else None,
        {n: v / len(found.psnr) for n, v in found.distances.items()} if detector is not None else {},
        {name: tuple(values) for name, values in single.items()},
    )  # fmt: skip


def _read(lines: Mapping[tuple[str, int], list[tuple[Image.Image, str]]]) -> list[tuple[str, str]]:
    """Return (text read, text) of all lines and blocks, each language's read by its own recognizer."""
    pairs: list[tuple[str, str]] = []
    for (language, mode), rows in sorted(lines.items()):
        found = read_lines([image for image, _ in rows], language, psm=mode)
        pairs += [(text, truth) for text, (_, truth) in zip(found, rows, strict=True)]
    return pairs


def _read_by(other: IndependentEngine, lines: Mapping[tuple[str, int], list[tuple[Image.Image, str]]]) -> list[float]:
    """Return *other*'s edits of each line and block, in the order of :func:`_read`."""
    return [
        float(score(other.read_block(image) if mode == BLOCK else other.read_line(image), text).edits)
        for (_, mode), rows in sorted(lines.items(), key=lambda item: item[0])
        for image, text in rows
    ]


def text_masks(scores: Tensor, coordinates: Tensor, size: tuple[int, int]) -> list[NDArray[np.bool_]]:
    """Return where each image of *size* (height, width) has text, bool (H, W), by CTPN's (B, 20, h, w) of them."""
    settings = LineSettings()
    found = (proposals(scores[i : i + 1], coordinates[i : i + 1], size, settings) for i in range(len(scores)))
    return [union_mask(lines_of(boxes, probabilities, size, settings), size) for boxes, probabilities in found]
