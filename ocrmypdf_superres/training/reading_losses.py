# SPDX-License-Identifier: MPL-2.0
"""Losses that read: the lines of a batch, cut from sr and hr, before one of the recognizers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.recognizers import load
from ocrmypdf_superres.recognizers.base import Recognizer, stack_lines
from ocrmypdf_superres.training.data.batches import Batch
from ocrmypdf_superres.training.losses.recognition.jitter import Jitter
from ocrmypdf_superres.training.losses.recognition.reading import RecognizerLosses

log = logging.getLogger(__name__)


class Reading:
    """CTC against the text, and the distances of what a recognizer sees in sr from what it sees in hr.

    Args:
        names: recognizers to load; one reads each step, in turn, which costs no more than having one.
        weights: which of ctc, probabilities and features to compute.
        lines: how many lines of a batch are read.
        seed: of the jitter of crops and sizes, which keeps the net from drawing texture for one phase.

    Raises:
        RecognizerError: a recognizer cannot be loaded.
    """

    def __init__(self, names: Sequence[str], weights: Mapping[str, float], lines: int, seed: int) -> None:
        self.recognizers: list[Recognizer] = [load(name) for name in names]
        # The crop's own shift moves real neighbours in and out; white padding would not look like a page.
        jitter = Jitter(padding=0)
        self.losses = [RecognizerLosses([reader], jitter=jitter, seed=seed) for reader in self.recognizers]
        self.wanted = tuple(weights)
        self.lines = lines
        self.seed = seed
        self._said: set[tuple[str, str]] = set()

    def __call__(self, sr: Tensor, batch: Batch, step: int) -> dict[str, Tensor]:
        """Return the losses' values for *sr*, float (B, 1, 96, 576), at training step *step*; none where no line fits."""
        turn = step % len(self.recognizers)
        chosen = self._lines_for(self.recognizers[turn], batch)
        if not chosen:
            return {}
        rng = np.random.default_rng([self.seed, step, 1])
        rows, columns = (int(v) for v in rng.integers(-2, 3, size=2))
        height, width = batch.hr.shape[2:]
        boxes = [_shifted(box, rows, columns, height, width) for _, box in chosen]
        cut = [
            stack_lines([p[index, 0, t:b, le:r] for (index, _), (le, t, r, b) in zip(chosen, boxes, strict=True)])
            for p in (sr, batch.hr)
        ]
        texts = [batch.texts[index] for index, _ in chosen]
        (sr_lines, widths), (hr_lines, _) = cut
        return self.losses[turn](sr_lines, widths, hr_lines, texts, step, self.wanted).losses

    def _lines_for(self, recognizer: Recognizer, batch: Batch) -> list[tuple[int, tuple[int, int, int, int]]]:
        """Return (index, box) of the first lines that *recognizer* can write: a French one is none of English's."""
        chosen: list[tuple[int, tuple[int, int, int, int]]] = []
        for index, (text, box) in enumerate(zip(batch.texts, batch.boxes, strict=True)):
            if box is None or not text or box[2] - box[0] < 16:
                continue
            try:
                recognizer.encode(text)
            except RecognizerError as error:
                # One line a recognizer and language: a French book has thousands that English cannot write.
                pair = (recognizer.name, batch.languages[index])
                if pair not in self._said:
                    self._said.add(pair)
                    log.info("%s leaves out lines in %s, such as one with this: %s", *pair, error)
                continue
            chosen.append((index, box))
            if len(chosen) == self.lines:
                break
        return chosen


def _shifted(box: tuple[int, int, int, int], rows: int, columns: int, height: int, width: int) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    # Rows move together, so that all lines of a batch keep one height.
    rows = max(-top, min(rows, height - bottom))
    return max(0, left + columns), top + rows, min(width, right + columns), bottom + rows
