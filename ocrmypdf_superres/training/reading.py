# SPDX-License-Identifier: MPL-2.0
"""Losses that read: the lines of a batch, cut from sr and hr, before one of the recognizers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.recognizers import load
from ocrmypdf_superres.training.data.batches import Batch
from ocrmypdf_superres.training.data.sample import STRIP_HEIGHT, STRIP_WIDTH
from ocrmypdf_superres.training.losses.ctc import CTCLoss
from ocrmypdf_superres.training.losses.recognizer_features import ProbabilityDistance

log = logging.getLogger(__name__)

READING_LOSSES = ("ctc", "probabilities")


class Reading:
    """CTC against the text, and the distance of the recognizer's probabilities on sr from those on hr.

    Args:
        names: recognizers to load; one reads each step, in turn.
        weights: which of :data:`READING_LOSSES` to compute.
        lines: how many lines of a batch are read.
        seed: of the jitter of crops and heights, which keeps the net from drawing texture for one phase.

    Raises:
        RecognizerError: a recognizer cannot be loaded.
    """

    def __init__(self, names: Sequence[str], weights: Mapping[str, float], lines: int, seed: int) -> None:
        self.recognizers = [load(name) for name in names]
        self.weights = weights
        self.lines = lines
        self.seed = seed
        self.ctc = CTCLoss()
        self.probabilities = ProbabilityDistance()

    def __call__(self, sr: Tensor, batch: Batch, step: int) -> dict[str, Tensor]:
        """Return the losses' values for *sr*, float (B, 1, 96, 576), at training step *step*."""
        rng = np.random.default_rng([self.seed, step, 1])
        recognizer = self.recognizers[step % len(self.recognizers)]
        chosen: list[int] = []
        codes: list[list[int]] = []
        for index, (text, box) in enumerate(zip(batch.texts, batch.boxes, strict=True)):
            if box is None or not text or len(chosen) == self.lines:
                continue
            try:
                codes.append(recognizer.encode(text))
            except RecognizerError:
                continue  # the line is in another script than this recognizer reads; the next one may know it
            chosen.append(index)
        if not chosen:
            return {}
        rows, columns = (int(v) for v in rng.integers(-2, 3, size=2))
        zoom = float(rng.uniform(0.85, 1.15))
        boxes = [_shifted(batch.boxes[i], rows, columns) for i in chosen]
        lines, widths = _cut(sr, chosen, boxes, zoom)
        logits, lengths = recognizer.logits(lines, widths)
        values: dict[str, Tensor] = {}
        if "ctc" in self.weights:
            values["ctc"] = self.ctc(logits, lengths, codes, recognizer.blank)
        if "probabilities" in self.weights:
            with torch.no_grad():
                hr_lines, _ = _cut(batch.hr, chosen, boxes, zoom)
                hr_logits, _ = recognizer.logits(hr_lines, widths)
            values["probabilities"] = self.probabilities(logits, hr_logits, lengths)
        return values


def _shifted(box: tuple[int, int, int, int] | None, rows: int, columns: int) -> tuple[int, int, int, int]:
    assert box is not None
    left, top, right, bottom = box
    # Rows move together, so that all lines of a batch keep one height.
    rows = max(-top, min(rows, STRIP_HEIGHT - bottom))
    return max(0, left + columns), top + rows, min(STRIP_WIDTH, right + columns), bottom + rows


def _cut(
    pictures: Tensor, chosen: Sequence[int], boxes: Sequence[tuple[int, int, int, int]], zoom: float
) -> tuple[Tensor, Tensor]:
    """Return the lines, float (B, 1, H, W) padded with white on the right, and their widths."""
    cut = []
    for index, (left, top, right, bottom) in zip(chosen, boxes, strict=True):
        line = pictures[index : index + 1, :, top:bottom, left:right]
        size = (max(16, round((bottom - top) * zoom)), max(16, round((right - left) * zoom)))
        cut.append(F.interpolate(line, size, mode="bilinear", antialias=zoom < 1))
    widths = torch.tensor([line.shape[3] for line in cut])
    longest = int(widths.max())
    return torch.cat([F.pad(line, (0, longest - line.shape[3]), value=1.0) for line in cut]), widths
