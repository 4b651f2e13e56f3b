# SPDX-License-Identifier: MPL-2.0
"""Cascaded detail-preserving networks: stages that double the size, each with its own weights (Fu et al., ICDAR 2019).

One model offers x2, x4 and so on: the cascade stops after the stage that makes the text tall enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from ocrmypdf_superres.architectures.blocks.layers import NormalizedBlock, check_channels, stages_of, upscale_by_two
from ocrmypdf_superres.architectures.receptive_field import ReceptiveField
from ocrmypdf_superres.architectures.spec import ArchitectureSpec

FIRST = 9


@dataclass(frozen=True)
class DPNetConfig:
    """Features, residual blocks of a stage (the paper's N), stages, the output convolution's kernel, channels."""

    features: int = 64
    blocks: int = 5
    stages: int = 3
    output_kernel: int = 9
    channels: int = 1

    def __post_init__(self) -> None:
        check_channels(self.channels)
        if self.features < 1 or self.blocks < 1 or not 1 <= self.stages <= 3:
            raise ValueError("features and blocks must be at least 1, and stages from 1 to 3")
        if self.output_kernel < 1 or self.output_kernel % 2 == 0:
            raise ValueError("output_kernel must be an odd number")


class DPNet(nn.Module):
    """One stage. Float (B, C, H, W) in [0, 1] to (B, C, 2 H, 2 W) in (0, 1), after a sigmoid."""

    def __init__(self, config: DPNetConfig) -> None:
        super().__init__()
        width = config.features
        self.head = nn.Sequential(nn.Conv2d(config.channels, width, FIRST, padding=FIRST // 2), nn.PReLU())
        self.body = nn.Sequential(
            *(NormalizedBlock(width) for _ in range(config.blocks)),
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
        )
        output = nn.Conv2d(width, config.channels, config.output_kernel, padding=config.output_kernel // 2)
        self.tail = nn.Sequential(*upscale_by_two(width, nn.PReLU()), output, nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Return the image of twice the size; see the class."""
        first = self.head(x)
        result: Tensor = self.tail(first + self.body(first))
        return result


def reduced(image: Tensor, factor: int) -> Tensor:
    """Return *image*, float (B, C, H, W), reduced by *factor* with an antialiased bicubic, in [0, 1]."""
    if factor == 1:
        return image
    size = (image.shape[-2] // factor, image.shape[-1] // factor)
    return F.interpolate(image, size, mode="bicubic", align_corners=False, antialias=True).clamp(0.0, 1.0)


class Cascade(nn.Module):
    """The stages one after the other. Float (B, C, H, W) in [0, 1]; see the module's docstring."""

    def __init__(self, config: DPNetConfig) -> None:
        super().__init__()
        self.config = config
        self.stages = nn.ModuleList(DPNet(config) for _ in range(config.stages))

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """Return float (B, C, scale H, scale W); *scale* defaults to the largest, and is 2, 4 or 8."""
        for stage in self.stages[: self.config.stages if scale is None else stages_of(scale)]:
            x = stage(x)
        return x

    @property
    def auxiliary_names(self) -> tuple[str, ...]:
        """What can be supervised: ``stage1`` and so on alone, ``chain1`` and so on from lr through all before it."""
        return tuple(f"{kind}{i + 1}" for kind in ("stage", "chain") for i in range(self.config.stages))

    def auxiliary_outputs(self, lr: Tensor, hr: Tensor, scale: int, names: Sequence[str]) -> dict[str, tuple[Tensor, Tensor]]:
        """Return (output, target) of each of *names*; hr is *scale* times lr's size, so that stage n ends at 2^n of it.

        A stage alone takes lr (the first) or hr reduced to the size of its input, and has hr reduced to its output's
        size as the target: the paper's parallel training.  A chain ends at the same target: its penetrating fine-tuning.
        """
        results: dict[str, tuple[Tensor, Tensor]] = {}
        for name in names:
            number = int(name[-1])
            if name.startswith("chain"):
                output = self(lr, 2**number)
            else:
                output = self.stages[number - 1](lr if number == 1 else reduced(hr, scale // 2 ** (number - 1)))
            results[name] = output, reduced(hr, scale // 2**number)
        return results


def _radius(config: DPNetConfig) -> int:
    field = ReceptiveField(2**config.stages)
    for _ in range(config.stages):
        field.convolution(config.output_kernel).shuffle().convolution(3, times=2 * config.blocks + 2).convolution(FIRST)
    return field.radius


SPEC = ArchitectureSpec(
    name="dpnet",
    task="page",
    config=DPNetConfig,
    build=Cascade,
    scales=lambda config: tuple(2 ** (i + 1) for i in range(config.stages)),
    receptive_radius=_radius,
    paper="Fu et al., Cascaded detail-preserving networks for super-resolution of document images, ICDAR 2019",
)
