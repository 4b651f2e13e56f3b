# SPDX-License-Identifier: MPL-2.0
"""What the run asks of whatever carries out its tasks: a local pool or a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ocrmypdf_superres.archive.tasks import FileResult, FileTask


class Executor(Protocol):
    """Carries out file tasks, each once; a worker that is lost is a ``FileResult`` too (``died``, transient).

    Attributes:
        workers: how many tasks it wants to have, at least as many as run at once; the run keeps somewhat more submitted.
        shares_cores: whether all workers are on one machine, so that the last file may use the cores that others left.
    """

    @property
    def workers(self) -> int: ...

    @property
    def shares_cores(self) -> bool: ...

    def submit(self, task: FileTask) -> None:
        """Take *task*; returns at once."""
        ...

    def results(self, timeout: float) -> Iterator[FileResult]:
        """Yield the results that are there, waiting at most *timeout* seconds for the first."""
        ...

    def close(self, cancel: bool = False) -> None:
        """Finish what runs (or, with *cancel*, stop it) and free everything."""
        ...
