# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")

from training_runs import VALIDATION, tiny

from ocrmypdf_superres.errors import MissingDependencyError, OptionError
from ocrmypdf_superres.training.data.batches import Batch
from ocrmypdf_superres.training.loop.processes import Processes
from ocrmypdf_superres.training.loop.trainer import CHECKPOINT
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer

SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1], sys.argv[2]]
from test_processes import recipe
from ocrmypdf_superres.training.loop.trainer import Trainer
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer
trainer = super_resolution_trainer(recipe(), Path(sys.argv[3]), Path(sys.argv[4]))
trainer.fit()
"""
ROOT = Path(__file__).parents[2]


def recipe():
    """Three stages, one of them partly frozen, on two scales, with validation; the second ends early."""
    losses = {"charbonnier": 1.0, "gradient": 0.5}
    stages = [
        {"steps": 3, "losses": losses, "batch": 4},
        {"steps": 8, "losses": losses, "batch": 2, "train": ["tails.*"], "balance": {"name": "dwa", "window": 2}},
        {"steps": 2, "losses": losses, "batch": 4, "reset_optimizer": True},
    ]
    config = {"features": 8, "convolutions": 2, "scales": [2, 4]}
    validation = {**VALIDATION, "patience": 3}
    return tiny(stages, config=config, scales={"2": 0.5, "4": 0.5}, validation=validation, checkpoint_every=2)


def torchrun(processes: int, *arguments: object) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    done = subprocess.run(
        [*launcher, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_parts_of_a_batch_are_disjoint_and_whole():
    batch = Batch(2, torch.arange(4.0), torch.arange(4.0), list("abcd"), [None] * 4, ["eng"] * 4)
    processes = Processes()
    assert processes.leader and processes.part(batch) is batch and processes.from_leader(7) == 7
    processes.size = 2
    parts = []
    for processes.rank in (0, 1):
        parts.append(processes.part(batch))
    assert [part.texts for part in parts] == [["a", "b"], ["c", "d"]]
    assert torch.equal(torch.cat([part.lr for part in parts]), batch.lr)


def test_missing_fabric_is_one_sentence(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(MissingDependencyError, match=r"Lightning Fabric; install it with: pip install"):
        Processes()


def test_batches_that_cannot_be_shared_are_refused(data_folder, tmp_path, monkeypatch):
    def three(processes: Processes, device: str = "auto") -> None:
        processes.size, processes.rank, processes.device, processes._fabric = 3, 0, torch.device("cpu"), None

    monkeypatch.setattr(Processes, "__init__", three)
    with pytest.raises(OptionError, match="2 strips, which 3 processes cannot share"):
        super_resolution_trainer(tiny(), data_folder, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("lightning_fabric") is None, reason="lightning-fabric is not installed")
def test_two_processes_with_half_the_batch_equal_one_with_all(held_folder, tmp_path):
    whole = super_resolution_trainer(recipe(), held_folder, tmp_path / "one")
    whole.fit()
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    torchrun(2, script, ROOT, Path(__file__).parent, held_folder, tmp_path / "two")
    two = torch.load(tmp_path / "two" / CHECKPOINT, weights_only=True)
    assert two["step"] == whole.step and [row["step"] for row in two["watch"]["rows"]] == [
        row["step"] for row in whole.watch.rows
    ]
    assert [row["step"] for row in whole.watch.rows] == [0, 2, 3, 4, 6, 8, 12, 13], "the second stage was to end early"
    for mine, theirs in ((whole.net.state_dict(), two["net"]), (whole.average, two["average"])):
        for name, value in mine.items():
            # Adam divides by a gradient's size: where that is nearly 0 the order of a sum shows.
            difference = (theirs[name] - value).abs()
            assert float(difference.mean()) < 5e-6 and float(difference.max()) < 2e-4, name
    assert {path.name for path in (tmp_path / "two").iterdir()} - {"tensorboard"} == {"checkpoint.pt", "log.jsonl"}
