# SPDX-License-Identifier: MPL-2.0
"""Distance between the keypoints of sr and hr (Key.Net; Zyrek et al., Applied Sciences 15:8063, 2025)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ocrmypdf_superres.architectures.blocks.layers import grey_of
from ocrmypdf_superres.detectors.keynet import LEVELS, handcrafted, load_keynet, reduced
from ocrmypdf_superres.training.protocols import Target


class KeypointLoss(nn.Module):
    """mean abs(K(sr) - K(hr)), K the scores of Key.Net for being a point that is found again; hr is detached.

    ``forward(sr, hr)``: float (B, C, H, W) each in [0, 1], compared in luma; returns a scalar. The paper's distance is not known
    here; the mean of absolute differences is that of its detector's terms.

    Args:
        weights: a weight file of Key.Net; without it the maps of its handcrafted filters, at all of its levels, are compared.
    """

    target = Target.HR

    def __init__(self, weights: str = "") -> None:
        super().__init__()
        self.net = load_keynet(Path(weights)) if weights else None

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """Return the loss, a scalar; see the class."""
        ours, theirs = grey_of(sr), grey_of(hr).detach()
        if self.net is not None:
            distance: Tensor = (self.net(ours) - self.net(theirs)).abs().mean()
            return distance
        terms = []
        for level in range(LEVELS):
            ours, theirs = (reduced(ours), reduced(theirs)) if level else (ours, theirs)
            terms.append((handcrafted(ours) - handcrafted(theirs)).abs().mean())
        return torch.stack(terms).mean()
