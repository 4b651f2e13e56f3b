# SPDX-License-Identifier: MPL-2.0
"""The protocol of a run's executors: a local pool or a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ocrmypdf_superres.archive.tasks import FileResult, FileTask


class Executor(Protocol):
    """Carries out file tasks, each once; for a lost worker it returns a ``FileResult`` too (``died``, transient)."""

    @property
    def workers(self) -> int:
        """Number of tasks that it wants to have, at least as many as run at once; the run submits somewhat more."""
        ...

    @property
    def shares_cores(self) -> bool:
        """Whether all workers are on one machine, so that the last files may use the cores that others left idle."""
        ...

    def submit(self, task: FileTask) -> None:
        """Take *task* and return at once."""
        ...

    def results(self, timeout: float) -> Iterator[FileResult]:
        """Yield the available results, waiting at most *timeout* seconds for the first."""
        ...

    def close(self, cancel: bool = False) -> None:
        """Finish the tasks in work (or, with *cancel*, stop them) and free all resources."""
        ...
