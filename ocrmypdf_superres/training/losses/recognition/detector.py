# SPDX-License-Identifier: MPL-2.0
"""Distances between a text detector's view of sr and of hr (CTPN; Zyrek and Kawulok, 2024)."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from ocrmypdf_superres.architectures.blocks.layers import grey_of
from ocrmypdf_superres.detectors.ctpn import CTPN, load_public
from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.recognizers import folder
from ocrmypdf_superres.training.protocols import Target

PARTS = ("features", "scores", "coordinates")


class Detector(Protocol):
    """A frozen, differentiable text detector such as CTPN (Tian et al., ECCV 2016)."""

    def detect(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return deep features, class logits and box regressions, float (B, C, h, w) each, of *images* (B, 1, H, W)."""
        ...


class DetectorLoss(nn.Module):
    """mean abs(f(sr) - f(hr)) for the features, the logits (before softmax) and the coordinates; hr is detached.

    The three are separate tasks in the paper, so that a balance can weigh them: ``forward(sr, hr)`` takes float (B, C, H, W)
    each, not clamped, compared in luma, and returns a scalar for each of ``parts``, which maps the names to their weights.
    """

    target = Target.HR

    def __init__(self, detector: Detector, weights: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> None:
        super().__init__()
        self.detector = detector
        self.parts = {name: weight for name, weight in zip(PARTS, weights, strict=True) if weight > 0}
        if not self.parts:
            raise OptionError("The loss detector has no part with a weight above 0; give features, scores or coordinates one.")

    def forward(self, sr: Tensor, hr: Tensor) -> dict[str, Tensor]:
        """Return a scalar for each part; see the class."""
        with torch.no_grad():
            wanted = self.detector.detect(grey_of(hr))
        seen = self.detector.detect(grey_of(sr))
        distances = {name: (ours - theirs).abs().mean() for name, ours, theirs in zip(PARTS, seen, wanted, strict=True)}
        return {name: distances[name] for name in self.parts}


def ctpn_loss(weights: str = "", features: float = 1.0, scores: float = 1.0, coordinates: float = 1.0) -> DetectorLoss:
    """Return the loss with the CTPN *weights*, and the weights of its three parts; 0 leaves one out.

    *weights* is the file of the public weights, or a detector trained here: its name or folder.

    Raises:
        OptionError: no detector is given, or all parts are left out. RecognizerError: it cannot be used.
    """
    if not weights:
        raise OptionError(
            "The loss detector needs a text detector: give weights = a file with CTPN's weights, or a detector's folder."
        )
    return DetectorLoss(load_detector(weights), (features, scores, coordinates))


def load_detector(weights: str) -> CTPN:
    """Return the frozen text detector that *weights* stands for: the file of CTPN's public weights, a name or a folder.

    Raises:
        RecognizerError: it is missing, damaged, or no detector.
    """
    detector: nn.Module = load_public(Path(weights)) if Path(weights).is_file() else folder.load(weights, ("ctpn",))
    if not isinstance(detector, CTPN):
        raise RecognizerError(f"{weights} holds a {type(detector).__name__}, but a CTPN was expected; give a text detector.")
    return detector
