# SPDX-License-Identifier: MPL-2.0
"""ABINet's vision and language parts (Fang et al., CVPR 2021), the prior that guides LEMMA.

Vision reads the image: a ResNet45, three transformer layers, and an attention map for each position in the text. Language
predicts each character of that reading from the others. ABINet's fusion and iterations are not used.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.line_layers import AttentionLayer, sinusoid
from ocrmypdf_superres.architectures.blocks.resnet45 import COUNTS, ResNet45

CLASSES = "\0abcdefghijklmnopqrstuvwxyz1234567890"
"""Index 0 ends a text; the authors put the digit 0 last."""
READ_SIZE = (32, 128)
DROPOUT = 0.1
_MEANS, _DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class PriorConfig:
    """Sizes of the prior: the backbone's base channels and blocks, layers, heads, inner widths and text steps.

    The model's width is sixteen times *base*; without *language* vision's own logits are used for both.
    """

    base: int = 32
    counts: tuple[int, ...] = COUNTS
    layers: int = 3
    heads: int = 8
    inner: int = 2048
    steps: int = 26
    attention: int = 64
    language: bool = True
    language_layers: int = 4

    def __post_init__(self) -> None:
        if len(self.counts) != len(COUNTS) or self.base < 1 or 16 * self.base % self.heads or self.steps < 2:
            raise ValueError("counts must be five numbers, heads must divide 16 x base, and steps be at least 2")


def _step(inputs: int, outputs: int, stride: tuple[int, int] | int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class PositionAttention(nn.Module):
    """One attention map for each position in the text: keys from a small U-Net over the features, queries from positions."""

    positions: Tensor

    def __init__(self, width: int, inner: int, steps: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(_step(width if i == 0 else inner, inner, (1, 2) if i == 0 else 2) for i in range(4))
        self.up = nn.ModuleList(_step(inner, inner if i < 3 else width) for i in range(4))
        self.project = nn.Linear(width, width)
        self.register_buffer("positions", sinusoid(steps, width), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the text's features (B, steps, width) and the attention maps (B, steps, h, w) over *x* (B, width, h, w)."""
        key, below = x, []
        for layer in self.down:
            key = layer(key)
            below.append(key)
        for index, layer in enumerate(self.up):
            beside = below[2 - index] if index < 3 else None
            size = x.shape[2:] if beside is None else beside.shape[2:]
            key = layer(functional.interpolate(key, size, mode="nearest"))
            if beside is not None:
                key = key + beside
        query = self.project(self.positions.to(x)).expand(x.shape[0], -1, -1)
        scores = query @ key.flatten(2) / x.shape[1] ** 0.5
        maps = scores.softmax(dim=2)
        return maps @ x.flatten(2).transpose(1, 2), maps.reshape(*maps.shape[:2], *x.shape[2:])


class Vision(nn.Module):
    """``vision(image)``: float (B, 3, 32, 128) in [0, 1] to logits (B, steps, 37) and maps (B, steps, 8, 32)."""

    positions: Tensor
    means: Tensor
    deviations: Tensor

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        width = 16 * config.base
        self.trunk = ResNet45(3, config.base, config.counts)
        self.layers = nn.ModuleList(AttentionLayer(width, config.heads, config.inner, DROPOUT) for _ in range(config.layers))
        self.dropout = nn.Dropout(DROPOUT)
        self.attention = PositionAttention(width, config.attention, config.steps)
        self.classes = nn.Linear(width, len(CLASSES))
        self.register_buffer("positions", sinusoid(READ_SIZE[0] * READ_SIZE[1] // 16, width), persistent=False)
        self.register_buffer("means", torch.tensor(_MEANS).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviations", torch.tensor(_DEVIATIONS).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and attention maps of *image*; see the class."""
        value = self.trunk((image - self.means) / self.deviations)
        shape = value.shape
        tokens = self.dropout(value.flatten(2).transpose(1, 2) + self.positions.to(value))
        for layer in self.layers:
            tokens = layer(tokens, tokens, tokens)
        text, maps = self.attention(tokens.transpose(1, 2).reshape(shape))
        return self.classes(text), maps


class CrossLayer(nn.Module):
    """ABINet's bidirectional cloze layer: attention to the text, without self-attention."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.layer = AttentionLayer(width, heads, inner, DROPOUT)

    def forward(self, query: Tensor, text: Tensor, mask: Tensor) -> Tensor:
        """Return float (B, T, D) for *query* (B, T, D), *text* (B, S, D) and *mask*, bool, broadcast to (B, heads, T, S)."""
        value: Tensor = self.layer(query, text, text, mask)
        return value


class Language(nn.Module):
    """``language(probabilities, lengths)``: probabilities (B, steps, 37) and lengths (B,) to logits (B, steps, 37).

    Each position attends to all others but itself, up to the text's length.
    """

    positions: Tensor
    others: Tensor

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        width = 16 * config.base
        self.embed = nn.Linear(len(CLASSES), width, bias=False)
        self.dropout = nn.Dropout(DROPOUT)
        self.layers = nn.ModuleList(CrossLayer(width, config.heads, config.inner) for _ in range(config.language_layers))
        self.classes = nn.Linear(width, len(CLASSES))
        self.register_buffer("positions", sinusoid(config.steps, width), persistent=False)
        # Made here, since onnxruntime has no kernel to make it in the graph.
        self.register_buffer("others", ~torch.eye(config.steps, dtype=torch.bool), persistent=False)

    def forward(self, probabilities: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits; see the class."""
        positions = self.positions.to(probabilities)
        text = self.dropout(self.embed(probabilities) + positions)
        steps = text.shape[1]
        known = torch.arange(steps, device=text.device)[None] < lengths[:, None]
        mask = known[:, None, None] & self.others
        query = positions.expand(text.shape[0], -1, -1)
        for layer in self.layers:
            query = layer(query, text, mask)
        value: Tensor = self.classes(query)
        return value


class Prior(nn.Module):
    """``prior(image)``: float (B, 1 or 3, 32, 128) in [0, 1] to the text that it reads, and where.

    Returns vision's logits and the text's logits (B, steps, 37), the maps (B, steps, 8, 32), and the text's lengths
    with its end (B,), from 2 to the number of steps.
    """

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        self.config = config
        self.vision = Vision(config)
        self.language = Language(config) if config.language else None

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return vision's logits, the text's logits, maps and lengths; see the class."""
        seen, maps = self.vision(image.expand(-1, 3, -1, -1))
        lengths = text_lengths(seen)
        text = seen
        if self.language is not None:
            text = self.language(seen.detach().softmax(dim=2), lengths)
            lengths = text_lengths(text)
        return seen, text, maps, lengths


def text_lengths(logits: Tensor) -> Tensor:
    """Return the lengths int64 (B,) of the texts in *logits* (B, steps, 37) with their end, from 2 to steps."""
    steps = logits.shape[1]
    ends = logits.argmax(dim=2) == 0
    first = torch.where(ends, torch.arange(steps, device=logits.device), steps - 1).amin(dim=1)
    return (first + 1).clamp(2, steps)


def encode(text: str) -> list[int]:
    """Return the classes of *text*, in lower case, all but a to z and 0 to 9 left out."""
    return [CLASSES.index(c) for c in text.lower() if c in CLASSES[1:]]
