# SPDX-License-Identifier: MPL-2.0
"""FSRCNN: convolutions at lr's size and one transposed convolution at the end (Dong et al., ECCV 2016)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from ocrmypdf_superres.architectures.blocks.layers import check_channels
from ocrmypdf_superres.architectures.receptive_field import ReceptiveField
from ocrmypdf_superres.architectures.spec import ArchitectureSpec

FIRST, LAST = 5, 9


@dataclass(frozen=True)
class FSRCNNConfig:
    """The paper's d (features), s (shrunken features) and m (mapping layers), scale and channels."""

    features: int = 56
    shrunken: int = 12
    mapping: int = 4
    scale: int = 4
    channels: int = 1

    def __post_init__(self) -> None:
        check_channels(self.channels)
        if min(self.features, self.shrunken, self.mapping) < 1:
            raise ValueError("features, shrunken and mapping must be at least 1")
        if not 2 <= self.scale <= 8:
            raise ValueError("scale must be a whole number from 2 to 8")


class FSRCNN(nn.Module):
    """See the module's docstring.  Float (B, C, H, W) in [0, 1]; one PReLU slope a channel; the output is linear."""

    def __init__(self, config: FSRCNNConfig) -> None:
        super().__init__()
        self.config = config
        wide, narrow = config.features, config.shrunken
        layers: list[nn.Module] = [nn.Conv2d(config.channels, wide, FIRST, padding=FIRST // 2), nn.PReLU(wide)]
        layers += [nn.Conv2d(wide, narrow, 1), nn.PReLU(narrow)]
        for _ in range(config.mapping):
            layers += [nn.Conv2d(narrow, narrow, 3, padding=1), nn.PReLU(narrow)]
        layers += [nn.Conv2d(narrow, wide, 1), nn.PReLU(wide)]
        self.body = nn.Sequential(*layers)
        self.tail = nn.ConvTranspose2d(
            wide, config.channels, LAST, config.scale, padding=LAST // 2, output_padding=config.scale - 1
        )
        for layer in self.body:
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=math.sqrt(2 / (layer.out_channels * layer.kernel_size[0] ** 2)))
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.normal_(self.tail.weight, std=0.001)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """Return float (B, C, scale H, scale W); there is one *scale*, the config's."""
        result: Tensor = self.tail(self.body(x))
        return result


def _radius(config: FSRCNNConfig) -> int:
    field = ReceptiveField(config.scale).transposed(LAST, config.scale, LAST // 2)
    return field.convolution(3, times=config.mapping).convolution(FIRST).radius


SPEC = ArchitectureSpec(
    name="fsrcnn",
    task="page",
    config=FSRCNNConfig,
    build=FSRCNN,
    scales=lambda config: (config.scale,),
    receptive_radius=_radius,
    paper="Dong et al., Accelerating the super-resolution convolutional neural network, ECCV 2016",
)
