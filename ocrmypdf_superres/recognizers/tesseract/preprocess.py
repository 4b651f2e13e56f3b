# SPDX-License-Identifier: MPL-2.0
"""Tesseract's pre-processing of a line, differentiable: scaling and contrast.

The scaling is Leptonica's ``pixScale`` on 8-bit grey: area map below a factor of 0.7, bilinear without half-pixel
centring above, and a light unsharp mask where the factor is below 1.4. All of it is linear, apart from rounding to
levels, which is left out unless *rounding* is set (it passes gradients straight through).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_AREA_BELOW = 0.7
_UNSHARP_BELOW = 1.4
_UNSHARP_ABOVE = 0.2


def _straight(x: Tensor, rounded: Tensor) -> Tensor:
    return x + (rounded - x).detach()


def _round(x: Tensor) -> Tensor:
    return torch.sign(x) * torch.floor(x.abs() + 0.5)


def _halvings(rows: int, height: int) -> int:
    """Return how often *rows* are halved to give *height*; 0 if they are not."""
    return next((times for times in (1, 2, 3, 4) if rows == height << times), 0)


def scaled_widths(widths: Tensor, rows: int, height: int) -> Tensor:
    """Return the widths int64 (B,) after lines of *rows* pixels are scaled to *height*."""
    if _halvings(rows, height):
        return torch.div(widths, rows // height, rounding_mode="floor").clamp(min=1)
    return torch.floor(widths.to(torch.float64) * (height / rows) + 0.5).to(torch.int64).clamp(min=1)


def _taps(sizes: Tensor, targets: Tensor, longest: int, area: bool) -> tuple[Tensor, Tensor]:
    """Return source pixels and weights of each target pixel along one axis.

    *sizes*, *targets*: int64 (B,), source and target extents. Returns indices int64 and weights float64, both
    (B, longest, taps), for target pixels 0..longest-1.
    """
    # Single precision on purpose: where the exact product is a whole number, Leptonica's rounding shows.
    position = torch.arange(longest, device=sizes.device, dtype=torch.float32)[None, :]
    ratio = (16.0 * sizes.to(torch.float32) / targets.to(torch.float32))[:, None]
    last = (sizes - 1)[:, None, None]
    upper = torch.floor(ratio * position).to(torch.int64)
    if not area:
        first = (upper >> 4)[:, :, None]
        part = (upper & 15).to(torch.float64) / 16.0
        indices = torch.minimum(torch.cat([first, first + 1], dim=2), last)
        return indices, torch.stack([1.0 - part, part], dim=2)
    lower = torch.floor(ratio.to(torch.float64) * (position.to(torch.float64) + 1.0)).to(torch.int64)
    first, final = upper >> 4, lower >> 4
    count = int((final - first).max()) + 1
    offsets = torch.arange(count, device=sizes.device)[None, None, :]
    indices = first[:, :, None] + offsets
    full = torch.full_like(indices, 16)
    weights = torch.where(offsets == 0, 16 - (upper & 15)[:, :, None], full)
    weights = torch.where(indices == final[:, :, None], (lower & 15)[:, :, None], weights)
    weights = torch.where(indices > final[:, :, None], torch.zeros_like(weights), weights)
    weights = weights.to(torch.float64)
    return torch.minimum(indices, last), weights / weights.sum(dim=2, keepdim=True)


def _resample(lines: Tensor, widths: Tensor, height: int, area: bool) -> tuple[Tensor, Tensor]:
    """Return lines (B, H, W) as (B, height, W'), and their widths."""
    batch, rows, _ = lines.shape
    targets = scaled_widths(widths, rows, height)
    one = torch.tensor([rows], device=lines.device)
    indices, weights = _taps(one, torch.tensor([height], device=lines.device), height, area)
    matrix = torch.zeros(height, rows, dtype=torch.float64, device=lines.device)
    matrix.scatter_add_(1, indices[0], weights[0])
    columns = lines.transpose(1, 2) @ matrix.to(lines.dtype).T  # (B, W, height)
    longest = int(targets.max())
    indices, weights = _taps(widths, targets, longest, area)
    base = torch.arange(batch, device=lines.device)[:, None, None] * columns.shape[1]
    flat = columns.reshape(-1, height)
    # Columns beyond a line's width carry no weight of their own: they repeat its last column.
    positions = (indices + base).reshape(-1, indices.shape[2])
    parts = weights.to(lines.dtype).reshape(-1, indices.shape[2], 1)
    out = flat.index_select(0, positions[:, 0]) * parts[:, 0]
    for tap in range(1, positions.shape[1]):
        out = out + flat.index_select(0, positions[:, tap]) * parts[:, tap]
    out = out.reshape(batch, longest, height).transpose(1, 2)
    return (_copy_edges(out, lines, widths, targets) if area else out), targets


def _copy_edges(out: Tensor, lines: Tensor, widths: Tensor, targets: Tensor) -> Tensor:
    """Return the area map *out* with single pixels of *lines* where it would need the last row or column of the source."""
    rows, row_edge = _edge(torch.tensor([lines.shape[1]], device=lines.device), out.shape[1])
    columns, column_edge = _edge(widths, out.shape[2], targets)
    points = lines[:, rows[0]].gather(2, columns[:, None, :].expand(-1, out.shape[1], -1))
    return torch.where(row_edge[:, :, None] | column_edge[:, None, :], points, out)


def _edge(sizes: Tensor, longest: int, targets: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the first source pixel of each target pixel along an axis, and whether its last one is at or beyond the end."""
    ends = torch.tensor([longest], device=sizes.device) if targets is None else targets
    position = torch.arange(longest, device=sizes.device, dtype=torch.float32)[None, :]
    ratio = (16.0 * sizes.to(torch.float32) / ends.to(torch.float32))[:, None]
    first = torch.floor(ratio * position).to(torch.int64) >> 4
    final = torch.floor(ratio.to(torch.float64) * (position.to(torch.float64) + 1.0)).to(torch.int64) >> 4
    last = (sizes - 1)[:, None]
    return torch.minimum(first, last), final > last - 1


def _halve(lines: Tensor, height: int, rounding: bool) -> Tensor:
    """Return means of 2x2 pixels, rounded down, repeatedly until *height* rows are left."""
    while lines.shape[1] > height:
        lines = functional.avg_pool2d(lines[:, None], 2)[:, 0]
        if rounding:
            lines = _straight(lines, torch.floor(lines))
    return lines


def _unsharp(x: Tensor, widths: Tensor, half: int, fraction: float) -> Tensor:
    """Apply an unsharp mask to (B, H, W); a frame of *half* pixels of each line stays as it is."""
    size = 2 * half + 1
    if x.shape[1] < size or x.shape[2] < size:
        return x
    mean = functional.avg_pool2d(x[:, None], size, stride=1)
    mean = functional.pad(mean, (half, half, half, half))[:, 0]
    columns = torch.arange(x.shape[2], device=x.device)[None, :]
    rows = torch.arange(x.shape[1], device=x.device)
    inside = (columns >= half) & (columns < widths[:, None] - half)
    frame = inside[:, None, :] & ((rows >= half) & (rows < x.shape[1] - half))[None, :, None]
    return torch.where(frame, x + fraction * (x - mean), x)


def scale_lines(lines: Tensor, widths: Tensor, height: int, rounding: bool = False) -> tuple[Tensor, Tensor]:
    """Scale *lines* to *height* as Leptonica's pixScale does.

    Args:
        lines: float (B, H, W), levels 0..255.
        widths: int64 (B,), on the same device.
        height: wanted height in pixels.
        rounding: round to whole levels after each step.

    Returns:
        float (B, height, W') and int64 (B,).
    """
    factor = height / lines.shape[1]
    if lines.shape[1] == height:
        return lines, widths
    area = factor < _AREA_BELOW
    if _halvings(lines.shape[1], height) and lines.shape[2] >= lines.shape[1] // height:
        out, targets = _halve(lines, height, rounding), scaled_widths(widths, lines.shape[1], height)
    else:
        out, targets = _resample(lines, widths, height, area)
        if rounding:
            # Nearest for bilinear, but downwards where Leptonica has its own kernels for 2 and 4; 128 parts of the
            # weights' sum for the area map. The small term makes up for sums in single precision.
            nearest = 0.0 if factor in (2.0, 4.0) else 0.5
            out = _straight(out, torch.floor(out + (factor * factor / 2 if area else nearest) + 1e-4))
    if factor < _UNSHARP_BELOW and factor > _UNSHARP_ABOVE:
        out = _unsharp(out, targets, 1 if area else 2, 0.2 if area else 0.4)
        if rounding:
            out = _straight(out, _round(out))
        out = out.clamp(0.0, 255.0)
    return out, targets


def _quantile(values: Tensor, chosen: Tensor, fraction: float, fallback: int) -> Tensor:
    """Return the quantile of the *chosen* (B, W) of *values* (B, W), whole levels, by a histogram as in Tesseract's STATS."""
    histogram = torch.zeros(values.shape[0], 256, dtype=torch.float64, device=values.device)
    histogram.scatter_add_(1, values, chosen.to(torch.float64))
    histogram[:, fallback] += (histogram.sum(dim=1) == 0).to(torch.float64)
    counts = histogram.sum(dim=1, keepdim=True)
    target = torch.minimum((fraction * counts).clamp(min=1.0), counts)
    sums = histogram.cumsum(dim=1)
    level = (sums >= target).to(torch.int64).argmax(dim=1, keepdim=True)
    over = (sums.gather(1, level) - target) / histogram.gather(1, level)
    return (level.to(torch.float64) + 1.0 - over)[:, 0]


@torch.no_grad()
def contrast_levels(lines: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
    """Return the black and white level of each line from its middle row; *lines* float (B, height, W) in 0..255. Two (B,)."""
    row = lines[:, lines.shape[1] // 2].detach()
    # A net that diverged may predict pixels that are not numbers, which no histogram counts.
    row = torch.floor(row.nan_to_num(0.0) + 0.5).clamp(0, 255).to(torch.int64)
    if row.shape[1] < 3:
        row = functional.pad(row, (0, 3 - row.shape[1]))
    left, centre, right = row[:, :-2], row[:, 1:-1], row[:, 2:]
    positions = torch.arange(1, row.shape[1] - 1, device=row.device)[None, :]
    valid = positions <= widths[:, None] - 2
    low = ((centre < left) & (centre <= right)) | ((centre <= left) & (centre < right))
    high = ((centre > left) & (centre >= right)) | ((centre >= left) & (centre > right))
    black = _quantile(centre, low & valid, 0.25, 0)
    white = _quantile(centre, high & valid, 0.75, 255)
    return black.to(lines.dtype), white.to(lines.dtype)


def normalise(lines: Tensor, widths: Tensor, integer: bool, slope: float = 0.1, rounding: bool = False) -> Tensor:
    """Return contrast-normalised lines: ink about -1, paper about +1, 0 right of each line's width.

    The levels are detached. In *integer* mode the values are limited to +-1, as Tesseract's int8 input is; the
    gradient outside is *slope* times that inside, so that clipped pixels still have a gradient.
    """
    black, white = contrast_levels(lines, widths)
    contrast = (white - black) / 2.0
    contrast = torch.where(contrast > 0, contrast, torch.ones_like(contrast))
    value = (lines - black[:, None, None]) / contrast[:, None, None] - 1.0
    if integer:
        value = value * (128.0 / 127.0)
        if rounding:
            value = _straight(value, _round(value * 127.0) / 127.0)
        limited = value.clamp(-1.0, 1.0)
        if slope > 0.0:
            outside = (value.detach().abs() > 1.0).to(value.dtype)
            limited = limited + slope * outside * (value - value.detach())
        value = limited
    columns = torch.arange(lines.shape[2], device=lines.device)
    return value * (columns[None, :] < widths[:, None]).to(value.dtype)[:, None, :]
