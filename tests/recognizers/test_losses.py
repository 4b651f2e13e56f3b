# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch
from tinydata import HEIGHT, tiny
from torch.nn import functional

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.recognizers.tesseract.recognizer import TesseractRecognizer
from ocrmypdf_superres.training.losses.recognition.ctc import CTCLoss, steps_needed, sum_equals
from ocrmypdf_superres.training.losses.recognition.jitter import Jitter, JitterSample, apply_jitter
from ocrmypdf_superres.training.losses.recognition.reading import RecognizerLosses
from ocrmypdf_superres.training.losses.recognition.recognizer_features import FeatureDistance, ProbabilityDistance

READER = TesseractRecognizer(tiny(), name="tiny")


def logits(seed: int = 0) -> torch.Tensor:
    return torch.randn(3, 10, 6, generator=torch.Generator().manual_seed(seed))


def test_ctc_is_torchs_a_character() -> None:
    values, steps = logits(), torch.tensor([10, 8, 6])
    codes = [[0, 1, 1], [2], [3, 4]]
    wanted = functional.ctc_loss(
        values.log_softmax(2).transpose(0, 1), torch.tensor([0, 1, 1, 2, 3, 4]), steps, torch.tensor([3, 1, 2]), blank=5
    )
    loss = CTCLoss(limit=1e9)
    assert float(loss(values, steps, codes, 5)) == pytest.approx(float(wanted), rel=1e-5)
    assert loss.infeasible == 0


def test_ctc_leaves_out_what_does_not_fit() -> None:
    assert steps_needed([1, 1, 2]) == 4
    values = logits().requires_grad_(True)
    loss = CTCLoss()
    value = loss(values, torch.tensor([10, 3, 10]), [[1, 2], [1, 1, 2], []], 5)
    assert loss.infeasible == 2
    value.backward()
    assert values.grad is not None
    assert values.grad[0].any()
    assert not values.grad[1:].any()
    nothing = CTCLoss()(values, torch.tensor([1, 1, 1]), [[1, 1]] * 3, 5)
    assert float(nothing.detach()) == 0.0


def test_ctc_may_sum_over_equal_codes() -> None:
    values, steps = logits().requires_grad_(True), torch.tensor([10, 10, 10])
    groups = [[1, 2], [3, 4]]
    texts = [[0, 1], [2], [4, 2]]
    loss = CTCLoss()
    apart = float(loss(values, steps, texts, 5).detach())
    together = loss(values, steps, texts, 5, groups)
    assert float(together.detach()) < apart
    assert float(loss(values, steps, [[0, 2], [1], [3, 1]], 5, groups).detach()) == pytest.approx(float(together.detach()))
    summed = sum_equals(values.log_softmax(2), groups).exp()
    torch.testing.assert_close(summed.sum(2), torch.ones(3, 10))
    together.backward()
    assert values.grad is not None
    assert bool(torch.isfinite(values.grad).all())
    assert READER.equals == [[READER.encode(sign)[0] for sign in "'’"], [READER.encode(sign)[0] for sign in '"“']]


def test_ctc_bounds_one_wrong_line() -> None:
    values = torch.full((1, 10, 6), 0.0)
    values[..., 5] = 100.0
    assert float(CTCLoss(limit=8.0)(values, torch.tensor([10]), [[1, 2]], 5)) == pytest.approx(8.0)


def test_probability_distance() -> None:
    sr, hr = logits(0).requires_grad_(True), logits(1).requires_grad_(True)
    steps = torch.tensor([10, 4, 0])
    distance = ProbabilityDistance()
    assert float(distance(sr, sr.detach(), steps).detach()) == pytest.approx(0.0, abs=1e-6)
    value = distance(sr, hr, steps)
    assert float(value.detach()) > 0.1
    assert float(value.detach()) == pytest.approx(float(distance(hr, sr, steps).detach()), rel=1e-4)
    value.backward()
    assert hr.grad is None
    assert sr.grad is not None
    assert sr.grad[1, :4].any()
    assert not sr.grad[1, 4:].any()
    one_way = float(ProbabilityDistance(symmetric=False, floor=0.0)(sr, hr, steps).detach())
    left, right = sr.detach().log_softmax(2), hr.detach().log_softmax(2)
    rows = torch.cat([(right.exp() * (right - left)).sum(2)[0], (right.exp() * (right - left)).sum(2)[1, :4]])
    assert one_way == pytest.approx(float(rows.mean()), rel=1e-5)
    certain = torch.full((1, 2, 6), -200.0)
    certain[..., 0] = 200.0
    assert float(distance(certain, certain.flip(2), torch.tensor([2]))) < 20.0
    heavier = ProbabilityDistance(letters=5.0)(sr, hr, steps, blank=5)
    assert bool(torch.isfinite(heavier))


