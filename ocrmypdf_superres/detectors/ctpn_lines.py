# SPDX-License-Identifier: MPL-2.0
"""From CTPN's logits and regressions to text lines: proposals 16 pixels wide, non-maximum suppression, and chains of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ocrmypdf_superres.detectors.ctpn import STRIDE, anchors, by_anchor
from ocrmypdf_superres.metrics.boxes import non_maximum_suppression

Boxes = NDArray[np.float32]


@dataclass(frozen=True)
class LineSettings:
    """The original's thresholds: text probability, overlap in non-maximum suppression, gap in pixels, likeness of neighbours."""

    probability: float = 0.5
    suppression: float = 0.3
    gap: int = 60
    overlap: float = 0.6
    likeness: float = 0.6
    widen: int = 10


@dataclass(frozen=True)
class DetectedLine:
    """A line of text: from *left* to *right*, its middle at *begins* there and at *ends* here, *height* pixels high."""

    left: float
    right: float
    begins: float
    ends: float
    height: float
    score: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The upright rectangle around it: left, top, right, bottom."""
        low, high = sorted((self.begins, self.ends))
        return self.left, low - self.height / 2, self.right, high + self.height / 2


def proposals(scores: Tensor, coordinates: Tensor, size: tuple[int, int], settings: LineSettings) -> tuple[Boxes, Boxes]:
    """Return the boxes, float32 (n, 4), and probabilities (n,) of one image's proposals, best first.

    *scores*, *coordinates*: (1, 20, h, w) of CTPN; *size*: the image's (height, width).
    """
    probabilities = by_anchor(scores)[0].softmax(dim=1)[:, 1]
    chosen = torch.nonzero(probabilities > settings.probability)[:, 0]
    moves = by_anchor(coordinates)[0][chosen]
    base = anchors(*scores.shape[2:]).to(moves)[chosen]
    heights = base[:, 3] - base[:, 1] + 1
    middle = (base[:, 1] + base[:, 3]) / 2 + moves[:, 0] * heights
    half = heights * moves[:, 1].clamp(max=6.0).exp() / 2
    boxes = torch.stack([base[:, 0], middle - half, base[:, 2], middle + half], dim=1)
    boxes[:, 0::2] = boxes[:, 0::2].clamp(0, size[1] - 1)
    boxes[:, 1::2] = boxes[:, 1::2].clamp(0, size[0] - 1)
    # The original drops boxes below 16 pixels a side, with inclusive coordinates.
    kept = (boxes[:, 2] - boxes[:, 0] + 1 >= STRIDE) & (boxes[:, 3] - boxes[:, 1] + 1 >= STRIDE)
    found, probability = (
        boxes[kept].cpu().numpy().astype(np.float32),
        probabilities[chosen][kept].cpu().numpy().astype(np.float32),
    )
    best = non_maximum_suppression(found, probability, settings.suppression, inclusive=True)
    return found[best], probability[best]


def chain(boxes: Boxes, probabilities: Boxes, settings: LineSettings) -> list[list[int]]:
    """Join *boxes* to chains from left to right: neighbours each of which is the other's best one.

    A box alone forms no chain, as in the original.
    """
    following: dict[int, int] = {}
    for index in range(len(boxes)):
        after = _nearest(boxes, probabilities, index, settings, 1)
        if after is None:
            continue
        before = _nearest(boxes, probabilities, after, settings, -1)
        if before is not None and probabilities[index] >= probabilities[before]:
            following[index] = after
    # Two boxes of equal probability may share a neighbour; the first keeps it.
    taken: dict[int, int] = {}
    for index, after in following.items():
        taken.setdefault(after, index)
    following = {index: after for after, index in taken.items()}
    chains = []
    for start in sorted(set(following) - set(following.values())):
        row = [start]
        while row[-1] in following:
            row.append(following[row[-1]])
        chains.append(row)
    return chains


def _nearest(boxes: Boxes, probabilities: Boxes, index: int, settings: LineSettings, way: int) -> int | None:
    """Return the most probable box in the nearest column right (*way* 1) or left (-1) that is like box *index*."""
    own = boxes[index]
    distance = (boxes[:, 0] - own[0]) * way
    heights = boxes[:, 3] - boxes[:, 1] + 1
    height = heights[index]
    smaller, larger = np.minimum(heights, height), np.maximum(heights, height)
    shared = np.minimum(boxes[:, 3], own[3]) - np.maximum(boxes[:, 1], own[1]) + 1
    fits = (
        (distance > 0)
        & (distance <= settings.gap)
        & (shared / smaller >= settings.overlap)
        & (smaller / larger >= settings.likeness)
    )
    if not fits.any():
        return None
    column = fits & (distance == distance[fits].min())
    return int(np.flatnonzero(column)[np.argmax(probabilities[column])])


def lines_of(boxes: Boxes, probabilities: Boxes, size: tuple[int, int], settings: LineSettings) -> list[DetectedLine]:
    """Return the text lines of the proposals that were not suppressed, from the top; *size*: the image's (height, width)."""
    found = []
    for row in chain(boxes, probabilities, settings):
        part = boxes[row]
        middles = (part[:, 1] + part[:, 3]) / 2
        centres = (part[:, 0] + part[:, 2]) / 2
        slope, offset = np.polyfit(centres, middles, 1)
        left = max(0.0, float(part[:, 0].min()) - settings.widen)
        right = min(size[1] - 1.0, float(part[:, 2].max()) + settings.widen)
        height = float((part[:, 3] - part[:, 1]).mean()) + 2.5
        begins, ends = float(offset + slope * left), float(offset + slope * right)
        found.append(DetectedLine(left, right, begins, ends, height, float(probabilities[row].mean())))
    return sorted(found, key=lambda line: (line.begins, line.left))


def union_mask(lines: list[DetectedLine], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels, bool (height, width) = *size*, that lie in one of *lines*; slopes are followed."""
    mask = np.zeros(size, dtype=bool)
    rows = np.arange(size[0])[:, None] + 0.5
    for line in lines:
        first, last = max(0, round(line.left)), min(size[1], round(line.right) + 1)
        if last <= first:
            continue
        share = (np.arange(first, last) - line.left) / max(1.0, line.right - line.left)
        middle = line.begins + share * (line.ends - line.begins)
        mask[:, first:last] |= np.abs(rows - 0.5 - middle[None]) <= line.height / 2
    return mask
