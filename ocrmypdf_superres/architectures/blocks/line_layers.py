# SPDX-License-Identifier: MPL-2.0
"""What the nets for text lines share: grey to their channels and back, positional encoding, attention, recurrent rows."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.layers import luma
from ocrmypdf_superres.architectures.blocks.recurrent import run_rnn

LINE_SIZE = (16, 64)
"""Rows and columns of a text line that the published nets take; they return twice as many."""
HIDDEN = -1e9
"""The score of a masked position: low enough for a weight of 0, but not -inf, which makes a step that sees nothing NaN."""


def spread_channels(x: Tensor, channels: int) -> Tensor:
    """Return *x*, float (B, 1, 3 or *channels*, H, W), with *channels* (3 or 4): grey replicated, a mask as the fourth.

    The mask is 1 where a pixel is not above its image's mean grey, so 1 on dark ink.
    """
    if x.shape[1] == channels:
        return x
    colour = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
    if channels == 3:
        return colour
    grey = x if x.shape[1] == 1 else luma(x)
    mask = (grey <= grey.mean(dim=(2, 3), keepdim=True)).to(x)
    return torch.cat([colour, mask], dim=1)


def gather_channels(y: Tensor, channels: int) -> Tensor:
    """Undo :func:`spread_channels` on a net's output: 1 gives the luma of its first three channels, else the first *channels*."""
    return luma(y[:, :3]) if channels == 1 else y[:, :channels]


def sinusoid(length: int, width: int) -> Tensor:
    """Return the sinusoidal positional encoding of Vaswani et al. (2017), float32 (length, width), width even."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    angles = torch.arange(length)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).reshape(length, width)


def sinusoid_2d(width: int, rows: int, columns: int) -> Tensor:
    """Return the positional encoding, float32 (width, rows, columns): half of the channels for the column, half for the row."""
    half = width // 2
    across = sinusoid(columns, half).T[:, None].expand(-1, rows, -1)
    down = sinusoid(rows, half).T[:, :, None].expand(-1, -1, columns)
    return torch.cat([across, down])


class Attention(nn.Module):
    """Multi-head attention whose maps can be asked for: ``attention(query, key, value, mask)`` returns (value, maps).

    *query* (B, T, D), *key*, *value* (B, S, D); *mask* bool, broadcast to (B, heads, T, S), False where
    attention is not allowed. Returns (B, T, D) and attention maps after the softmax (B, heads, T, S). The scores are divided
    by the root of a head's width; *twice*: by the width itself, as in CDistNet's code.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0, twice: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (width // heads) ** (-1.0 if twice else -0.5)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.dropout = nn.Dropout(dropout)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the value and the maps; see the class."""
        q, k, v = self._heads(query, key, value)
        scores = q @ k.transpose(2, 3) * self.scale
        if mask is not None:
            scores = scores.masked_fill(~mask, HIDDEN)
        maps = scores.softmax(dim=3)
        return self._joined(self.dropout(maps) @ v), maps

    def value_alone(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the value alone, without holding the maps: over 1,024 positions that is several times faster."""
        hidden: Tensor | None = None
        if mask is not None:
            hidden = torch.zeros(mask.shape, dtype=query.dtype, device=mask.device).masked_fill(~mask, HIDDEN)
        q, k, v = self._heads(query, key, value)
        share = self.dropout.p if self.training else 0.0
        return self._joined(functional.scaled_dot_product_attention(q, k, v, hidden, share, scale=self.scale))

    def _heads(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        batch, width = query.shape[0], query.shape[2]
        pairs = ((self.query, query), (self.key, key), (self.value, value))
        return [layer(x).reshape(batch, -1, self.heads, width // self.heads).transpose(1, 2) for layer, x in pairs]

    def _joined(self, value: Tensor) -> Tensor:
        batch, _, steps, _ = value.shape
        result: Tensor = self.out(value.transpose(1, 2).reshape(batch, steps, -1))
        return result


class FeedForward(nn.Sequential):
    """Two linear layers with ReLU between them."""

    def __init__(self, width: int, inner: int, dropout: float = 0.0) -> None:
        super().__init__(nn.Linear(width, inner), nn.ReLU(), nn.Dropout(dropout), nn.Linear(inner, width))


class DeviationNorm(nn.LayerNorm):
    """Layer normalisation as in the code of Scene Text Telescope: divided by the unbiased deviation plus epsilon, 1e-6."""

    def forward(self, x: Tensor) -> Tensor:
        """Return float (B, T, D) for *x* of the same shape."""
        centred = x - x.mean(dim=-1, keepdim=True)
        return self.weight * centred / (x.std(dim=-1, keepdim=True) + 1e-6) + self.bias


class AttentionLayer(nn.Module):
    """Attention and feed-forward, each added to its input and then normalised (post-norm).

    *dropout* is inside both, *residual* before each addition (by default the same rate).
    """

    def __init__(
        self, width: int, heads: int, inner: int, dropout: float = 0.0, residual: float | None = None,
        norm: type[nn.LayerNorm] = nn.LayerNorm,
    ) -> None:  # fmt: skip
        super().__init__()
        self.attention = Attention(width, heads, dropout)
        self.norm = norm(width)
        self.feed = FeedForward(width, inner, dropout)
        self.last = norm(width)
        self.dropout = nn.Dropout(dropout if residual is None else residual)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, T, D); *query*, *key*, *value* and *mask* as for :class:`Attention`."""
        x = self.norm(query + self.dropout(self.attention.value_alone(query, key, value, mask)))
        result: Tensor = self.last(x + self.dropout(self.feed(x)))
        return result


def causal(steps: int, device: torch.device) -> Tensor:
    """Return the mask bool (steps, steps) that lets a step look at itself and at earlier ones."""
    return torch.ones(steps, steps, dtype=torch.bool, device=device).tril()


class RowGRU(nn.Module):
    """A bidirectional GRU along each row of float (B, C, H, W), after an optional 1x1 convolution."""

    def __init__(self, channels: int, mix: bool) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 1) if mix else None
        self.gru = nn.GRU(channels, channels // 2, bidirectional=True, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return float (B, C, H, W) for *x* of the same shape."""
        value = x if self.mix is None else self.mix(x)
        batch, channels, height, width = value.shape
        steps = run_rnn(self.gru, value.permute(0, 2, 3, 1).reshape(batch * height, width, channels))
        result: Tensor = steps.reshape(batch, height, width, channels).permute(0, 3, 1, 2)
        return result


class Enlarge(nn.Module):
    """3x3 convolution to four times the channels, pixel shuffle, Mish."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, 4 * channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return float (B, C, 2 H, 2 W) for *x*, float (B, C, H, W)."""
        return functional.mish(functional.pixel_shuffle(self.convolution(x), 2))
