# SPDX-License-Identifier: MPL-2.0
"""The sum of a stage's losses on one batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.balance import make_balance
from ocrmypdf_superres.training.data.batches import Batch
from ocrmypdf_superres.training.losses.registry import is_reading, make_loss, split_setting
from ocrmypdf_superres.training.reading import Reading
from ocrmypdf_superres.training.recipe import Stage


class Objective:
    """Computes a stage's loss.

    Raises:
        OptionError: the stage names an unknown loss, balance or option, or a reading loss without a recognizer.
    """

    def __init__(self, stage: Stage, seed: int) -> None:
        where = f"Stage {stage.name}"
        settings = {name: split_setting(value, f"{where}, loss {name}") for name, value in stage.losses.items()}
        self.weights = {name: weight for name, (weight, _) in settings.items()}
        reading = {name: weight for name, (weight, options) in settings.items() if is_reading(name, options, where)}
        if reading and not stage.recognizers:
            raise OptionError(f"Stage {stage.name} has the loss {next(iter(reading))!r}, which needs recognizers = [...].")
        self.strips = {name: make_loss(name, options, where) for name, (_, options) in settings.items() if name not in reading}
        self.reading = Reading(stage.recognizers, reading, stage.recognizer_lines, seed) if reading else None
        self.balance = make_balance(stage.balance, list(settings), where)

    def __call__(self, sr: Tensor, batch: Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the weighted sum for *sr*, float (B, 1, 96, 576), and each loss's own value.

        The balance learns from *sr* that has a gradient only: a validation does not move it.
        """
        terms: dict[str, Tensor] = {}
        for name, loss in self.strips.items():
            target: Tensor = getattr(batch, str(getattr(loss, "target", "hr")))
            terms[name] = loss.to(sr.device)(sr, target.to(sr.device))
        if self.reading is not None:
            terms.update(self.reading(sr, batch, step))
        factors = self.balance.factors
        total = torch.stack([self.weights[name] * factors[name] * value for name, value in terms.items()]).sum()
        values = {name: float(value.detach()) for name, value in terms.items()}
        if sr.requires_grad:
            self.balance.observe({name: self.weights[name] * value for name, value in values.items()})
        return total, values

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds: the balance's state."""
        return self.balance.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.balance.load_state_dict(state)
