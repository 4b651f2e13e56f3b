# SPDX-License-Identifier: MPL-2.0
"""CDistNet (Zheng et al., 2021): visual, semantic and positional features, fused at every character.

This is the released code's variant (ResNet45), whose size is the one that Hildebrandt et al. (2022) count.
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
from ocrmypdf_superres.architectures.blocks.tps import POINTS, SOURCE_MARGIN, RareGrid, TPSGrid, edge_points, rare_start
from ocrmypdf_superres.metrics.text import LETTERS_AND_DIGITS
from ocrmypdf_superres.recognizers.beam_search import beam_search
from ocrmypdf_superres.recognizers.line_recognizer import LineRecognizer, padded

PAD, UNKNOWN, START, END = range(4)
LONGEST = 30
MOST_READ = 49
"""Texts in training are cut to the first; reading continues to the second, as in the released code."""
DROPOUT = 0.1
"""Before each addition and on the sums with positions, as in the released configuration; none within attention."""


@dataclass(frozen=True)
class CDistNetConfig:
    """The backbone's base channels (32 as published; the model's width is 16 times that) and blocks, layers, heads.

    ``compat`` adds weights of the released code that never get a gradient: two sets of projections in every attention,
    and a table of positions. ``rectification`` is ``rare``, as published, or ``textzoom``, the grid of the line nets;
    ``scaled_twice`` divides the scores of attention by a head's width instead of its root, as the released code does. Networks
    trained here before were made with ``textzoom`` and without ``scaled_twice``. ``beam`` is the width of the search that reads;
    1 takes the most probable character each time.
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
    rectification: str = "rare"
    scaled_twice: bool = True
    beam: int = 10
    compat: bool = False

    def __post_init__(self) -> None:
        if len(self.counts) != len(COUNTS) or self.base < 1 or 16 * self.base % self.heads:
            raise ValueError("counts must be five numbers, and heads must divide 16 x base")
        if self.rectification not in ("rare", "textzoom"):
            raise ValueError("rectification must be rare or textzoom")
        if self.beam < 1:
            raise ValueError("beam must be at least 1")


