# SPDX-License-Identifier: MPL-2.0
"""The loop itself: devices, batches that stay as they are, gradients that are not finite."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
from training_runs import recognizer_recipes, same, tiny

import ocrmypdf_superres.training.loop.trainer as loop
from ocrmypdf_superres.errors import DeviceError, SuperresError
from ocrmypdf_superres.training.loop.processes import Processes
from ocrmypdf_superres.training.loop.run_log import read_log
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer
from ocrmypdf_superres.training.workflows.train_recognizer import recognizer_trainer


def test_a_step_leaves_its_batch_as_it_was(data_folder, tmp_path):
    trainer = super_resolution_trainer(tiny(), data_folder, tmp_path)
    batch = trainer.task.batches[0]
    lr, hr = batch.lr, batch.hr
    before = copy.deepcopy(batch)
    trainer.train_step(batch)
    assert batch.lr is lr and batch.hr is hr and torch.equal(lr, before.lr) and torch.equal(hr, before.hr)
    there = batch.to(torch.device("meta"))
    assert there.lr.is_meta and there.hr.is_meta and not batch.hr.is_meta


def test_making_a_trainer_writes_nothing(data_folder, tmp_path):
    super_resolution_trainer(tiny(), data_folder, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_losses_and_recognizers_are_made_once_for_all_stages(data_folder, tmp_path, monkeypatch):
    import ocrmypdf_superres.training.objective as objective

    made = []

    class Reader:
        name, height, blank = "x", 36, 0

    monkeypatch.setattr(objective, "load", lambda name: made.append(name) or Reader())
    losses = {"charbonnier": 1.0, "ctc": 0.1}
    recipe = tiny([{"losses": losses, "recognizers": ["tesseract:eng"]}, {"losses": losses, "recognizers": ["tesseract:eng"]}])
    trainer = super_resolution_trainer(recipe, data_folder, tmp_path)
    assert made == []
    trainer.task.prepare()
    first, second = trainer.task.objectives
    assert made == ["tesseract:eng"] and first.losses["charbonnier"] is second.losses["charbonnier"]


def test_a_net_whose_gradient_is_never_finite_ends_in_one_sentence(data_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "MOST_SKIPPED", 3)
    trainer = super_resolution_trainer(tiny([{"steps": 9}]), data_folder, tmp_path)
    start = {name: value.clone() for name, value in trainer.net.state_dict().items()}
    trainer.task.prepare()
    batch = trainer.task.batches[0]
    batch.hr[:] = float("nan")
    assert [trainer.train_step(batch)["skipped"] for _ in range(2)] == [1.0, 1.0]
    with pytest.raises(SuperresError, match=r"not finite in 3 steps in a row.*smaller lr than 0\.001"):
        trainer.train_step(batch)
    assert same(trainer.net.state_dict(), start)


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:1"])
def test_unknown_devices_are_one_sentence(name):
    with pytest.raises(DeviceError, match="give auto, cpu, cuda or cuda:N"):
        Processes(name)


def test_a_gpu_that_is_not_there_is_one_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="torch sees 0 CUDA devices"):
        Processes("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_every_kind_of_network_trains_on_a_gpu(held_folder, tmp_path):
    reading = [{}, {"losses": {"charbonnier": 1.0, "ctc": 0.1, "probabilities": 0.1}, "recognizers": ["tesseract:eng"]}]
    trainers = [super_resolution_trainer(tiny(reading), held_folder, tmp_path / "net", "cuda")]
    trainers += [
        recognizer_trainer(recipe, held_folder, tmp_path / recipe.name, device="cuda") for recipe in recognizer_recipes()
    ]
    for trainer in trainers:
        trainer.fit()
        assert trainer.device.type == "cuda" and next(trainer.net.parameters()).is_cuda
        assert all(bool(torch.isfinite(value).all()) for value in trainer.average.values())
        assert not next(trainer.averaged_net().parameters()).is_cuda and read_log(trainer.run)
