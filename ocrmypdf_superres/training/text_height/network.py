# SPDX-License-Identifier: MPL-2.0
"""The network: a few strided convolutions over a tile, pooled into one answer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ocrmypdf_superres.page.height_network import BINS, TURNS

WIDTH = 16
"""Channels of the first layer; the others have multiples of them."""


class HeightNetwork(nn.Module):
    """Says of tiles (N, 1, S, S), standardized luma, what is on them; S is a multiple of 8.

    The answer is (N, 1 + BINS + TURNS + kinds + 1): logit of text, logits of the bins of height, of the four quarter turns
    and of the kinds of letters, and the skew in tens of degrees.
    """

    def __init__(self, kinds: int) -> None:
        super().__init__()
        w = WIDTH
        sizes = ((1, w, 4, 2), (w, 2 * w, 3, 2), (2 * w, 3 * w, 3, 1), (3 * w, 4 * w, 3, 2), (4 * w, 5 * w, 3, 1))
        layers: list[nn.Module] = []
        for inner, outer, kernel, stride in sizes:
            layers += [nn.Conv2d(inner, outer, kernel, stride, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Linear(10 * w, 8 * w), nn.ReLU(), nn.Linear(8 * w, 1 + BINS + TURNS + kinds + 1))

    def forward(self, tiles: Tensor) -> Tensor:
        """Return the answers to *tiles*."""
        found = self.features(tiles)
        pooled = torch.cat((found.mean((2, 3)), found.amax((2, 3))), 1)
        answer: Tensor = self.head(pooled)
        return answer
