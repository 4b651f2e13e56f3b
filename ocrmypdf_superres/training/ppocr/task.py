# SPDX-License-Identifier: MPL-2.0
"""Tuning RapidOCR's recognizer: the task that the training loop is given."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ocrmypdf_superres.recognizers.base import collapse
from ocrmypdf_superres.recognizers.ppocr.recognizer import PPOCRRecognizer
from ocrmypdf_superres.training.data.ocr_lines.stream import Line
from ocrmypdf_superres.training.losses.recognition.ctc import CTCLoss
from ocrmypdf_superres.training.networks.reading import Reading
from ocrmypdf_superres.training.ppocr.batches import LineBatch, MixedBatches, as_read
from ocrmypdf_superres.training.ppocr.recipe import LineTuningRecipe
from ocrmypdf_superres.training.recipe import TrainingStage

log = logging.getLogger(__name__)


class LineTuning:
    """The recognizer, its lines and those that are held out; a :class:`~ocrmypdf_superres.training.protocols.Task`.

    Args:
        recipe: how to train. recognizer: to be trained. batches: lines to train on. held_out: lines to validate on.
    """

    def __init__(
        self, recipe: LineTuningRecipe, recognizer: PPOCRRecognizer, batches: MixedBatches, held_out: Sequence[Line]
    ) -> None:
        self.settings = recipe
        self.stages: tuple[TrainingStage, ...] = recipe.stages
        self.batches = batches
        self.held_out = held_out
        self.net: nn.Module = recognizer.requires_grad_(True)
        self.module = self.net
        self.criterion = CTCLoss()
        self.blank = recognizer.blank

    def prepare(self) -> None:
        """Do nothing: all that is needed was loaded at the start."""

    def begin_stage(self, number: int, resumed: bool) -> list[str] | None:
        """Change no weight; see :meth:`Task.begin_stage`."""
        return []

    def loss(self, forward: Callable[..., Any], batch: LineBatch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return CTC, in nats a character, of *batch*."""
        logits = forward(batch.images).float()
        steps = torch.full((batch.count,), logits.shape[1], dtype=torch.int64)
        value: Tensor = self.criterion(logits, steps, batch.codes, self.blank)
        return value, {"ctc": float(value.detach())}

    def fresh_net(self) -> nn.Module:
        """Return a new network of the same layers on the CPU."""
        return copy.deepcopy(self.net).cpu()

    def validate(self, net: nn.Module) -> float:
        """Return the CER of *net* on the held-out lines, in percent, and log that of their groups."""
        if not isinstance(net, PPOCRRecognizer):
            raise TypeError(f"{type(net).__name__} is not a recognizer of PP-OCR")
        found = read_greedily(net, self.held_out)
        log.info("%s.", ", ".join(f"{group} {rate:.2f}" for group, rate in sorted(found.rates.items())))
        return found.cer

    def save_samples(self, net: nn.Module, batch: LineBatch, path: Path) -> None:
        """Write nothing: a recognizer makes no images."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds besides the weights: nothing."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state_dict` returned."""


@torch.no_grad()
def read_greedily(recognizer: PPOCRRecognizer, lines: Sequence[Line]) -> Reading:
    """Return how *recognizer* reads *lines* by its best path, each by itself as RapidOCR does."""
    result = Reading()
    device = next(recognizer.parameters()).device
    for line in lines:
        best = recognizer(as_read(line.image).to(device))[0].argmax(dim=1).tolist()
        result.add(line, recognizer.decode(collapse(best, recognizer.blank)).strip())
    return result
