# SPDX-License-Identifier: MPL-2.0
"""ASTER (Shi et al., TPAMI 2018) as the benchmarks of TextZoom have it: rectification, ResNet45, two LSTMs, attention.

The layers are those of the PyTorch version whose weights TextZoom's users evaluate with, one direction of reading included.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.recurrent import run_rnn
from ocrmypdf_superres.architectures.blocks.resnet45 import COUNTS, ResNet45
from ocrmypdf_superres.architectures.blocks.tps import WIDTHS, STNHead, TPSGrid
from ocrmypdf_superres.recognizers.beam_search import beam_search
from ocrmypdf_superres.recognizers.line_recognizer import IGNORED, LineRecognizer, padded

CHARACTERS = string.digits + string.ascii_letters + string.punctuation
END = len(CHARACTERS)
START = END + 3
"""After the end stand two classes of the released vocabulary that are never used, for padding and unknown characters."""
SEEN_BY_HEAD = (32, 64)
RECTIFIED = (32, 100)
STRIDES: tuple[int | tuple[int, int], ...] = (2, 2, (2, 1), (2, 1), (2, 1))


@dataclass(frozen=True)
class ASTERConfig:
    """Base channels (32 as published), blocks, LSTMs' and decoder's width; the head that rectifies; beam and longest text."""

    base: int = 32
    counts: tuple[int, ...] = COUNTS
    hidden: int = 256
    state: int = 512
    localisation: tuple[int, ...] = WIDTHS
    localisation_inner: int = 512
    beam: int = 5
    longest: int = 100

    def __post_init__(self) -> None:
        if len(self.counts) != len(COUNTS) or len(self.localisation) != len(WIDTHS):
            raise ValueError(f"counts must be {len(COUNTS)} numbers, and localisation {len(WIDTHS)}")
        if min(self.base, self.hidden, self.state, self.beam, self.longest) < 1:
            raise ValueError("base, hidden, state, beam and longest must be at least 1")


class Attending(nn.Module):
    """One step of the decoder: additive attention to the columns, then a GRU on the last character and what was seen."""

    def __init__(self, columns: int, state: int, classes: int) -> None:
        super().__init__()
        self.from_state = nn.Linear(state, state)
        self.from_columns = nn.Linear(columns, state)
        self.weigh = nn.Linear(state, 1)
        self.embed = nn.Embedding(classes + 1, state)
        self.cell = nn.GRUCell(columns + state, state)
        self.last = nn.Linear(state, classes)

    def forward(self, columns: Tensor, seen: Tensor, state: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, K) and the new state (B, S).

        *columns* are float (B, T, C), *seen* their projection (B, T, S), *state* (B, S), *given* int64 (B,) the last codes.
        """
        shares = self.weigh(torch.tanh(self.from_state(state)[:, None] + seen)).softmax(dim=1)
        context = (shares * columns).sum(dim=1)
        state = self.cell(torch.cat([self.embed(given), context], dim=1), state)
        return self.last(state), state


class ASTER(LineRecognizer):
    """Read lines of 32 x 128, upper and lower case and signs; *lines* are float (B, 1 or 3, H, W) in [0, 1]."""

    size = (32, 128)
    classes = CHARACTERS + "\0" * (START - END)
    blank = END

    def __init__(self, config: ASTERConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ASTERConfig()
        self.head = STNHead(3, SEEN_BY_HEAD, config.localisation, config.localisation_inner)
        self.grid = TPSGrid(RECTIFIED)
        self.trunk = ResNet45(3, config.base, config.counts, STRIDES, early=True)
        for layer in self.trunk.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        self.columns = nn.LSTM(16 * config.base, config.hidden, num_layers=2, bidirectional=True, batch_first=True)
        self.decoder = Attending(2 * config.hidden, config.state, len(self.classes))

    def encode(self, text: str) -> list[int]:
        """Return the codes of *text*, case and signs kept; characters that are not ASCII, and blanks, are left out."""
        return [CHARACTERS.index(c) for c in text if c in CHARACTERS]

    def _encode_image(self, lines: Tensor, widths: Tensor | None) -> Tensor:
        image = 2 * self.colour(lines, widths) - 1
        small = functional.interpolate(image, SEEN_BY_HEAD, mode="bilinear", align_corners=True)
        image = self.grid(image, self.head(small))
        return run_rnn(self.columns, self.trunk(image).squeeze(2).transpose(1, 2))

    def attend(self, lines: Tensor, targets: Tensor) -> Tensor:
        """Return logits (B, T, 97) of *lines* that say *targets*, int64 (B, T): each step is given the character before."""
        columns = self._encode_image(lines, None)
        seen = self.decoder.from_columns(columns)
        state = columns.new_zeros(len(columns), self.config.state)
        given = functional.pad(targets[:, :-1], (1, 0), value=START)
        steps = []
        for step in range(given.shape[1]):
            logits, state = self.decoder(columns, seen, state, given[:, step])
            steps.append(logits)
        return torch.stack(steps, dim=1)

    def loss(self, lines: Tensor, texts: Sequence[str]) -> Tensor:
        """Return the cross-entropy in nats, the sum over a text's characters and its end, mean over the batch."""
        codes = [[*self.encode(text)[: self.config.longest - 1], END] for text in texts]
        wanted = padded(codes, IGNORED, lines.device)
        logits = self.attend(lines, wanted.clamp(min=0))
        total = functional.cross_entropy(logits.float().transpose(1, 2), wanted, ignore_index=IGNORED, reduction="sum")
        return total / len(texts)

    @torch.no_grad()
    def read(self, lines: Tensor, widths: Tensor | None = None) -> list[str]:
        """Return the text of each of *lines* by beam search."""
        width = self.config.beam
        columns = self._encode_image(lines, widths)
        seen = self.decoder.from_columns(columns)
        state = columns.new_zeros(len(columns), self.config.state)

        def step(given: Tensor, parents: Tensor) -> Tensor:
            nonlocal state
            each = len(given) // len(columns)
            logits, state = self.decoder(
                columns.repeat_interleave(each, 0), seen.repeat_interleave(each, 0), state[parents], given[:, -1]
            )
            return torch.as_tensor(logits)

        found = beam_search(step, len(columns), width, self.config.longest, START, END, columns.device)
        return [self.decode(codes) for codes in found]
