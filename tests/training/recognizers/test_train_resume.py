# SPDX-License-Identifier: MPL-2.0
"""The training of a recognizer or detector that is stopped and goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from training_runs import same

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.recognizers.folder import load
from ocrmypdf_superres.training.loop.checkpoint import load_checkpoint, save_checkpoint
from ocrmypdf_superres.training.loop.trainer import CHECKPOINT, Trainer
from ocrmypdf_superres.training.recognizers.recipe import read_recognizer_recipe
from ocrmypdf_superres.training.workflows.train_recognizer import recognizer_trainer

STEPS = 5
COMMON = 'name = "tiny"\nseed = 3\nworkers = 0\ncheckpoint_every = 2\n'
STAGE = f'[[stages]]\nname = "one"\nsteps = {STEPS}\nwarmup = 2\n'
CRNN = (
    COMMON
    + """
network = "crnn"
config = { base = 2, hidden = 4 }
images = { hr = 0.5, lr = 0.5 }
[[sources]]
kind = "words"
folder = "text"
"""
    + STAGE
    + "batch = 4\n"
)
HELD = """
[validation]
kind = "words"
folder = "held"
metric = "accuracy"
lines = 4
every = 2
seed = 999
"""
CTPN = (
    COMMON
    + """
network = "ctpn"
size = [96, 160]
config = { widths = [4, 4, 4, 4, 4], hidden = 4, deep = 8 }
[[sources]]
kind = "rendered"
folder = "text"
"""
    + STAGE
    + "batch = 1\n"
)


def interrupt(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Let Ctrl-C come when step *at* of a training, from 1 on, has moved the weights."""
    original = Trainer.train_step

    def step(trainer: Trainer, batch: object) -> dict[str, float]:
        values = original(trainer, batch)
        if trainer.step == at:
            signal.raise_signal(signal.SIGINT)
        return values

    monkeypatch.setattr(Trainer, "train_step", step)


