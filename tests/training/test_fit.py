# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")

from training_runs import TINY

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.loop.checkpoint import load_checkpoint, save_checkpoint
from ocrmypdf_superres.training.loop.trainer import CHECKPOINT
from ocrmypdf_superres.training.recipe import parse_recipe
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer
from ocrmypdf_superres.training.workflows.train import train


def test_resumed_equals_uninterrupted_bit_for_bit(data_folder, tmp_path):
    recipe = parse_recipe(TINY, "tiny")
    whole = super_resolution_trainer(recipe, data_folder, tmp_path / "whole")
    whole.fit()
    shorter = parse_recipe({**TINY, "stages": TINY["stages"][:1]}, "tiny")
    super_resolution_trainer(shorter, data_folder, tmp_path / "parts").fit()
    second = super_resolution_trainer(recipe, data_folder, tmp_path / "parts")
    second.resume(tmp_path / "parts" / CHECKPOINT)
    assert second.step == 3
    second.fit()
    for name, value in whole.net.state_dict().items():
        assert torch.equal(value, second.net.state_dict()[name]), name
    for name, value in whole.average.items():
        assert torch.equal(value, second.average[name]), name


def test_training_lowers_the_loss(data_folder, tmp_path):
    values = {
        **TINY,
        "stages": [{"name": "one", "steps": 60, "batch": 4, "lr": 1e-2, "warmup": 5, "losses": {"charbonnier": 1.0}}],
    }
    trainer = super_resolution_trainer(parse_recipe(values, "tiny"), data_folder, tmp_path)
    batch = trainer.task.batches[0]
    losses = [trainer.train_step(batch)["charbonnier"] for _ in range(60)]
    assert losses[-1] < 0.8 * losses[0]


def test_wrong_checkpoints_are_refused(data_folder, tmp_path):
    trainer = super_resolution_trainer(parse_recipe(TINY, "tiny"), data_folder, tmp_path)
    with pytest.raises(OptionError, match="no checkpoint"):
        trainer.resume(tmp_path / "none.pt")
    (tmp_path / "cut.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(OptionError, match="damaged"):
        trainer.resume(tmp_path / "cut.pt")
    save_checkpoint({**trainer.state(), "recipe": "other"}, tmp_path / "other.pt")
    with pytest.raises(OptionError, match="'other'"):
        trainer.resume(tmp_path / "other.pt")


def test_a_failed_save_leaves_the_older_checkpoint(tmp_path):
    path = tmp_path / "c.pt"
    save_checkpoint({"step": 1}, path)
    with pytest.raises(Exception):
        save_checkpoint({"step": lambda: None}, path)
    assert load_checkpoint(path) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"]


def test_unknown_loss_and_existing_run_are_one_sentence(data_folder, tmp_path):
    with pytest.raises(OptionError, match="'l7'"):
        parse_recipe({**TINY, "stages": [{"name": "x", "steps": 1, "losses": {"l7": 1.0}}]}, "tiny")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'name="tiny"\narchitecture="docsr"\n[[sources]]\nkind="rendered"\nfolder="text"\n'
        '[[degradation]]\nname="downsample"\n[[stages]]\nname="a"\nsteps=1\nlosses={charbonnier=1.0}\n'
    )
    run = tmp_path / "run"
    run.mkdir()
    (run / CHECKPOINT).write_bytes(b"x")
    with pytest.raises(OptionError, match="--resume"):
        train(recipe, run, data_folder)
    assert train(recipe, tmp_path / "sheet", data_folder, show_data=True).is_file()
