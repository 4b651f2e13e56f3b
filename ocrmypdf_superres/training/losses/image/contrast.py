# SPDX-License-Identifier: MPL-2.0
"""Loss on E_X, the local contrast measure of Quan et al. (collaborative EP-CNN and GR-CNN)."""

from __future__ import annotations

from torch import Tensor, nn

from ocrmypdf_superres.architectures.blocks.layers import contrast
from ocrmypdf_superres.training.losses.image.gradient import GradientLoss
from ocrmypdf_superres.training.protocols import Target


class ContrastLoss(nn.Module):
    """mean (E_sr - E_hr)^2 + alpha (mean abs dx(E_sr - E_hr) + mean abs dy(E_sr - E_hr)), means over pixels.

    The loss of the paper's edge predictor (alpha 0.5; sums there, means here) on E_X of sr in the place of a predicted
    one.  ``forward(sr, hr)``: float (B, C, H, W) each in [0, 1], H and W at least 2; returns a scalar.
    """

    target = Target.HR

    def __init__(self, alpha: float = 0.5) -> None:
        super().__init__()
        self.alpha = alpha
        self.gradient = GradientLoss()

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """Return the loss, a scalar; see the class."""
        ours, theirs = contrast(sr), contrast(hr)
        slope: Tensor = self.gradient(ours, theirs)
        return (ours - theirs).square().mean() + self.alpha * slope