@pytest.mark.parametrize("text", [CRNN, CTPN], ids=["crnn", "ctpn"])
def test_interrupted_twice_and_resumed_is_the_same_bit_for_bit(text, data_folder, tmp_path, monkeypatch):
    path = tmp_path / "tiny.toml"
    path.write_text(text)
    command = ["recognizer", "train", str(path), "--data", str(data_folder), "-o"]
    assert main([*command, str(tmp_path / "whole")]) == 0
    out = str(tmp_path / "parts")
    for at, more in ((random.choice((3, 4)), []), (5, ["--resume"])):
        with monkeypatch.context() as patch:
            interrupt(patch, at)
            assert main([*command, out, *more]) == 130
        assert not (tmp_path / "parts").exists()
        assert load_checkpoint(tmp_path / "parts.run" / CHECKPOINT)["step"] == 2 * ((at - 1) // 2)
        torch.rand(17)
    assert main([*command, out, "--resume"]) == 0
    files = {name: sorted(p.name for p in (tmp_path / name).iterdir()) for name in ("whole", "parts")}
    card = "recognizer.toml" if text is CRNN else "detector.toml"
    assert files["whole"] == files["parts"] == sorted(["model.safetensors", card])
    assert (tmp_path / "whole" / "model.safetensors").read_bytes() == (tmp_path / "parts" / "model.safetensors").read_bytes()
    assert not list(tmp_path.glob(f"*/{CHECKPOINT}")) and load(out).name == "tiny"


def test_the_best_weights_and_moments_are_resumed_too(held_folder, tmp_path, monkeypatch):
    path = tmp_path / "tiny.toml"
    path.write_text(CRNN + HELD)
    recipe = read_recognizer_recipe(path)
    trainers = [recognizer_trainer(recipe, held_folder, tmp_path / name) for name in ("whole", "parts", "parts")]
    for trainer in trainers:
        trainer.task.accuracies = lambda net, own=trainer: {"hr": {0: 0.0, 2: 0.1, 4: 0.7, 5: 0.3}[own.step]}
    trainers[0].fit()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt(patch, 5)
        trainers[1].fit()
    trainers[2].resume(tmp_path / "parts" / CHECKPOINT)
    watches = [trainer.watch for trainer in trainers]
    assert trainers[2].step == 4 and watches[2].value == 0.7 and same(watches[2].weights, watches[0].weights)
    trainers[2].fit()
    ends = [load_checkpoint(tmp_path / name / CHECKPOINT) for name in ("whole", "parts")]
    assert same(ends[0]["net"], ends[1]["net"]) and same(ends[0]["watch"]["weights"], ends[1]["watch"]["weights"])
    assert ends[0]["watch"]["value"] == ends[1]["watch"]["value"] == 0.7
    assert not same(ends[0]["net"], ends[0]["watch"]["weights"])
    for moments in zip(*(end["optimizer"]["state"].values() for end in ends), strict=True):
        assert same(*moments)


def test_mistakes_with_checkpoints_are_named(data_folder, tmp_path, monkeypatch, capsys):
    path, checkpoint = tmp_path / "tiny.toml", tmp_path / "made.run" / CHECKPOINT
    path.write_text(CRNN)
    command = ["recognizer", "train", str(path), "--data", str(data_folder), "-o", str(tmp_path / "made")]

    def says(*more: str) -> str:
        assert main([*command, *more]) == 1
        return " ".join(capsys.readouterr().err.split())

    assert "no checkpoint" in says("--resume")
    with monkeypatch.context() as patch:
        interrupt(patch, 3)
        assert main(command) == 130
    kept = checkpoint.read_bytes()
    assert "add --resume" in says()
    path.write_text("clip = 0.5\n" + CRNN)
    assert "another recipe" in says("--resume")
    assert checkpoint.read_bytes() == kept
    path.write_text(CRNN.replace("workers = 0", "workers = 1") + "# other")
    save_checkpoint({**load_checkpoint(checkpoint), "net": {}}, checkpoint)
    assert "does not fit the network and stages of tiny" in says("--resume")
    path.write_text(CRNN.replace('"tiny"', '"a b"'))
    checkpoint.unlink()
    assert "cannot be called" in says(), "before any step"


def test_a_full_disk_is_one_sentence(small_disk, data_folder, tmp_path, capsys):
    path = tmp_path / "tiny.toml"
    path.write_text(CRNN)
    command = ["recognizer", "train", str(path), "--data", str(data_folder), "-o", str(small_disk / "made")]
    filler = small_disk / "filler"
    with pytest.raises(OSError), open(filler, "wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))
    assert main(command) == 1
    assert "cannot be written (No space left on device)" in " ".join(capsys.readouterr().err.split())
    # Room for the checkpoint and the log, and not for the recognizer beside them.
    recognizer_trainer(read_recognizer_recipe(path), data_folder, tmp_path / "size", CRNN).fit()
    os.truncate(filler, filler.stat().st_size - (tmp_path / "size" / CHECKPOINT).stat().st_size - 16384)
    save_checkpoint(load_checkpoint(tmp_path / "size" / CHECKPOINT), small_disk / "made.run" / CHECKPOINT)
    assert main([*command, "--resume"]) == 1
    assert "its last checkpoint is whole" in " ".join(capsys.readouterr().err.split())
    filler.unlink()
    assert main([*command, "--resume"]) == 0 and sorted(p.name for p in small_disk.iterdir()) == ["made", "made.run"]


@pytest.mark.slow
def test_loss_and_accuracy_are_seen_as_they_come_without_a_terminal(held_folder, tmp_path):
    path, seen = tmp_path / "tiny.toml", tmp_path / "run.log"
    path.write_text((CRNN + HELD).replace(f"steps = {STEPS}", "steps = 100000"))
    command = [sys.executable, "-m", "ocrmypdf_superres", "recognizer", "train", str(path), "--data", str(held_folder)]
    with open(seen, "wb") as stream:
        process = subprocess.Popen(
            [*command, "-o", str(tmp_path / "made")], stdout=stream, stderr=stream, cwd=Path(__file__).parents[3]
        )
        try:
            for _ in range(600):
                text = seen.read_text()
                if "Step 4: validation accuracy" in text and text.count("Lines read without a mistake: hr 0.") > 1:
                    break
                try:
                    process.wait(timeout=0.1)
                except subprocess.TimeoutExpired:
                    continue
                break
        finally:
            process.kill()
            process.wait()
    assert "Step 4: validation accuracy" in text and text.count("Lines read without a mistake: hr 0.") > 1, text
