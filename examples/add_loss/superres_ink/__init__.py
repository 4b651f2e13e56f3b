# SPDX-License-Identifier: MPL-2.0
"""A loss on the amount of ink, which keeps strokes from getting bolder or thinner."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.training.protocols import Target


class InkLoss(nn.Module):
    """Mean absolute difference of the means over windows of *window* x *window* pixels.

    ``forward(sr, hr)``: float (B, 1, H, W) each, H and W at least *window*; returns a scalar, 0 for equal images.
    """

    target = Target.HR

    def __init__(self, window: int = 16) -> None:
        super().__init__()
        self.window = window

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """Return the loss, a scalar; see the class."""
        return functional.avg_pool2d(sr - hr, self.window).abs().mean()
