# SPDX-License-Identifier: MPL-2.0
"""ResNet45, the backbone of ABINet and CDistNet (after Shi et al., ASTER, 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

COUNTS = (3, 4, 6, 6, 3)
Stride = int | tuple[int, int]
STRIDES: tuple[Stride, ...] = (2, 1, 2, 1, 1)


class Block(nn.Module):
    """A 1x1 and a 3x3 convolution with batch normalisation, added to the input; *early* takes the stride in the first."""

    def __init__(self, inputs: int, outputs: int, stride: Stride, early: bool = False) -> None:
        super().__init__()
        first, second = (stride, 1) if early else (1, stride)
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride=first, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, stride=second, padding=1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip
        self.short: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return float (B, outputs, H / stride, W / stride) for *x*, float (B, inputs, H, W)."""
        return torch.relu(self.body(x) + (x if self.short is None else self.short(x)))


class ResNet45(nn.Sequential):
    """``trunk(x)``: (B, C, H, W) to (B, 16 * base, H / 4, W / 4); *base* is 32 as published.

    *counts* are the blocks of its five stages, whose channels double from *base* on, and *strides* those of their first blocks,
    which ABINet has in the 3x3 convolutions, and ASTER (*early*) in the 1x1.
    """

    def __init__(
        self, channels: int = 3, base: int = 32, counts: tuple[int, ...] = COUNTS,
        strides: tuple[Stride, ...] = STRIDES, early: bool = False,
    ) -> None:  # fmt: skip
        stem = [nn.Conv2d(channels, base, 3, padding=1, bias=False), nn.BatchNorm2d(base), nn.ReLU(inplace=True)]
        blocks = []
        inputs = base
        for stage, (count, stride) in enumerate(zip(counts, strides, strict=True)):
            outputs = base << stage
            blocks += [Block(inputs if i == 0 else outputs, outputs, stride if i == 0 else 1, early) for i in range(count)]
            inputs = outputs
        super().__init__(*stem, *blocks)
