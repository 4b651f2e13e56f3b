# SPDX-License-Identifier: MPL-2.0
"""EDSR: residual blocks without batch norm, scaled where they are wide (Lim et al., CVPR workshops 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ocrmypdf_superres.architectures.blocks.layers import LUMA, PlainBlock, check_channels, stages_of, upscale_by_two
from ocrmypdf_superres.architectures.receptive_field import ReceptiveField
from ocrmypdf_superres.architectures.spec import ArchitectureSpec

# The mean colour of DIV2K, which the authors subtract, and its luma.
_MEANS = (0.4488, 0.4371, 0.4040)
_LUMA_MEAN = sum(weight * mean for weight, mean in zip(LUMA, _MEANS, strict=True))


@dataclass(frozen=True)
class EDSRConfig:
    """Features, residual blocks, the factor on each block's residual, scale (2, 4 or 8) and channels."""

    features: int = 256
    blocks: int = 32
    residual_scale: float = 0.1
    scale: int = 2
    channels: int = 1

    def __post_init__(self) -> None:
        check_channels(self.channels)
        stages_of(self.scale)
        if self.features < 1 or self.blocks < 1:
            raise ValueError("features and blocks must be at least 1")


class EDSR(nn.Module):
    """See the module's docstring.  Float (B, C, H, W) in [0, 1]; the output is linear."""

    means: Tensor

    def __init__(self, config: EDSRConfig) -> None:
        super().__init__()
        self.config = config
        width = config.features
        means = torch.tensor(_MEANS if config.channels == 3 else [_LUMA_MEAN])
        self.register_buffer("means", means.reshape(1, -1, 1, 1), persistent=False)
        self.head = nn.Conv2d(config.channels, width, 3, padding=1)
        self.body = nn.Sequential(
            *(PlainBlock(width, config.residual_scale) for _ in range(config.blocks)),
            nn.Conv2d(width, width, 3, padding=1),
        )
        self.tail = nn.Sequential(
            *(upscale_by_two(width, None) for _ in range(stages_of(config.scale))),
            nn.Conv2d(width, config.channels, 3, padding=1),
        )

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """Return float (B, C, scale H, scale W); there is one *scale*, the config's."""
        first = self.head(x - self.means)
        result: Tensor = self.tail(first + self.body(first)) + self.means
        return result


def _radius(config: EDSRConfig) -> int:
    field = ReceptiveField(config.scale).convolution(3)
    for _ in range(stages_of(config.scale)):
        field.shuffle().convolution(3)
    return field.convolution(3, times=2 * config.blocks + 2).radius


SPEC = ArchitectureSpec(
    name="edsr",
    task="page",
    config=EDSRConfig,
    build=EDSR,
    scales=lambda config: (config.scale,),
    receptive_radius=_radius,
    paper="Lim et al., Enhanced deep residual networks for single image super-resolution, CVPR workshops 2017",
)
