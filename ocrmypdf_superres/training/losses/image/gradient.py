# SPDX-License-Identifier: MPL-2.0
"""Gradient L1: distance of the images' finite differences, which keeps strokes' edges where they are."""

from __future__ import annotations

from torch import Tensor, nn

from ocrmypdf_superres.training.protocols import Target


class GradientLoss(nn.Module):
    """Mean of abs(dx sr - dx hr) plus mean of abs(dy sr - dy hr), forward differences.

    ``forward(sr, hr)``: float (B, C, H, W) each, H and W at least 2; returns a scalar.
    """

    target = Target.HR

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """Return the loss, a scalar; see the class."""
        difference = sr - hr
        dx = difference[..., :, 1:] - difference[..., :, :-1]
        dy = difference[..., 1:, :] - difference[..., :-1, :]
        return dx.abs().mean() + dy.abs().mean()
