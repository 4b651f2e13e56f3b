# SPDX-License-Identifier: MPL-2.0
"""SRCNN: three convolutions on the bicubic enlargement (Dong et al., ECCV 2014; TPAMI 2016)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ocrmypdf_superres.architectures.blocks.layers import Bicubic, check_channels
from ocrmypdf_superres.architectures.receptive_field import ReceptiveField
from ocrmypdf_superres.architectures.spec import ArchitectureSpec

FIRST, LAST = 9, 5


@dataclass(frozen=True)
class SRCNNConfig:
    """Features of the two hidden layers, the ``middle`` kernel (1 in 9-1-5, 5 in 9-5-5), scale and channels."""

    features: tuple[int, ...] = (64, 32)
    middle: int = 1
    scale: int = 4
    channels: int = 1

    def __post_init__(self) -> None:
        check_channels(self.channels)
        if len(self.features) != 2 or min(self.features) < 1 or self.middle < 1 or self.middle % 2 == 0:
            raise ValueError("features must be two numbers from 1 and middle an odd number")
        if not 2 <= self.scale <= 8:
            raise ValueError("scale must be a whole number from 2 to 8")


class SRCNN(nn.Module):
    """See the module's docstring.  Float (B, C, H, W) in [0, 1]; the output is linear."""

    def __init__(self, config: SRCNNConfig) -> None:
        super().__init__()
        self.config = config
        first, second = config.features
        self.enlarge = Bicubic(config.channels, config.scale)
        self.layers = nn.Sequential(
            nn.Conv2d(config.channels, first, FIRST, padding=FIRST // 2),
            nn.ReLU(),
            nn.Conv2d(first, second, config.middle, padding=config.middle // 2),
            nn.ReLU(),
            nn.Conv2d(second, config.channels, LAST, padding=LAST // 2),
        )

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """Return float (B, C, scale H, scale W); there is one *scale*, the config's."""
        result: Tensor = self.layers(self.enlarge(x))
        return result


def _radius(config: SRCNNConfig) -> int:
    field = ReceptiveField(config.scale).convolution(LAST).convolution(config.middle).convolution(FIRST)
    # Bicubic enlargement is a transposed convolution with the cubic's 4 pixels, less its outer zeros at odd scales.
    taps = 4 * config.scale - config.scale % 2
    return field.transposed(taps, config.scale, (taps - config.scale) // 2).radius


SPEC = ArchitectureSpec(
    name="srcnn",
    task="page",
    config=SRCNNConfig,
    build=SRCNN,
    scales=lambda config: (config.scale,),
    receptive_radius=_radius,
    paper="Dong et al., Learning a deep convolutional network for image super-resolution, ECCV 2014",
)
