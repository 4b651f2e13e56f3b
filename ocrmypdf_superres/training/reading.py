# SPDX-License-Identifier: MPL-2.0
"""Losses that read: the lines of a batch, cut from sr and hr, before one of the recognizers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ocrmypdf_superres.training.data.batches import Batch

READING_LOSSES = ("ctc", "probabilities")


class Reading:
    """Placeholder of the pixel-only stage."""

    def __init__(self, names: Sequence[str], weights: Mapping[str, float], lines: int, seed: int) -> None:
        self.names = names

    def __call__(self, sr: Tensor, batch: Batch, step: int) -> dict[str, Tensor]:
        return {}
