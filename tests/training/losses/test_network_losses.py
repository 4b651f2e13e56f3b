# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import math

import pytest
import torch

from ocrmypdf_superres.training.losses.recognition.detector import DetectorLoss
from ocrmypdf_superres.training.losses.recognition.text_focus import TextFocusLoss, content_loss, position_loss


def test_position_by_hand_leaves_padding_out():
    sr = torch.tensor([[[[0.5, 0.5], [0.9, 0.1]]]], dtype=torch.float64)
    hr = torch.tensor([[[[0.25, 0.75], [0.1, 0.9]]]], dtype=torch.float64)
    assert float(position_loss(sr, hr, torch.tensor([1]))) == pytest.approx(0.25)
    assert float(position_loss(sr, hr, torch.tensor([2]))) == pytest.approx((0.25 + 0.8) / 2)
    assert torch.autograd.gradcheck(lambda x: position_loss(x, hr, torch.tensor([2])), (sr.requires_grad_(),))


def test_content_by_hand():
    logits = torch.tensor([[[0.0, math.log(3.0)], [5.0, 0.0]]], dtype=torch.float64)
    targets, lengths = torch.tensor([[1, 0]]), torch.tensor([1])
    assert float(content_loss(logits, targets, lengths)) == pytest.approx(math.log(4 / 3))
    confusion = torch.tensor([[1.0, 2.0], [5.0, 1.0]])
    # w_10 = 5: 3 / (5 + 3).
    assert float(content_loss(logits, targets, lengths, confusion)) == pytest.approx(math.log(8 / 3))
    logits = logits.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: content_loss(x, targets, torch.tensor([2]), confusion), (logits,))


class Means:
    """A reader and detector that sees the mean of an image's columns."""

    def attend(self, lines, targets):
        columns = lines.mean(dim=2)
        maps = torch.softmax(columns, dim=2)[:, :, None].expand(-1, -1, targets.shape[1], -1)
        return columns.expand(-1, targets.shape[1], -1), maps

    def detect(self, images):
        return images, images.sum(dim=1, keepdim=True) * 2, images[..., :1]


def test_text_focus_and_detector():
    torch.manual_seed(0)
    sr = torch.rand(2, 1, 2, 3, dtype=torch.float64, requires_grad=True)
    hr = torch.rand(2, 1, 2, 3, dtype=torch.float64)
    loss = TextFocusLoss(Means())
    assert torch.autograd.gradcheck(lambda x: loss(x, hr, [[1], [0, 2]]), (sr,))
    assert float(TextFocusLoss(Means(), content=0.0)(hr, hr, [[1], [0, 2]])) == 0.0
    found = DetectorLoss(Means())(torch.tensor([[[[0.5, 1.0]]]]), torch.tensor([[[[0.0, 0.75]]]]))
    assert {name: float(value) for name, value in found.items()} == {"features": 0.375, "scores": 0.75, "coordinates": 0.5}
    detector = DetectorLoss(Means())
    assert torch.autograd.gradcheck(lambda x: tuple(detector(x, hr).values()), (sr,))
