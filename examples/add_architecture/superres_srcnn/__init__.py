# SPDX-License-Identifier: MPL-2.0
"""SRCNN 9-1-5 (Dong et al., ECCV 2014) as an architecture of ocrmypdf-superres."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.architectures.receptive_field import radius_of
from ocrmypdf_superres.architectures.spec import ArchitectureSpec


@dataclass(frozen=True)
class Config:
    """Hyperparameters: features of the two hidden layers, and the scale."""

    features: tuple[int, ...] = (64, 32)
    scale: int = 3


class SRCNN(nn.Module):
    """Three convolutions on the bicubic enlargement; float (B, 1, H, W) in [0, 1]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        first, second = config.features
        self.scale = config.scale
        self.layers = nn.Sequential(
            nn.Conv2d(1, first, 9, padding=4),
            nn.ReLU(),
            nn.Conv2d(first, second, 1),
            nn.ReLU(),
            nn.Conv2d(second, 1, 5, padding=2),
        )

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """Return float (B, 1, scale H, scale W); there is one scale, whatever is asked for."""
        large = functional.interpolate(x, scale_factor=self.scale, mode="bicubic", align_corners=False)
        result: Tensor = self.layers(large)
        return result


SPEC = ArchitectureSpec(
    name="example-srcnn",
    task="page",
    config=Config,
    build=SRCNN,
    scales=lambda config: (config.scale,),
    receptive_radius=lambda config: radius_of(SRCNN(config)),
    paper="Dong et al., Learning a deep convolutional network for image super-resolution, ECCV 2014",
)
