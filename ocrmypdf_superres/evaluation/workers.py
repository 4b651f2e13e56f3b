# SPDX-License-Identifier: MPL-2.0
"""Worker processes of a comparison, which end soon after the process that started them, however that one ended."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor


def worker_pool(jobs: int) -> ProcessPoolExecutor:
    """Return a pool of *jobs* fresh interpreters."""
    # Threads of the parent and fork do not go together; a fresh interpreter is a second's cost.
    return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _watch_parent)


def _watch_parent() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the parent's end. A killed one cannot tell its workers, which would wait for their next task for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a worker
    parent.join()
    # The main thread may be in the middle of anything, and nobody takes its result any more.
    os._exit(1)
