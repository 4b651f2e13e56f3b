# SPDX-License-Identifier: MPL-2.0
"""Plain pixel distances: L1 and L2 (mean squared error) between sr and hr."""

from __future__ import annotations

from torch import Tensor, nn

from ocrmypdf_superres.training.protocols import Target


class L1Loss(nn.Module):
    """Mean over all pixels of abs(sr - hr).

    ``forward(sr, hr)``: float (B, C, H, W) each, any range; returns a scalar.
    """

    target = Target.HR

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """Return the loss, a scalar; see the class."""
        return (sr - hr).abs().mean()


class L2Loss(nn.Module):
    """Mean over all pixels of (sr - hr)^2, the L2-HR loss of Zyrek and Kawulok (2024).

    ``forward(sr, hr)``: float (B, C, H, W) each, any range; returns a scalar.
    """

    target = Target.HR

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """Return the loss, a scalar; see the class."""
        return (sr - hr).square().mean()
