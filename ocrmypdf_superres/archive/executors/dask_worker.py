# SPDX-License-Identifier: MPL-2.0
"""The part that runs in a Dask worker: a task as on one machine, in a child process with the file's limits.

When Dask loses a worker, it runs that worker's tasks again by itself. Such a second execution finds the staging folder that
the first one made, does nothing and reports a lost worker, so that the run decides and counts as it does on one machine. A
worker that was cut off and lives on does no harm: every try has a staging folder of its own.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

from distributed import get_worker

from ocrmypdf_superres.archive.executors.local_pool import LocalPool
from ocrmypdf_superres.archive.tasks import UNFIT, FileResult, FileTask, State
from ocrmypdf_superres.archive.worker.ocr_file import scratch_folder
from ocrmypdf_superres.archive.worker.outcomes import outcome_of
from ocrmypdf_superres.archive.worker.requirements import Requirements

UNFIT_PAUSE = 20.0
"""Seconds for which a worker that cannot do the run's work keeps a task, so that it does not take all of them."""

CHECK_EVERY = 0.5
"""Seconds between two checks of whether the task is still wanted."""

_pools: dict[int, tuple[str, LocalPool]] = {}
_busy: set[str] = set()


def dask_setup(worker: Any) -> None:
    """Leave Ctrl-C, which reaches every process of the terminal, to the run; Dask calls this in the processes of ``local``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def carry_out(task: FileTask, requirements: Requirements, run: str) -> FileResult:
    """Carry out *task* in the child process of this Dask worker's thread."""
    worker = get_worker()
    problem = requirements.problem()
    if not problem:
        result = _attempt(task, worker, run)
        if result.code != "io":
            return result
        # It may be a disk of this machine that failed since it was checked.
        requirements.forget()
        problem = requirements.problem()
        if not problem:
            return result
    time.sleep(UNFIT_PAUSE)
    return failed(task, UNFIT, f"The Dask worker {worker.address} {problem}.")


def _attempt(task: FileTask, worker: Any, run: str) -> FileResult:
    key = str(worker.get_current_task())
    try:
        Path(task.staging).mkdir()
    except FileExistsError:
        return failed(task, "died", "The file's Dask worker was lost while it worked on it.")
    except OSError as error:
        outcome = outcome_of(error, (Path(task.staging).parent,))
        return FileResult(
            task.number, outcome.state, outcome.code, outcome.reason, outcome.transient, worker=worker.address
        )  # fmt: skip
    _busy.add(key)
    try:
        pool = _pool(run)
        pool.submit(task)
        while True:
            for result in pool.results(CHECK_EVERY):
                return result
            # Dask cannot stop a thread: it only marks the task when its client no longer wants it, or is gone.
            held = worker.state.tasks.get(key)
            if held is None or held.state != "executing":
                pool.close(cancel=True)
                return failed(task, "died", "The run stopped.")
    finally:
        # A child that was killed could not remove it.
        shutil.rmtree(scratch_folder(task), ignore_errors=True)
        _busy.discard(key)


def _pool(run: str) -> LocalPool:
    """Return the pool of one process that serves this thread during *run*."""
    thread = threading.get_ident()
    if thread in _pools and _pools[thread][0] != run:
        _pools.pop(thread)[1].close(cancel=True)
    if thread not in _pools:
        # Dask's nannies start daemonic workers, which may not have children, since those could outlive them; a pool's cannot.
        multiprocessing.current_process().daemon = False
        _pools[thread] = (run, LocalPool(1))
    return _pools[thread][1]


def check_worker(requirements: Requirements, dask_worker: Any) -> tuple[str, float]:
    """Return what keeps this worker from the run's work, and the number of its GPUs; remove what an earlier run left."""
    problem = requirements.problem()
    if not problem:
        requirements.sweep()
    return problem, float(dask_worker.state.total_resources.get("GPU", 0))


async def release_worker(run: str, requirements: Requirements) -> None:
    """End this worker's processes of *run* after their last task, and remove what killed ones left."""
    while any(key.startswith(f"ocr-{run}-") for key in _busy):
        await asyncio.sleep(0.1)
    for thread, (owner, pool) in list(_pools.items()):
        if owner == run:
            pool.close(cancel=True)
            del _pools[thread]
    requirements.sweep()


def failed(task: FileTask, code: str, reason: str) -> FileResult:
    """Return the result of a try whose failure is transient."""
    return FileResult(task.number, State.FAILED, code, reason, transient=True)
