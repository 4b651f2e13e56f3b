# SPDX-License-Identifier: MPL-2.0
"""ABINet's vision and language parts as a recognizer: the prior of LEMMA, trained and evaluated by itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.abinet import CLASSES, READ_SIZE, Prior, PriorConfig
from ocrmypdf_superres.recognizers.line_recognizer import IGNORED, LineRecognizer, padded, until


class ABINet(LineRecognizer):
    """Read lines of 32 x 128; *lines* are float (B, 1 or 3, H, W) in [0, 1]."""

    size = READ_SIZE
    classes = CLASSES

    def __init__(self, config: PriorConfig | None = None) -> None:
        super().__init__()
        self.config = config or PriorConfig()
        self.prior = Prior(self.config)

    def forward(self, lines: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what :class:`~ocrmypdf_superres.architectures.blocks.abinet.Prior` returns for *lines* of any size."""
        value: tuple[Tensor, Tensor, Tensor, Tensor] = self.prior(self.colour(lines, None))
        return value

    def loss(self, lines: Tensor, texts: Sequence[str]) -> Tensor:
        """Return the cross-entropy of vision's and language's reading, nats a step, steps up to each text's end."""
        codes = [[*self.encode(text)[: self.config.steps - 1], self.blank] for text in texts]
        wanted = padded(codes, IGNORED, lines.device, self.config.steps)
        seen, text, _, _ = self(lines)
        total = functional.cross_entropy(seen.float().transpose(1, 2), wanted, ignore_index=IGNORED)
        if text is not seen:
            total = total + functional.cross_entropy(text.float().transpose(1, 2), wanted, ignore_index=IGNORED)
        return total

    @torch.no_grad()
    def read(self, lines: Tensor, widths: Tensor | None = None) -> list[str]:
        """Return the text of each of *lines* that the language part gives, or vision where there is none."""
        _, text, _, _ = self.prior(self.colour(lines, widths))
        rows = text.argmax(dim=2).tolist()
        return [self.decode(until(row, self.blank)) for row in rows]
