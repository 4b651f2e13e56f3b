# SPDX-License-Identifier: MPL-2.0
"""LEMMA (Guo et al., IJCAI 2023): super-resolution of a text line, guided by where its characters are and what they are.

A recognizer, the prior, tells where each character is and what it is. Location enhancement selects the positions with
characters, bidirectional alignment carries the text to them, and adaptive fusion lets every block use the result.
This follows the authors' code where it differs from the paper: AdaFM is inside the blocks, the STN active in training only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.abinet import Prior, PriorConfig, encode
from ocrmypdf_superres.architectures.blocks.line_layers import LINE_SIZE, Enlarge, RowGRU, gather_channels, spread_channels
from ocrmypdf_superres.architectures.blocks.resnet45 import COUNTS
from ocrmypdf_superres.architectures.blocks.tps import TPSSTN
from ocrmypdf_superres.architectures.line_nets.lemma_guidance import Guidance
from ocrmypdf_superres.architectures.spec import ArchitectureSpec


@dataclass(frozen=True)
class LEMMAConfig:
    """Channels of the image inside the net (4 with the mask), features, blocks, positions kept, the prior's and the STN's sizes.

    ``location`` is ``both``, ``selection``, ``attention`` or ``none`` (the paper's table 1), ``alignment`` ``both``, ``text``
    (to the text only, twice the layers) or ``none`` (table 2); without ``fusion`` the guide is concatenated (table 4);
    ``expansion`` and ``region`` are table 7.  ``prior_*`` are :class:`PriorConfig`'s.
    """

    input_channels: int = 4
    features: int = 64
    blocks: int = 5
    positions: int = 500
    heads: int = 4
    location: str = "both"
    alignment: str = "both"
    fusion: bool = True
    expansion: bool = True
    region: bool = True
    stn: bool = True
    stn_eval: bool = False
    stn_widths: tuple[int, ...] = (32, 64, 128, 256, 256, 256)
    stn_hidden: int = 512
    prior_base: int = 32
    prior_counts: tuple[int, ...] = COUNTS
    prior_layers: int = 3
    prior_heads: int = 8
    prior_inner: int = 2048
    prior_attention: int = 64
    prior_language: bool = True
    prior_language_layers: int = 4
    steps: int = 26

    def __post_init__(self) -> None:
        if self.input_channels not in (3, 4) or self.features % 4 or self.features < 4 or self.blocks < 1:
            raise ValueError("input_channels must be 3 or 4, features a multiple of 4, and blocks at least 1")
        if self.features % self.heads or not 1 <= self.positions <= LINE_SIZE[0] * LINE_SIZE[1]:
            raise ValueError("heads must divide features, and positions be from 1 to 1024")
        if self.location not in ("both", "selection", "attention", "none") or self.alignment not in ("both", "text", "none"):
            raise ValueError("location must be both, selection, attention or none, and alignment both, text or none")
        if 16 * self.prior_base % self.prior_heads:
            raise ValueError("prior_heads must divide 16 x prior_base")

    @property
    def prior(self) -> PriorConfig:
        """The prior's own configuration."""
        return PriorConfig(
            self.prior_base, self.prior_counts, self.prior_layers, self.prior_heads, self.prior_inner, self.steps,
            self.prior_attention, self.prior_language, self.prior_language_layers,
        )  # fmt: skip


class AdaptiveFusion(nn.Module):
    """AdaFM: ``fusion(x, guide)`` scales one mixture of both by a summary of the whole line, and adds another."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(features)
        self.branches = nn.ModuleList(_mix(2 * features, features) for _ in range(3))
        self.whole = nn.Conv2d(features, features, LINE_SIZE, groups=features)
        self.scale = nn.Sequential(
            nn.Conv2d(features, features, 1), nn.ReLU(), nn.Conv2d(features, features, 1), nn.ReLU(),
            nn.Conv2d(features, features, 1), nn.Sigmoid(),
        )  # fmt: skip
        self.mix = _mix(features, features)
        self.last = nn.BatchNorm2d(features)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """Return float (B, features, 16, 64) for *x* and *guide* of the same shape."""
        both = torch.cat([x, self.norm(guide)], dim=1)
        view, scaled, added = (branch(both) for branch in self.branches)
        # The kernel is as large as the line, so the convolution is a weighted sum, which works in any memory layout.
        seen = (view * self.whole.weight[:, 0]).sum(dim=(2, 3)) + self.whole.bias
        value: Tensor = self.last(self.mix(scaled * self.scale(seen[:, :, None, None])) + added)
        return value


def _mix(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs), nn.PReLU(), nn.Conv2d(outputs, outputs, 1))


class Concatenation(nn.Module):
    """The ablation of AdaFM: ``fusion(x, guide)`` mixes both channels by channels in a 1x1 convolution."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(2 * features, features, 1)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """Return float (B, features, 16, 64) for *x* and *guide* of the same shape."""
        value: Tensor = self.mix(torch.cat([x, guide], dim=1))
        return value


class GuidedBlock(nn.Module):
    """Two convolutions, adaptive fusion with the guide, GRUs along columns and rows.

    Without *fusion* the guide is concatenated and a 1x1 convolution halves the channels, as in the paper's table 4.
    """

    def __init__(self, features: int, fusion: bool) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(features, features, 3, padding=1), nn.BatchNorm2d(features))
        self.second = nn.Sequential(nn.Conv2d(features, features, 3, padding=1), nn.BatchNorm2d(features))
        self.fusion: nn.Module = AdaptiveFusion(features) if fusion else Concatenation(features)
        self.columns = RowGRU(features, mix=False)
        self.norm = nn.BatchNorm2d(features)
        self.rows = RowGRU(features, mix=False)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """Return float (B, features, 16, 64) for *x* and *guide* of the same shape."""
        value = self.second(functional.mish(self.first(x)))
        value = self.fusion(value, guide)
        value = self.columns(value.transpose(2, 3)).transpose(2, 3)
        mixed: Tensor = self.rows(self.norm(x + value))
        return mixed


class LEMMA(nn.Module):
    """``net(x)``: float (B, 1, 3 or input_channels, 16, 64) in [0, 1] to twice the size, as many channels, in [-1, 1] (tanh).

    A :class:`~ocrmypdf_superres.architectures.spec.HasOwnLoss`: :meth:`own_losses` is the prior's reading loss.
    """

    def __init__(self, config: LEMMAConfig) -> None:
        super().__init__()
        self.config = config
        features = config.features
        self.stn = (
            TPSSTN(config.input_channels, LINE_SIZE, config.stn_widths, config.stn_hidden, config.stn_eval)
            if config.stn
            else None
        )
        self.prior = Prior(config.prior)
        self.stem = nn.Sequential(nn.Conv2d(config.input_channels, features, 9, padding=4), nn.PReLU())
        self.guidance = Guidance(
            features,
            config.heads,
            config.positions,
            config.location,
            config.alignment,
            config.expansion,
            config.region,
        )
        self.blocks = nn.ModuleList(GuidedBlock(features, config.fusion) for _ in range(config.blocks))
        self.merge = nn.Sequential(nn.Conv2d(features, features, 3, padding=1), nn.BatchNorm2d(features))
        self.enlarge = Enlarge(features)
        self.tail = nn.Conv2d(features, config.input_channels, 9, padding=4)

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """Return the sr lines alone; there is one *scale*, 2."""
        return self.forward_with_readings(x, scale)[0]

    def forward_with_readings(self, x: Tensor, scale: int | None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the sr lines and the prior's two readings of *x*, logits float (B, steps, 37): vision's and the text's."""
        value = spread_channels(x, self.config.input_channels)
        if self.stn is not None:
            value = self.stn(value)
        # The image is detached: the prior is trained to read, and does not change the image before it.
        larger = functional.interpolate(value[:, :3].detach(), scale_factor=2, mode="bicubic", align_corners=True)
        seen, text, maps, lengths = self.prior(larger)
        value = self.stem(value)
        guide = self.guidance(value, text, maps, lengths)
        inner = value
        for block in self.blocks:
            inner = block(inner, guide)
        value = value + self.merge(inner)
        return gather_channels(torch.tanh(self.tail(self.enlarge(value))), x.shape[1]), (seen, text)

    def own_losses(self, readings: tuple[Tensor, ...], texts: Sequence[str], options: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return ``prior``: the recognizer fine-tuning loss, the cross-entropies of both *readings* with *texts*.

        All steps count, those after the end as ends. With the option ``double_softmax`` the probabilities go through the
        softmax once more, as in the authors' code, which keeps the loss above 2.6 and its gradients small.
        """
        targets = torch.zeros(len(texts), self.config.steps, dtype=torch.int64, device=readings[0].device)
        for row, text in enumerate(texts):
            codes = encode(text)[: self.config.steps - 1]
            targets[row, : len(codes)] = torch.tensor(codes, dtype=torch.int64)
        total = torch.zeros((), device=targets.device)
        for logits in readings:
            values = logits.softmax(dim=2) if options.get("double_softmax", False) else logits
            total = total + functional.cross_entropy(values.transpose(1, 2), targets)
        return {"prior": total}


SPEC = ArchitectureSpec(
    name="lemma",
    task="line",
    config=LEMMAConfig,
    build=LEMMA,
    scales=lambda config: (2,),
    receptive_radius=None,
    line_size=LINE_SIZE,
    paper="Guo et al., Towards robust scene text image super-resolution via explicit location enhancement, IJCAI 2023",
)
