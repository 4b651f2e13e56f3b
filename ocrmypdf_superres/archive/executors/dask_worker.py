# SPDX-License-Identifier: MPL-2.0
"""What runs in a Dask worker: a task as on one machine, in a child process with the file's limits.

When Dask loses a worker it runs its tasks anew by itself.  Such a second run finds the staging folder that the first one
made, does nothing and reports a lost worker, so that the run decides and counts as it does on one machine.  A worker that was
cut off and lives on spoils nothing: every try has a staging folder of its own.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import threading
import time
from typing import Any

from distributed import get_worker

from ocrmypdf_superres.archive.executors.local_pool import LocalPool
from ocrmypdf_superres.archive.tasks import FileResult, FileTask, State
from ocrmypdf_superres.archive.worker.ocr_file import scratch_folder
from ocrmypdf_superres.archive.worker.outcomes import outcome_of
from ocrmypdf_superres.archive.worker.requirements import Requirements

#: Seconds that a worker which cannot do the run's work keeps a task, so that it does not take them all.
UNFIT_PAUSE = 20.0

#: Seconds between looks at whether the task is still wanted.
LOOK = 0.5

_pools: dict[int, tuple[str, LocalPool]] = {}
_busy: set[str] = set()


def carry_out(task: FileTask, requirements: Requirements, run: str) -> FileResult:
    """Do *task* in the child process of this Dask worker's thread."""
    worker = get_worker()
    key = str(worker.get_current_task())
    problem = requirements.problem()
    if problem:
        time.sleep(UNFIT_PAUSE)
        return failed(task, "worker", f"The Dask worker {worker.address} {problem}.")
    try:
        os.mkdir(task.staging)
    except FileExistsError:
        return failed(task, "died", "The file's Dask worker was lost while it worked on it.")
    except OSError as error:
        end = outcome_of(error, (os.path.dirname(task.staging),))
        return FileResult(task.number, end.state, end.code, end.reason, end.transient)
    _busy.add(key)
    try:
        pool = _pool(run)
        pool.submit(task)
        while True:
            for result in pool.results(LOOK):
                return result
            # Dask cannot stop a thread: it only marks the task when its client wants it no more, or is gone.
            held = worker.state.tasks.get(key)
            if held is None or held.state != "executing":
                pool.close(cancel=True)
                return failed(task, "died", "The run stopped.")
    finally:
        # Of a child that was killed; any other took it away.
        shutil.rmtree(scratch_folder(task), ignore_errors=True)
        _busy.discard(key)


def _pool(run: str) -> LocalPool:
    """The pool of one process that serves this thread during *run*."""
    thread = threading.get_ident()
    if thread in _pools and _pools[thread][0] != run:
        _pools.pop(thread)[1].close(cancel=True)
    if thread not in _pools:
        # Dask's nannies start daemonic workers. Those may have no children, lest they become orphans; a pool's end with it.
        multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
        _pools[thread] = (run, LocalPool(1))
    return _pools[thread][1]


def greet(requirements: Requirements, dask_worker: Any) -> tuple[str, float]:
    """Return what keeps this worker from the run's work, and how many GPUs it offers; take away what an earlier run left."""
    problem = requirements.problem()
    if not problem:
        requirements.sweep()
    return problem, float(dask_worker.state.total_resources.get("GPU", 0))


async def dismiss(run: str, requirements: Requirements) -> None:
    """Once this worker has nothing of *run* in hand, end its processes and take away what killed ones left."""
    while any(key.startswith(f"ocr-{run}-") for key in _busy):
        await asyncio.sleep(0.1)
    for thread, (owner, pool) in list(_pools.items()):
        if owner == run:
            pool.close(cancel=True)
            del _pools[thread]
    requirements.sweep()


def failed(task: FileTask, code: str, reason: str) -> FileResult:
    """Return the result of a try that failed for what may pass."""
    return FileResult(task.number, State.FAILED, code, reason, transient=True)
