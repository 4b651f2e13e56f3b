# SPDX-License-Identifier: MPL-2.0
"""LEMMA's guidance: where characters are (location enhancement), and what they are, carried there (alignment)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.abinet import CLASSES
from ocrmypdf_superres.architectures.blocks.line_layers import LINE_SIZE, AttentionLayer, sinusoid

POSITIONS = LINE_SIZE[0] * LINE_SIZE[1]
DROPOUT = 0.1


class LocationEnhancement(nn.Module):
    """Scores of the positions, and features enhanced there: ``location(x, maps, lengths)``.

    *x* (B, F, 16, 64); *maps* (B, steps, h, w), attention of each character; *lengths* (B,).  Returns the features
    (B, F, 16, 64) and the scores (B, 1, 16, 64), the largest attention of any character of the text to a position.
    """

    def __init__(self, features: int, attention: bool) -> None:
        super().__init__()
        half = features // 2
        self.weigh = nn.Sequential(
            nn.Conv2d(1, half, 3, padding=1, bias=False), nn.BatchNorm2d(half), nn.PReLU(),
            nn.Conv2d(half, features, 3, padding=1, bias=False), nn.BatchNorm2d(features), nn.PReLU(),
            nn.Conv2d(features, features, 3, padding=1, bias=False),
        ) if attention else None  # fmt: skip
        self.region = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor, maps: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the enhanced features and the scores; see the class."""
        real = torch.arange(maps.shape[1], device=maps.device)[None] < lengths[:, None]
        scores = (maps * real[:, :, None, None]).amax(dim=1, keepdim=True)
        if self.weigh is None:
            return self.region(x), scores
        weights = self.weigh(scores).flatten(2).softmax(dim=2).reshape(x.shape)
        return self.region(functional.instance_norm(x) * weights), scores


class Guidance(nn.Module):
    """The guide X_G of a line: ``guidance(x, text, maps, lengths)`` returns (B, F, 16, 64).

    *x* (B, F, 16, 64); *text* logits (B, steps, 37), *maps* (B, steps, h, w) and *lengths* (B,) of the prior.

    Args:
        features, heads, steps, location, alignment: see :class:`~ocrmypdf_superres.architectures.line_nets.lemma.LEMMAConfig`.
        positions: how many of the 1024 positions are kept.
    """

    positions: Tensor

    def __init__(self, features: int, heads: int, positions: int, steps: int, location: str, alignment: str) -> None:
        super().__init__()
        self.kept = positions if location in ("both", "selection") else POSITIONS
        self.alignment = alignment
        self.location = LocationEnhancement(features, location in ("both", "attention"))
        self.dropout = nn.Dropout(DROPOUT)
        self.embed = nn.Linear(len(CLASSES), features, bias=False)
        self.text = nn.ModuleList(AttentionLayer(features, heads, features, DROPOUT) for _ in range(2))
        both = alignment == "both"
        self.to_text = nn.ModuleList(AttentionLayer(features, heads, features, DROPOUT) for _ in range(3 if both else 0))
        count = 0 if alignment == "none" else 3
        self.to_image = nn.ModuleList(AttentionLayer(features, heads, features, DROPOUT) for _ in range(count))
        self.register_buffer("positions", sinusoid(POSITIONS, features), persistent=False)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, x: Tensor, text: Tensor, maps: Tensor, lengths: Tensor) -> Tensor:
        """Return the guide; see the class."""
        maps = functional.interpolate(maps, LINE_SIZE, mode="bicubic", align_corners=True)
        raised, scores = self.location(x, maps, lengths)
        positions = self.positions.to(x)
        tokens = raised.flatten(2).transpose(1, 2) + self.dropout(positions)
        best = scores.flatten(1).topk(self.kept, dim=1).indices[:, :, None].expand(-1, -1, tokens.shape[2])
        chosen = tokens.gather(1, best)
        words = self.embed(text) + maps.flatten(2) @ positions
        for layer in self.text:
            words = layer(words, words, words)
        value = torch.zeros_like(tokens).scatter(1, best, chosen)
        if self.alignment == "none":
            # Without alignment the prior's own attention spreads the text over the positions.
            value = value + maps.flatten(2).transpose(1, 2) @ words
        key = words
        for layer in self.to_text:
            key = layer(key, chosen, chosen)
        for layer in self.to_image:
            value = layer(value, key, words)
        return value.transpose(1, 2).reshape(x.shape)
