# SPDX-License-Identifier: MPL-2.0
"""The text-focus recognizer (Chen et al., Scene Text Telescope, CVPR 2021): residual convolutions, one decoder layer.

The text-focus loss uses it frozen: for a known text :meth:`TextFocus.attend` gives the decoder's attention and its
probability for each character.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.line_layers import Attention, DeviationNorm, FeedForward, causal, sinusoid
from ocrmypdf_superres.metrics.text import LETTERS_AND_DIGITS
from ocrmypdf_superres.recognizers.line_recognizer import IGNORED, LineRecognizer, padded, until

LONGEST = 25
_BLOCKS = (1, 2, 5, 3)


@dataclass(frozen=True)
class TextFocusConfig:
    """Channels of the first convolution (64 as published; the others are multiples), blocks of the four stages, heads.

    The decoder's width is sixteen times *base*; ``compat`` takes the authors' weights: it adds those that
    their attention never uses, and has their layer norm.
    """

    base: int = 64
    blocks: tuple[int, ...] = _BLOCKS
    heads: int = 16
    inner: int = 2048
    compat: bool = False

    def __post_init__(self) -> None:
        if len(self.blocks) != 4 or self.base < 1 or 16 * self.base % self.heads:
            raise ValueError("blocks must be four numbers, and heads must divide 16 x base")


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """Two 3x3 convolutions with batch normalisation, added to the input or to a 3x3 convolution of it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs)
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs))
        self.short: nn.Module | None = None
        if inputs != outputs:
            self.short = nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return float (B, outputs, H, W) for *x*, float (B, inputs, H, W)."""
        return torch.relu(self.second(self.first(x)) + (x if self.short is None else self.short(x)))


def _encoder(base: int, blocks: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = [_convolution(1, base), nn.MaxPool2d(2), _convolution(base, 2 * base), nn.MaxPool2d(2)]
    inputs = 2 * base
    for count, width, after in zip(blocks, (4, 4, 8, 8), (4, 4, 8, 16), strict=True):
        for _ in range(count):
            layers.append(Residual(inputs, width * base))
            inputs = width * base
        layers.append(_convolution(inputs, after * base))
        inputs = after * base
    return nn.Sequential(*layers)


class Decoder(nn.Module):
    """Masked self-attention, attention to the image's positions, feed-forward; each added and normalised."""

    def __init__(self, config: TextFocusConfig) -> None:
        super().__init__()
        width = 16 * config.base
        self.text, self.image = Attention(width, config.heads), Attention(width, config.heads)
        self.feed = FeedForward(width, config.inner)
        norm = DeviationNorm if config.compat else nn.LayerNorm
        self.norms = nn.ModuleList(norm(width) for _ in range(3))
        if config.compat:
            self.unused = nn.ModuleList([nn.Linear(config.heads, 1), nn.Linear(config.heads, 1)])

    def forward(self, text: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return float (B, T, D) and maps (B, heads, T, S) for *text* (B, T, D) and *image* (B, S, D)."""
        value = self.norms[0](text + self.text(text, text, text, causal(text.shape[1], text.device))[0])
        seen, maps = self.image(value, image, image)
        value = self.norms[1](value + seen)
        return self.norms[2](value + self.feed(value)), maps


class TextFocus(LineRecognizer):
    """Read lines of 32 x 128; *lines* are float (B, 1 or 3, H, W) in [0, 1]."""

    size = (32, 128)
    classes = "\0" + LETTERS_AND_DIGITS
    positions: Tensor

    def __init__(self, config: TextFocusConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or TextFocusConfig()
        self.word_width = 8 * config.base
        self.encoder = _encoder(config.base, config.blocks)
        self.embed = nn.Embedding(len(self.classes), self.word_width)
        self.decoder = Decoder(config)
        self.last = nn.Linear(2 * self.word_width, len(self.classes))
        self.register_buffer("positions", sinusoid(256, self.word_width), persistent=False)

    def _encode_image(self, lines: Tensor) -> Tensor:
        image: Tensor = self.encoder(self.grey(lines, None)).flatten(2).transpose(1, 2)
        return image

    def _step(self, image: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        words = self.embed(given) * math.sqrt(self.word_width)
        positions = self.positions[: given.shape[1]].to(words).expand(len(given), -1, -1)
        value, maps = self.decoder(torch.cat([words, positions], dim=2), image)
        return self.last(value), maps

    def attend(self, lines: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, T, 37) and maps (B, heads, T, 256) of *lines* that say *targets*, int64 (B, T), 0 their end."""
        given = functional.pad(targets[:, :-1], (1, 0), value=self.blank)
        return self._step(self._encode_image(lines), given)

    def targets(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the codes of *texts*, cut to 25 characters, with their end."""
        return [[*self.encode(text)[:LONGEST], self.blank] for text in texts]

    def loss(self, lines: Tensor, texts: Sequence[str]) -> Tensor:
        """Return the cross-entropy in nats a character, ends included."""
        wanted = padded(self.targets(texts), IGNORED, lines.device)
        logits, _ = self.attend(lines, wanted.clamp(min=0))
        return functional.cross_entropy(logits.float().transpose(1, 2), wanted, ignore_index=IGNORED)

    @torch.no_grad()
    def read(self, lines: Tensor, widths: Tensor | None = None) -> list[str]:
        """Return the text of each of *lines*, character by character the most probable one."""
        image = self._encode_image(self.grey(lines, widths))
        given = torch.zeros(len(lines), 1, dtype=torch.int64, device=lines.device)
        for _ in range(LONGEST):
            logits, _ = self._step(image, given)
            given = torch.cat([given, logits[:, -1:].argmax(dim=2)], dim=1)
        return [self.decode(until(row[1:], self.blank)) for row in given.tolist()]
