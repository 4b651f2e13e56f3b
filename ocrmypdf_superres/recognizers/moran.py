# SPDX-License-Identifier: MPL-2.0
"""MORAN (Luo et al., Pattern Recognition 2019), second version: rectification by offsets, residual convolutions, attention.

The layers are those of the released MORAN_v2, with which TextZoom's users evaluate.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.recurrent import run_rnn
from ocrmypdf_superres.architectures.blocks.resnet45 import COUNTS, Stride
from ocrmypdf_superres.recognizers.line_recognizer import IGNORED, LineRecognizer, padded, until

CHARACTERS = string.digits + string.ascii_lowercase
END = len(CHARACTERS)
START = END + 1
LONGEST = 20
STRIDES: tuple[Stride, ...] = (2, 2, (2, 1), (2, 1), (2, 1))
MOST_MIXED = 0.25
"""The largest part of a column's share that fractional pickup mixes with its neighbour's (section 3.3)."""


@dataclass(frozen=True)
class MORANConfig:
    """Base channels (32 as published) and blocks, the width of LSTMs, decoders and embedded characters, the head's channels.

    ``centred`` brings pixels to [-1, 1], as MORAN's own code does; TextZoom's evaluation leaves them in [0, 1].
    """

    base: int = 32
    counts: tuple[int, ...] = COUNTS
    hidden: int = 256
    offsets: tuple[int, ...] = (64, 128, 64, 16)
    centred: bool = False

    def __post_init__(self) -> None:
        if len(self.counts) != len(COUNTS) or len(self.offsets) != 4 or min(self.base, self.hidden) < 1:
            raise ValueError(f"counts must be {len(COUNTS)} numbers, offsets 4, and base and hidden at least 1")


class Offsets(nn.Module):
    """MORN: convolutions that predict how far each place of the line is moved up or down (section 3.1)."""

    base: Tensor

    def __init__(self, size: tuple[int, int], widths: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.MaxPool2d(2)]
        inputs = 1
        for index, width in enumerate(widths):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            if index < 2:
                layers.append(nn.MaxPool2d(2))
            inputs = width
        self.convolutions = nn.Sequential(*layers, nn.Conv2d(inputs, 1, 3, padding=1), nn.BatchNorm2d(1))
        rows, columns = (torch.linspace(-1, 1, n) for n in size)
        base = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=2).flip(2)
        self.register_buffer("base", base[None], persistent=False)

    def _offsets(self, image: Tensor) -> Tensor:
        value = self.convolutions(image)
        # The largest move up and the largest down of four neighbours, each by itself.
        value = functional.max_pool2d(value.relu(), 2, 1) - functional.max_pool2d((-value).relu(), 2, 1)
        grid = self.base.to(value).expand(len(value), -1, -1, -1)
        return functional.grid_sample(value, grid, align_corners=True).permute(0, 2, 3, 1)

    def _moved(self, image: Tensor, offsets: Tensor) -> Tensor:
        grid = self.base.to(image).expand(len(image), -1, -1, -1)
        return functional.grid_sample(image, torch.cat([grid[..., :1], grid[..., 1:] + offsets], dim=3), align_corners=True)

    def forward(self, image: Tensor) -> Tensor:
        """Return *image*, float (B, 1, H, W), rectified: once in training, and twice in evaluation.

        In training every second batch stays as it is, which keeps the recognizer able to read without.
        """
        if self.training and float(torch.rand(())) > 0.5:
            return image
        offsets = self._offsets(image)
        rectified = self._moved(image, offsets)
        if not self.training:
            rectified = self._moved(image, offsets + self._offsets(rectified))
        return rectified


class Residual(nn.Module):
    """Two convolutions with batch normalisation and nothing between them, added to the input."""

    def __init__(self, inputs: int, outputs: int, stride: Stride) -> None:
        super().__init__()
        changes = stride != 1
        first = nn.Conv2d(inputs, outputs, 3, stride, padding=1) if changes else nn.Conv2d(inputs, outputs, 1)
        self.first = nn.Sequential(first, _norm(outputs))
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, padding=1), _norm(outputs))
        self.short: nn.Module | None = None
        if changes:
            self.short = nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, padding=1), _norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return float (B, outputs, H', W') for *x*, float (B, inputs, H, W)."""
        return torch.relu(self.second(self.first(x)) + (x if self.short is None else self.short(x)))


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, momentum=0.01)


