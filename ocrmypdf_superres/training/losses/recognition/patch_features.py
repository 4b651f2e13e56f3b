# SPDX-License-Identifier: MPL-2.0
"""Distance between a CRNN's view of whole patches of sr and hr (Zyrek et al., Applied Sciences 15:8063, 2025)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ocrmypdf_superres.architectures.blocks.layers import grey_of
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.recognizers.crnn import CRNN
from ocrmypdf_superres.recognizers.folder import load
from ocrmypdf_superres.training.protocols import Target


class PatchFeatureLoss(nn.Module):
    """mean abs(f(sr) - f(hr)), f the last convolutional features of a CRNN; hr is detached.

    The convolutions see the whole patch at its own size, so that no text and no lines need be known. ``forward(sr, hr)``: float
    (B, C, H, W) each in [0, 1], at least 32 pixels high, compared in luma; returns a scalar. Which features the paper compares
    is not known here.

    Args:
        weights: the name or folder of a CRNN, such as ``import-weights crnn`` makes.
    """

    target = Target.HR

    def __init__(self, weights: str = "") -> None:
        super().__init__()
        if not weights:
            raise OptionError("The loss recognizer needs a CRNN: give weights = its name or folder.")
        net = load(weights, ("crnn",))
        assert isinstance(net, CRNN)  # noqa: S101 - the kind was asked for
        self.features = net.convolutions

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """Return the loss, a scalar; see the class."""
        with torch.no_grad():
            wanted = self.features(grey_of(hr))
        distance: Tensor = (self.features(grey_of(sr)) - wanted).abs().mean()
        return distance
