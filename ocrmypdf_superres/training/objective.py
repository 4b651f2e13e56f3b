# SPDX-License-Identifier: MPL-2.0
"""The sum of a stage's losses on one batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.balance import make_balance
from ocrmypdf_superres.training.data.batches import Batch
from ocrmypdf_superres.training.losses.registry import is_reading, make_loss, split_setting
from ocrmypdf_superres.training.reading_losses import Reading
from ocrmypdf_superres.training.recipe import Stage

Pairs = Mapping[str, tuple[Tensor, Tensor]]


class Objective:
    """Computes a stage's loss.

    Losses of the sr image have the recipe's names, those of a head the head's before it (``edges0 l2``), and a loss
    of several parts, which the balance weighs apart, gives each one's behind it (``detector scores``).

    Attributes:
        heads: what the stage supervises beside, or instead of, the sr image.
        image: whether a loss needs the sr image.

    Raises:
        OptionError: the stage names an unknown loss, balance or option, or a reading loss without a recognizer.
    """

    def __init__(self, stage: Stage, seed: int) -> None:
        where = f"Stage {stage.name}"
        self.weights: dict[str, float] = {}
        self.strips: dict[str, nn.Module] = {}
        reading: dict[str, float] = {}
        for name, value in stage.losses.items():
            weight, options = split_setting(value, f"{where}, loss {name}")
            if is_reading(name, options, where):
                reading[name] = self.weights[name] = weight
            else:
                self._add(self.strips, name, make_loss(name, options, where), weight)
        if reading and not stage.recognizers:
            raise OptionError(f"Stage {stage.name} has the loss {next(iter(reading))!r}, which needs recognizers = [...].")
        self.reading = Reading(stage.recognizers, reading, stage.recognizer_lines, seed) if reading else None
        self.heads: dict[str, dict[str, nn.Module]] = {}
        for head, losses in stage.heads.items():
            self._add_head(head, losses, f"{where}, head {head},")
        self.image = bool(self.strips or reading)
        self.balance = make_balance(stage.balance, list(self.weights), where)

    def _add(self, losses: dict[str, nn.Module], name: str, loss: nn.Module, weight: float) -> None:
        losses[name] = loss
        parts: Mapping[str, float] = getattr(loss, "parts", {})
        self.weights |= {f"{name} {part}": weight * share for part, share in parts.items()} or {name: weight}

    def _add_head(self, head: str, losses: object, where: str) -> None:
        if not isinstance(losses, Mapping) or not losses:
            raise OptionError(f"{where} has {losses!r}, but a table of losses was expected.")
        self.heads[head] = {}
        for name, value in losses.items():
            weight, options = split_setting(value, f"{where} loss {name}")
            if is_reading(name, options, where):
                raise OptionError(f"{where} has the loss {name!r}, which reads lines of the sr image; put it in losses.")
            loss = make_loss(name, options, where)
            if getattr(loss, "target", "hr") != "hr":
                raise OptionError(f"{where} has the loss {name!r}, which looks at more than one image and hr; put it in losses.")
            self._add(self.heads[head], f"{head} {name}", loss, weight)

    def __call__(
        self, sr: Tensor | None, batch: Batch, step: int, heads: Pairs | None = None, net: nn.Module | None = None,
        readings: tuple[Tensor, ...] = (),
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the weighted sum, and each loss's own value, for *sr*, float (B, 1, 96, 576), and the *heads*' outputs.

        *net* made *sr* and, beside it, *readings* for a loss of its own; without a net that loss is left out.
        The balance learns from what has a gradient only: a validation does not move it.
        """
        terms: dict[str, Tensor] = {}
        if sr is not None:
            for name, loss in self.strips.items():
                target = str(getattr(loss, "target", "hr"))
                if target == "net":
                    terms |= loss(net, batch, readings) if net is not None else {}
                elif target == "batch":
                    terms[name] = loss.to(sr.device)(sr, batch)
                else:
                    terms |= _terms(name, loss, sr, getattr(batch, target))
            if self.reading is not None:
                terms.update(self.reading(sr, batch, step))
        for head, (output, wanted) in (heads or {}).items():
            for name, loss in self.heads[head].items():
                terms |= _terms(name, loss, output.float(), wanted)
        factors = self.balance.factors
        total = torch.stack([self.weights[name] * factors[name] * value for name, value in terms.items()]).sum()
        values = {name: float(value.detach()) for name, value in terms.items()}
        if total.requires_grad:
            self.balance.observe({name: self.weights[name] * value for name, value in values.items()})
        return total, values

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds: the balance's state."""
        return self.balance.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.balance.load_state_dict(state)


def _terms(name: str, loss: nn.Module, output: Tensor, target: Tensor) -> dict[str, Tensor]:
    value = loss.to(output.device)(output, target.to(output.device))
    return {f"{name} {part}": v for part, v in value.items()} if isinstance(value, dict) else {name: value}
