# SPDX-License-Identifier: MPL-2.0
"""Losses of text lines in recipes: text-focus before a reader's folder, detectors by folder, confusion weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.recognizers.folder import build, save
from ocrmypdf_superres.training.data.batches import Batch
from ocrmypdf_superres.training.losses.recognition.confusion import CHARACTERS, confusion_weights, rendered_distances
from ocrmypdf_superres.training.objective import Objective, SharedParts
from ocrmypdf_superres.training.recipe import Stage
from ocrmypdf_superres.training.registries import loss_setting

BOX = (0, 0, 128, 32)


@pytest.fixture
def reader(tmp_path):
    torch.manual_seed(0)
    net = build("text-focus", {"base": 2, "blocks": [1, 1, 1, 1], "heads": 2, "inner": 16})
    return str(save(net, "text-focus", tmp_path / "reader", "reader"))


def batch(texts, boxes) -> Batch:
    torch.manual_seed(1)
    count = len(texts)
    return Batch(2, torch.rand(count, 1, 16, 64), torch.rand(count, 1, 32, 128), texts, boxes, ["eng"] * count)


def test_text_focus_from_a_recipe(reader):
    stage = Stage("a", 1, {"l2": 1.0, "text-focus": {"weight": 2.0, "recognizer": reader, "confusion": "none"}})
    objective = Objective(stage, 0)
    given = batch(["Ab-1", "", "?!"], [BOX, BOX, BOX])
    sr = torch.rand(3, 1, 32, 128, requires_grad=True)
    total, values = objective(sr, given, 0)
    assert set(values) == {"l2", "text-focus"} and float(total.detach()) == pytest.approx(
        values["l2"] + 2 * values["text-focus"], rel=1e-5
    )
    gradient = torch.autograd.grad(total - (sr - given.hr).square().mean(), sr)[0]
    # Only the first has something to read.
    assert bool(gradient[0].abs().sum() > 0) and not bool(gradient[1:].abs().sum() > 1e-12)
    same = given.hr.clone().requires_grad_()
    focus = loss_setting("text-focus", {"recognizer": reader, "confusion": "none", "content": 0.0}, "x").make()
    assert float(focus(same, given).detach()) == 0.0
    assert float(focus(sr, batch(["", "", ""], [BOX] * 3)).detach()) == 0.0


def test_a_batch_without_a_line_to_read_has_no_gradient():
    objective = Objective(Stage("a", 1, {"ctc": 1.0}, recognizers=("tesseract:eng",)), 0)
    sr = torch.rand(2, 1, 32, 128, requires_grad=True)
    total, values = objective(sr, batch(["", "中文"], [None, BOX]), 0)
    total.backward()
    assert values == {} and float(total.detach()) == 0.0 and not sr.grad.any()


def test_what_a_recipe_cannot_name(reader, tmp_path):
    with pytest.raises(OptionError, match="needs a recognizer with attention"):
        loss_setting("text-focus", {}, "x").make()
    with pytest.raises(RecognizerError, match="no recognizer or detector"):
        loss_setting("text-focus", {"recognizer": str(tmp_path / "none")}, "x").make()
    with pytest.raises(RecognizerError, match="kind text-focus, but ctpn was expected"):
        loss_setting("detector", {"weights": reader}, "x").make()


def test_a_detector_trained_here_can_be_named(tmp_path):
    torch.manual_seed(0)
    folder = save(build("ctpn", {"widths": [4, 4, 4, 4, 4], "hidden": 4, "deep": 8}), "ctpn", tmp_path / "ctpn", "ctpn-tiny")
    objective = Objective(Stage("a", 1, {"detector": {"weights": str(folder)}}), 0)
    sr = torch.rand(1, 1, 96, 96, requires_grad=True)
    given = Batch(2, torch.rand(1, 1, 48, 48), torch.rand(1, 1, 96, 96), [""], [None], [""])
    total, values = objective(sr, given, 0)
    total.backward()
    assert set(values) == {"detector features", "detector scores", "detector coordinates"} and bool(sr.grad.abs().sum() > 0)


def test_networks_that_losses_look_through_are_where_the_images_are(reader, tmp_path):
    folder = save(build("ctpn", {"widths": [4, 4, 4, 4, 4], "hidden": 4, "deep": 8}), "ctpn", tmp_path / "ctpn", "ctpn-tiny")
    losses = {"detector": {"weights": str(folder)}, "text-focus": {"recognizer": reader, "confusion": "none"}}
    stage = Stage("a", 1, {**losses, "adversarial": 1.0, "ctc": 1.0}, recognizers=("tesseract:eng",))
    shared = SharedParts(torch.device("meta"))
    objective = Objective(stage, 0, shared)
    parts = [*objective.losses.values(), shared.recognizer("tesseract:eng")]
    placed = [parameter.is_meta for part in parts for parameter in part.parameters()]
    assert len(placed) > 50 and all(placed)


def test_characters_that_look_alike_weigh_more():
    distances = rendered_distances()
    assert distances.shape == (62, 62) and np.allclose(distances, distances.T) and not np.diag(distances).any()
    other = distances[~np.eye(62, dtype=bool)]
    assert other.min() >= 0.02 and np.median(other) == pytest.approx(1.0, abs=0.05)
    place = {character: index for index, character in enumerate(CHARACTERS)}
    assert distances[place["o"], place["0"]] < distances[place["o"], place["m"]]
    assert distances[place["l"], place["I"]] < distances[place["l"], place["W"]]
    weights = confusion_weights()
    assert weights.shape == (37, 37) and bool((weights[0] == 1).all()) and bool((weights[:, 0] == 1).all())
    assert bool((weights.diagonal() == 1).all()) and bool((weights > 0).all())


def test_weights_by_hand(tmp_path):
    distances = np.full((62, 62), 2.0)
    np.fill_diagonal(distances, 0.0)
    place = {character: index for index, character in enumerate(CHARACTERS)}
    distances[place["a"], place["A"]] = distances[place["A"], place["a"]] = 0.25
    distances[place["a"], place["E"]] = distances[place["E"], place["a"]] = 0.5
    np.save(tmp_path / "d.npy", distances)
    weights = confusion_weights(tmp_path / "d.npy")
    a, e = 11, 15
    # From a lower-case a: E is nearer than e.  From a lower-case e: A and a are 2 apart.
    assert float(weights[a, e]) == 2.0 and float(weights[e, a]) == 0.5 and float(weights[a, a]) == 1.0
    slip = confusion_weights(tmp_path / "d.npy", compat=True)
    assert float(slip[a, a]) == 4.0 and float(slip[1, 1]) == 1.0 and float(slip[e, e]) == 0.5
    np.save(tmp_path / "d.npy", distances[:5])
    with pytest.raises(OptionError, match="62 x 62"):
        confusion_weights(tmp_path / "d.npy")
