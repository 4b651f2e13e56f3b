# SPDX-License-Identifier: MPL-2.0
"""Killed at any moment and started again, a run ends as if nothing had happened."""

from __future__ import annotations

import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from archive_files import archive, check_consistent, command, environment, hashes, page, pdf_bytes, states, texts, wait_until

from ocrmypdf_superres.archive.executors.local_pool import LocalPool
from ocrmypdf_superres.archive.run import Run
from ocrmypdf_superres.archive.settings import read_settings
from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.tasks import State
from ocrmypdf_superres.archive.worker.ocr_file import scratch_prefix
from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import ArchiveError

SETTINGS = """
outputs = ["pdf", "text"]
workers = 2
wait = 0.1
tries = 9
[ocrmypdf]
output_type = "pdf"
[superres]
trigger = "off"
"""


@pytest.fixture
def tree(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    (tmp_path / "settings.toml").write_text(SETTINGS)
    return source


def fill(source: Path, files: int) -> None:
    for number in range(files):
        (source / f"{number:03d}.pdf").write_bytes(pdf_bytes(*[page(f"page {number} {part}") for part in "ab"[: 1 + number % 2]]))


def start(tree: Path) -> subprocess.Popen[str]:
    line = command("run", tree, tree.parent / "out", "--settings", tree.parent / "settings.toml")
    return subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(), start_new_session=True
    )


def finish(tree: Path) -> None:
    done = archive("run", tree, tree.parent / "out", "--settings", tree.parent / "settings.toml")
    assert done.returncode == 0, done.stdout + done.stderr


def done_files(out: Path) -> dict[str, int]:
    """Inode of each output whose file is done."""
    try:
        with Manifest(Layout(out).manifest) as manifest:
            return {
                o.name: (out / o.name).stat().st_ino for row in manifest.files(State.DONE) for o in manifest.outputs(row.number)
            }
    except ArchiveError:
        return {}  # it was killed before there was a manifest


def kill_and_resume(tree: Path, kills: int, files: int, seed: int, longest: float = 5.0) -> None:
    """Kill main process and workers in turns at random moments; compare the end with an undisturbed run."""
    fill(tree, files)
    out = tree.parent / "out"
    before = hashes(tree)
    moments = random.Random(seed)
    killed, kept = 0, {}
    while killed < kills:
        run = start(tree)
        wait_until(lambda run=run: (out / ".superres" / "staging").is_dir() or run.poll() is not None)
        until = time.monotonic() + moments.uniform(0.0, longest)
        while time.monotonic() < until and run.poll() is None and killed < kills:
            time.sleep(moments.uniform(0.05, 0.8))
            workers = (
                [p for p in psutil.Process(run.pid).children() if "spawn_main" in " ".join(p.cmdline())]
                if run.poll() is None
                else []
            )
            if workers and moments.random() < 0.5:
                moments.choice(workers).send_signal(signal.SIGKILL)
                killed += 1
        done = done_files(out)
        children = psutil.Process(run.pid).children(recursive=True) if run.poll() is None else []
        killed += run.poll() is None
        run.kill()
        run.wait()
        # Workers go with their parent.
        wait_until(lambda children=children: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in children), 30)
        assert {name: (out / name).stat().st_ino for name in done} == done
        assert {name: done.get(name) for name in kept} == kept, "nothing that was done is done again"
        kept = done
        assert run.returncode != 0, f"it was done after {killed} kills; give it more files"
    finish(tree)
    assert {name: inode for name, inode in done_files(out).items() if name in kept} == kept
    ends = [
        line.split(" INFO ")[1]
        for log in Layout(out).logs.glob("run-*.log")
        for line in log.read_text().splitlines()
        if line.endswith(": done")
    ]
    assert len(ends) == len(set(ends))
    check_consistent(out)
    assert set(states(out).values()) == {("done", "ok")}
    assert texts(out) == {
        f"{n:03d}.pdf.txt": "\f".join(f"page {n} {part}\n" for part in "ab"[: 1 + n % 2]) for n in range(files)
    } or texts(out) == undisturbed(tree)
    assert hashes(tree) == before
    assert not list(Path(tempfile.gettempdir()).glob(f"{scratch_prefix(Layout(out).staging)}*"))


def undisturbed(tree: Path) -> dict[str, str]:
    other = tree.parent / "undisturbed"
    archive("run", tree, other, "--settings", tree.parent / "settings.toml")
    return texts(other)


def test_killed_twice(tree):
    kill_and_resume(tree, kills=2, files=6, seed=3, longest=2.0)


@pytest.mark.slow
def test_killed_twenty_times(tree):
    kill_and_resume(tree, kills=20, files=90, seed=11)


def test_a_second_run_is_refused_and_signals_stop_the_first(tree, capsys):
    fill(tree, 24)
    out = tree.parent / "out"
    run = start(tree)
    try:
        wait_until(lambda: done_files(out))
        with pytest.raises(ArchiveError, match="Another run"):
            Run(tree, out, read_settings(tree.parent / "settings.toml"), lambda: LocalPool(1)).run()
        run.send_signal(signal.SIGTERM)
        said, _ = run.communicate(timeout=60)
    finally:
        run.kill()
    assert run.returncode == 4 and "The same command continues" in said
    assert not list((out / ".superres" / "staging").iterdir())
    assert ("waiting", "") in states(out).values()
    assert main(["archive", "status", str(out)]) == 0
    assert "waiting" in capsys.readouterr().out