class Unit(nn.Module):
    """Attention and feed-forward, each added and normalised."""

    def __init__(self, config: CDistNetConfig, inner: int) -> None:
        super().__init__()
        width = 16 * config.base
        self.attention = Attention(width, config.heads, twice=config.scaled_twice)
        self.norm, self.last = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed = FeedForward(width, inner)
        self.dropout = nn.Dropout(DROPOUT)
        if config.compat:
            self.unused = nn.ModuleList([nn.Linear(width, 3 * width), nn.Linear(width, 3 * width)])

    def forward(self, query: Tensor, key: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return float (B, T, D) and maps (B, heads, T, S) for *query* (B, T, D), *key* (B, S, D) and the *mask*."""
        seen, maps = self.attention(query, key, key, mask)
        value = self.norm(query + self.dropout(seen))
        return self.last(value + self.dropout(self.feed(value))), maps


class Localisation(nn.Module):
    """CDistNet's own head of TPS-STN: four convolutions, their mean, two linear layers, control points.

    They are in [-1, 1], or for the grid ``textzoom`` in [0, 1].
    """

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
            start = rare_start() if config.rectification == "rare" else edge_points(SOURCE_MARGIN)
            self.last.bias.copy_(start.flatten())

    def forward(self, x: Tensor) -> Tensor:
        """Return the control points (B, 20, 2), x and y, of *x*, float (B, 3, H, W)."""
        value = torch.relu(self.first(self.convolutions(x).flatten(1)))
        points: Tensor = self.last(value).reshape(-1, POINTS, 2)
        return points


class Distil(nn.Module):
    """One decoder layer (MDCDP): positions attend to themselves, to the image and to the text; a gate mixes the last two."""

    def __init__(self, config: CDistNetConfig) -> None:
        super().__init__()
        self.positions, self.image, self.text = (Unit(config, config.decoder_inner) for _ in range(3))

    def forward(self, position: Tensor, image: Tensor, words: Tensor, gate: nn.Linear) -> tuple[Tensor, Tensor]:
        """Return float (B, T, D) and the maps over the image; *position*, *words* (B, T, D), *image* (B, S, D)."""
        mask = causal(position.shape[1], position.device)
        position, _ = self.positions(position, position, mask)
        seen, maps = self.image(position, image)
        text, _ = self.text(position, words, mask)
        share = torch.sigmoid(gate(torch.cat([seen, text], dim=2)))
        return share * text + (1 - share) * seen, maps


class CDistNet(LineRecognizer):
    """Read lines of 32 x 128; *lines* are float (B, 1 or 3, H, W) in [0, 1]. It always rectifies them."""

    size = (32, 128)
    classes = "\0" * 4 + LETTERS_AND_DIGITS
    blank = END
    sines: Tensor

    def __init__(self, config: CDistNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CDistNetConfig()
        self.width = width = 16 * config.base
        self.localisation = Localisation(config)
        self.grid = RareGrid(self.size) if config.rectification == "rare" else TPSGrid(self.size)
        self.trunk = ResNet45(3, config.base, config.counts)
        self.shrink = nn.Sequential(nn.Conv2d(width, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        self.encoder = nn.ModuleList(Unit(config, config.encoder_inner) for _ in range(config.encoder_layers))
        self.embed = nn.Embedding(len(self.classes), width)
        self.place = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.place_norm = nn.LayerNorm(width)
        self.decoder = nn.ModuleList(Distil(config) for _ in range(config.decoder_layers))
        self.gate = nn.Linear(2 * width, width)
        self.last = nn.Linear(width, len(self.classes), bias=False)
        self.dropout = nn.Dropout(DROPOUT)
        self.register_buffer("sines", sinusoid(128, width), persistent=False)
        self._initialise()
        if config.compat:
            self.unused = nn.Parameter(torch.zeros(48, width))

    @torch.no_grad()
    def _initialise(self) -> None:
        """Set new weights as the released code does: Xavier's, except in the embedding, the last layer and the head's start."""
        start = self.localisation.last.bias.clone()
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        nn.init.normal_(self.last.weight, std=self.width**-0.5)
        nn.init.zeros_(self.localisation.last.weight)
        self.localisation.last.bias.copy_(start)

    def _encode_image(self, lines: Tensor) -> Tensor:
        # Pixels over 128 less 1, as the released weights expect: 255 / 128 of [0, 1].
        image = self.colour(lines, None) * (255 / 128) - 1
        image = self.grid(image, self.localisation(image))
        # Column by column, as the original flattens.
        value: Tensor = self.shrink(self.trunk(image)).transpose(2, 3).flatten(2).transpose(1, 2)
        value = self.dropout(value + self.sines[: value.shape[1]].to(value))
        for layer in self.encoder:
            value, _ = layer(value, value)
        return value

    def _step(self, image: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        sines = self.sines[: given.shape[1]].to(image)
        words = self.dropout(self.embed(given) * math.sqrt(self.width) + sines)
        sines = self.dropout(sines.expand(len(given), -1, -1))
        position = self.place_norm(sines + self.place(sines))
        maps = image
        for layer in self.decoder:
            position, maps = layer(position, image, words, self.gate)
        return self.last(position), maps

    def attend(self, lines: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, T, 40) and the last layer's maps (B, heads, T, 64) of *lines* that say *targets*, int64 (B, T)."""
        return self._step(self._encode_image(lines), functional.pad(targets[:, :-1], (1, 0), value=START))

    def targets(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the codes of *texts*, cut to 30 characters, with their end."""
        return [[*self.encode(text)[:LONGEST], END] for text in texts]

    def loss(self, lines: Tensor, texts: Sequence[str]) -> Tensor:
        """Return the cross-entropy with labels smoothed by 0.1, padding left out."""
        wanted = padded(self.targets(texts), PAD, lines.device)
        logits, _ = self.attend(lines, wanted)
        return functional.cross_entropy(logits.float().transpose(1, 2), wanted, ignore_index=PAD, label_smoothing=0.1)

    @torch.no_grad()
    def read(self, lines: Tensor, widths: Tensor | None = None) -> list[str]:
        """Return the text of each of *lines* by beam search."""
        image = self._encode_image(self.colour(lines, widths))

        def step(given: Tensor, parents: Tensor) -> Tensor:
            del parents  # every step sees all characters before
            return self._step(image.repeat_interleave(len(given) // len(image), 0), given)[0][:, -1]

        found = beam_search(step, len(image), self.config.beam, MOST_READ, START, END, image.device)
        return [self.decode(codes) for codes in found]
