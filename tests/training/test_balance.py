# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import math

import pytest
import torch

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.balance import DWA, Uncertainty, make_balance
from ocrmypdf_superres.training.data.batches import Batch
from ocrmypdf_superres.training.objective import Objective
from ocrmypdf_superres.training.recipe import Stage


def test_dwa_by_hand():
    balance = DWA(["a", "b"], window=2, temperature=2.0)
    for a, b in ((1.0, 4.0), (3.0, 4.0)):
        assert balance.factors == {"a": 1.0, "b": 1.0}
        balance.observe({"a": a, "b": b})
    for _ in range(2):
        assert balance.factors == {"a": 1.0, "b": 1.0}
        balance.observe({"a": 1.0, "b": 4.0})
    # Means 2 and 4, then 1 and 4: ratios 0.5 and 1.
    a, b = math.exp(0.25), math.exp(0.5)
    assert balance.factors == pytest.approx({"a": 2 * a / (a + b), "b": 2 * b / (a + b)})


@pytest.mark.parametrize("bad", [0.0, math.nan, math.inf])
def test_dwa_guards(bad):
    balance = DWA(["a", "b"], window=1)
    balance.observe({"a": bad, "b": 1.0})
    balance.observe({"a": 1.0, "b": 1.0})
    assert balance.factors == {"a": 1.0, "b": 1.0}
    balance.observe({"b": 1.0})
    assert balance.factors == {"a": 1.0, "b": 1.0}
    balance.observe({"a": 1.0, "b": 1e9})
    low, high = math.exp(0.5), math.exp(2.5)
    assert balance.factors["b"] == pytest.approx(2 * high / (low + high))


def test_uncertainty_by_hand_and_at_rest():
    balance = Uncertainty(["a", "b"], window=1, rate=0.1)
    balance.observe({"a": 0.5, "b": 100.0})
    assert balance.factors == pytest.approx({"a": math.exp(0.05), "b": math.exp(-0.1)})
    for _ in range(400):
        balance.observe({"a": 0.5, "b": 4.0})
    assert balance.factors == pytest.approx({"a": 2.0, "b": 0.25}, rel=1e-3)
    for _ in range(400):
        balance.observe({"a": 0.0, "b": math.nan})
    assert balance.factors["a"] == pytest.approx(math.exp(10.0))


@pytest.mark.parametrize("equalise", [1, 2])
def test_dwa_from_losses_of_equal_size(equalise):
    balance = DWA(["pixels", "reading", "absent"], window=2, equalise=equalise)
    balance.observe({"pixels": 0.1, "reading": 5.0})
    if equalise == 2:
        assert balance.factors == {"pixels": 1.0, "reading": 1.0, "absent": 1.0}
        balance.observe({"pixels": 0.3, "reading": 3.0})
    scale = 0.02 if equalise == 1 else 0.05
    assert balance.factors == pytest.approx({"pixels": 1.0, "reading": scale, "absent": 1.0})
    twin = DWA(["pixels", "reading", "absent"], window=2, equalise=equalise)
    twin.load_state_dict(balance.state_dict())
    for one in (balance, twin):
        for _ in range(4 - equalise):  # to the end of the second window
            one.observe({"pixels": 0.1, "reading": 1.0})
    assert balance.factors == twin.factors
    assert balance.factors["reading"] / balance.factors["pixels"] < scale  # it fell faster


@pytest.mark.parametrize("kind", [DWA, Uncertainty])
@pytest.mark.parametrize("cut", [3, 8, 11])
def test_resuming_is_exact(kind, cut):
    rng = torch.Generator().manual_seed(0)
    values = [dict(zip("ab", torch.rand(2, generator=rng).tolist(), strict=True)) for _ in range(20)]
    whole, first, second = (kind(["a", "b"], window=4) for _ in range(3))
    for row in values:
        whole.observe(row)
    for row in values[:cut]:
        first.observe(row)
    second.load_state_dict(first.state_dict())
    for row in values[cut:]:
        second.observe(row)
    assert second.state_dict() == whole.state_dict()
    with pytest.raises(OptionError, match="other losses"):
        kind(["a"]).load_state_dict(first.state_dict())


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("dwb", "'dwb'"),
        ({"window": 3}, "table"),
        (3, "balance = 3"),
        ({"name": "dwa", "windows": 3}, "'windows'"),
        ({"name": "dwa", "window": 2.5}, "2.5"),
        ({"name": "dwa", "window": 0}, "window = 0"),
        ({"name": "dwa", "temperature": 0}, "temperature = 0"),
        ({"name": "dwa", "window": 20, "equalise": 50}, "equalise = 50"),
        ({"name": "uncertainty", "rate": True}, "True"),
        ({"name": "fixed", "window": 1}, "unknown key 'window'"),
    ],
)
def test_wrong_settings_are_one_sentence(setting, said):
    with pytest.raises(OptionError, match=said):
        make_balance(setting, ["a"], "Stage x")


def batch() -> Batch:
    torch.manual_seed(0)
    return Batch(2, torch.rand(1, 1, 4, 6), torch.rand(1, 1, 8, 12), [""], [None], ["eng"])


def test_the_objective_uses_and_keeps_the_balance():
    losses = {"charbonnier": 1.0, "l2": {"weight": 2.0}, "consistency": {"weight": 0.1, "kernel": "box"}, "edge": 0.5}
    stage = Stage("x", 10, losses, balance={"name": "dwa", "window": 1})
    objective, data = Objective(stage, 0), batch()
    for step in range(3):
        sr = torch.rand(1, 1, 8, 12)
        objective(sr, data, step)  # as a validation does
        total, values = objective(sr.requires_grad_(), data, step)
    sr, total = sr.detach(), total.detach()
    assert set(values) == set(losses)
    assert objective.balance.factors != dict.fromkeys(losses, 1.0)
    again = Objective(stage, 0)
    again.load_state_dict(objective.state_dict())
    assert float(again(sr, data, 3)[0]) == float(objective(sr, data, 3)[0]) != float(total)


def test_fixed_weights_are_the_plain_sum():
    objective, data = Objective(Stage("x", 1, {"charbonnier": 1.0, "gradient": 0.3}), 0), batch()
    total, values = objective(torch.rand(1, 1, 8, 12, requires_grad=True), data, 0)
    assert float(total.detach()) == pytest.approx(values["charbonnier"] + 0.3 * values["gradient"])
    assert objective.state_dict() == {}


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ({"edge": {"wieght": 1.0}}, "'wieght'"),
        ({"charbonnier": {"epsilon": "x"}}, "epsilon = 'x', but expected is a valid number"),
        ({"charbonnier": "x"}, "weight = 'x'"),
        ({"charbonnier": -1.0}, "weight -1.0"),
        ({"ctc": {"limit": 1.0}}, "'limit'"),
        ({"text-focus": 1.0}, "needs a recognizer with attention"),
        ({"detector": 1.0}, "text detector"),
    ],
)
def test_wrong_losses_are_one_sentence(losses, said):
    with pytest.raises(OptionError, match=said):
        Objective(Stage("x", 1, losses), 0)
