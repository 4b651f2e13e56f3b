# SPDX-License-Identifier: MPL-2.0
"""SRResNet: residual blocks with batch norm, and PixelShuffle (Ledig et al., CVPR 2017)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ocrmypdf_superres.architectures.blocks.layers import NormalizedBlock, check_channels, stages_of, upscale_by_two
from ocrmypdf_superres.architectures.receptive_field import ReceptiveField
from ocrmypdf_superres.architectures.spec import ArchitectureSpec

OUTER = 9


@dataclass(frozen=True)
class SRResNetConfig:
    """Features, residual blocks, scale (2, 4 or 8), channels, and whether convolutions before a batch norm have a bias."""

    features: int = 64
    blocks: int = 16
    scale: int = 4
    channels: int = 1
    bias: bool = True

    def __post_init__(self) -> None:
        check_channels(self.channels)
        stages_of(self.scale)
        if self.features < 1 or self.blocks < 1:
            raise ValueError("features and blocks must be at least 1")


class SRResNet(nn.Module):
    """See the module's docstring.  Float (B, C, H, W) in [0, 1]; one PReLU slope a layer; the output is linear."""

    def __init__(self, config: SRResNetConfig) -> None:
        super().__init__()
        self.config = config
        width = config.features
        self.head = nn.Sequential(nn.Conv2d(config.channels, width, OUTER, padding=OUTER // 2), nn.PReLU())
        self.body = nn.Sequential(
            *(NormalizedBlock(width, config.bias) for _ in range(config.blocks)),
            nn.Conv2d(width, width, 3, padding=1, bias=config.bias),
            nn.BatchNorm2d(width),
        )
        self.tail = nn.Sequential(
            *(upscale_by_two(width, nn.PReLU()) for _ in range(stages_of(config.scale))),
            nn.Conv2d(width, config.channels, OUTER, padding=OUTER // 2),
        )

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """Return float (B, C, scale H, scale W); there is one *scale*, the config's."""
        first = self.head(x)
        result: Tensor = self.tail(first + self.body(first))
        return result


def _radius(config: SRResNetConfig) -> int:
    field = ReceptiveField(config.scale).convolution(OUTER)
    for _ in range(stages_of(config.scale)):
        field.shuffle().convolution(3)
    return field.convolution(3, times=2 * config.blocks + 1).convolution(OUTER).radius


SPEC = ArchitectureSpec(
    name="srresnet",
    task="page",
    config=SRResNetConfig,
    build=SRResNet,
    scales=lambda config: (config.scale,),
    receptive_radius=_radius,
    paper="Ledig et al., Photo-realistic single image super-resolution using a generative adversarial network, CVPR 2017",
)
