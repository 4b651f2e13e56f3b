# SPDX-License-Identifier: MPL-2.0
"""How far a network looks: the exact receptive radius, from its layers."""

from __future__ import annotations


class Reach:
    """The span of pixels that an lr pixel's output depends on, followed from the output back to the input.

    It begins as the output pixels of one cell of *cell* lr pixels, at the output's resolution, and each call goes one
    layer back, along the path of layers that looks furthest; at the input :attr:`radius` is read.

    Args:
        scale: the net's. cell: its size multiple.
    """

    def __init__(self, scale: int, cell: int = 1) -> None:
        self.cell = cell
        self.first, self.last = 0, scale * cell - 1

    def convolution(self, kernel: int, stride: int = 1, times: int = 1) -> Reach:
        """Go back through *times* convolutions, padded by (kernel - 1) // 2 before each row and column."""
        before = (kernel - 1) // 2
        for _ in range(times):
            self.first = self.first * stride - before
            self.last = self.last * stride - before + kernel - 1
        return self

    def transposed(self, kernel: int, stride: int, padding: int) -> Reach:
        """Go back through a transposed convolution; the output pixel stride i - padding + k sees i, for k below *kernel*."""
        self.first = -((kernel - 1 - padding - self.first) // stride)
        self.last = (self.last + padding) // stride
        return self

    def shuffle(self, factor: int = 2) -> Reach:
        """Go back through a PixelShuffle by *factor*."""
        self.first, self.last = self.first // factor, self.last // factor
        return self

    @property
    def radius(self) -> int:
        """How many lr pixels beyond its own cell an output pixel looks."""
        return max(-self.first, self.last - (self.cell - 1))
