# SPDX-License-Identifier: MPL-2.0
"""EDSR after TPS-STN: the line net of Hildebrandt et al. (OCR-guided super-resolution, DocEng 2022)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ocrmypdf_superres.architectures.blocks.line_layers import LINE_SIZE, gather_channels, spread_channels
from ocrmypdf_superres.architectures.blocks.tps import TPSSTN
from ocrmypdf_superres.architectures.page_nets.edsr import EDSR, EDSRConfig
from ocrmypdf_superres.architectures.spec import ArchitectureSpec


@dataclass(frozen=True)
class EDSRSTNConfig:
    """EDSR's features, blocks and residual factor, the image's channels inside the net (3, RGB), and the STN's widths."""

    features: int = 256
    blocks: int = 32
    residual_scale: float = 0.1
    input_channels: int = 3
    stn_eval: bool = False
    stn_widths: tuple[int, ...] = (32, 64, 128, 256, 256, 256)
    stn_hidden: int = 512

    def __post_init__(self) -> None:
        if self.input_channels != 3 or self.features < 1 or self.blocks < 1:
            raise ValueError("input_channels must be 3, and features and blocks at least 1")


class EDSRSTN(nn.Module):
    """``net(x)``: float (B, 1 or 3, 16, 64) in [0, 1] to twice the size and as many channels, linear.

    EDSR alone would take any size; the STN ties the net to 16 x 64.
    """

    def __init__(self, config: EDSRSTNConfig) -> None:
        super().__init__()
        self.stn = TPSSTN(config.input_channels, LINE_SIZE, config.stn_widths, config.stn_hidden, config.stn_eval)
        self.edsr = EDSR(
            EDSRConfig(config.features, config.blocks, config.residual_scale, scale=2, channels=config.input_channels)
        )
        self.input_channels = config.input_channels

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """Return the sr lines; there is one *scale*, 2."""
        return gather_channels(self.edsr(self.stn(spread_channels(x, self.input_channels))), x.shape[1])


SPEC = ArchitectureSpec(
    name="edsr-stn", task="line", config=EDSRSTNConfig, build=EDSRSTN, scales=lambda config: (2,), receptive_radius=None,
    line_size=LINE_SIZE, paper="Hildebrandt et al., OCR-guided super-resolution, DocEng 2022",
)  # fmt: skip
