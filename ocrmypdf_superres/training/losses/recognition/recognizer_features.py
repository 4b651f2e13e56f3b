# SPDX-License-Identifier: MPL-2.0
"""Distances between a recognizer's view of sr and of hr: its probabilities, and its inner features.

Neither needs a text, so both work on unlabelled scans. The features follow the perceptual loss of Johnson et al.
(ECCV 2016), with a recognizer in the place of an image classifier.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.errors import RecognizerError


def steps_mask(length: int, lengths: Tensor) -> Tensor:
    """Bool (B, *length*): whether a step is one of the valid *lengths* (B,)."""
    return torch.arange(length, device=lengths.device)[None, :] < lengths[:, None]


class ProbabilityDistance(nn.Module):
    """Mean over valid steps of KL(hr || sr) between the recognizer's distributions, in nats; hr is detached.

    With *symmetric* the mean of both directions, which also punishes letters that only sr shows. *floor* is mixed
    into both distributions as a uniform share, which bounds the value at steps where one of them is certain. Most
    steps are blanks in both images; a step where hr is not a blank counts *letters* times.
    """

    def __init__(self, symmetric: bool = True, floor: float = 1e-4, letters: float = 1.0) -> None:
        super().__init__()
        self.symmetric = symmetric
        self.floor = floor
        self.letters = letters

    def forward(self, sr_logits: Tensor, hr_logits: Tensor, lengths: Tensor, blank: int | None = None) -> Tensor:
        """*sr_logits*, *hr_logits*: float (B, T, K) of the same lines; *lengths*: int64 (B,). A scalar."""
        sr = self._log_probs(sr_logits)
        hr = self._log_probs(hr_logits.detach())
        distance = (hr.exp() * (hr - sr)).sum(dim=2)
        if self.symmetric:
            distance = 0.5 * (distance + (sr.exp() * (sr - hr)).sum(dim=2))
        weights = steps_mask(distance.shape[1], lengths.to(distance.device)).to(distance.dtype)
        if blank is not None and self.letters != 1.0:
            weights = weights * torch.where(hr.argmax(dim=2) == blank, 1.0, self.letters).to(distance.dtype)
        return (distance * weights).sum() / weights.sum().clamp(min=1.0)

    def _log_probs(self, logits: Tensor) -> Tensor:
        wide = logits.float() if logits.dtype.itemsize < 4 else logits
        log_probs = functional.log_softmax(wide, dim=2)
        if self.floor <= 0.0:
            return log_probs
        uniform = torch.full_like(log_probs, self.floor / logits.shape[2]).log()
        return torch.logaddexp(log_probs + math.log1p(-self.floor), uniform)


class FeatureDistance(nn.Module):
    """Mean L1 distance of inner features over valid columns, hr detached, averaged over the layers.

    Layers of Tesseract's networks give values in [-1, 1] (tanh), so that no layer outweighs the others.
    """

    def forward(self, sr: Mapping[str, tuple[Tensor, Tensor]], hr: Mapping[str, tuple[Tensor, Tensor]]) -> Tensor:
        """*sr*, *hr*: what ``Recognizer.features`` gave for the same lines. A scalar."""
        total = None
        for name, (features, widths) in sr.items():
            valid = steps_mask(features.shape[3], widths.to(features.device)).to(features.dtype)
            distance = (features - hr[name][0].detach()).abs().mean(dim=(1, 2))
            value = (distance * valid).sum() / valid.sum().clamp(min=1.0)
            total = value if total is None else total + value
        if total is None:
            raise RecognizerError("No features were given, at least one layer was expected; name a layer.")
        return total / len(sr)
