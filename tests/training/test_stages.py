# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
from torch import nn
from training_runs import tiny

from ocrmypdf_superres.errors import ModelError, OptionError
from ocrmypdf_superres.training.loop.stages import freeze, learning_rate, make_optimizer, trained_names
from ocrmypdf_superres.training.loop.trainer import Trainer
from ocrmypdf_superres.training.recipe import Stage
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2)), nn.Conv2d(2, 1, 3))


def stage(**values) -> Stage:
    return Stage("s", 100, {"charbonnier": 1.0}, **values)


@pytest.mark.parametrize(
    ("values", "trained"),
    [
        ({}, {"0", "1", "2"}),
        ({"train": ("2.*",)}, {"2"}),
        ({"train": ("0.*", "1.0.*")}, {"0", "1"}),
        ({"freeze": ("[01].*",)}, {"2"}),
    ],
)
def test_patterns_choose_parameters(values, trained):
    assert {name[0] for name in trained_names(net(), stage(**values))} == trained


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"train": ("tail.*",)}, r"'tail\.\*', which matches no parameter.*0\.\*, 1\.\*"),
        ({"freeze": ("3.*",)}, "matches no parameter"),
        ({"freeze": ("*",)}, "freezes every parameter"),
    ],
)
def test_patterns_that_cannot_be_meant_are_refused(values, message):
    with pytest.raises(OptionError, match=message):
        trained_names(net(), stage(**values))


def test_frozen_batch_normalisation_keeps_its_statistics():
    module = net()
    freeze(module, stage(freeze=("1.*",)))
    assert module.training and module[0].training and not module[1][1].training
    module(torch.rand(2, 1, 9, 9)).sum().backward()
    assert float(module[1][1].running_mean.abs().sum()) == 0 and module[1][0].weight.grad is None
    freeze(module, stage())
    assert module[1][1].training and module[1][0].weight.requires_grad


def test_rates_drop_at_shares_of_the_stage_and_differ_by_part():
    halved = stage(lr=1.0, warmup=0, milestones=(0.5, 0.75), gamma=0.5)
    assert [learning_rate(halved, step) for step in (0, 49, 50, 75)] == [1.0, 1.0, 0.5, 0.25]
    assert learning_rate(stage(lr=1.0, warmup=4), 0) == 0.25
    groups = make_optimizer(net(), stage(lr_scale={"2.*": 0.1}), tiny()).param_groups
    assert [(group["lr_scale"], len(group["params"])) for group in groups] == [(1.0, 6), (0.1, 2)]
    with pytest.raises(OptionError, match="two factors"):
        make_optimizer(net(), stage(lr_scale={"2.*": 0.1, "*.bias": 0.5}), tiny())


def weights(trainer: Trainer) -> dict:
    return {name: value.clone() for name, value in trainer.net.state_dict().items()}


def test_a_stage_trains_its_part_only(data_folder, tmp_path):
    trainer = super_resolution_trainer(
        tiny([{"steps": 2}, {"steps": 1, "train": ["tails.*"]}, {"steps": 1}]), data_folder, tmp_path
    )
    seen = []
    for step in range(4):
        before = weights(trainer)
        trainer.train_step(trainer.task.batches[step])
        after = weights(trainer)
        seen.append({name.partition(".")[0] for name in after if not torch.equal(after[name], before[name])})
    # The tails begin as zeros, so that nothing behind them learns in the very first step.
    assert seen[1:] == [{"body", "tails"}, {"tails"}, {"body", "tails"}]


@pytest.mark.parametrize(("second", "kept"), [({}, True), ({"reset_optimizer": True}, False)])
def test_the_optimizer_goes_on_or_restarts(second, kept, data_folder, tmp_path):
    trainer = super_resolution_trainer(tiny([{"steps": 2}, {"steps": 1, **second}]), data_folder, tmp_path)
    for step in range(3):
        trainer.train_step(trainer.task.batches[step])
    steps = {int(state["step"]) for state in trainer.optimizer.state.values()}
    assert steps == ({3} if kept else {1})


def test_a_stage_may_begin_with_the_weights_of_a_model(data_folder, tmp_path, random_model):
    config = {"config": {"features": 8, "convolutions": 3}, "scales": {"2": 1.0}}
    based = tiny([{"steps": 1}, {"steps": 1, "lr": 1e-9, "warmup": 0, "base": str(random_model.folder)}], **config)
    trainer = super_resolution_trainer(based, data_folder, tmp_path)
    for step in range(2):
        trainer.train_step(trainer.task.batches[step])
    model = super_resolution_trainer(tiny(base=str(random_model.folder), **config), data_folder, tmp_path)
    image = torch.rand(1, 1, 12, 14)
    with torch.no_grad():
        wanted = model.averaged_net()(image, 2)
        assert torch.allclose(trainer.net(image, 2), wanted, atol=1e-5)
        assert torch.allclose(trainer.averaged_net()(image, 2), wanted, atol=1e-5)
    with pytest.raises(ModelError, match="no model 'nobody'"):
        super_resolution_trainer(tiny([{}, {"base": "nobody"}]), data_folder, tmp_path)


BOTH = {"charbonnier": 1.0, "gradient": 0.5}
PROTOCOLS = {
    # 000: pixels, then all losses at a tenth, the rate halved at 50 and 75 %, the last layer at a tenth of it.
    "000": [
        {"milestones": [0.5, 0.75], "gamma": 0.5, "lr_scale": {"tails.*": 0.1}},
        {"lr": 1e-4, "losses": BOTH, "reset_optimizer": True},
    ],
    # 001: the pretrained trunk slower than its new head; then the head alone.
    "001": [{"lr": 1e-4, "lr_scale": {"body.*": 0.1}}, {"freeze": ["body.*"]}],
    # 002: the two enlargements apart, then the second frozen while the first learns through it, then both at a tenth.
    "002": [
        {"scales": {"2": 1.0}, "freeze": ["tails.4.*"]},
        {"scales": {"4": 1.0}, "train": ["tails.4.*"], "reset_optimizer": True},
        {"scales": {"4": 1.0}, "freeze": ["tails.4.*"], "lr": 1e-5},
        {"scales": {"4": 1.0}, "lr": 1e-6},
    ],
    # 003: the prior inside the net frozen, then released.
    "003": [{"freeze": ["body.0.*"]}, {"lr": 1e-4, "losses": BOTH}],
    # 004: module by module, the earlier ones fixed.
    "004": [
        {"train": ["body.0.*", "tails.*"]},
        {"train": ["body.1.*"], "reset_optimizer": True},
        {"train": ["body.2.*"], "reset_optimizer": True},
    ],
}


@pytest.mark.parametrize("paper", PROTOCOLS)
def test_the_papers_staged_protocols_are_recipes(paper, data_folder, tmp_path):
    stages = [{"steps": 1, "batch": 1, **stage} for stage in PROTOCOLS[paper]]
    recipe = tiny(stages, config={"features": 8, "convolutions": 4, "scales": [2, 4]}, scales={"2": 0.5, "4": 0.5})
    trainer = super_resolution_trainer(recipe, data_folder, tmp_path)
    trainer.fit()
    assert trainer.step == len(stages)
    wanted = [int(next(iter(stage["scales"]))) if "scales" in stage else None for stage in stages]
    assert all(scale in (None, trainer.task.batches[step].scale) for step, scale in enumerate(wanted))
