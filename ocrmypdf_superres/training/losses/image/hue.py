# SPDX-License-Identifier: MPL-2.0
"""Consistency of hue between sr and hr (Zyrek et al., Applied Sciences 15:8063, 2025)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.protocols import Target


class HueLoss(nn.Module):
    """Mean over pixels of 1 - cos(hue(sr) - hue(hr)), each weighed by hr's chroma; 0 for the same hues, 2 for the opposite ones.

    Hue is the angle of red, green and blue in the plane across the grey axis. Grey pixels have none, which is why chroma weighs
    them; an hr without colour counts 0. The paper's formula is not known here; a cosine has no jump where hue does.

    ``forward(sr, hr)``: float (B, 3, H, W) each; returns a scalar; hr is detached.
    """

    target = Target.HR

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """Return the loss, a scalar; see the class.

        Raises:
            OptionError: the images are not in RGB.
        """
        if sr.shape[1] != 3:
            raise OptionError(f"The loss hue was given {sr.shape[1]} channels, RGB was expected; train with colour = 'rgb'.")
        ours, theirs = _chroma(sr), _chroma(hr.detach())
        strength = theirs.norm(dim=1)
        # The small number keeps the root's gradient finite on grey.
        length = (ours.square().sum(dim=1) + 1e-6).sqrt() * strength.clamp(min=1e-6)
        cosine = (ours * theirs).sum(dim=1) / length
        total: Tensor = ((1 - cosine) * strength).sum() / strength.sum().clamp(min=1e-6)
        return total


def _chroma(image: Tensor) -> Tensor:
    """Return the two coordinates across the grey axis, float (B, 2, H, W)."""
    red, green, blue = image.float().unbind(dim=1)
    return torch.stack([red - (green + blue) / 2, math.sqrt(3) / 2 * (green - blue)], dim=1)
