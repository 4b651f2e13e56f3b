# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import math

import pytest
import torch

from ocrmypdf_superres.detectors.ctpn import CTPN, CTPNConfig, anchors, by_anchor
from ocrmypdf_superres.detectors.ctpn_lines import LineSettings, proposals
from ocrmypdf_superres.metrics.boxes import pairwise_iou
from ocrmypdf_superres.training.recognizers.detector_targets import (
    IGNORED,
    TEXT,
    CTPNLoss,
    coordinate_loss,
    score_loss,
    slices,
    targets,
)


def test_slices_by_hand():
    assert slices(torch.tensor([[20.0, 5.0, 60.0, 25.0]])).tolist() == [[16, 5, 31, 25], [32, 5, 47, 25], [48, 5, 63, 25]]
    assert slices(torch.tensor([[3.0, 5.0, 6.0, 25.0]])).tolist() == [[0, 5, 15, 25]]


def test_targets_say_where_the_line_is():
    boxes = torch.tensor([[16.0, 20.0, 64.0, 44.0]])
    kinds, moves = targets(boxes, (64, 96))
    base = anchors(4, 6)
    text = torch.nonzero(kinds == TEXT)[:, 0]
    assert set(base[text, 0].tolist()) == {15.5, 31.5, 47.5}
    # Decoding the targets gives the line's top and bottom.
    heights = base[text, 3] - base[text, 1] + 1
    middle = (base[text, 1] + base[text, 3]) / 2 + moves[text, 0] * heights
    height = heights * moves[text, 1].exp()
    assert torch.allclose(middle, torch.tensor(32.0)) and torch.allclose(height, torch.tensor(25.0))
    assert bool((kinds[(base[:, 1] < 0) & (kinds != TEXT)] == IGNORED).all())
    empty, _ = targets(torch.zeros(0, 4), (64, 96))
    assert not bool((empty == TEXT).any())


def test_anchors_are_told_from_the_slices_of_their_own_column():
    boxes = torch.tensor([[8.0, 10.0, 70.0, 32.0], [40.0, 36.0, 130.0, 58.0]])
    kinds, moves = targets(boxes, (64, 96))
    base, truth = anchors(4, 6), slices(boxes)
    shares = torch.from_numpy(pairwise_iou(base.numpy(), truth.numpy(), inclusive=True))
    assert torch.equal(
        kinds == TEXT, (shares > 0.7).any(dim=1) | ((shares == shares.max(dim=0).values) & (shares > 0.1)).any(dim=1)
    )
    assert bool((kinds[(shares > 0.3).any(dim=1)] != 0).all())
    which = shares.max(dim=1).indices
    text = kinds == TEXT
    assert torch.equal(moves[text, 1], ((truth[which, 3] - truth[which, 1] + 1) / (base[:, 3] - base[:, 1] + 1)).log()[text])


def test_losses_by_hand():
    found, moves = torch.tensor([[0.05, 0.5], [9.0, 9.0]]), torch.zeros(2, 2)
    expected = 0.5 * 9 * 0.05**2 + (0.5 - 0.5 / 9)
    assert float(coordinate_loss(found, moves, torch.tensor([1, 0]))) == pytest.approx(expected)
    assert float(coordinate_loss(found, moves, torch.tensor([0, 0]))) == 0.0
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0], [7.0, 7.0]])
    assert float(score_loss(logits, torch.tensor([1, 0, -1]))) == pytest.approx((math.log(4 / 3) + math.log(2)) / 300)


def test_a_tiny_detector_overfits_one_image():
    torch.manual_seed(0)
    net = CTPN(CTPNConfig(widths=(8, 8, 16, 16, 16), hidden=8, deep=16))
    image = torch.ones(1, 1, 64, 160)
    image[:, :, 22:42, 34:126] = (torch.rand(20, 92) > 0.5).float()
    boxes = [torch.tensor([[32.0, 20.0, 128.0, 44.0]])]
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    loss, first = CTPNLoss(), None
    for _ in range(150):
        _, scores, coordinates = net(image)
        value = loss(scores, coordinates, boxes, (64, 160))
        first = value.item() if first is None else first
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    assert value.item() < 0.2 * first
    with torch.no_grad():
        _, scores, coordinates = net.eval()(image)
    kinds, _ = targets(boxes[0], (64, 160))
    probability = by_anchor(scores)[0].softmax(dim=1)[:, 1]
    # Anchors are as they were said to be; those that were ignored may be anything.
    assert bool((probability[kinds == TEXT] > 0.5).all()) and float((probability[kinds == 0] < 0.5).float().mean()) > 0.95
    found, _ = proposals(scores, coordinates, (64, 160), LineSettings(suppression=2.0))
    wanted = [box for box in found.tolist() if abs(box[1] - 20) < 4 and abs(box[3] - 44) < 4]
    assert {15.5 + 16 * column for column in range(1, 7)} <= {box[0] for box in wanted}


def test_gradcheck():
    torch.manual_seed(1)
    scores = torch.randn(1, 20, 2, 3, dtype=torch.float64, requires_grad=True)
    coordinates = torch.randn(1, 20, 2, 3, dtype=torch.float64, requires_grad=True)
    boxes = [torch.tensor([[0.0, 4.0, 32.0, 25.0]])]
    assert torch.autograd.gradcheck(lambda s, c: CTPNLoss()(s, c, boxes, (32, 48)), (scores, coordinates))
