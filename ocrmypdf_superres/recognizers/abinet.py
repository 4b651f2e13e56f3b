# SPDX-License-Identifier: MPL-2.0
"""ABINet's vision and language parts as a reader: the prior of LEMMA, trained and judged by itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.abinet import CLASSES, READ_SIZE, Prior, PriorConfig
from ocrmypdf_superres.recognizers.reader import LineReader

SMALL = PriorConfig(
    base=4, counts=(1, 1, 1, 1, 1), layers=1, heads=4, inner=128, attention=16, language_layers=1
)


class ABINet(LineReader):
    """Reads lines of 32 x 128; *lines* are float (B, 1 or 3, H, W) in [0, 1]."""

    size = READ_SIZE
    classes = CLASSES

    def __init__(self, config: PriorConfig | None = None) -> None:
        super().__init__()
        self.config = config or PriorConfig()
        self.prior = Prior(self.config)

    def forward(self, lines: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What :class:`~ocrmypdf_superres.architectures.blocks.abinet.Prior` returns for *lines* of any size."""
        value: tuple[Tensor, Tensor, Tensor, Tensor] = self.prior(self.grey(lines, None))
        return value

    def loss(self, lines: Tensor, texts: Sequence[str]) -> Tensor:
        """Cross-entropy of vision's and language's reading, nats a step, steps up to each text's end."""
        codes = [[*self.encode(text)[: self.config.steps - 1], self.blank] for text in texts]
        wanted = torch.full((len(codes), self.config.steps), -100, dtype=torch.int64, device=lines.device)
        for row, line in enumerate(codes):
            wanted[row, : len(line)] = torch.tensor(line, dtype=torch.int64)
        seen, text, _, _ = self(lines)
        total = functional.cross_entropy(seen.float().transpose(1, 2), wanted, ignore_index=-100)
        if text is not seen:
            total = total + functional.cross_entropy(text.float().transpose(1, 2), wanted, ignore_index=-100)
        return total

    @torch.no_grad()
    def read(self, lines: Tensor, widths: Tensor | None = None) -> list[str]:
        _, text, _, _ = self.prior(self.grey(lines, widths))
        rows = text.argmax(dim=2).tolist()
        return [self.decode(row[: row.index(self.blank)] if self.blank in row else row) for row in rows]
