# SPDX-License-Identifier: MPL-2.0
"""LEMMA's guidance: where characters are (location enhancement), and what they are, carried there (alignment)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.abinet import CLASSES
from ocrmypdf_superres.architectures.blocks.line_layers import LINE_SIZE, Attention, AttentionLayer, sinusoid

POSITIONS = LINE_SIZE[0] * LINE_SIZE[1]
DROPOUT = 0.1
LAYERS = {"both": (3, 3), "text": (0, 6), "none": (0, 0)}


class LocationEnhancement(nn.Module):
    """Scores of the positions, and features enhanced there: ``location(x, maps, lengths)``.

    *x* (B, F, 16, 64); *maps* (B, steps, h, w), attention of each character; *lengths* (B,).  Returns the features
    (B, F, 16, 64) and the scores (B, 1, 16, 64), the largest attention of any character of the text to a position.

    *attention*: whether the scores weigh the features; *expansion*: by a map for each channel, made by convolutions; *region*:
    whether a 3x3 convolution brings a position's neighbourhood into it. The last two are the paper's table 7.
    """

    def __init__(self, features: int, attention: bool, expansion: bool = True, region: bool = True) -> None:
        super().__init__()
        half = features // 2
        self.attention = attention
        self.weigh = nn.Sequential(
            nn.Conv2d(1, half, 3, padding=1, bias=False), nn.BatchNorm2d(half), nn.PReLU(),
            nn.Conv2d(half, features, 3, padding=1, bias=False), nn.BatchNorm2d(features), nn.PReLU(),
            nn.Conv2d(features, features, 3, padding=1, bias=False),
        ) if attention and expansion else nn.Identity()  # fmt: skip
        self.region = nn.Conv2d(features, features, 3, padding=1) if region else nn.Identity()

    def forward(self, x: Tensor, maps: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the enhanced features and the scores; see the class."""
        real = torch.arange(maps.shape[1], device=maps.device)[None] < lengths[:, None]
        scores = (maps * real[:, :, None, None]).amax(dim=1, keepdim=True)
        if not self.attention:
            return self.region(x), scores
        # Without expansion the scores themselves weigh all channels alike.
        weights = self.weigh(scores)
        weights = weights.flatten(2).softmax(dim=2).reshape(weights.shape)
        return self.region(functional.instance_norm(x) * weights), scores


class Guidance(nn.Module):
    """The guide X_G of a line: ``guidance(x, text, maps, lengths)`` returns (B, F, 16, 64).

    *x* (B, F, 16, 64); *text* logits (B, steps, 37), *maps* (B, steps, h, w) and *lengths* (B,) of the prior.

    Args:
        features, heads, location, alignment: see :class:`~ocrmypdf_superres.architectures.line_nets.lemma.LEMMAConfig`.
        positions: how many of the 1024 positions are kept.
        expansion, region: see :class:`LocationEnhancement`.
    """

    positions: Tensor

    def __init__(
        self, features: int, heads: int, positions: int, location: str, alignment: str,
        expansion: bool = True, region: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kept = positions if location in ("both", "selection") else POSITIONS
        self.alignment = alignment
        self.location = LocationEnhancement(features, location in ("both", "attention"), expansion, region)
        self.dropout = nn.Dropout(DROPOUT)
        self.embed = nn.Linear(len(CLASSES), features, bias=False)
        self.text = nn.ModuleList(AttentionLayer(features, heads, features, DROPOUT) for _ in range(2))
        # One way alone has as many layers as both ways together, so that the nets are of one size (the paper's table 2).
        to_text, to_image = LAYERS[alignment]
        self.to_text = nn.ModuleList(AttentionLayer(features, heads, features, DROPOUT) for _ in range(to_text))
        self.to_image = nn.ModuleList(AttentionLayer(features, heads, features, DROPOUT) for _ in range(to_image))
        self.register_buffer("positions", sinusoid(POSITIONS, features), persistent=False)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        for module in self.modules():
            if isinstance(module, Attention):
                for layer in (module.query, module.key, module.value):
                    # The authors' three are one matrix, for whose shape Xavier's bound is this much smaller.
                    nn.init.xavier_uniform_(layer.weight, gain=0.5**0.5)

    def forward(self, x: Tensor, text: Tensor, maps: Tensor, lengths: Tensor) -> Tensor:
        """Return the guide; see the class."""
        maps = functional.interpolate(maps, LINE_SIZE, mode="bicubic", align_corners=True)
        raised, scores = self.location(x, maps, lengths)
        # Dropped for each line by itself, and alike for the image's and the text's positions, as in the authors' code.
        positions = self.positions.to(x)
        if self.training:
            positions = self.dropout(positions.expand(len(x), -1, -1))
        tokens = raised.flatten(2).transpose(1, 2) + positions
        best = scores.flatten(1).topk(self.kept, dim=1).indices[:, :, None].expand(-1, -1, tokens.shape[2])
        chosen = tokens.gather(1, best)
        words = self.embed(text) + maps.flatten(2) @ positions
        for layer in self.text:
            words = layer(words, words, words)
        value = torch.zeros_like(tokens).scatter(1, best, chosen)
        if self.alignment == "none":
            # Of the text alone: without alignment the prior's own attention spreads it over the positions.
            value = maps.flatten(2).transpose(1, 2) @ words
        key = words
        for layer in self.to_text:
            key = layer(key, chosen, chosen)
        for layer in self.to_image:
            value = layer(value, key, words)
        return value.transpose(1, 2).reshape(x.shape)
