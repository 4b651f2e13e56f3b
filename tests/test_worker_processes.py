# SPDX-License-Identifier: MPL-2.0
"""Worker processes do not outlive the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ocrmypdf_superres.processes import end_with_parent

PARENT = """
import os, time
from ocrmypdf_superres.processes import worker_pool

if __name__ == "__main__":
    pool = worker_pool(2)
    busy = pool.submit(time.sleep, 600)
    print(pool.submit(os.getpid).result(), *pool._processes, flush=True)
    time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_a_killed_parent(how: signal.Signals, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    root = str(Path(__file__).resolve().parents[1])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}
    )
    assert parent.stdout is not None
    workers = {int(pid) for pid in parent.stdout.readline().split()}
    try:
        # One idle, one busy.
        assert len(workers) == 2 and all(alive(pid) for pid in workers)
        parent.send_signal(how)
        parent.wait()
        until = time.monotonic() + 10
        while any(alive(pid) for pid in workers) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(alive(pid) for pid in workers)
    finally:
        parent.kill()
        parent.stdout.close()
        for pid in filter(alive, workers):
            os.kill(pid, signal.SIGKILL)


def test_only_a_child_can_end_with_its_parent() -> None:
    with pytest.raises(RuntimeError, match="main process"):
        end_with_parent()
