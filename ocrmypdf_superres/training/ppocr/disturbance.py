# SPDX-License-Identifier: MPL-2.0
"""Lines as a text detector cuts them: looser or tighter than Tesseract does, leaning a little, paler or noisier."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_MARGINS = (-0.04, 0.22)
"""What is cut off or added at each side, in heights of the line; half as much again at the ends."""
_CUT, _LEAN, _PALE, _NOISY = 0.6, 0.15, 0.3, 0.2
"""The shares of lines that are disturbed in each way."""


def disturbed(line: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return *line*, uint8 (H, W), as float32 (H', W') in [0, 1], by random numbers of *rng* disturbed or as it is."""
    value = line.astype(np.float32)
    paper = float(np.median(value))
    if rng.random() < _CUT:
        value = _with_margins(value, paper, rng)
    if rng.random() < _LEAN:
        rise = rng.uniform(-0.012, 0.012)
        across = (1.0, 0.0, 0.0, rise, 1.0, -rise * value.shape[1] / 2)
        leaning = Image.fromarray(value).transform(
            value.shape[::-1], Image.Transform.AFFINE, across, Image.Resampling.BILINEAR, fillcolor=paper
        )
        value = np.asarray(leaning, dtype=np.float32)
    if rng.random() < _PALE:
        value = (value - paper) * rng.uniform(0.6, 1.1) + paper * rng.uniform(0.85, 1.08)
    if rng.random() < _NOISY:
        value = value + rng.normal(0.0, rng.uniform(1, 6), value.shape).astype(np.float32)
    return (value.clip(0, 255) / 255).astype(np.float32)


def _with_margins(value: NDArray[np.float32], paper: float, rng: np.random.Generator) -> NDArray[np.float32]:
    height = value.shape[0]
    top, bottom, left, right = (rng.uniform(*_MARGINS, 4) * height * (1, 1, 1.5, 1.5)).round().astype(int).tolist()
    top, bottom = max(top, -2), max(bottom, -2)
    cut = value[max(0, -top) : height - max(0, -bottom), max(0, -left) : value.shape[1] - max(0, -right)]
    added = ((max(0, top), max(0, bottom)), (max(0, left), max(0, right)))
    if rng.random() < 0.7:
        return np.pad(cut, added, constant_values=paper)
    return np.pad(cut, added, mode="edge")