def test_feature_distance() -> None:
    sr = {"a": (torch.ones(1, 2, 3, 4), torch.tensor([2]))}
    hr = {"a": (torch.zeros(1, 2, 3, 4), torch.tensor([2]))}
    hr["a"][0][..., 2:] = 9.0
    assert float(FeatureDistance()(sr, hr)) == pytest.approx(1.0)
    with pytest.raises(RecognizerError, match="layer"):
        FeatureDistance()({}, {})


def test_jitter_without_a_change_is_the_image() -> None:
    lines = torch.rand(2, 1, 11, 30)
    same, widths = apply_jitter(lines, torch.tensor([30, 12]), JitterSample((1.0, 1.0), (0.0, 0.0), (0, 0, 0, 0)))
    torch.testing.assert_close(same, lines, atol=1e-5, rtol=0)
    assert widths.tolist() == [30, 12]


def test_jitter_moves_pads_and_scales() -> None:
    lines = torch.rand(1, 1, 11, 30)
    moved, widths = apply_jitter(lines, torch.tensor([30]), JitterSample((1.0, 1.0), (1.0, 0.0), (1, 2, 3, 4)))
    assert moved.shape == (1, 1, 14, 37)
    assert widths.tolist() == [37]
    torch.testing.assert_close(moved[..., 2:13, 3:33], lines, atol=1e-5, rtol=0)
    assert float(moved[..., :2, :].min()) == pytest.approx(1.0, abs=1e-5)
    large, widths = apply_jitter(lines, torch.tensor([20]), JitterSample((1.5, 1.4), (0.3, -0.4), (0, 0, 0, 0)))
    assert large.shape[2:] == (16, 42)
    assert widths.tolist() == [28]
    flat, _ = apply_jitter(torch.full((1, 1, 40, 60), 0.5), torch.tensor([60]), JitterSample((0.6, 0.6), (0, 0), (0, 0, 0, 0)))
    torch.testing.assert_close(flat[..., 4:-4, 4:-4], torch.full_like(flat[..., 4:-4, 4:-4], 0.5), atol=1e-4, rtol=0)


def test_draws_are_repeatable_and_within_their_ranges() -> None:
    jitter = Jitter(zoom=0.1, stretch=0.0, shift=0.5, padding=3)
    draws = [jitter.sample(np.random.default_rng(seed)) for seed in range(50)]
    assert draws[3] == jitter.sample(np.random.default_rng(3))
    assert all(0.9 < draw.zoom[0] < 1.11 and abs(draw.shift[0]) <= 0.5 and max(draw.padding) <= 3 for draw in draws)


def test_losses_over_two_recognizers() -> None:
    losses = RecognizerLosses([READER, TesseractRecognizer(tiny(seed=3), name="other")], jitter=Jitter())
    sr = torch.rand(3, 1, HEIGHT, 80, requires_grad=True)
    widths = torch.tensor([80, 60, 6])
    names = ("ctc", "probabilities", "features")
    found = losses(sr, widths, hr=torch.rand(3, 1, HEIGHT, 80), texts=["abc", "Ω", "abcdefghij"], step=4, losses=names)
    assert set(found.losses) == set(names)
    assert set(found.skipped) == {"tiny", "other"}
    assert "U+03A9" in found.skipped["tiny"][1]
    assert found.infeasible == 2
    sum(found.losses.values()).backward()  # type: ignore[union-attr]
    assert sr.grad is not None
    assert sr.grad[0].any()
    assert not any(parameter.grad is not None for parameter in losses.parameters())
    again = losses(sr, widths, texts=["abc", "b", "a"], step=4, losses=("ctc",))
    assert float(again.losses["ctc"].detach()) == float(
        losses(sr, widths, texts=["abc", "b", "a"], step=4, losses=("ctc",)).losses["ctc"].detach()
    )
    assert not losses(sr, widths).losses


def test_no_recognizer_is_an_error() -> None:
    with pytest.raises(RecognizerError, match="at least one"):
        RecognizerLosses([])
