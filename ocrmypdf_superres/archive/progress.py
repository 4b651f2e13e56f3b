# SPDX-License-Identifier: MPL-2.0
"""Display of a run's progress: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

log = logging.getLogger("ocrmypdf.superres")

LINE_EVERY = 30.0
"""Seconds between two lines without a terminal."""


@dataclass
class Tally:
    """The counts of a session so far.

    Attributes:
        files: files that ended in this session.
        pages: pages of those that are done.
        failed, skipped: those of the files that failed or were skipped.
        waiting: files that still wait.
        began: when the session began (``time.monotonic()``).
        scanning: whether the input is still being walked, so that more files may be found.
    """

    files: int = 0
    pages: int = 0
    failed: int = 0
    skipped: int = 0
    waiting: int = 0
    began: float = field(default_factory=time.monotonic)
    scanning: bool = True

    @property
    def pages_a_minute(self) -> float:
        """Pages per minute so far."""
        return 60.0 * self.pages / max(time.monotonic() - self.began, 1e-3)

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the waiting files will take at the pace so far; None before the first file."""
        return (time.monotonic() - self.began) / self.files * self.waiting if self.files else None

    def sentence(self) -> str:
        """Return the counts in one line."""
        left = _duration(self.seconds_left) if self.seconds_left is not None and not self.scanning else "?"
        failed = f", {self.failed} failed" if self.failed else ""
        done = f"{self.files} files, {self.pages} pages{failed}"
        return f"{done}, {self.waiting} to go, {self.pages_a_minute:.1f} pages/min, {left} left"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


class Display:
    """Shows a :class:`Tally`; a context manager.

    Args:
        console: the console; None for standard error.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._last = time.monotonic()
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                TextColumn("{task.fields[status]}"), console=self.console,
            )  # fmt: skip
            self._task = self._bar.add_task("processing", total=None, status="")

    def __enter__(self) -> Display:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, tally: Tally) -> None:
        """Show *tally*; it may be called at any rate."""
        if self._bar is not None:
            total = None if tally.scanning else tally.files + tally.waiting
            left = _duration(tally.seconds_left) if tally.seconds_left is not None and not tally.scanning else "?"
            failed = f", {tally.failed} failed" if tally.failed else ""
            status = f"{tally.pages_a_minute:.1f} pages/min, {left} left{failed}"
            self._bar.update(self._task, completed=tally.files, total=total, status=status)
        elif time.monotonic() - self._last >= LINE_EVERY:
            self._last = time.monotonic()
            log.info("%s", tally.sentence())
