# SPDX-License-Identifier: MPL-2.0
"""The course of a run's validation: the best weights so far, and when a stage has stopped improving."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ocrmypdf_superres.training.recipe import Validation

HIGHER_IS_BETTER = ("psnr", "accuracy")
LATER_OF_EQUALS = ("accuracy",)
"""Metrics of which the later of two equal values wins: the net has learned more, as where nothing is read right yet."""


@dataclass
class Watch:
    """The validation's course so far, which a checkpoint keeps.

    Attributes:
        rows: step, stage and value of each validation.
        value: the best value, None before the first. step: when it was. weights: those that gave it, on the CPU.
        waited: validations of this stage since the last improvement.
        left_out: steps of stages that ended early.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    value: float | None = None
    step: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)
    waited: int = 0
    left_out: int = 0

    def begin_stage(self, settings: Validation) -> None:
        """Restart the count; values of the metric ``loss`` are compared within a stage only, since stages have other losses."""
        self.waited = 0
        if settings.metric == "loss":
            self.value = None

    def record(self, settings: Validation, step: int, stage: str, value: float, weights: dict[str, Tensor]) -> bool:
        """Note *value*, keep copies of *weights* where it is the best; return whether the patience has run out."""
        self.rows.append({"step": step, "stage": stage, "value": value})
        if math.isfinite(value) and self._improves(settings.metric, value):
            self.value, self.step, self.waited = value, step, 0
            self.weights = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
        else:
            self.waited += 1
        return 0 < settings.patience <= self.waited

    def leave_out(self, step: int, end: int) -> int:
        """Note that the steps of a stage from *step* to its *end* are left out; return *end*."""
        self.left_out += end - step
        return end

    def done(self, step: int) -> int:
        """Return how many steps were done when *step* is reached."""
        return step - self.left_out

    def _improves(self, metric: str, value: float) -> bool:
        if self.value is None:
            return True
        sign = 1.0 if metric in HIGHER_IS_BETTER else -1.0
        return sign * value > sign * self.value or (metric in LATER_OF_EQUALS and value == self.value)
