# SPDX-License-Identifier: MPL-2.0
"""The targets and losses of CTPN for known line boxes: which anchors are text, and where it is (ECCV 2016).

Boxes are cut into slices of 16 pixels on the grid of places.  An anchor is text where it overlaps a slice by more than
0.7 (intersection over union), or more than every other anchor does, and background below 0.3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.detectors.ctpn import STRIDE, anchors, by_anchor
from ocrmypdf_superres.metrics.boxes import pairwise_iou

TEXT, BACKGROUND, IGNORED = 1, 0, -1
POSITIVE, NEGATIVE = 0.7, 0.3
MOST_TEXT, SAMPLES = 150, 300
SIGMA = 9.0


def slices(boxes: Tensor) -> Tensor:
    """Return the 16-pixel slices, float (n, 4), of line *boxes* (N, 4): left, top, right, bottom in pixels.

    A slice belongs to the line where at least half of it is covered, and every line has one.
    """
    parts = []
    for left, top, right, bottom in boxes.tolist():
        first = round(left / STRIDE)
        last = max(first + 1, round(right / STRIDE))
        for column in range(first, last):
            parts.append([column * STRIDE, top, column * STRIDE + STRIDE - 1, bottom])
    return torch.tensor(parts, dtype=torch.float32).reshape(-1, 4)


def targets(boxes: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the outputs that CTPN should have for an image of *size* (height, width) with line *boxes* (N, 4).

    The first is int64 (A,), text 1, background 0 or ignored -1 of each anchor in the order of
    :func:`~ocrmypdf_superres.detectors.ctpn.anchors`; the second float (A, 2), offset and logarithm of the height's
    factor, meant where the anchor is text.
    """
    base = anchors(size[0] // STRIDE, size[1] // STRIDE)
    kinds = torch.full((len(base),), BACKGROUND)
    moves = torch.zeros(len(base), 2)
    truth = slices(boxes)
    of_column = torch.arange(len(base)).reshape(size[0] // STRIDE, size[1] // STRIDE, -1)
    column = (truth[:, 0] / STRIDE).long()
    # Anchors and slices are as wide as a column, so that only those of one column overlap by more than their rims.
    for at in sorted(set(column.tolist())):
        if 0 <= at < of_column.shape[1]:
            own = of_column[:, at].flatten()
            kinds[own], moves[own] = _of_column(base[own], truth[column == at])
    # Half a pixel of the outermost columns' anchors is outside of every image.
    outside = (base[:, 0] < -0.5) | (base[:, 1] < 0) | (base[:, 2] > size[1] - 0.5) | (base[:, 3] >= size[0])
    # Text that reaches over the edge stays, or lines at a patch's edge would have no anchor at all.
    kinds[outside & (kinds == BACKGROUND)] = IGNORED
    return kinds, moves


def _of_column(base: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Return kinds and moves, see :func:`targets`, of the anchors *base* (A, 4) of a column with the slices *truth* (n, 4)."""
    kinds = torch.full((len(base),), BACKGROUND)
    shares = torch.from_numpy(pairwise_iou(base.numpy(), truth.numpy(), inclusive=True))
    best, which = shares.max(dim=1)
    kinds[best >= NEGATIVE] = IGNORED
    kinds[best > POSITIVE] = TEXT
    # The best anchors of a slice are text whatever they overlap, so that no line is without one.
    top = shares.max(dim=0).values
    kinds[((shares == top) & (shares > 0)).any(dim=1)] = TEXT
    heights = base[:, 3] - base[:, 1] + 1
    wanted = truth[which]
    middle = ((wanted[:, 1] + wanted[:, 3]) - (base[:, 1] + base[:, 3])) / 2 / heights
    return kinds, torch.stack([middle, ((wanted[:, 3] - wanted[:, 1] + 1).clamp(min=1.0) / heights).log()], dim=1)


def score_loss(logits: Tensor, kinds: Tensor) -> Tensor:
    """Cross-entropy of logits (A, 2): up to 150 text anchors and the hardest backgrounds, 300 in all, over 300."""
    text = torch.nonzero(kinds == TEXT)[:, 0]
    if len(text) > MOST_TEXT:
        text = text[torch.randperm(len(text), device=text.device)[:MOST_TEXT]]
    background = logits[kinds == BACKGROUND]
    known = functional.cross_entropy(logits[text], torch.ones_like(text), reduction="sum")
    losses = functional.cross_entropy(
        background, torch.zeros(len(background), dtype=torch.int64, device=logits.device), reduction="none"
    )
    hard = losses.topk(min(len(losses), SAMPLES - len(text))).values
    return (known + hard.sum()) / SAMPLES


def coordinate_loss(found: Tensor, moves: Tensor, kinds: Tensor) -> Tensor:
    """Smooth L1 with sigma 9, quadratic below 1/9, of (A, 2): summed over the two, mean over text anchors."""
    text = kinds == TEXT
    if not bool(text.any()):
        return found.sum() * 0.0
    return functional.smooth_l1_loss(found[text], moves[text], beta=1 / SIGMA, reduction="none").sum(dim=1).mean()


class CTPNLoss(nn.Module):
    """``forward(scores, coordinates, boxes, size)``: the sum of both losses, mean over the batch's images.

    *scores*, *coordinates*: (B, 20, h, w) of CTPN; *boxes*: line boxes (N, 4) of each image; *size*: (height, width).
    """

    def forward(self, scores: Tensor, coordinates: Tensor, boxes: list[Tensor], size: tuple[int, int]) -> Tensor:
        """Return the loss, a scalar; see the class."""
        logits, found = by_anchor(scores), by_anchor(coordinates)
        parts = []
        for index, lines in enumerate(boxes):
            kinds, moves = (value.to(scores.device) for value in targets(lines, size))
            parts.append(score_loss(logits[index], kinds) + coordinate_loss(found[index], moves, kinds))
        return torch.stack(parts).mean()
