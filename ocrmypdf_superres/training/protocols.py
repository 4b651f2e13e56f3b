# SPDX-License-Identifier: MPL-2.0
"""The protocols of training's parts; other packages offer losses, degradations and sources that follow them.

The optional protocols of networks are in :mod:`ocrmypdf_superres.architectures.spec`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ocrmypdf_superres.tables import read_options

if TYPE_CHECKING:
    from ocrmypdf_superres.training.data.sample import Sample
    from ocrmypdf_superres.training.recipe import RunSettings, Source, TrainingStage

__all__ = ["Batches", "DegradationStage", "Loss", "LossOfParts", "SampleSource", "SourceKind", "Target"]

B = TypeVar("B", bound="TrainingBatch")
Out = TypeVar("Out", bound="TrainingBatch", covariant=True)


class Target(Enum):
    """What a loss compares the sr image with, which decides how it is called.

    sr, hr and lr are luma, float (B, 1, H, W); hr and lr in [0, 1], sr not clipped. Losses return a scalar, or where they
    are a :class:`LossOfParts` a scalar for each part.
    """

    HR = "hr"
    """``loss(sr, hr)``: the image as it should be, of the same size; the only one that auxiliary outputs can have."""
    LR = "lr"
    """``loss(sr, lr)``: the image that the net was given."""
    BATCH = "batch"
    """``loss(sr, batch)``: all of the :class:`~ocrmypdf_superres.training.data.batches.Batch`, with its texts and boxes."""
    NET = "net"
    """``loss(net, batch, readings)``: a network that is :class:`~ocrmypdf_superres.architectures.spec.HasOwnLoss`."""


@runtime_checkable
class Loss(Protocol):
    """A loss on the sr image or an auxiliary output: an ``nn.Module`` without parameters to train.

    Packages offer one in the group ``ocrmypdf_superres.losses``: the class, or a function with the class as its return
    annotation. Its arguments, annotated and with defaults, are the options that a recipe may give.
    """

    target: Target

    def __call__(self, *args: Any) -> Any:
        """Return the value, a scalar with a gradient; for the arguments see :class:`Target`."""
        ...

    def to(self, device: torch.device) -> Loss:
        """Return the loss on *device*, as ``nn.Module.to`` does."""
        ...


@runtime_checkable
class LossOfParts(Loss, Protocol):
    """A loss that returns a scalar for each of its parts, which the balance weighs apart."""

    parts: Mapping[str, float]
    """Part -> its share of the loss's weight."""


@runtime_checkable
class LossThatTrains(Loss, Protocol):
    """A loss with a network of its own that is trained beside the net, whose state belongs into checkpoints."""

    def training_state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        ...

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`training_state` returned; called on the device that the loss stays on, or the CPU."""
        ...


class DegradationStage(Protocol):
    """One step from an hr strip to the lr strip that a poor scanner would have made of it.

    Packages offer one in the group ``ocrmypdf_superres.degradations``: a callable, usually a frozen dataclass, whose
    arguments, annotated and with defaults, are the settings that a recipe may give; it returns such a stage.
    """

    def __call__(self, image: NDArray[np.float32], rng: np.random.Generator, scale: int) -> NDArray[np.float32]:
        """Return *image*, float32 (H, W) about [0, 1], degraded; random numbers come from *rng* alone.

        Stages before ``downsample`` get hr pixels and may use *scale*, those after it lr pixels.
        """
        ...


class SampleSource(Protocol):
    """A source of training images: strips of pages around a line of text, or text lines."""

    def sample(self, rng: np.random.Generator, line_height: int, scale: int) -> Sample:
        """Return one sample, which depends on *rng* alone.

        Args:
            rng: the generator of random numbers.
            line_height: the height in hr pixels that the line should have with its padding; text lines have their own.
            scale: the enlargement that the sample's lr, where it has one, is for.
        """
        ...


@dataclass(frozen=True)
class SourceKind:
    """A kind of source, as packages offer it in the group ``ocrmypdf_superres.sources``.

    Attributes:
        make: called as ``make(source, data, cache, **options)`` with the recipe's table, the data root, and a folder for
            what is worth keeping; returns the source. Raises OptionError where the folder cannot be used.
        lines: whether it gives text lines, float32 (32, 128), instead of page strips, float32 (96, 576).
        low: whether the recipe's ``low`` is needed, optional or refused.
    """

    make: Callable[..., SampleSource]
    lines: bool = False
    low: Literal["needed", "optional", "none"] = "none"

    def read_options(self, values: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Return the options *values*, checked against the arguments of ``make``; *where* names them in messages.

        Raises:
            OptionError: an unknown option, or a value of the wrong type.
        """
        return read_options(self.make, values, where, skip=3)

    def open(self, source: Source, data: Path, cache: Path) -> SampleSource:
        """Return the source that the recipe's table *source* describes.

        Raises:
            OptionError: its options or its folder cannot be used.
        """
        return self.make(source, data, cache, **self.read_options(source.options, f"Source {source.kind}, options"))


