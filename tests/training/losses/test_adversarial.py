# SPDX-License-Identifier: MPL-2.0
"""The adversarial loss: its discriminator learns, pushes sr towards hr, and survives a checkpoint."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
from training_runs import tiny

from ocrmypdf_superres.training.losses.image.adversarial import AdversarialLoss, Discriminator
from ocrmypdf_superres.training.objective import Objective
from ocrmypdf_superres.training.protocols import Loss, LossThatTrains
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer

ADVERSARIAL = {"adversarial": {"weight": 0.01, "features": 2}}


def test_the_discriminator_is_srgans():
    with torch.device("meta"):
        net = Discriminator()
        assert net(torch.empty(2, 1, 96, 96)).shape == (2, 1) and net(torch.empty(1, 1, 96, 576)).shape == (1, 1)
        widths = [layer.out_channels for layer in net if isinstance(layer, torch.nn.Conv2d)]
        strides = [layer.stride[0] for layer in net if isinstance(layer, torch.nn.Conv2d)]
    assert widths == [64, 64, 128, 128, 256, 256, 512, 512] and strides == [1, 2] * 4


def test_it_learns_to_tell_and_its_gradient_makes_sr_more_like_hr():
    torch.manual_seed(0)
    loss = AdversarialLoss(features=2, lr=3e-3)
    assert isinstance(loss, Loss) and isinstance(loss, LossThatTrains)
    hr = torch.ones(4, 1, 32, 32)
    for _ in range(40):
        sr = torch.zeros(4, 1, 32, 32, requires_grad=True)
        value = loss(sr, hr)
    value.backward()
    assert float(value.detach()) > 1.0, "the discriminator knows sr"
    assert sr.grad is not None and float((-sr.grad).mean()) > 0, "sr is to become lighter"
    before = {name: tensor.clone() for name, tensor in loss.discriminator.named_parameters()}
    with torch.no_grad():
        loss(torch.zeros(4, 1, 32, 32), hr)
    assert all(torch.equal(tensor, before[name]) for name, tensor in loss.discriminator.named_parameters())


def test_a_resumed_run_equals_an_uninterrupted_one(data_folder, tmp_path):
    losses = {"l2": 1.0, **ADVERSARIAL}
    recipe = tiny([{"steps": 4, "losses": losses}], checkpoint_every=2)
    whole = super_resolution_trainer(recipe, data_folder, tmp_path / "whole", "cpu")
    whole.fit()
    first = super_resolution_trainer(recipe, data_folder, tmp_path / "parts", "cpu")
    first.task.prepare()
    for step in range(2):
        first.train_step(first.task.batches[step])
    state = first.state()
    torch.save(state, tmp_path / "checkpoint.pt")
    second = super_resolution_trainer(recipe, data_folder, tmp_path / "parts", "cpu")
    second.resume(tmp_path / "checkpoint.pt")
    for step in (2, 3):
        second.train_step(second.task.batches[step])
    for name, value in whole.net.state_dict().items():
        assert torch.equal(value, second.net.state_dict()[name]), name


@pytest.mark.parametrize(
    ("losses", "name"),
    [
        ({"losses": {"l2": 1.0, **ADVERSARIAL}}, "adversarial"),
        ({"losses": {"l2": 1.0}, "heads": {"image0": ADVERSARIAL}}, "image0 adversarial"),
    ],
)
def test_an_objective_keeps_it(losses, name):
    stage = tiny([losses]).stages[0]
    state = Objective(stage, 0).state_dict()
    assert set(state["trained losses"]) == {name}
    other = Objective(stage, 1)
    other.load_state_dict(state)
    own = other.state_dict()["trained losses"][name]["discriminator"]
    assert all(torch.equal(own[key], value) for key, value in state["trained losses"][name]["discriminator"].items())
