# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
from torch import nn
from training_runs import VALIDATION, same, tiny

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.training.data.batches import without_errors
from ocrmypdf_superres.training.loop.checkpoint import load_checkpoint, same_recipe, save_checkpoint
from ocrmypdf_superres.training.loop.run_log import LOG, RunLog, read_log, writing
from ocrmypdf_superres.training.loop.trainer import CHECKPOINT, Trainer
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer

BOTH = {"charbonnier": 1.0, "gradient": 0.5}
STAGES = [
    {"steps": 3},
    {"steps": 4, "train": ["tails.*"], "lr": 5e-4},
    {"steps": 2, "reset_optimizer": True, "losses": BOTH, "lr_scale": {"body.*": 0.5}},
    {"steps": 3, "freeze": ["body.0.*"]},
]
LAST = sum(stage["steps"] for stage in STAGES)


class KilledError(Exception):
    """Raised in place of a kill."""


def die_after(trainer: Trainer, steps: int) -> None:
    """Let *trainer* die in the middle of its step *steps*, the optimizer moved and the count not yet."""
    follow = trainer._follow

    def dying() -> None:
        follow()
        if trainer.step == steps:
            raise KilledError

    trainer._follow = dying


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_interrupted_anywhere_and_resumed_is_the_same_bit_for_bit(precision, held_folder, tmp_path):
    recipe = tiny(STAGES, precision=precision, checkpoint_every=1, validation={**VALIDATION, "patience": 3})
    whole = super_resolution_trainer(recipe, held_folder, tmp_path / "whole")
    whole.fit()
    at = random.randrange(1, whole.step)
    first = super_resolution_trainer(recipe, held_folder, tmp_path / "parts")
    die_after(first, at)
    with pytest.raises(KilledError):
        first.fit()
    second = super_resolution_trainer(recipe, held_folder, tmp_path / "parts")
    second.resume(tmp_path / "parts" / CHECKPOINT)
    assert second.step == at
    second.fit()
    assert same(whole.net.state_dict(), second.net.state_dict()), f"interrupted in step {at}"
    assert same(whole.average, second.average) and same(whole.watch.weights, second.watch.weights)
    assert whole.watch.rows == second.watch.rows and whole.watch.step == second.watch.step
    rows = [[{k: v for k, v in row.items() if k != "seconds"} for row in read_log(t.run)] for t in (whole, second)]
    assert rows[0] == rows[1]


TRAIN = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from training_runs import VALIDATION, tiny
from test_resume import STAGES
from ocrmypdf_superres.training.loop.trainer import CHECKPOINT, Trainer
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer
data, run = Path(sys.argv[3]), Path(sys.argv[4])
trainer = super_resolution_trainer(tiny(STAGES, checkpoint_every=1, workers=1, validation=VALIDATION), data, run)
if (run / CHECKPOINT).exists():
    trainer.resume(run / CHECKPOINT)
trainer.fit()
"""


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_the_same(held_folder, tmp_path):
    recipe = tiny(STAGES, checkpoint_every=1, validation=VALIDATION)
    whole = super_resolution_trainer(recipe, held_folder, tmp_path / "whole")
    whole.fit()
    run, script = tmp_path / "killed", tmp_path / "train.py"
    script.write_text(TRAIN)
    here = Path(__file__).parent
    command = [sys.executable, str(script), str(here.parents[1]), str(here), str(held_folder), str(run)]
    for kills in (1, 2, 0):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True)
        if kills:
            path, started = run / CHECKPOINT, time.monotonic()
            before = path.stat().st_mtime_ns if path.exists() else 0
            while process.poll() is None and time.monotonic() - started < 120:
                if path.exists() and path.stat().st_mtime_ns > before:
                    break
            time.sleep(random.random() * 0.3)
            os.killpg(process.pid, signal.SIGKILL)
        _, said = process.communicate(timeout=120)
        assert kills or process.returncode == 0, said[-2000:]
    state = load_checkpoint(run / CHECKPOINT)
    assert state["step"] == LAST == whole.step
    assert same(whole.net.state_dict(), state["net"]) and same(whole.average, state["average"])


def test_what_a_net_draws_depends_on_seed_and_step(data_folder, tmp_path):
    results = []
    for interrupted in (False, True):
        run = tmp_path / str(interrupted)
        trainers = [super_resolution_trainer(tiny([{"steps": 4}], checkpoint_every=2), data_folder, run) for _ in range(2)]
        for trainer in trainers:
            trainer.net.body.append(nn.Dropout(0.5))
        if interrupted:
            die_after(trainers[0], 2)
            with pytest.raises(KilledError):
                trainers[0].fit()
            torch.rand(17)
            trainers[1].resume(run / CHECKPOINT)
        trainers[1].fit()
        results.append(trainers[1].net.state_dict())
    assert same(*results)


def test_rows_of_steps_that_are_done_again_leave_the_log(tmp_path):
    (tmp_path / LOG).write_text('{"step": 100}\n{"step": 200}\n{"st')
    RunLog(tmp_path, 100).close()
    assert [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()] == [{"step": 100}]


WRITER = """
import sys, torch
from pathlib import Path
from ocrmypdf_superres.training.loop.checkpoint import save_checkpoint
step = 0
while True:
    step += 1
    save_checkpoint({"step": step, "net": torch.full((400_000,), float(step))}, Path(sys.argv[1]))
    print(step, flush=True)
