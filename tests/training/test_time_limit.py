# SPDX-License-Identifier: MPL-2.0
"""Training that ends by the clock, which here goes by steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
from training_runs import same, tiny

from ocrmypdf_superres.training.loop import time_limit as clock
from ocrmypdf_superres.training.loop.checkpoint import load_checkpoint
from ocrmypdf_superres.training.loop.processes import Processes
from ocrmypdf_superres.training.loop.time_limit import TimeLimit
from ocrmypdf_superres.training.loop.trainer import CHECKPOINT, Trainer
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer
from ocrmypdf_superres.training.workflows.finetune_settings import FinetuneSettings

STAGE = {"steps": 40, "lr": 1e-3, "final": 0.02, "warmup": 2}


def timed(
    data: Path, run: Path, monkeypatch: pytest.MonkeyPatch, limit: TimeLimit, paces, steps: int = 40
) -> tuple[Trainer, list[int], list[float]]:
    """Train where step n takes ``paces(n)`` seconds; return the trainer, the step counts in turn, and the learning rates."""
    trainer = super_resolution_trainer(tiny([{**STAGE, "steps": steps}], checkpoint_every=4), data, run, limit=limit)
    counts: list[int] = []
    rates: list[float] = []
    seconds = [0.0]
    original = trainer.train_step

    def step(batch):
        if trainer.total != (counts[-1] if counts else steps):
            counts.append(trainer.total)
        rates.append(trainer.learning_rate())
        seconds[0] += paces(trainer.step)
        return original(batch)

    trainer.train_step = step  # type: ignore[method-assign]
    monkeypatch.setattr(clock, "monotonic", lambda: seconds[0])
    if (run / CHECKPOINT).exists():
        trainer.resume(run / CHECKPOINT)
    trainer.fit()
    assert load_checkpoint(run / CHECKPOINT)["step"] == trainer.step == (counts[-1] if counts else steps)
    counts.append(round(seconds[0]))
    return trainer, counts, rates


def test_with_time_enough_it_is_any_training(data_folder, tmp_path, monkeypatch):
    trainer, counts, _ = timed(data_folder, tmp_path / "timed", monkeypatch, TimeLimit(41.0, 10.0, 1.0), lambda n: 1.0)
    assert counts == [40]
    plain = super_resolution_trainer(tiny([STAGE], checkpoint_every=4), data_folder, tmp_path / "plain")
    plain.fit()
    assert same(plain.average, trainer.average) and same(plain.net.state_dict(), trainer.net.state_dict())


def test_steps_that_take_twice_as_long_are_half_as_many(data_folder, tmp_path, monkeypatch):
    trainer, counts, rates = timed(data_folder, tmp_path / "run", monkeypatch, TimeLimit(40.0, 0.0, 1.0), lambda n: 2.0)
    assert counts == [20, 40], "one change of the plan, and the end on time"
    assert rates[-1] < 0.05 * max(rates) and trainer.stages[0].steps == 20


def test_a_machine_that_is_busy_for_a_while(data_folder, tmp_path, monkeypatch):
    _, counts, rates = timed(
        data_folder, tmp_path / "run", monkeypatch, TimeLimit(40.0, 0.0, 1.0), lambda n: 3.0 if 8 <= n < 12 else 1.0
    )
    assert counts == [18, 32, 40] and len(rates) == 32


def test_what_follows_is_slow_too_and_a_stage_ends_at_once_without_time(data_folder, tmp_path, monkeypatch):
    _, counts, _ = timed(data_folder, tmp_path / "run", monkeypatch, TimeLimit(40.0, 10.0, 1.0), lambda n: 2.0)
    assert counts == [15, 30], "the comparison will take 20 seconds, not 10"
    _, counts, _ = timed(data_folder, tmp_path / "again", monkeypatch, TimeLimit(5.0, 10.0), lambda n: 2.0)
    assert counts == [5, 10]


def test_all_processes_take_the_leaders_number_of_steps(data_folder, tmp_path, monkeypatch):
    class Follower(Processes):
        def from_leader(self, value: Any) -> Any:
            return 24 if isinstance(value, int) and not isinstance(value, bool) else value

    recipe = tiny([STAGE], checkpoint_every=4)
    trainer = super_resolution_trainer(recipe, data_folder, tmp_path, limit=TimeLimit(1e9, 0.0))
    trainer.processes = Follower("cpu")
    trainer.fit()
    assert trainer.total == trainer.step == 24


def test_the_time_left_for_training(caplog):
    settings = FinetuneSettings(scans=Path("scans"), out=Path("mine"), base="docsr-s2", minutes=10.0)
    now = clock.monotonic()
    assert settings.training_seconds(now - 100.0, 80.0) == pytest.approx(600 - 100 - 80, abs=1)
    assert not caplog.records
    assert settings.training_seconds(now - 500.0, 80.0) == pytest.approx(150, abs=1), "a quarter at least"
    assert "Reading pages alone takes 9.7 of the 10 minutes" in caplog.text
