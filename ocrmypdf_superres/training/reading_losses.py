# SPDX-License-Identifier: MPL-2.0
"""Losses by reading: the lines of a batch, cut from sr and hr, go to one of the recognizers."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ocrmypdf_superres.architectures.blocks.layers import grey_of
from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.recognizers.base import Recognizer, stack_lines
from ocrmypdf_superres.training.data.batches import Batch
from ocrmypdf_superres.training.losses.recognition.jitter import Jitter
from ocrmypdf_superres.training.losses.recognition.reading import Readings, RecognizerLosses

log = logging.getLogger(__name__)


class LineLosses:
    """CTC against the text, and the distances between what a recognizer reads in sr and in hr.

    Args:
        recognizers: take turns, one a step, which costs no more than having one.
        names: which of ctc, probabilities and features to compute.
        lines: how many lines of a batch are read.
        seed: of the jitter of crops and sizes, which keeps the net from making texture for one phase.
    """

    def __init__(self, recognizers: Sequence[Recognizer], names: Sequence[str], lines: int, seed: int) -> None:
        self.recognizers = list(recognizers)
        # The crop's own shift moves real neighbours in and out; white padding would not look like a page.
        jitter = Jitter(padding=0)
        self.losses = [RecognizerLosses([recognizer], jitter=jitter, seed=seed) for recognizer in self.recognizers]
        self.names = tuple(names)
        self.lines = lines
        self.seed = seed
        self._reported: set[tuple[str, str]] = set()

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
            stack_lines([image[index, 0, t:b, le:r] for (index, _), (le, t, r, b) in zip(chosen, boxes, strict=True)])
            for image in (grey_of(sr), grey_of(batch.hr))
        ]
        texts = [batch.texts[index] for index, _ in chosen]
        (sr_lines, widths), (hr_lines, _) = cut
        readings: Readings = self.losses[turn](sr_lines, widths, hr_lines, texts, step, self.names)
        return readings.losses

    def _lines_for(self, recognizer: Recognizer, batch: Batch) -> list[tuple[int, tuple[int, int, int, int]]]:
        """Return (index, box) of the first lines that *recognizer* can write: English has no codes for some French ones."""
        chosen: list[tuple[int, tuple[int, int, int, int]]] = []
        for index, (text, box) in enumerate(zip(batch.texts, batch.boxes, strict=True)):
            if box is None or not text or box[2] - box[0] < 16:
                continue
            try:
                recognizer.encode(text)
            except RecognizerError as error:
                # One line a recognizer and language: a French book has thousands that English cannot write.
                pair = (recognizer.name, batch.languages[index])
                if pair not in self._reported:
                    self._reported.add(pair)
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