"""


def test_a_killed_worker_is_one_sentence(held_folder, tmp_path, monkeypatch):
    trainer = super_resolution_trainer(tiny([{"steps": 500}], workers=1), held_folder, tmp_path / "run")
    step = trainer.train_step

    def killing(batch):
        for child in multiprocessing.active_children():
            child.kill()
        return step(batch)

    monkeypatch.setattr(trainer, "train_step", killing)
    with pytest.raises(SuperresError, match=r"batches was killed.*lower workers"):
        trainer.fit()


@pytest.mark.parametrize("error", [ConnectionResetError(104, "Connection reset by peer"), EOFError()])
def test_a_worker_killed_while_it_hands_a_batch_over_is_one_sentence(error):
    def broken():
        yield 1
        raise error

    batches = without_errors(broken())
    assert next(batches) == 1
    with pytest.raises(SuperresError, match=r"batches was killed.*lower workers"):
        next(batches)


def test_recipes_that_train_the_same():
    recipe = 'name = "a"\nseed = 1\nworkers = 2\n'
    assert same_recipe(recipe, 'name = "a"  # a comment\nworkers = 0\nseed = 1\ncheckpoint_every = 9')
    assert not same_recipe(recipe, 'name = "a"\nseed = 2\nworkers = 2\n')
    assert same_recipe("fra-typewriter fra", "fra-typewriter fra") and not same_recipe("fra-typewriter fra", "x fra")


def test_a_kill_in_the_middle_of_writing_loses_no_checkpoint(tmp_path):
    path = tmp_path / CHECKPOINT
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None and writer.stdout.readline() == "1\n"
    deadline = time.monotonic() + 20
    while not list(tmp_path.glob(".checkpoint.*.part.pt")) and time.monotonic() < deadline:
        pass
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    state = load_checkpoint(path)
    assert state["step"] >= 1 and bool((state["net"] == float(state["step"])).all())
    save_checkpoint({"step": 0}, path)
    assert [p.name for p in tmp_path.iterdir()] == [CHECKPOINT]


def test_a_full_disk_is_one_sentence_and_keeps_the_checkpoint(small_disk, data_folder):
    trainer = super_resolution_trainer(tiny(), data_folder, small_disk / "run")
    trainer.fit()
    kept = load_checkpoint(trainer.run / CHECKPOINT)
    filler = small_disk / "filler"
    with pytest.raises(OSError), open(filler, "wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))
    for large in (torch.zeros(1 << 20), torch.zeros(2000)):
        with pytest.raises(SuperresError, match=r"could not be written \(No space left.*older one is untouched.*--resume"):
            save_checkpoint({"net": large}, trainer.run / CHECKPOINT)
    again = super_resolution_trainer(tiny(), data_folder, small_disk / "run")
    with pytest.raises(SuperresError, match=r"(cannot|could not) be written \(No space left"):
        again.fit()
    assert same(load_checkpoint(trainer.run / CHECKPOINT)["net"], kept["net"])
    filler.unlink()
    again = super_resolution_trainer(tiny(), data_folder, small_disk / "run")
    again.resume(trainer.run / CHECKPOINT)
    assert again.step == 6


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, previous)


def test_a_limit_of_the_file_size_is_one_sentence(tmp_path):
    path = tmp_path / CHECKPOINT
    save_checkpoint({"step": 1}, path)
    with file_size_limit(50_000), pytest.raises(SuperresError, match=r"File too large.*untouched"):
        save_checkpoint({"net": torch.zeros(100_000)}, path)
    assert load_checkpoint(path) == {"step": 1}


def test_a_log_that_cannot_be_written_on_resuming_keeps_its_rows(tmp_path):
    rows = '{"step": 100}\n{"step": 200}\n'
    (tmp_path / LOG).write_text(rows, encoding="utf-8")
    with file_size_limit(10), pytest.raises(OSError, match="File too large"):
        RunLog(tmp_path, 200)
    assert (tmp_path / LOG).read_text(encoding="utf-8") == rows


def test_other_errors_pass_through(tmp_path):
    with pytest.raises(FileNotFoundError), writing(tmp_path):
        raise FileNotFoundError(2, "No such file")
    with pytest.raises(PermissionError), writing(tmp_path / "run"):
        raise PermissionError(13, "Permission denied", str(tmp_path / "scans" / "1.png"))
    with pytest.raises(SuperresError, match="Permission denied"), writing(tmp_path / "run"):
        raise PermissionError(13, "Permission denied", str(tmp_path / "run" / "log.jsonl"))
