# SPDX-License-Identifier: MPL-2.0
"""Nets with more outputs than sr, and the papers' protocols that train them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
from training_runs import tiny

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.architectures.blocks.layers import contrast
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.auxiliary import copied_names
from ocrmypdf_superres.training.loop.trainer import Trainer
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer

EPGR = {"architecture": "epgr", "config": {"features": 4, "blocks": 1, "modules": 2}, "scales": {"4": 1.0}}
CASCADE = {"architecture": "dpnet", "config": {"features": 4, "blocks": 1, "stages": 2}, "scales": {"4": 1.0}}
EDGES = {"l2": 1.0, "gradient": 0.5}


def changed_parts(trainer: Trainer, steps: int) -> list[set[str]]:
    """Train *steps* steps; return which parts (``stages.0.ep``) each changed."""
    seen = []
    for step in range(steps):
        before = {name: value.clone() for name, value in trainer.net.state_dict().items()}
        trainer.train_step(trainer.task.batches[step])
        after = trainer.net.state_dict()
        seen.append({".".join(name.split(".")[:3]) for name in after if not torch.equal(after[name], before[name])})
    return seen


def test_collaborating_networks_are_trained_one_by_one(data_folder, tmp_path):
    stages = [
        {"heads": {"edges0": EDGES}, "losses": {}},
        {"heads": {"guided0": EDGES}, "losses": {}},
        {"heads": {"edges0": EDGES, "image0": {"l2": 2.5, "gradient": 5.0}}, "losses": {}},
        {"heads": {"edges1": EDGES}, "losses": {}, "copy": {"stages.1": "stages.0"}},
        {"heads": {"edges1": EDGES, "image1": EDGES}, "losses": {}},
        {"train": ["stages.1.*"]},
    ]
    trainer = super_resolution_trainer(tiny([{"steps": 1, **stage} for stage in stages], **EPGR), data_folder, tmp_path)
    ep0, gr0, ep1, gr1 = "stages.0.ep", "stages.0.gr", "stages.1.ep", "stages.1.gr"
    seen = changed_parts(trainer, 3)
    assert seen == [{ep0}, {gr0}, {ep0, gr0}]
    first = {name: value.clone() for name, value in trainer.net.state_dict().items() if name.startswith("stages.0")}
    # The fourth stage begins with a copy, and trains EP-CNN 1 alone.
    assert changed_parts(trainer, 1) == [{ep1, gr1}]
    state = trainer.net.state_dict()
    assert all(torch.equal(state[name.replace("stages.0", "stages.1")], value) for name, value in first.items() if ".gr." in name)
    assert all(torch.equal(state[name], value) for name, value in first.items())
    assert [set(part) for part in changed_parts(trainer, 2)] == [{ep1, gr1}, {ep1, gr1}]


def test_what_cannot_be_copied_keeps_its_own_start():
    net = get("epgr").build(get("epgr").parse_config(EPGR["config"]))
    copied = copied_names(net, tiny([{"copy": {"stages.1": "stages.0"}}]).stages[0])
    left = {name for name in net.state_dict() if name.startswith("stages.1")} - set(copied)
    # EP-CNN 1 sees one channel less at its upsampler and one more at its predictor.
    assert left == {"stages.1.ep.upsampler.first.weight", "stages.1.ep.predictor.layers.0.weight"}


def test_a_cascade_is_trained_in_parallel_and_then_through(data_folder, tmp_path):
    stages = [
        {"heads": {"stage1": {"l2": 1.0}, "stage2": {"l2": 1.0}}, "losses": {}},
        {"heads": {"chain2": {"l2": 1.0}}, "losses": {}, "freeze": ["stages.1.*"], "lr": 1e-4},
        {"heads": {"chain2": {"l2": 1.0}}, "losses": {}, "lr": 1e-4},
    ]
    trainer = super_resolution_trainer(tiny([{"steps": 1, **stage} for stage in stages], **CASCADE), data_folder, tmp_path)
    parts = [{".".join(part.split(".")[:2]) for part in seen} for seen in changed_parts(trainer, 3)]
    assert parts == [{"stages.0", "stages.1"}, {"stages.0"}, {"stages.0", "stages.1"}]


def test_targets_of_a_cascade_have_the_sizes_of_its_steps():
    net = get("dpnet").build(get("dpnet").parse_config({"features": 4, "blocks": 1}))
    lr, hr = torch.rand(1, 1, 4, 6), torch.rand(1, 1, 32, 48)
    found = net.auxiliary_outputs(lr, hr, 8, net.auxiliary_names)
    assert {head: tuple(output.shape[2:]) for head, (output, _) in found.items()} == {
        "stage1": (8, 12), "stage2": (16, 24), "stage3": (32, 48), "chain1": (8, 12), "chain2": (16, 24), "chain3": (32, 48),
    }  # fmt: skip
    assert all(output.shape == wanted.shape for output, wanted in found.values())
    assert torch.equal(found["chain3"][1], hr)
    assert torch.equal(found["stage1"][0], found["chain1"][0])


def test_the_guided_network_sees_the_true_contrast():
    net = get("epgr").build(get("epgr").parse_config(EPGR["config"])).eval()
    lr, hr = torch.rand(1, 1, 4, 6), torch.rand(1, 1, 16, 24)
    found = net.auxiliary_outputs(lr, hr, 4, ["edges1", "guided1", "image1"])
    assert torch.equal(found["guided1"][0], net.stages[1].gr(lr, contrast(hr)))
    assert torch.equal(found["edges1"][1], contrast(hr))
    assert torch.equal(found["image1"][0], net(lr))


def test_an_rgb_net_is_trained_on_its_luma(data_folder, tmp_path):
    config = {"features": 4, "shrunken": 2, "mapping": 1, "channels": 3}
    trainer = super_resolution_trainer(tiny(architecture="fsrcnn", config=config, scales={"4": 1.0}), data_folder, tmp_path)
    assert changed_parts(trainer, 1) != [set()]
    assert trainer.averaged_net()(torch.rand(1, 3, 4, 4)).shape == (1, 3, 16, 16)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"heads": {"edges7": EDGES}}, "head 'edges7'.*it has edges0, guided0"),
        ({"copy": {"stages.1": "stages.9"}}, "nothing in them is alike"),
        ({"scales": {"3": 1.0}}, "scale 3.*it has 4"),
    ],
)
def test_stages_that_do_not_fit_the_net_are_refused(stage, message, data_folder, tmp_path):
    with pytest.raises(OptionError, match=message):
        super_resolution_trainer(tiny([{}, stage], **EPGR), data_folder, tmp_path)


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        ({"edges0": 1.0}, "a table of losses"),
        ({"edges0": {"ctc": 1.0}}, "reads lines"),
        ({"edges0": {"consistency": 1.0}}, "more than one image and hr"),
        ({"edges0": {"l3": 1.0}}, "unknown loss 'l3'"),
    ],
)
def test_losses_that_do_not_fit_a_head_are_refused(heads, message, data_folder, tmp_path):
    with pytest.raises(OptionError, match=message):
        super_resolution_trainer(tiny([{"heads": heads}], **EPGR), data_folder, tmp_path)


def test_without_a_table_all_scales_of_the_net_are_drawn(data_folder, tmp_path):
    trainer = super_resolution_trainer(tiny(**{**EPGR, "scales": {}}), data_folder, tmp_path)
    assert {trainer.task.batches[step].scale for step in range(4)} == {4}
