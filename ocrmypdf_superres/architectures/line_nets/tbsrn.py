# SPDX-License-Identifier: MPL-2.0
"""TBSRN (Chen et al., Scene Text Telescope, CVPR 2021): residual blocks in which every pixel attends to every other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.line_layers import (
    LINE_SIZE,
    AttentionLayer,
    DeviationNorm,
    RowGRU,
    sinusoid_2d,
)
from ocrmypdf_superres.architectures.line_nets.tsrn import LineTrunk
from ocrmypdf_superres.architectures.spec import ArchitectureSpec

DROPOUT = 0.1
"""Of the attention and within the feed-forward part, as in the authors' code."""


@dataclass(frozen=True)
class TBSRNConfig:
    """Channels of the image inside the net (3, or 4 with a mask), features, blocks, heads, the STN's widths.

    ``compat`` takes the authors' weights: it adds the layers that their code has and never calls, and has their layer norm.
    """

    input_channels: int = 3
    features: int = 64
    blocks: int = 5
    heads: int = 4
    stn: bool = True
    stn_eval: bool = False
    stn_widths: tuple[int, ...] = (32, 64, 128, 256, 256, 256)
    stn_hidden: int = 512
    compat: bool = False

    def __post_init__(self) -> None:
        if self.input_channels not in (3, 4) or self.features % 4 or self.features < 4 or self.blocks < 1:
            raise ValueError("input_channels must be 3 or 4, features a multiple of 4, and blocks at least 1")
        if self.heads < 1 or 2 * self.features % self.heads:
            raise ValueError("heads must divide twice the features")


class AttentiveBlock(nn.Module):
    """Two convolutions, then self-attention over the features with their 2-D positional encoding."""

    positions: Tensor

    def __init__(self, config: TBSRNConfig) -> None:
        super().__init__()
        features = config.features
        self.first = nn.Sequential(nn.Conv2d(features, features, 3, padding=1), nn.BatchNorm2d(features))
        self.second = nn.Sequential(nn.Conv2d(features, features, 3, padding=1), nn.BatchNorm2d(features))
        norm = DeviationNorm if config.compat else nn.LayerNorm
        self.look = AttentionLayer(2 * features, config.heads, 2 * features, DROPOUT, 0.0, norm)
        self.narrow = nn.Linear(2 * features, features)
        self.register_buffer("positions", sinusoid_2d(features, *LINE_SIZE), persistent=False)
        if config.compat:
            self.unused = nn.ModuleList([RowGRU(features, mix=True), RowGRU(features, mix=True), nn.Linear(config.heads, 1)])
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Return float (B, features, 16, 64) for *x* of the same shape."""
        value = self.second(functional.mish(self.first(x)))
        value = torch.cat([value, self.positions.to(value).expand(value.shape[0], -1, -1, -1)], dim=1)
        tokens = value.flatten(2).transpose(1, 2)
        tokens = self.look(tokens, tokens, tokens)
        result: Tensor = x + self.narrow(tokens).transpose(1, 2).reshape(x.shape)
        return result


class TBSRN(LineTrunk):
    """See :class:`~ocrmypdf_superres.architectures.line_nets.tsrn.LineTrunk`.

    The authors' layer norm divides by the unbiased deviation plus epsilon, PyTorch's by the root of the variance plus epsilon;
    with ``compat`` it is theirs.
    """

    def __init__(self, config: TBSRNConfig) -> None:
        super().__init__(config, (AttentiveBlock(config) for _ in range(config.blocks)))
        if config.compat:
            self.unused = nn.Sequential(
                nn.Conv2d(config.input_channels, config.input_channels, 3), nn.BatchNorm2d(config.input_channels)
            )


SPEC = ArchitectureSpec(
    name="tbsrn", task="line", config=TBSRNConfig, build=TBSRN, scales=lambda config: (2,), receptive_radius=None,
    line_size=LINE_SIZE, paper="Chen et al., Scene Text Telescope, CVPR 2021",
)  # fmt: skip
