# SPDX-License-Identifier: MPL-2.0
"""TSRN (Wang et al., ECCV 2020): residual blocks with recurrent rows and columns, TextZoom's own net for text lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.line_layers import LINE_SIZE, Enlarge, RowGRU, gather_channels, spread_channels
from ocrmypdf_superres.architectures.blocks.tps import TPSSTN
from ocrmypdf_superres.architectures.spec import ArchitectureSpec


@dataclass(frozen=True)
class TSRNConfig:
    """Channels of the image inside the net (3, or 4 with the mask), features, blocks, whether TPS-STN comes first, its widths."""

    input_channels: int = 4
    features: int = 64
    blocks: int = 5
    stn: bool = True
    stn_eval: bool = False
    stn_widths: tuple[int, ...] = (32, 64, 128, 256, 256, 256)
    stn_hidden: int = 512

    def __post_init__(self) -> None:
        if self.input_channels not in (3, 4) or self.features % 4 or self.features < 4 or self.blocks < 1:
            raise ValueError("input_channels must be 3 or 4, features a multiple of 4, and blocks at least 1")


class RecurrentBlock(nn.Module):
    """Two convolutions, a GRU along columns, and after adding the input one along rows."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(features, features, 3, padding=1), nn.BatchNorm2d(features))
        self.second = nn.Sequential(nn.Conv2d(features, features, 3, padding=1), nn.BatchNorm2d(features))
        self.columns = RowGRU(features, mix=True)
        self.rows = RowGRU(features, mix=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return float (B, features, 16, 64) for *x* of the same shape."""
        value = self.second(functional.mish(self.first(x)))
        value = self.columns(value.transpose(2, 3)).transpose(2, 3)
        mixed: Tensor = self.rows(x + value)
        return mixed


class LineTrunk(nn.Module):
    """``net(x)``: float (B, 1, 3 or input_channels, 16, 64) in [0, 1] to twice the size, as many channels, in [-1, 1] (tanh).

    The layout that TSRN and TBSRN share; *blocks* are their own.
    """

    def __init__(self, config: Any, blocks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.config = config
        features = config.features
        self.stn = (
            TPSSTN(config.input_channels, LINE_SIZE, config.stn_widths, config.stn_hidden, config.stn_eval)
            if config.stn
            else None
        )
        self.stem = nn.Sequential(nn.Conv2d(config.input_channels, features, 9, padding=4), nn.PReLU())
        self.blocks = nn.Sequential(*blocks)
        self.merge = nn.Sequential(nn.Conv2d(features, features, 3, padding=1), nn.BatchNorm2d(features))
        self.enlarge = Enlarge(features)
        self.tail = nn.Conv2d(features, config.input_channels, 9, padding=4)

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """Return the sr lines; there is one *scale*, 2."""
        value = spread_channels(x, self.config.input_channels)
        if self.stn is not None:
            value = self.stn(value)
        value = self.stem(value)
        value = value + self.merge(self.blocks(value))
        return gather_channels(torch.tanh(self.tail(self.enlarge(value))), x.shape[1])


class TSRN(LineTrunk):
    """See :class:`LineTrunk`."""

    def __init__(self, config: TSRNConfig) -> None:
        super().__init__(config, (RecurrentBlock(config.features) for _ in range(config.blocks)))


SPEC = ArchitectureSpec(
    name="tsrn", task="line", config=TSRNConfig, build=TSRN, scales=lambda config: (2,), receptive_radius=None,
    line_size=LINE_SIZE, paper="Wang et al., Scene Text Image Super-Resolution in the Wild, ECCV 2020",
)  # fmt: skip