class Decoder(nn.Module):
    """Additive attention to the columns and a GRU, with fractional pickup in training."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.from_columns = nn.Linear(width, width, bias=False)
        self.from_state = nn.Linear(width, width)
        self.weigh = nn.Linear(width, 1, bias=False)
        self.cell = nn.GRUCell(2 * width, width)
        self.embed = nn.Parameter(torch.randn(classes + 1, width))
        self.last = nn.Linear(width, classes)

    def start(self, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Return the columns' projection (B, T, D) and the first state (B, D) for *columns*, float (B, T, D)."""
        return self.from_columns(columns), columns.new_zeros(len(columns), columns.shape[2])

    def forward(self, columns: Tensor, seen: Tensor, state: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, 37) and the new state (B, D); *given*, int64 (B,), are the last codes, or :data:`START`."""
        shares = self.weigh(torch.tanh(seen + self.from_state(state)[:, None])).softmax(dim=1)
        if self.training:
            shares = picked_up(shares)
        # The start is the table's first row.
        last = self.embed[torch.where(given == START, 0, given + 1)]
        state = self.cell(torch.cat([(shares * columns).sum(dim=1), last], dim=1), state)
        return self.last(state), state


def picked_up(shares: Tensor) -> Tensor:
    """Return *shares*, float (B, T, 1), with two random neighbouring columns mixed (fractional pickup, section 3.3)."""
    columns = shares.shape[1]
    at = int(torch.randint(columns, ()))
    if at in (0, columns - 1):
        return shares
    mix = MOST_MIXED * float(torch.rand(()))
    before, here = shares[:, at - 1], shares[:, at]
    pair = torch.stack([(1 - mix) * before + mix * here, mix * before + (1 - mix) * here], dim=1)
    return torch.cat([shares[:, : at - 1], pair, shares[:, at + 1 :]], dim=1)


class MORAN(LineRecognizer):
    """Read lines of 32 x 100 from left to right; a second decoder, from right to left, is trained beside it."""

    size = (32, 100)
    classes = CHARACTERS + "\0"
    blank = END

    def __init__(self, config: MORANConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MORANConfig()
        self.rectify = Offsets(self.size, config.offsets)
        layers: list[nn.Module] = [nn.Conv2d(1, config.base, 3, padding=1), _norm(config.base)]
        inputs = config.base
        for stage, (count, stride) in enumerate(zip(config.counts, STRIDES, strict=True)):
            for block in range(count):
                layers.append(Residual(inputs, config.base << stage, 1 if block else stride))
                inputs = config.base << stage
        self.trunk = nn.Sequential(*layers)
        width = config.hidden
        self.first = nn.LSTM(inputs, width, bidirectional=True, batch_first=True)
        self.between = nn.Linear(2 * width, width)
        self.second = nn.LSTM(width, width, bidirectional=True, batch_first=True)
        self.after = nn.Linear(2 * width, width)
        self.rightwards, self.leftwards = Decoder(width, len(self.classes)), Decoder(width, len(self.classes))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", a=0)

    def _encode_image(self, lines: Tensor, widths: Tensor | None) -> Tensor:
        image = self.grey(lines, widths)
        image = self.rectify(2 * image - 1 if self.config.centred else image)
        value = self.between(run_rnn(self.first, self.trunk(image).squeeze(2).transpose(1, 2)))
        columns: Tensor = self.after(run_rnn(self.second, value))
        return columns

    def attend(self, lines: Tensor, targets: Tensor, backwards: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, T, 37) of both decoders for *lines* that say *targets*, int64 (B, T), and *backwards*, reversed."""
        columns = self._encode_image(lines, None)
        return _given(self.rightwards, columns, targets), _given(self.leftwards, columns, backwards)

    def loss(self, lines: Tensor, texts: Sequence[str]) -> Tensor:
        """Return the cross-entropy in nats a character, ends included, mean over both directions."""
        codes = [self.encode(text)[: LONGEST - 1] for text in texts]
        wanted = padded([[*line, END] for line in codes], IGNORED, lines.device)
        reverse = padded([[*line[::-1], END] for line in codes], IGNORED, lines.device)
        both = self.attend(lines, wanted.clamp(min=0), reverse.clamp(min=0))
        logits = torch.cat(both).float().transpose(1, 2)
        return functional.cross_entropy(logits, torch.cat([wanted, reverse]), ignore_index=IGNORED)

    @torch.no_grad()
    def read(self, lines: Tensor, widths: Tensor | None = None) -> list[str]:
        """Return the text of each of *lines* from left to right, character by character the most probable one."""
        columns = self._encode_image(lines, widths)
        seen, state = self.rightwards.start(columns)
        given = torch.full((len(columns),), START, dtype=torch.int64, device=columns.device)
        codes = []
        for _ in range(LONGEST):
            logits, state = self.rightwards(columns, seen, state, given)
            given = logits.argmax(dim=1)
            codes.append(given)
        return [self.decode(until(row, END)) for row in torch.stack(codes, dim=1).tolist()]


def _given(decoder: Decoder, columns: Tensor, targets: Tensor) -> Tensor:
    """Return *decoder*'s logits (B, T, 37), each step given the right character before it."""
    seen, state = decoder.start(columns)
    given = functional.pad(targets[:, :-1], (1, 0), value=START)
    steps = []
    for step in range(given.shape[1]):
        logits, state = decoder(columns, seen, state, given[:, step])
        steps.append(logits)
    return torch.stack(steps, dim=1)