class TrainingBatch(Protocol):
    """The images of one training step."""

    @property
    def count(self) -> int:
        """The number of images."""
        ...

    def to(self: B, device: torch.device) -> B:
        """Return the batch with its tensors on *device*; this one stays as it is."""
        ...

    def part(self: B, own: slice) -> B:
        """Return the batch with the images *own* alone, for one of several processes."""
        ...


class Batches(Protocol[Out]):
    """The batches of a run by step, each of which depends on the seed and its step alone, so that resuming is exact."""

    def __len__(self) -> int:
        """Return the number of steps."""
        ...

    def __getitem__(self, step: int) -> Out:
        """Return the batch of *step*, from 0."""
        ...


class Task(Protocol[B]):
    """What a :class:`~ocrmypdf_superres.training.loop.trainer.Trainer` trains: a network, its data and its loss."""

    @property
    def settings(self) -> RunSettings:
        """The settings of the run."""
        ...

    @property
    def stages(self) -> tuple[TrainingStage, ...]:
        """The stages, in their order."""
        ...

    @property
    def net(self) -> nn.Module:
        """The network, in its form for training."""
        ...

    @property
    def module(self) -> nn.Module:
        """A module that calls the network during training, by one forward a step, as several processes need it."""
        ...

    @property
    def batches(self) -> Batches[B]:
        """The batches of all steps of all stages."""
        ...

    def prepare(self) -> None:
        """Load what any stage needs, so that nothing is missing later; called once, before the first step.

        Raises:
            SuperresError: something that the recipe names is missing.
        """
        ...

    def begin_stage(self, number: int, resumed: bool) -> list[str] | None:
        """Do what stage *number* begins with, except for the optimizer; called before its first step and after resuming.

        Args:
            number: the stage's, from 0.
            resumed: whether the run continues within the stage, whose weights are those of the checkpoint.

        Returns:
            The names of the tensors of the net that have new values, None for all of them; empty where none has.
        """
        ...

    def loss(self, forward: Callable[..., Any], batch: B, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of *batch*, a scalar to minimise, and the values to log.

        Args:
            forward: calls :attr:`module`, in the precision of the run.
            batch: on the device.
            step: of the run, from 0.
        """
        ...

    def fresh_net(self) -> nn.Module:
        """Return a new net of the same architecture on the CPU, for weights to be loaded into."""
        ...

    def validate(self, net: nn.Module) -> float:
        """Return the metric of the recipe's validation for *net*, which is on the device and in evaluation mode."""
        ...

    def save_samples(self, net: nn.Module, batch: B, path: Path) -> None:
        """Write images of what *net*, on the CPU, makes of *batch* to *path*, where the task has such."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds of the task besides the weights."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state_dict` returned; called after :meth:`begin_stage`."""
        ...
