# SPDX-License-Identifier: MPL-2.0
"""Child processes that do not outlive the process that started them, standard streams, and how many cores and threads to use."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor


def worker_pool(jobs: int) -> ProcessPoolExecutor:
    """Return a pool of *jobs* fresh interpreters that end soon after this process, even if it is killed."""
    # Forking a process with threads may deadlock; a fresh interpreter costs a second.
    return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), end_with_parent)


def end_with_parent(end: Callable[[], object] | None = None) -> None:
    """Let this process, a child that :mod:`multiprocessing` started, end when its parent does.

    A killed parent cannot tell its children, which would wait for their next task for ever. A thread waits for the
    parent's end and then calls *end*, which must end this process.

    Args:
        end: ends this process; by default at once, with exit status 1. For a process that leads a process group and
            starts programs: ``lambda: kill_group(os.getpid())``.

    Raises:
        RuntimeError: this is not a child process.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("end_with_parent was called in the main process; call it in a process that multiprocessing started.")

    def wait() -> None:
        parent.join()
        # The main thread may be doing anything, and its result is no longer needed.
        (end or _leave)()

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()


def _leave() -> None:
    os._exit(1)


def kill_group(leader: int) -> None:
    """Kill the process group of *leader*, the process id of its leader; nothing happens where there is none."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def fork_safe_lock() -> contextlib.AbstractContextManager[bool]:
    """Return a lock that no other thread holds when the process forks, so that it is free in the child; forking waits for it.

    It may be taken again by the thread that holds it. Locks are never freed: make them once in a process.
    """
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


@contextlib.contextmanager
def standard_streams_kept() -> Iterator[None]:
    """Restore ``sys.stdout`` and ``sys.stderr`` at the end: pikepdf may replace them when OCRmyPDF checks its output."""
    kept = sys.stdout, sys.stderr
    try:
        yield
    finally:
        sys.stdout, sys.stderr = kept


def available_cores() -> int:
    """Return the number of cores that this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def openmp_threads(wanted: int) -> int:
    """Return *wanted*, the threads that torch is to be given, or as many as ``$OMP_THREAD_LIMIT`` allows if that is fewer.

    torch divides its work among the threads that it is told of. If OpenMP starts fewer, the parts of the others are left out:
    torch 2.13 returns wrong values for convolutions of 9x9 pixels, and raises nothing.
    """
    limit = os.environ.get("OMP_THREAD_LIMIT", "")
    return min(wanted, max(1, int(limit))) if limit.isdecimal() else wanted
