# SPDX-License-Identifier: MPL-2.0
"""The sum of a stage's losses on one batch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.data.batches import Batch
from ocrmypdf_superres.training.losses.charbonnier import CharbonnierLoss
from ocrmypdf_superres.training.losses.gradient import GradientLoss
from ocrmypdf_superres.training.reading import READING_LOSSES, Reading
from ocrmypdf_superres.training.recipe import Stage

_PIXEL_LOSSES: dict[str, type[nn.Module]] = {"charbonnier": CharbonnierLoss, "gradient": GradientLoss}


class Objective:
    """Computes a stage's loss.

    Raises:
        OptionError: the stage names an unknown loss, or a reading loss without a recognizer.
    """

    def __init__(self, stage: Stage, seed: int) -> None:
        known = sorted([*_PIXEL_LOSSES, *READING_LOSSES])
        for name in stage.losses:
            if name not in known:
                raise OptionError(f"Stage {stage.name} names the unknown loss {name!r}; known are {', '.join(known)}.")
        self.weights: Mapping[str, float] = stage.losses
        self.pixel = {name: _PIXEL_LOSSES[name]() for name in stage.losses if name in _PIXEL_LOSSES}
        reading = {name: weight for name, weight in stage.losses.items() if name in READING_LOSSES}
        if reading and not stage.recognizers:
            raise OptionError(f"Stage {stage.name} has the loss {next(iter(reading))!r}, which needs recognizers = [...].")
        self.reading = Reading(stage.recognizers, reading, stage.recognizer_lines, seed) if reading else None

    def __call__(self, sr: Tensor, batch: Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the weighted sum for *sr*, float (B, 1, 96, 576), and each loss's own value."""
        terms: dict[str, Tensor] = {name: loss(sr, batch.hr) for name, loss in self.pixel.items()}
        if self.reading is not None:
            terms.update(self.reading(sr, batch, step))
        total = torch.stack([self.weights[name] * value for name, value in terms.items()]).sum()
        return total, {name: float(value.detach()) for name, value in terms.items()}
