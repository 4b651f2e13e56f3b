# SPDX-License-Identifier: MPL-2.0
"""The executor of one machine: worker processes that live as long as the run and work on one file at a time each.

A worker loads OCRmyPDF and the model once. The parent enforces time and memory limits: a worker that exceeds one is killed
together with every program it started (it leads a process group of its own), and another one replaces it. A worker whose
parent has ended, however that happened, kills itself and its programs. Process groups exist on POSIX systems only.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import psutil

from ocrmypdf_superres.archive.tasks import FileResult, FileTask, State
from ocrmypdf_superres.errors import ArchiveError
from ocrmypdf_superres.processes import end_with_parent, kill_group

log = logging.getLogger("ocrmypdf.superres")

CHECK_EVERY = 0.25
"""Seconds between two checks of the limits."""

MAX_LOST_STARTS = 3
"""Workers in a row that may die before their first file; after that, something is wrong with this machine."""


# A Dask worker of several threads has several pools.
_environment_lock = threading.Lock()


def _serve(tasks: Connection, setup: Callable[[], None] | None) -> None:
    """Run a worker: receive a task, carry it out, send the result, until the pipe is closed."""
    os.setsid()
    # Ctrl-C reaches every process of the terminal, and only the run may act on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(lambda: kill_group(os.getpid()))
    if setup is not None:
        setup()
    from ocrmypdf_superres.archive.worker.ocr_file import ocr_file

    with contextlib.suppress(EOFError, OSError):
        tasks.send(None)
        while True:
            tasks.send(ocr_file(tasks.recv()))


@dataclass
class _Worker:
    """One process, as its parent sees it."""

    process: SpawnProcess
    tasks: Connection
    ready: bool = False
    task: FileTask | None = None
    began: float = 0.0

    def kill(self) -> None:
        """End the process and every program that it started, and free its resources."""
        if self.process.pid is not None:
            kill_group(self.process.pid)
        # A process that has just started does not lead a group yet.
        self.process.kill()
        self.process.join()
        self.tasks.close()


class LocalPool:
    """Worker processes on this machine; an :class:`~ocrmypdf_superres.archive.executors.base.Executor`.

    Args:
        workers: number of processes.
        setup: called once in every worker, before its first task; must be picklable.

    Raises:
        ArchiveError: this is not a POSIX system.
    """

    shares_cores = True

    def __init__(self, workers: int, setup: Callable[[], None] | None = None) -> None:
        if not hasattr(os, "setsid"):
            raise ArchiveError(
                "Archive runs need process groups, which this system does not have; use a POSIX system (Linux, macOS or WSL)."
            )
        self.workers = workers
        self._setup = setup
        # One thread per process, since the processes fill the cores. Libraries read these when they are loaded.
        self._environment = {"OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1"}
        self._context = multiprocessing.get_context("spawn")
        self._queue: deque[FileTask] = deque()
        self._pool: list[_Worker] = []
        self._lost_early = 0
        self._checked = 0.0

    def submit(self, task: FileTask) -> None:
        """See :meth:`Executor.submit`."""
        self._queue.append(task)

    def results(self, timeout: float) -> Iterator[FileResult]:
        """See :meth:`Executor.results`.

        Raises:
            ArchiveError: workers cannot be started.
        """
        until = time.monotonic() + timeout
        while True:
            self._fill()
            found = list(self._collect(max(0.0, min(until - time.monotonic(), CHECK_EVERY))))
            found += self._enforce_limits()
            self._fill()
            yield from found
            if found or time.monotonic() >= until:
                return

    def close(self, cancel: bool = False) -> None:
        """See :meth:`Executor.close`; tasks that were not begun are dropped."""
        self._queue.clear()
        while not cancel and any(worker.task for worker in self._pool):
            list(self._collect(CHECK_EVERY))
            list(self._enforce_limits())
        for worker in self._pool:
            worker.kill()
        self._pool.clear()

    def _fill(self) -> None:
        """Give each idle worker a task; start workers while tasks wait for one."""
        for worker in self._pool:
            if self._queue and worker.ready and worker.task is None:
                task = self._queue.popleft()
                worker.task, worker.began = task, time.monotonic()
                with contextlib.suppress(OSError):  # it has just died, which _collect sees
                    worker.tasks.send(task)
        starting = sum(not worker.ready for worker in self._pool)
        while len(self._pool) < self.workers and starting < len(self._queue):
            self._pool.append(self._start())
            starting += 1

    def _start(self) -> _Worker:
        if self._lost_early >= MAX_LOST_STARTS:
            raise ArchiveError(
                f"{MAX_LOST_STARTS} worker processes in a row ended while starting; run `ocrmypdf-superres doctor` to see why."
            )
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._setup), daemon=True)
        with _environment_lock:
            before = {name: os.environ.get(name) for name in self._environment}
            os.environ.update(self._environment)
            try:
                process.start()
            finally:
                for name, value in before.items():
                    if value is None:
                        del os.environ[name]
                    else:
                        os.environ[name] = value
        theirs.close()
        return _Worker(process, ours)

    def _collect(self, timeout: float) -> Iterator[FileResult]:
        """Yield the results that workers sent, and one for each worker that died."""
        if not self._pool:
            time.sleep(timeout)
            return
        by_source: dict[Any, _Worker] = {worker.tasks: worker for worker in self._pool}
        for source in wait(list(by_source), timeout):
            worker = by_source[source]
            try:
                message = worker.tasks.recv()
            except (EOFError, OSError):
                yield from self._replace(worker, "died", self._why_died(worker))
                continue
            if message is None:
                worker.ready, self._lost_early = True, 0
            else:
                worker.task = None
                yield message

    def _why_died(self, worker: _Worker) -> str:
        worker.process.join(1.0)
        code = worker.process.exitcode
        how = f"by signal {-code}" if code is not None and code < 0 else f"with exit status {code}"
        return f"The worker process ended {how} while it worked on the file; if memory ran out, use fewer workers."

    def _enforce_limits(self) -> Iterator[FileResult]:
        """Kill workers whose file exceeds a limit; yield the files' results."""
        now = time.monotonic()
        if now - self._checked < CHECK_EVERY:
            return
        self._checked = now
        for worker in list(self._pool):
            if worker.task is None:
                continue
            limits = worker.task.limits
            if limits.seconds is not None and now - worker.began > limits.seconds:
                yield from self._replace(
                    worker,
                    "timeout",
                    f"It took longer than the {limits.seconds:g} seconds that a file may take; raise the setting seconds, and "
                    "run with --retry-failed.",
                    transient=False,
                )
            elif limits.memory is not None and _resident(worker.process.pid) > limits.memory:
                yield from self._replace(
                    worker,
                    "memory",
                    f"It needed more than the {limits.memory / 1024**2:.0f} MB of memory that a file may take; raise the setting "
                    "memory_mb, and run with --retry-failed.",
                    transient=False,
                )

    def _replace(self, worker: _Worker, code: str, reason: str, transient: bool = True) -> Iterator[FileResult]:
        """End *worker* and yield its file's result; another worker is started when there is a task for it."""
        self._pool.remove(worker)
        worker.kill()
        if not worker.ready:
            self._lost_early += 1
        if worker.task is not None:
            log.warning("superres: %s: %s", worker.task.relative, reason)
            seconds = time.monotonic() - worker.began
            name = f"{socket.gethostname()}/{worker.process.pid}"
            yield FileResult(worker.task.number, State.FAILED, code, reason, transient, seconds=seconds, worker=name)


def _resident(pid: int | None) -> int:
    """Return the resident memory in bytes of the process *pid* and all processes that it started."""
    total = 0
    with contextlib.suppress(psutil.Error):
        leader = psutil.Process(pid)
        for process in [leader, *leader.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total
