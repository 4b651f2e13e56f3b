# SPDX-License-Identifier: MPL-2.0
"""E_X, the local contrast measure of Quan et al. (collaborative EP-CNN and GR-CNN), and their loss on it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.training.losses.gradient import GradientLoss


def contrast(picture: Tensor) -> Tensor:
    """E_X: mean over the channels of the sum of abs differences to the four neighbours.

    *picture*: float (B, C, H, W) in [0, 1]; returns (B, 1, H, W) in [0, 4].  The paper's text says average, its formula
    sums; this sums.  Neighbours outside the picture count 0 (a replicated border).
    """
    across = (picture[..., :, 1:] - picture[..., :, :-1]).abs()
    down = (picture[..., 1:, :] - picture[..., :-1, :]).abs()
    total = functional.pad(across, (0, 1)) + functional.pad(across, (1, 0))
    total = total + functional.pad(down, (0, 0, 0, 1)) + functional.pad(down, (0, 0, 1, 0))
    return total.mean(dim=1, keepdim=True)


class ContrastLoss(nn.Module):
    """mean (E_sr - E_hr)^2 + alpha (mean abs dx(E_sr - E_hr) + mean abs dy(E_sr - E_hr)), means over pixels.

    The loss of the paper's edge predictor (alpha 0.5; sums there, means here) on E_X of sr in the place of a predicted
    one.  ``forward(sr, hr)``: float (B, C, H, W) each in [0, 1], H and W at least 2; returns a scalar.
    """

    def __init__(self, alpha: float = 0.5) -> None:
        super().__init__()
        self.alpha = alpha
        self.gradient = GradientLoss()

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        ours, theirs = contrast(sr), contrast(hr)
        slope: Tensor = self.gradient(ours, theirs)
        return (ours - theirs).square().mean() + self.alpha * slope
