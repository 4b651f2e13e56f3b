# SPDX-License-Identifier: MPL-2.0
"""The reading losses over several recognizers at once: CTC against text, probabilities and features against hr."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.recognizers.base import Recognizer
from ocrmypdf_superres.training.losses.recognition.ctc import CTCLoss, equal_codes
from ocrmypdf_superres.training.losses.recognition.jitter import Jitter, apply_jitter
from ocrmypdf_superres.training.losses.recognition.recognizer_features import FeatureDistance, ProbabilityDistance


@dataclass
class Readings:
    """The recognizers' losses of a batch.

    Attributes:
        losses: means over the recognizers by name: ``ctc``, ``probabilities``, ``features``; those asked for only.
        skipped: recognizer -> why each line that it cannot write was skipped, by the line's index.
        infeasible: lines whose text has more codes than their image has steps, over all recognizers.
    """

    losses: dict[str, Tensor] = field(default_factory=dict)
    skipped: dict[str, dict[int, str]] = field(default_factory=dict)
    infeasible: int = 0


class RecognizerLosses(nn.Module):
    """Reading losses of several recognizers, for example eng and script/Latin, on jittered lines.

    Args:
        recognizers: at least one; two or more of different height or script keep a net from adversarial texture.
        layers: inner layers for the ``features`` loss, those that a recognizer lacks are left out.
        jitter: ranges of the shift, scale and padding; None reads the lines as they are.
        seed: of the jitter, which depends on it and the step alone.
    """

    def __init__(
        self,
        recognizers: Sequence[Recognizer],
        layers: Sequence[str] = ("conv",),
        jitter: Jitter | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not recognizers:
            raise RecognizerError("No recognizer was given, at least one was expected; name one such as tesseract:eng.")
        self.recognizers = list(recognizers)
        self.inner = nn.ModuleList([recognizer for recognizer in recognizers if isinstance(recognizer, nn.Module)])
        self.layers = tuple(layers)
        self.jitter = jitter
        self.seed = seed
        self.ctc = CTCLoss()
        self.probabilities = ProbabilityDistance()
        self.features = FeatureDistance()

    def forward(
        self,
        sr: Tensor,
        widths: Tensor,
        hr: Tensor | None = None,
        texts: Sequence[str] | None = None,
        step: int = 0,
        losses: Sequence[str] = ("ctc", "probabilities"),
    ) -> Readings:
        """Return the losses of the lines *sr* (B, 1, H, W) in [0, 1] with *widths* (B,).

        *hr*: the same lines from hr, of the same size, for ``probabilities`` and ``features``; *texts*: B texts, for
        ``ctc``. Losses whose material is missing are left out.
        """
        result = Readings()
        parts: dict[str, list[Tensor]] = {}
        rng = np.random.default_rng([self.seed, step])
        for recognizer in self.recognizers:
            lines, truth, places = sr, hr, widths
            if self.jitter is not None:
                sample = self.jitter.sample(rng)
                lines, places = apply_jitter(sr, widths, sample)
                truth = None if hr is None else apply_jitter(hr.detach(), widths, sample)[0]
            logits, lengths = recognizer.logits(lines, places)
            if texts is not None and "ctc" in losses:
                value = self._read(recognizer, logits, lengths, texts, result)
                if value is not None:
                    parts.setdefault("ctc", []).append(value)
            if truth is not None and "probabilities" in losses:
                with torch.no_grad():
                    wanted, _ = recognizer.logits(truth, places)
                parts.setdefault("probabilities", []).append(self.probabilities(logits, wanted, lengths, recognizer.blank))
            if truth is not None and "features" in losses:
                inner = recognizer.features(lines, places, self.layers)
                with torch.no_grad():
                    target = recognizer.features(truth, places, self.layers)
                parts.setdefault("features", []).append(self.features(inner, target))
        result.losses = {name: torch.stack(values).mean() for name, values in parts.items()}
        return result

    def _read(
        self, recognizer: Recognizer, logits: Tensor, lengths: Tensor, texts: Sequence[str], result: Readings
    ) -> Tensor | None:
        codes: list[list[int]] = []
        for index, text in enumerate(texts):
            try:
                codes.append(recognizer.encode(text))
            except RecognizerError as error:
                codes.append([])
                result.skipped.setdefault(recognizer.name, {})[index] = str(error)
        if not any(codes):
            return None
        value: Tensor = self.ctc(logits, lengths, codes, recognizer.blank, equal_codes(recognizer))
        result.infeasible += self.ctc.infeasible - sum(not line for line in codes)
        return value
