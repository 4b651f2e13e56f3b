# SPDX-License-Identifier: MPL-2.0
"""Random sub-pixel shift, scale and padding of line images before a recognizer reads them.

A net that is trained by a recognizer can learn to make texture that only this recognizer, at this phase, takes for letters.
If the recognizer sees each line a little differently every time, such texture does not pay. sr and hr are jittered alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class JitterSample:
    """One jitter: zoom in y and x, shift in pixels (down, right), white padding in pixels (top, bottom, left, right)."""

    zoom: tuple[float, float]
    shift: tuple[float, float]
    padding: tuple[int, int, int, int]


@dataclass(frozen=True)
class Jitter:
    """Ranges of the jitter.

    Attributes:
        zoom: largest relative change of the size. stretch: largest further change of the width alone.
        shift: largest shift in pixels, sub-pixel steps. padding: most white pixels on each side.
    """

    zoom: float = 0.12
    stretch: float = 0.05
    shift: float = 1.0
    padding: int = 4

    def sample(self, rng: np.random.Generator) -> JitterSample:
        """Return the jitter of one batch."""
        zoom = float(np.exp(rng.uniform(-1.0, 1.0) * np.log1p(self.zoom)))
        stretch = float(np.exp(rng.uniform(-1.0, 1.0) * np.log1p(self.stretch)))
        down, right = (float(value) for value in rng.uniform(-self.shift, self.shift, size=2))
        top, bottom, left, after = (int(value) for value in rng.integers(0, self.padding + 1, size=4))
        return JitterSample((zoom, zoom * stretch), (down, right), (top, bottom, left, after))


def apply_jitter(lines: Tensor, widths: Tensor, sample: JitterSample) -> tuple[Tensor, Tensor]:
    """Return lines jittered by *sample*: float (B, 1, H, W) in [0, 1], white 1, and widths int64 (B,); sizes change.

    Resampled bilinearly, with a low-pass filter where the lines shrink; what comes from outside is white.
    """
    height, width = lines.shape[2:]
    top, bottom, left, right = sample.padding
    # The right-hand padding of a line belongs to its width; a margin of two pixels keeps shifts inside the image.
    padded = functional.pad(lines, (left + 2, right + 2, top + 2, bottom + 2), value=1.0)
    inner = (height + top + bottom, width + left + right)
    target = (max(8, round(inner[0] * sample.zoom[0])), max(8, round(inner[1] * sample.zoom[1])))
    if min(sample.zoom) < 1.0:
        scale = (padded.shape[2] * sample.zoom[0], padded.shape[3] * sample.zoom[1])
        small = (max(8, round(scale[0])), max(8, round(scale[1])))
        padded = functional.interpolate(padded, small, mode="bilinear", antialias=True, align_corners=False)
    # Places in the padded image, in its normalised coordinates, of the centres of the target's pixels.
    places = []
    for size, extent, border, all_pixels, move in (
        (target[0], inner[0], 2, inner[0] + 4, sample.shift[0]),
        (target[1], inner[1], 2, inner[1] + 4, sample.shift[1]),
    ):
        centres = (torch.arange(size, device=lines.device, dtype=lines.dtype) + 0.5) * (extent / size) + border - move
        places.append(centres / all_pixels * 2.0 - 1.0)
    grid = torch.stack(torch.meshgrid(places[0], places[1], indexing="ij"), dim=-1).flip(-1)
    grid = grid[None].expand(lines.shape[0], -1, -1, -1)
    # White is 1 and grid_sample fills with 0, so the ink is what gets sampled.
    out = 1.0 - functional.grid_sample(1.0 - padded, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    ratio = target[1] / inner[1]
    after = torch.floor((widths.to(torch.float64) + left + right) * ratio + 0.5).to(torch.int64)
    return out, after.clamp(1, target[1])
