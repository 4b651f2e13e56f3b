# SPDX-License-Identifier: MPL-2.0
"""The specification of a network for upscaling and training, and the protocols that it may follow.

Every network is an ``nn.Module`` that an :class:`ArchitectureSpec` describes. A protocol is an optional ability of a
network, or of a layer; a class follows it by having its methods, without inheriting or registering anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from ocrmypdf_superres.errors import ModelError
from ocrmypdf_superres.tables import read_options

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["ArchitectureSpec", "Foldable", "Growable", "HasAuxiliaryOutputs", "HasInt8Form", "HasOwnLoss", "StartsFromFolded"]


@runtime_checkable
class Foldable(Protocol):
    """A network whose form for inference is smaller than the one for training, such as re-parameterised convolutions."""

    def fold(self) -> None:
        """Turn the network, in place, into its form for inference; its outputs stay the same up to rounding.

        A second call changes nothing. Model folders hold the weights of folded networks.
        """
        ...


@runtime_checkable
class StartsFromFolded(Protocol):
    """A layer in its form for training that can take the weights of a folded one: a convolution of the name ``main``.

    The convolution is not a member here: from Python 3.12 on, ``isinstance`` does not see the sub-modules of a module.
    """

    def start_from(self, weight: Tensor, bias: Tensor) -> None:
        """Make the layer compute what the folded convolution with *weight* and *bias* does, its branches kept."""
        ...


@runtime_checkable
class Growable(Protocol):
    """A network that can start from the folded weights of a smaller one of its architecture (Net2Net)."""

    def grown(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return folded weights of this network that compute what the folded weights *state* of a smaller one do.

        Raises:
            KeyError, ValueError: *state* is not of a network that this one can grow from.
        """
        ...


@runtime_checkable
class HasAuxiliaryOutputs(Protocol):
    """A network with more to supervise than the sr image, such as predicted contrast or the steps of a cascade."""

    @property
    def auxiliary_names(self) -> tuple[str, ...]:
        """The names of the outputs that a recipe may put losses on."""
        ...

    def auxiliary_outputs(self, lr: Tensor, hr: Tensor, scale: int, names: Sequence[str]) -> dict[str, tuple[Tensor, Tensor]]:
        """Return for each of *names* the output and its target, float tensors of the same shape.

        Args:
            lr: float (B, C, H, W) in [0, 1], with the network's channels.
            hr: float (B, C, scale H, scale W) in [0, 1].
            scale: the enlargement.
            names: some of :attr:`auxiliary_names`.
        """
        ...


@runtime_checkable
class HasOwnLoss(Protocol):
    """A network with a part that is trained by a line's text, such as LEMMA's prior, which reads the line."""

    def forward_with_readings(self, x: Tensor, scale: int | None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return what a call returns and, for :meth:`own_losses`, what the network read in *x* on the way."""
        ...

    def own_losses(self, readings: tuple[Tensor, ...], texts: Sequence[str], options: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the losses, scalars by name, of *readings* of a batch whose lines say *texts*.

        *options* are those that the recipe gives the loss.
        """
        ...


@runtime_checkable
class HasInt8Form(Protocol):
    """A network whose folded form can compute its convolutions in 8-bit integers."""

    def int8_convolutions(self) -> tuple[list[str], list[str]]:
        """Return the names of the convolutions, ``nn.Conv2d``, to quantise, and of those at the network's end.

        A ReLU follows each of the first, and another convolution of the two lists takes its output. What the second give
        is added to an enlargement in floats, whose error it is; 8 bits hold it in steps of about two grey levels.
        """
        ...


@dataclass(frozen=True)
class ArchitectureSpec:
    """Describe a network architecture, frozen.

    Attributes:
        name: registry name, lower case.
        task: ``"page"`` for nets that take any image size by tiles, ``"line"`` for nets that take text lines.
        config: frozen dataclass of the hyperparameters, all with defaults.
        build: makes the ``nn.Module`` from a config.  ``module(x)`` takes float (B, C, H, W) in [0, 1]
            and returns (B, C, scale H, scale W), not clipped. It may follow the protocols of this module.
        scales: gives the scales a config offers; ``module(x, scale)`` selects one where there are several.
        channels: 1 (luma) or 3, where the config has no field ``channels``; see :meth:`channels_of`.
        size_multiple: H and W must be multiples of it, in lr pixels.
        receptive_radius: gives, for a config, the receptive field's radius in lr pixels, which is the overlap of tiles.
            ``None`` means that the net cannot be tiled.
        paper: its source.
        line_size: rows and columns, in lr pixels, of the pieces of text lines that a ``"line"`` net takes.
    """

    name: str
    task: Literal["page", "line"]
    config: type[Any]
    build: Callable[[Any], nn.Module]
    scales: Callable[[Any], tuple[int, ...]]
    receptive_radius: Callable[[Any], int] | None
    channels: int = 1
    size_multiple: int = 1
    paper: str = ""
    line_size: tuple[int, int] | None = None

    def channels_of(self, config: Any) -> int:
        """Return the channels of the net that *config* describes; one of 3 runs on grey replicated, for its luma."""
        return int(getattr(config, "channels", self.channels))

    def parse_config(self, values: Mapping[str, Any]) -> Any:
        """Return the config dataclass made of *values*.

        Raises:
            ModelError: a key is unknown, or a value is of another type or refused.
        """
        given = read_options(self.config, values, f"The configuration of {self.name}", error=ModelError)
        try:
            return self.config(**given)
        except ValueError as error:
            raise ModelError(f"Architecture {self.name} refuses its configuration: {error}.") from error
