# SPDX-License-Identifier: MPL-2.0
"""Ink that differs from its paper in colour, not in lightness: red on grey, blue on ochre. Luma has none of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrmypdf_superres.page.image import flatten, from_luma, to_luma

EDGES = 99.5
"""The percentile of the differences across strokes that counts: edges of letters are at least the rest of a page of text."""
GREY, COLOUR = 0.12, 0.16
"""Of the range: luma differs by less than the first although a mixture of the channels differs by more than the second ..."""
TIMES = 2.0
"""... and this many times as much as luma; noise differs by half as much again."""
_PAPER, _INK, _RARE = 0.95, 0.05, 0.1
_DARK = 0.35  # paper as dark as this has no black ink
_STEP, _SAMPLES = 2, 120_000  # pixels; of whole rows


def colour_contrast(image: Image.Image) -> Image.Image | None:
    """Return *image* in grey, dark on light, mixed of its channels so that coloured ink stands out; None where luma shows it.

    The mixture is the first principal component of differences between pixels a stroke apart, so fields of colour do not
    count. A page with more than little ink that luma shows is not touched; what little there is stays dark in the mixture.
    """
    flat = flatten(image)
    if flat.mode != "RGB":
        return None
    taken = flat.resize((flat.width, max(1, min(flat.height, _SAMPLES // flat.width))), Image.Resampling.NEAREST)
    rows = np.asarray(taken, dtype=np.float32) / np.float32(255.0)
    edges = (rows[:, _STEP:] - rows[:, :-_STEP]).reshape(-1, 3)
    if not len(edges) or (seen := _strength(edges @ np.array([0.299, 0.587, 0.114], np.float32))) >= GREY:
        return None
    mixture = np.linalg.eigh(edges.T @ edges)[1][:, -1].astype(np.float32)
    if _strength(edges @ mixture) <= max(COLOUR, TIMES * seen):
        return None
    grey = np.asarray(flat, dtype=np.float32) @ mixture
    paper = float(np.median(grey))
    # A stroke has edges on both sides, so ink may be less of the page than its edges are.
    low, high = (float(value) for value in np.percentile(grey, (_RARE, 100 - _RARE)))
    ink = low if paper - low > high - paper else high
    if ink == paper:
        return None
    mixed = (grey - ink) / (paper - ink) * (_PAPER - _INK) + _INK
    # A black heading or total on a page in red makes too few edges to be seen above, and may be as light as paper in the mixture.
    luma = to_luma(flat)
    light = float(np.median(luma))
    if light > _DARK:
        mixed = np.minimum(mixed, luma / light * _PAPER)
    return from_luma(mixed.astype(np.float32))


def _strength(values: NDArray[np.float32]) -> float:
    return float(np.percentile(np.abs(values), EDGES))
