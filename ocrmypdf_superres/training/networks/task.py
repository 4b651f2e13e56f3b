# SPDX-License-Identifier: MPL-2.0
"""Tuning a network of Tesseract: the task that the training loop is given."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import TrainedData
from ocrmypdf_superres.recognizers.tesseract.format.writer import float_copy
from ocrmypdf_superres.recognizers.tesseract.network import LineNetwork
from ocrmypdf_superres.recognizers.tesseract.recognizer import TesseractRecognizer
from ocrmypdf_superres.training.losses.recognition.ctc import CTCLoss
from ocrmypdf_superres.training.networks.batches import EpochBatches, FolderBatches, LineBatch
from ocrmypdf_superres.training.recipe import RunSettings, TrainingStage

ErrorRate = Callable[[TrainedData], float]
"""Gives the error rate of a tuned float network on held-out lines, such as that of the program with it as a file."""


def tunable(data: TrainedData) -> TesseractRecognizer:
    """Return the network of *data* in floats, to be trained: rounding as Tesseract does, with noise around lines as it has."""
    recognizer = TesseractRecognizer(float_copy(data), rounding=True)
    recognizer.set_border("random")
    recognizer.network.requires_grad_(True)
    return recognizer


def only_outputs(recognizer: TesseractRecognizer, characters: str) -> tuple[str, ...]:
    """Leave no gradient to the last layer but for the outputs of *characters*; return the names of its parameters.

    With all other parameters frozen, a character that the lines of a tuning lacked is learnt and nothing else changes.

    Raises:
        RecognizerError: the charset lacks one of them.
    """
    last = recognizer.network.last()
    rows = torch.zeros(len(last.bias), dtype=torch.bool)
    rows[recognizer.encode(characters)] = True

    def masked(gradient: Tensor) -> Tensor:
        return gradient * rows.to(gradient.device).view(-1, *[1] * (gradient.ndim - 1))

    for parameter in (last.weight, last.bias):
        parameter.register_hook(masked)  # type: ignore[no-untyped-call]
    return tuple(name for name, one in recognizer.network.named_parameters() if one is last.weight or one is last.bias)


class NetworkTuning:
    """The network of a ``.traineddata`` file and its lines; a :class:`~ocrmypdf_superres.training.protocols.Task`.

    Args:
        data: the network, int8 or float.
        recognizer: :func:`tunable` of it.
        batches: lines to tune on.
        settings, stages: of the run.
        error_rate: the metric; needed for validation.

    Attributes:
        losses: of each step, in nats a character.
    """

    def __init__(
        self,
        data: TrainedData,
        recognizer: TesseractRecognizer,
        batches: EpochBatches | FolderBatches,
        settings: RunSettings,
        stages: tuple[TrainingStage, ...],
        error_rate: ErrorRate | None = None,
    ) -> None:
        self.data = data
        self.recognizer = recognizer
        self.batches = batches
        self.settings = settings
        self.stages = stages
        self.error_rate = error_rate
        self.net: nn.Module = recognizer.network
        self.module = self.net
        self.criterion = CTCLoss()
        self.losses: list[float] = []

    def prepare(self) -> None:
        """Do nothing: all that is needed was loaded at the start."""

    def begin_stage(self, number: int, resumed: bool) -> list[str] | None:
        """Change no weight; see :meth:`Task.begin_stage`."""
        return []

    def loss(self, forward: Callable[..., Any], batch: LineBatch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return CTC, in nats a character, of *batch*."""
        logits, lengths = forward(batch.images, batch.widths)
        value: Tensor = self.criterion(logits, lengths, batch.codes, self.recognizer.blank, self.recognizer.equals)
        self.losses.append(float(value.detach()))
        return value, {"ctc": self.losses[-1]}

    def fresh_net(self) -> nn.Module:
        """Return a new network of the same layers on the CPU."""
        return copy.deepcopy(self.net).cpu()

    def tuned(self, net: nn.Module) -> TrainedData:
        """Return the float network with the weights of *net*."""
        if not isinstance(net, LineNetwork):
            raise TypeError(f"{type(net).__name__} is not a network of Tesseract")
        return float_copy(self.data, net.cpu())

    def validate(self, net: nn.Module) -> float:
        """Return the error rate of *net* as a file for the program."""
        if self.error_rate is None:
            raise OptionError("A validation was asked for without something that gives the error rate; give held-out lines.")
        return self.error_rate(self.tuned(net))

    def save_samples(self, net: nn.Module, batch: LineBatch, path: Path) -> None:
        """Write nothing: a recognizer makes no images."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds: the losses of the steps, and the files of lines."""
        files = self.batches.folder.names if isinstance(self.batches, FolderBatches) else []
        return {"losses": self.losses, "files": list(files)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state_dict` returned.

        Raises:
            OptionError: files of lines are missing.
        """
        self.losses = list(state["losses"])
        if isinstance(self.batches, FolderBatches):
            self.batches.folder.restore(state["files"])

    def mean_losses(self, size: int) -> list[float]:
        """Return the mean loss of each *size* steps in turn."""
        return [float(np.mean(self.losses[start : start + size])) for start in range(0, len(self.losses), size)]
