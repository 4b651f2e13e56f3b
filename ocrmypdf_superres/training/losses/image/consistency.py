# SPDX-License-Identifier: MPL-2.0
"""Consistency: sr, reduced as the page was, is to give lr again (L2-LR of Zyrek and Kawulok, 2024)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ocrmypdf_superres.architectures.blocks.layers import cubic, lanczos
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.protocols import Target


def _box(x: float) -> float:
    return 1.0 if -0.5 < x <= 0.5 else 0.0


def _triangle(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


_FILTERS = {"box": (_box, 0.5), "bilinear": (_triangle, 1.0), "bicubic": (cubic, 2.0), "lanczos": (lanczos, 3.0)}
KERNELS = (*_FILTERS, "nearest")


def reduction_matrix(kernel: str, size: int, scale: int) -> Tensor:
    """Float64 (size // scale, size): what the ``downsample`` stage does along one axis, Pillow's weights.

    ``nearest`` is that stage's: the mean of scale // 2 pixels about every scale-th.
    """
    rows = size // scale
    matrix = torch.zeros(rows, size, dtype=torch.float64)
    for row in range(rows):
        if kernel == "nearest":
            taps = max(1, scale // 2)
            first = scale // 2 + row * scale - taps // 2
            matrix[row, first : first + taps] = 1.0 / taps
            continue
        function, support = _FILTERS[kernel]
        ratio = size / rows
        centre = (row + 0.5) * ratio
        first = max(0, int(centre - support * ratio + 0.5))
        last = min(size, int(centre + support * ratio + 0.5))
        weights = torch.tensor([function((x - centre + 0.5) / ratio) for x in range(first, last)], dtype=torch.float64)
        matrix[row, first:last] = weights / weights.sum()
    return matrix


class ConsistencyLoss(nn.Module):
    """Mean over lr's pixels of (D sr - lr)^2, D the reduction ``kernel`` by the ratio of the sizes.

    D is linear and exactly the ``downsample`` stage of the degradation, so it has a gradient.  Only the reduction is
    repeated: blur, noise, JPEG and other degradations are random and stay in lr, where they give the loss a floor and pull sr
    towards them.  Where the recipe's degradation has strong ones, or several kernels, give it a small weight, and choose
    the kernel that lr was mostly made with.

    ``forward(sr, lr)``: float (B, C, s h, s w) and (B, C, h, w), s a whole number; returns a scalar.

    Args:
        kernel: box, bilinear, bicubic, lanczos or nearest.
    """

    target = Target.LR

    def __init__(self, kernel: str = "bicubic") -> None:
        super().__init__()
        if kernel not in KERNELS:
            raise OptionError(f"The loss consistency has kernel = {kernel!r}; give one of {', '.join(KERNELS)}.")
        self.kernel = kernel
        self._matrices: dict[tuple[int, int], Tensor] = {}

    def reduce(self, image: Tensor, scale: int) -> Tensor:
        """Return *image*, float (B, C, H, W), as (B, C, H // scale, W // scale)."""
        height, width = image.shape[-2:]
        return self._matrix(height, scale).to(image) @ image @ self._matrix(width, scale).to(image).T

    def _matrix(self, size: int, scale: int) -> Tensor:
        if (size, scale) not in self._matrices:
            self._matrices[size, scale] = reduction_matrix(self.kernel, size, scale)
        return self._matrices[size, scale]

    def forward(self, sr: Tensor, lr: Tensor) -> Tensor:
        """Return the loss, a scalar; see the class."""
        return (self.reduce(sr, round(sr.shape[-1] / lr.shape[-1])) - lr).square().mean()
