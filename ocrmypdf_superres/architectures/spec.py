# SPDX-License-Identifier: MPL-2.0
"""What the engine and the trainer need to know of a network without building it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from ocrmypdf_superres.errors import ModelError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ArchitectureSpec:
    """A network architecture, explicit and frozen.

    Attributes:
        name: registry name, lower case.
        task: ``"page"`` for nets that take any image size by tiles, ``"line"`` for nets that take text lines.
        config: frozen dataclass of the hyperparameters, all with defaults.
        build: makes the ``nn.Module`` from a config.  ``module(x)`` takes float (B, C, H, W) in [0, 1]
            and returns (B, C, scale H, scale W), not clipped.
        scales: gives the scales a config offers; ``module(x, scale)`` selects one where there are several.
        channels: 1 (luma) or 3, where the config has no field ``channels``; see :meth:`channels_of`.
        size_multiple: H and W must be multiples of it, in lr pixels.
        receptive_radius: gives, for a config, how far an output pixel looks, in lr pixels; the tile overlap.
            ``None`` means that the net cannot be tiled.
        paper: where it comes from.
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
            ModelError: a key is unknown or a value is refused.
        """
        known = {field.name for field in fields(self.config)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ModelError(
                f"Architecture {self.name} was given the unknown setting {unknown[0]!r}; known are {', '.join(sorted(known))}."
            )
        try:
            return self.config(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
        except (TypeError, ValueError) as error:
            raise ModelError(f"Architecture {self.name} refuses its configuration: {error}.") from error
