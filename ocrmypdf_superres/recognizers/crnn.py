# SPDX-License-Identifier: MPL-2.0
"""CRNN (Shi et al., 2015): convolutions, two bidirectional LSTMs, CTC; the small recognizer of the benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.recurrent import run_rnn
from ocrmypdf_superres.metrics.text import LETTERS_AND_DIGITS
from ocrmypdf_superres.recognizers.base import collapse
from ocrmypdf_superres.recognizers.line_recognizer import LineRecognizer


@dataclass(frozen=True)
class CRNNConfig:
    """Channels of the first convolution (the others are multiples), the LSTMs' hidden size, the line's width."""

    base: int = 64
    hidden: int = 256
    width: int = 100

    def __post_init__(self) -> None:
        if self.base < 1 or self.hidden < 1 or self.width < 16:
            raise ValueError("base and hidden must be at least 1, and width at least 16")


class CRNN(LineRecognizer):
    """Read lines of 32 x width; *lines* are float (B, 1, H, W) in [0, 1], without further normalisation."""

    classes = "\0" + LETTERS_AND_DIGITS

    def __init__(self, config: CRNNConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CRNNConfig()
        self.size = (32, config.width)
        base, hidden = config.base, config.hidden
        wide = nn.MaxPool2d((2, 2), (2, 1), (0, 1))
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, base, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(base, 2 * base, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(2 * base, 4 * base, 3, padding=1), nn.BatchNorm2d(4 * base), nn.ReLU(),
            nn.Conv2d(4 * base, 4 * base, 3, padding=1), nn.ReLU(), wide,
            nn.Conv2d(4 * base, 8 * base, 3, padding=1), nn.BatchNorm2d(8 * base), nn.ReLU(),
            nn.Conv2d(8 * base, 8 * base, 3, padding=1), nn.ReLU(), wide,
            nn.Conv2d(8 * base, 8 * base, 2), nn.BatchNorm2d(8 * base), nn.ReLU(),
        )  # fmt: skip
        self.first = nn.LSTM(8 * base, hidden, bidirectional=True, batch_first=True)
        self.between = nn.Linear(2 * hidden, hidden)
        self.second = nn.LSTM(hidden, hidden, bidirectional=True, batch_first=True)
        self.last = nn.Linear(2 * hidden, len(self.classes))

    def forward(self, lines: Tensor) -> Tensor:
        """Return logits (B, T, 37) of *lines* (B, 1, 32, width), T about a quarter of the width."""
        value = self.convolutions(lines).squeeze(2).transpose(1, 2)
        value = self.between(run_rnn(self.first, value))
        logits: Tensor = self.last(run_rnn(self.second, value))
        return logits

    def logits(self, lines: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`~ocrmypdf_superres.recognizers.base.Recognizer.logits`; every line is resized to one width."""
        value = self(self.grey(lines, widths))
        return value, torch.full((len(lines),), value.shape[1], dtype=torch.int64, device=lines.device)

    def features(self, lines: Tensor, widths: Tensor, layers: Sequence[str]) -> dict[str, tuple[Tensor, Tensor]]:
        """Return ``conv``, the convolutions' output (B, C, 1, T), where *layers* names it."""
        self.check_layers(layers, ("conv",))
        value = self.convolutions(self.grey(lines, widths))
        steps = torch.full((len(lines),), value.shape[3], dtype=torch.int64, device=lines.device)
        return {"conv": (value, steps)} if layers else {}

    def loss(self, lines: Tensor, texts: Sequence[str]) -> Tensor:
        """Return the CTC loss in nats a line, mean over the batch; texts that need more steps than there are count as 0."""
        logits = self(self.grey(lines, None))
        codes = [self.encode(text) for text in texts]
        return functional.ctc_loss(
            logits.float().log_softmax(dim=2).transpose(0, 1),
            torch.tensor([code for line in codes for code in line], dtype=torch.int64, device=lines.device),
            torch.full((len(texts),), logits.shape[1], dtype=torch.int64),
            torch.tensor([len(line) for line in codes], dtype=torch.int64),
            blank=self.blank, reduction="none", zero_infinity=True,
        ).mean()  # fmt: skip

    @torch.no_grad()
    def read(self, lines: Tensor, widths: Tensor | None = None) -> list[str]:
        """Return the text of each of *lines* by greedy decoding."""
        best = self(self.grey(lines, widths)).argmax(dim=2)
        return [self.decode(collapse(row, self.blank)) for row in best.tolist()]
