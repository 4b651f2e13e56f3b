# SPDX-License-Identifier: MPL-2.0
"""The recognizers of TextZoom's benchmarks: what they decode, where they look, and how the search goes on."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ocrmypdf_superres.recognizers.aster import END, RECTIFIED, START
from ocrmypdf_superres.recognizers.beam_search import beam_search
from ocrmypdf_superres.recognizers.folder import build
from ocrmypdf_superres.recognizers.moran import LONGEST, picked_up

ASTER = {"base": 2, "counts": [1, 1, 1, 1, 1], "hidden": 8, "state": 16, "localisation": [2, 2, 2, 2, 2, 2], "longest": 12}
MORAN = {"base": 4, "counts": [1, 1, 1, 1, 1], "hidden": 32, "offsets": [4, 4, 4, 4]}


def table(rows):
    """Logits of the next code by the codes so far: a tiny language that a test writes down."""

    def step(given, parents):
        return torch.stack([torch.tensor(rows[tuple(line[1:].tolist())]).log() for line in given])

    return step


A, B, END_CODE, START_CODE = 0, 1, 2, 3


def test_a_beam_finds_what_the_best_next_code_misses():
    # a leads at first, and then every way on is improbable; b is followed by one sure end.
    rows = {
        (): [0.6, 0.4, 1e-9], (A,): [0.34, 0.33, 0.33], (B,): [0.05, 0.05, 0.9],
        **{(x, y): [0.1, 0.1, 0.8] for x in (A, B) for y in (A, B)},
    }  # fmt: skip
    device = torch.device("cpu")
    assert beam_search(table(rows), 1, 1, 3, START_CODE, END_CODE, device) == [[A, A]]
    assert beam_search(table(rows), 2, 2, 3, START_CODE, END_CODE, device) == [[B], [B]]


def test_what_does_not_end_counts_as_it_is():
    rows = {line: [0.7, 0.2, 0.1] for line in ((), (A,), (B,), (A, A), (A, B), (B, A), (B, B))}
    found = beam_search(table(rows), 1, 2, 3, START_CODE, END_CODE, torch.device("cpu"))
    # Ending at once has a probability of 0.1, and three times a of 0.343.
    assert found == [[A, A, A]]


def test_hypotheses_keep_their_own_state():
    parents = []

    def step(given, before):
        parents.append(before.tolist())
        return torch.tensor([[0.6, 0.4, 1e-9]]).log().expand(len(given), -1) + 0.0

    beam_search(step, 2, 2, 3, START_CODE, END_CODE, torch.device("cpu"))
    # Two lines: both of a line's hypotheses continue its first one, and later the better half of four.
    assert parents[0] == [0, 1] and parents[1] == [0, 0, 1, 1] and all(p in (0, 1) for p in parents[2][:2])


@pytest.mark.parametrize("kind", ["aster", "moran"])
def test_a_tiny_recognizer_overfits_one_batch_and_reads_it(kind):
    torch.manual_seed(2)
    net = build(kind, {"aster": {**ASTER, "base": 4, "state": 32, "hidden": 32}, "moran": MORAN}[kind])
    lines, texts = torch.rand(3, 1, 32, 100), ["cab", "1d", "ace"]
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    low = 0
    for _ in range(200):
        loss = net.loss(lines, texts)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        low = low + 1 if loss.item() < 0.03 else 0
        if low > 5:
            break
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            module.momentum = None
            module.reset_running_stats()
    for _ in range(4):
        net.loss(lines, texts)
    if kind == "moran":
        # Two passes of an untrained head in evaluation move the line; here it is to stay where it is.
        net.rectify.convolutions[-1].weight.data.zero_()
        net.rectify.convolutions[-1].bias.data.zero_()
    assert net.eval().read(lines) == texts


def test_a_character_does_not_see_later_ones():
    for kind, config in (("aster", ASTER), ("moran", MORAN)):
        net = build(kind, config).eval()
        line = torch.rand(1, 1, 32, 100)
        one, other = torch.tensor([[12, 13, 14, 15]]), torch.tensor([[12, 13, 20, 15]])
        if kind == "aster":
            first, second = net.attend(line, one), net.attend(line, other)
        else:
            (first, _), (second, _) = net.attend(line, one, one), net.attend(line, other, other)
        assert torch.allclose(first[:, :3], second[:, :3], atol=1e-6) and not torch.allclose(first[:, 3], second[:, 3])


def test_morans_decoders_read_from_both_ends():
    net = build("moran", MORAN).eval()
    line, codes = torch.rand(1, 1, 32, 100), torch.tensor([[1, 2, 3]])
    forwards, backwards = net.attend(line, codes, codes.flip(1))
    assert forwards.shape == backwards.shape == (1, 3, 37) and not torch.allclose(forwards, backwards)
    assert len(net.read(line)[0]) <= LONGEST


def test_offsets_move_the_line_up_and_down_only():
    net = build("moran", MORAN).eval()
    rectify = net.rectify
    last = rectify.convolutions[-1]
    image = torch.linspace(0, 1, 32).reshape(1, 1, 32, 1).expand(1, 1, 32, 100).clone()
    last.weight.data.zero_()
    last.bias.data.zero_()
    # Offsets of 0 leave the image as it is.
    assert torch.allclose(rectify(image), image, atol=1e-5)
    last.bias.data.fill_(0.1)
    moved = rectify(image)
    # Twice 0.1 of half the height, 15.5 rows, of a ramp that rises by 1/31 a row; below it the outside is black.
    assert torch.allclose(moved[:, :, 5:20] - image[:, :, 5:20], torch.tensor(0.2 * 15.5 / 31), atol=1e-4)
    assert float((moved - moved[..., :1]).detach().abs().max()) < 1e-5


def test_only_every_second_batch_is_rectified_in_training():
    torch.manual_seed(0)
    rectify = build("moran", MORAN).train().rectify
    image = torch.rand(2, 1, 32, 100)
    same = sum(torch.equal(rectify(image), image) for _ in range(40))
    assert 10 < same < 30


def test_fractional_pickup_keeps_what_it_shares_out():
    torch.manual_seed(0)
    shares = torch.rand(2, 8, 1).softmax(dim=1)
    mixed = [picked_up(shares) for _ in range(20)]
    assert all(torch.allclose(m.sum(dim=1), torch.ones(2, 1)) for m in mixed)
    assert all(int(((m - shares).abs() > 1e-7).sum()) in (0, 4) for m in mixed)
    assert any(not torch.equal(m, shares) for m in mixed)


def test_aster_rectifies_to_its_own_width_and_knows_case():
    net = build("aster", ASTER).eval()
    assert RECTIFIED == (32, 100) and START == END + 3 == len(net.classes)
    columns = net._encode_image(torch.rand(2, 3, 32, 128), None)
    assert columns.shape == (2, 25, 16)
    assert net.attend(torch.rand(2, 3, 32, 128), torch.tensor([[1, END], [2, END]])).shape == (2, 2, 97)
    # The sum over a text's characters, mean over texts: at the start about ln 97 each.
    loss = float(net.loss(torch.rand(2, 1, 32, 128), ["abc", "a"]).detach())
    assert math.isclose(loss, 3 * math.log(97), rel_tol=0.15)
