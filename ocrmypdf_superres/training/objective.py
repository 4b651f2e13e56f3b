# SPDX-License-Identifier: MPL-2.0
"""The sum of a stage's losses on one batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ocrmypdf_superres.architectures.spec import HasOwnLoss
from ocrmypdf_superres.recognizers import load
from ocrmypdf_superres.recognizers.base import Recognizer
from ocrmypdf_superres.training.balance import make_balance
from ocrmypdf_superres.training.data.batches import Batch
from ocrmypdf_superres.training.protocols import Loss, LossOfParts, LossThatTrains, Target
from ocrmypdf_superres.training.reading_losses import LineLosses
from ocrmypdf_superres.training.recipe import Stage
from ocrmypdf_superres.training.registries import LossSetting

TRAINED = "trained losses"
T = TypeVar("T")
Pairs = Mapping[str, tuple[Tensor, Tensor]]


class SharedParts:
    """The losses and recognizers of a run, each made once, even where several stages have it.

    Args:
        device: where they compute; networks that losses look through are frozen, but have to be where the images are.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cpu")
        self._losses: dict[str, Loss] = {}
        self._recognizers: dict[str, Recognizer] = {}

    def loss(self, setting: LossSetting) -> Loss:
        """Return the loss of *setting*.

        Raises:
            OptionError, RecognizerError: the loss refuses its options or needs something that is not installed.
        """
        key = f"{setting.name} {sorted(setting.options.items())}"
        if key not in self._losses:
            self._losses[key] = self._placed(setting.make())
        return self._losses[key]

    def recognizer(self, name: str) -> Recognizer:
        """Return the recognizer *name*.

        Raises:
            RecognizerError: it is not installed or damaged.
        """
        if name not in self._recognizers:
            self._recognizers[name] = self._placed(load(name))
        return self._recognizers[name]

    def _placed(self, part: T) -> T:
        return part.to(self.device) if isinstance(part, nn.Module) else part


class Objective:
    """Computes a stage's loss.

    Losses of the sr image have the recipe's names, those of an auxiliary output its name before theirs (``edges0 l2``), and
    the parts of a loss that has several, which the balance weighs apart, theirs after it (``detector scores``).

    Attributes:
        weights: the recipe's weight of each of them.
        heads: the losses on auxiliary outputs, by output and name.
        image: whether a loss needs the sr image.

    Args:
        stage: with the losses. seed: of the jitter of lines before they are read. shared: what other stages have made.

    Raises:
        OptionError, RecognizerError: a loss cannot be made with its options, or a recognizer is not installed.
    """

    def __init__(self, stage: Stage, seed: int, shared: SharedParts | None = None) -> None:
        shared = shared or SharedParts()
        self.weights: dict[str, float] = {}
        self.losses: dict[str, Loss] = {}
        reading: list[str] = []
        for name, setting in stage.loss_settings().items():
            if setting.reads_lines:
                reading.append(name)
                self.weights[name] = setting.weight
            else:
                self.losses[name] = self._weighed(name, setting, shared)
        recognizers = [shared.recognizer(name) for name in stage.recognizers] if reading else []
        self.reading = LineLosses(recognizers, reading, stage.recognizer_lines, seed) if reading else None
        self.heads = {
            head: {f"{head} {name}": self._weighed(f"{head} {name}", setting, shared) for name, setting in settings.items()}
            for head, settings in stage.head_settings().items()
        }
        self.image = bool(self.losses or reading)
        self.balance = make_balance(stage.balance, list(self.weights), f"Stage {stage.name}")

    def _weighed(self, name: str, setting: LossSetting, shared: SharedParts) -> Loss:
        loss = shared.loss(setting)
        parts = loss.parts if isinstance(loss, LossOfParts) else {}
        self.weights |= {f"{name} {part}": setting.weight * share for part, share in parts.items()} or {name: setting.weight}
        return loss

    def __call__(
        self,
        sr: Tensor | None,
        batch: Batch,
        step: int,
        heads: Pairs | None = None,
        net: nn.Module | None = None,
        readings: tuple[Tensor, ...] = (),
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the weighted sum, and each loss's own value.

        The balance learns from values that have a gradient only: a validation does not move it.

        Args:
            sr: float (B, 1, 96, 576), None where no loss needs it.
            batch: on sr's device.
            step: of the run; which recognizer reads, and how lines are jittered, depends on it.
            heads: each auxiliary output with its target.
            net: made *sr* and, beside it, *readings* for a loss of its own; without a net that loss is left out.
            readings: see there.
        """
        terms: dict[str, Tensor] = {}
        if sr is not None:
            for name, loss in self.losses.items():
                if loss.target is Target.NET:
                    terms |= loss(net, batch, readings) if isinstance(net, HasOwnLoss) else {}
                elif loss.target is Target.BATCH:
                    terms |= _terms(name, loss, sr, batch)
                else:
                    terms |= _terms(name, loss, sr, batch.lr if loss.target is Target.LR else batch.hr)
            if self.reading is not None:
                terms.update(self.reading(sr, batch, step))
        for head, (output, wanted) in (heads or {}).items():
            for name, loss in self.heads[head].items():
                terms |= _terms(name, loss, output.float(), wanted)
        factors = self.balance.factors
        weighted = [self.weights[name] * factors[name] * value for name, value in terms.items()]
        if not weighted and sr is not None:
            weighted = [0.0 * sr.sum()]  # none of the lines can be read, and nothing else is compared
        total = torch.stack(weighted).sum()
        values = {name: float(value.detach()) for name, value in terms.items()}
        if total.requires_grad:
            self.balance.observe({name: self.weights[name] * value for name, value in values.items()})
        return total, values

    def _all(self) -> dict[str, Loss]:
        """Return the losses of sr and of the heads, by name."""
        return {name: loss for losses in (self.losses, *self.heads.values()) for name, loss in losses.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds: the state of the balance, and of losses that train something themselves."""
        trained = {name: loss.training_state() for name, loss in self._all().items() if isinstance(loss, LossThatTrains)}
        return {**self.balance.state_dict(), **({TRAINED: trained} if trained else {})}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state_dict` returned."""
        for name, own in state.get(TRAINED, {}).items():
            loss = self._all().get(name)
            if isinstance(loss, LossThatTrains):
                loss.load_training_state(own)
        self.balance.load_state_dict({key: value for key, value in state.items() if key != TRAINED})


def _terms(name: str, loss: Loss, output: Tensor, target: Tensor | Batch) -> dict[str, Tensor]:
    value = loss.to(output.device)(output, target)
    return {f"{name} {part}": v for part, v in value.items()} if isinstance(value, dict) else {name: value}
