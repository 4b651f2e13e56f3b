# SPDX-License-Identifier: MPL-2.0
"""A reader's or detector's training that is stopped and goes on."""

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
from ocrmypdf_superres.training.checkpoint import load_checkpoint, save_checkpoint
from ocrmypdf_superres.training.readers.loop import Teacher
from ocrmypdf_superres.training.readers.recipe import read_teach_recipe

STEPS = 5
COMMON = f'name = "tiny"\nsteps = {STEPS}\nevery = 2\nseed = 3\nwarmup = 2\n'
CRNN = COMMON + """
network = "crnn"
batch = 4
lines = 4
config = { base = 2, hidden = 4 }
images = { hr = 0.5, lr = 0.5 }
[[sources]]
kind = "words"
folder = "text"
"""
HELD = """
[[held]]
kind = "words"
folder = "held"
"""
CTPN = COMMON + """
network = "ctpn"
batch = 1
size = [96, 160]
config = { widths = [4, 4, 4, 4, 4], hidden = 4, deep = 8 }
[[sources]]
kind = "rendered"
folder = "text"
"""


def interrupt(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Let Ctrl-C come when step *at* of a training, from 1 on, has moved the weights."""
    original = Teacher.step

    def step(teacher: Teacher) -> float:
        value = original(teacher)
        if teacher.done == at:
            signal.raise_signal(signal.SIGINT)
        return value

    monkeypatch.setattr(Teacher, "step", step)


@pytest.mark.parametrize("text", [CRNN, CTPN], ids=["crnn", "ctpn"])
def test_interrupted_twice_and_resumed_is_the_same_bit_for_bit(text, data_folder, tmp_path, monkeypatch):
    path = tmp_path / "tiny.toml"
    path.write_text(text)
    command = ["recognizer", "teach", str(path), "--data", str(data_folder), "-o"]
    assert main([*command, str(tmp_path / "whole")]) == 0
    out = str(tmp_path / "parts")
    for at, more in ((random.choice((3, 4)), []), (5, ["--resume"])):
        with monkeypatch.context() as patch:
            interrupt(patch, at)
            assert main([*command, out, *more]) == 130
        assert not (tmp_path / "parts").exists()
        assert load_checkpoint(tmp_path / "parts.checkpoint.pt")["step"] == 2 * ((at - 1) // 2)
        torch.rand(17)
    assert main([*command, out, "--resume"]) == 0
    files = {name: sorted(p.name for p in (tmp_path / name).iterdir()) for name in ("whole", "parts")}
    card = "recognizer.toml" if text is CRNN else "detector.toml"
    assert files["whole"] == files["parts"] == sorted(["model.safetensors", card])
    assert (tmp_path / "whole" / "model.safetensors").read_bytes() == (tmp_path / "parts" / "model.safetensors").read_bytes()
    assert not list(tmp_path.glob("*.checkpoint.*")) and load(out).name == "tiny"


def test_the_best_weights_and_moments_are_resumed_too(held_folder, tmp_path, monkeypatch):
    path = tmp_path / "tiny.toml"
    path.write_text(CRNN + HELD)
    recipe = read_teach_recipe(path)
    monkeypatch.setattr(Teacher, "accuracies", lambda self: {"hr": {2: 0.1, 4: 0.7, 5: 0.3}[self.done]})
    teachers = [Teacher(recipe, held_folder, tmp_path) for _ in range(3)]
    teachers[0].fit("", tmp_path / "whole.pt")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt(patch, 5)
        teachers[1].fit("", tmp_path / "parts.pt")
    teachers[2].resume(load_checkpoint(tmp_path / "parts.pt"))
    assert teachers[2].done == 4 and teachers[2].score == 0.7 and same(teachers[2].best, teachers[0].best)
    teachers[2].fit("", tmp_path / "parts.pt")
    ends = [load_checkpoint(tmp_path / name) for name in ("whole.pt", "parts.pt")]
    assert same(ends[0]["net"], ends[1]["net"]) and same(ends[0]["best"], ends[1]["best"]) and ends[0]["score"] == ends[1]["score"] == 0.7
    assert not same(ends[0]["net"], ends[0]["best"])
    for moments in zip(*(end["optimizer"]["state"].values() for end in ends), strict=True):
        assert same(*moments)


def test_mistakes_with_checkpoints_are_named(data_folder, tmp_path, monkeypatch, capsys):
    path, checkpoint = tmp_path / "tiny.toml", tmp_path / "made.checkpoint.pt"
    path.write_text(CRNN)
    command = ["recognizer", "teach", str(path), "--data", str(data_folder), "-o", str(tmp_path / "made")]

    def says(*more: str) -> str:
        assert main([*command, *more]) == 1
        return " ".join(capsys.readouterr().err.split())

    assert "no checkpoint" in says("--resume")
    with monkeypatch.context() as patch:
        interrupt(patch, 3)
        assert main(command) == 130
    kept = checkpoint.read_bytes()
    assert "add --resume" in says()
    path.write_text(CRNN + "# other")
    assert "another recipe" in says("--resume")
    assert checkpoint.read_bytes() == kept
    save_checkpoint({**load_checkpoint(checkpoint), "recipe": CRNN + "# other", "net": {}}, checkpoint)
    assert "does not fit the network of tiny" in says("--resume")
    path.write_text(CRNN.replace('"tiny"', '"a b"'))
    checkpoint.unlink()
    assert "cannot be called" in says(), "before any step"


def test_a_full_disk_is_one_sentence(small_disk, data_folder, tmp_path, capsys):
    path = tmp_path / "tiny.toml"
    path.write_text(CRNN)
    command = ["recognizer", "teach", str(path), "--data", str(data_folder), "-o", str(small_disk / "made")]
    filler = small_disk / "filler"
    with pytest.raises(OSError), open(filler, "wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))
    assert main(command) == 1
    assert "could not be written (No space left on device), there is no older one" in " ".join(capsys.readouterr().err.split())
    # Room for the checkpoint, and not for the reader beside it.
    teacher = Teacher(read_teach_recipe(path), data_folder, tmp_path)
    teacher.fit(CRNN, tmp_path / "size.pt")
    os.truncate(filler, filler.stat().st_size - (tmp_path / "size.pt").stat().st_size - 8192)
    save_checkpoint(load_checkpoint(tmp_path / "size.pt"), small_disk / "made.checkpoint.pt")
    assert main([*command, "--resume"]) == 1
    assert "its last checkpoint is whole" in " ".join(capsys.readouterr().err.split())
    filler.unlink()
    assert main([*command, "--resume"]) == 0 and sorted(p.name for p in small_disk.iterdir()) == ["made"]


@pytest.mark.slow
def test_loss_and_accuracy_are_seen_as_they_come_without_a_terminal(held_folder, tmp_path):
    path, seen = tmp_path / "tiny.toml", tmp_path / "run.log"
    path.write_text((CRNN + HELD).replace(f"steps = {STEPS}", "steps = 100000"))
    command = [sys.executable, "-m", "ocrmypdf_superres", "recognizer", "teach", str(path), "--data", str(held_folder)]
    with open(seen, "wb") as stream:
        process = subprocess.Popen([*command, "-o", str(tmp_path / "made")], stdout=stream, stderr=stream, cwd=Path(__file__).parents[3])
        try:
            for _ in range(600):
                text = seen.read_text()
                if "Step 4 of 100000: loss" in text and text.count("Lines read without a mistake: hr 0.") > 1:
                    break
                try:
                    process.wait(timeout=0.1)
                except subprocess.TimeoutExpired:
                    continue
                break
        finally:
            process.kill()
            process.wait()
    assert "Step 4 of 100000: loss" in text and text.count("Lines read without a mistake: hr 0.") > 1, text
