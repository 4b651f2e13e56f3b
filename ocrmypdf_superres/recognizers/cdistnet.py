# SPDX-License-Identifier: MPL-2.0
"""CDistNet (Zheng et al., 2021): visual, semantic and positional features, drawn together at every character.

The released code's build (ResNet45), whose size is the one that paper 001 counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.line_layers import Attention, FeedForward, causal, sinusoid
from ocrmypdf_superres.architectures.blocks.resnet45 import COUNTS, ResNet45
from ocrmypdf_superres.architectures.blocks.tps import POINTS, SOURCE_MARGIN, TPSGrid, edge_points
from ocrmypdf_superres.metrics.text import LETTERS_AND_DIGITS, letters_and_digits
from ocrmypdf_superres.recognizers.reader import LineReader

PAD, UNKNOWN, START, END = range(4)
LONGEST = 30


@dataclass(frozen=True)
class CDistNetConfig:
    """The trunk's base channels (32 as published; the model's width is 16 times that) and blocks, layers, heads.

    ``compat`` adds what the released code has and never gives a gradient: two sets of projections in every attention,
    and a table of positions.
    """

    base: int = 32
    counts: tuple[int, ...] = COUNTS
    encoder_layers: int = 3
    decoder_layers: int = 3
    heads: int = 8
    encoder_inner: int = 2048
    decoder_inner: int = 1024
    localisation: tuple[int, ...] = (64, 128, 256, 512)
    localisation_inner: int = 256
    compat: bool = False

    def __post_init__(self) -> None:
        if len(self.counts) != len(COUNTS) or self.base < 1 or 16 * self.base % self.heads:
            raise ValueError("counts must be five numbers, and heads must divide 16 x base")


SMALL = CDistNetConfig(
    base=4, counts=(1, 1, 1, 1, 1), encoder_layers=1, decoder_layers=1, heads=4, encoder_inner=128, decoder_inner=128,
    localisation=(8, 8, 16, 16), localisation_inner=16,
)  # fmt: skip


class Unit(nn.Module):
    """Attention and feed-forward, each added and normalised."""

    def __init__(self, config: CDistNetConfig, inner: int) -> None:
        super().__init__()
        width = 16 * config.base
        self.attention = Attention(width, config.heads, 0.1)
        self.norm, self.last = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed = FeedForward(width, inner, 0.1)
        self.dropout = nn.Dropout(0.1)
        if config.compat:
            self.unused = nn.ModuleList([nn.Linear(width, 3 * width), nn.Linear(width, 3 * width)])

    def forward(self, query: Tensor, key: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        seen, maps = self.attention(query, key, key, mask)
        value = self.norm(query + self.dropout(seen))
        return self.last(value + self.dropout(self.feed(value))), maps


class Localisation(nn.Module):
    """TPS-STN of CDistNet's own: four convolutions, their mean, two linear layers, control points in [0, 1]."""

    def __init__(self, config: CDistNetConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for index, width in enumerate(config.localisation):
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            layers.append(nn.MaxPool2d(2) if index < len(config.localisation) - 1 else nn.AdaptiveAvgPool2d(1))
            channels = width
        self.convolutions = nn.Sequential(*layers)
        self.first = nn.Linear(channels, config.localisation_inner)
        self.last = nn.Linear(config.localisation_inner, 2 * POINTS)
        nn.init.zeros_(self.last.weight)
        with torch.no_grad():
            self.last.bias.copy_(edge_points(SOURCE_MARGIN).flatten())

    def forward(self, x: Tensor) -> Tensor:
        value = torch.relu(self.first(self.convolutions(x).flatten(1)))
        return self.last(value).reshape(-1, POINTS, 2)


class Distil(nn.Module):
    """One decoder layer (MDCDP): positions look at themselves, at the image and at the text; a gate mixes both."""

    def __init__(self, config: CDistNetConfig) -> None:
        super().__init__()
        self.positions, self.image, self.text = (Unit(config, config.decoder_inner) for _ in range(3))

    def forward(self, position: Tensor, places: Tensor, words: Tensor, gate: nn.Linear) -> tuple[Tensor, Tensor]:
        mask = causal(position.shape[1], position.device)
        position, _ = self.positions(position, position, mask)
        seen, maps = self.image(position, places)
        said, _ = self.text(position, words, mask)
        share = torch.sigmoid(gate(torch.cat([seen, said], dim=2)))
        return share * said + (1 - share) * seen, maps


class CDistNet(LineReader):
    """Reads lines of 32 x 128; *lines* are float (B, 1 or 3, H, W) in [0, 1].  It always rectifies."""

    size = (32, 128)
    classes = "\0" * 4 + LETTERS_AND_DIGITS
    blank = END
    sines: Tensor

    def __init__(self, config: CDistNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CDistNetConfig()
        self.width = width = 16 * config.base
        self.localisation, self.grid = Localisation(config), TPSGrid(self.size)
        self.trunk = ResNet45(3, config.base, config.counts)
        self.shrink = nn.Sequential(
            nn.Conv2d(width, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.encoder = nn.ModuleList(Unit(config, config.encoder_inner) for _ in range(config.encoder_layers))
        self.embed = nn.Embedding(len(self.classes), width)
        self.place = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.place_norm = nn.LayerNorm(width)
        self.decoder = nn.ModuleList(Distil(config) for _ in range(config.decoder_layers))
        self.gate = nn.Linear(2 * width, width)
        self.last = nn.Linear(width, len(self.classes), bias=False)
        self.register_buffer("sines", sinusoid(128, width), persistent=False)
        if config.compat:
            self.unused = nn.Parameter(torch.zeros(48, width))

    def _places(self, lines: Tensor) -> Tensor:
        # Pixels over 128 less 1, as the released weights expect: 255 / 128 of [0, 1].
        image = self.grey(lines, None).expand(-1, 3, -1, -1) * (255 / 128) - 1
        image = self.grid(image, self.localisation(image))
        # Column by column, as the original flattens.
        value = self.shrink(self.trunk(image)).transpose(2, 3).flatten(2).transpose(1, 2)
        value = value + self.sines[: value.shape[1]].to(value)
        for layer in self.encoder:
            value, _ = layer(value, value)
        return value

    def _step(self, places: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        sines = self.sines[: given.shape[1]].to(places)
        words = self.embed(given) * math.sqrt(self.width) + sines
        position = self.place_norm(sines + self.place(sines)).expand(len(given), -1, -1)
        maps = places
        for layer in self.decoder:
            position, maps = layer(position, places, words, self.gate)
        return self.last(position), maps

    def attend(self, lines: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, T, 40) and the last layer's maps (B, heads, T, 64) of *lines* that say *targets*, int64 (B, T)."""
        return self._step(self._places(lines), functional.pad(targets[:, :-1], (1, 0), value=START))

    def targets(self, texts: Sequence[str]) -> list[list[int]]:
        """Codes of *texts* with their end, cut to 30 characters."""
        return [[*self.encode(letters_and_digits(text)[:LONGEST]), END] for text in texts]

    def loss(self, lines: Tensor, texts: Sequence[str]) -> Tensor:
        """Cross-entropy with labels smoothed by 0.1, padding left out."""
        codes = self.targets(texts)
        padded = torch.full((len(codes), max(len(line) for line in codes)), PAD, dtype=torch.int64, device=lines.device)
        for row, line in enumerate(codes):
            padded[row, : len(line)] = torch.tensor(line, dtype=torch.int64)
        logits, _ = self.attend(lines, padded)
        return functional.cross_entropy(logits.float().transpose(1, 2), padded, ignore_index=PAD, label_smoothing=0.1)

    @torch.no_grad()
    def read(self, lines: Tensor, widths: Tensor | None = None) -> list[str]:
        places = self._places(self.grey(lines, widths))
        given = torch.full((len(lines), 1), START, dtype=torch.int64, device=lines.device)
        for _ in range(LONGEST):
            logits, _ = self._step(places, given)
            given = torch.cat([given, logits[:, -1:].argmax(dim=2)], dim=1)
        rows = (row[1:] for row in given.tolist())
        return [self.decode(row[: row.index(END)] if END in row else row) for row in rows]
