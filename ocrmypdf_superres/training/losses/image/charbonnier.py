# SPDX-License-Identifier: MPL-2.0
"""Charbonnier loss, sqrt((sr - hr)^2 + eps^2): a smooth L1 (Charbonnier et al., ICIP 1994)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ocrmypdf_superres.training.protocols import Target


class CharbonnierLoss(nn.Module):
    """Mean over all pixels of sqrt((sr - hr)^2 + epsilon^2) - epsilon.

    ``forward(sr, hr)``: float (B, C, H, W) each, any range; returns a scalar, 0 for equal images.
    """

    target = Target.HR

    def __init__(self, epsilon: float = 1e-2) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """Return the loss, a scalar; see the class."""
        return torch.sqrt((sr - hr).square() + self.epsilon**2).mean() - self.epsilon
