# SPDX-License-Identifier: MPL-2.0
"""Distances of what a text detector sees in sr and in hr (CTPN; Zyrek and Kawulok, 2024)."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn


class Detector(Protocol):
    """A frozen, differentiable text detector such as CTPN (Tian et al., ECCV 2016)."""

    def detect(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return deep features, class logits and box regressions, float (B, C, h, w) each, of *pictures* (B, 1, H, W)."""
        ...


class DetectorLoss(nn.Module):
    """mean abs(f(sr) - f(hr)) for the features, the logits (before softmax) and the coordinates; hr is detached.

    The three are separate tasks in the paper, so that a balance can weigh them: ``forward(sr, hr)`` takes float
    (B, 1, H, W) each, not clamped, and returns the scalars ``features``, ``scores`` and ``coordinates``.
    """

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, sr: Tensor, hr: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            wanted = self.detector.detect(hr)
        seen = self.detector.detect(sr)
        names = ("features", "scores", "coordinates")
        return {name: (ours - theirs).abs().mean() for name, ours, theirs in zip(names, seen, wanted, strict=True)}
