# SPDX-License-Identifier: MPL-2.0
"""How a run tells how far it is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

log = logging.getLogger("ocrmypdf.superres")

LINE_EVERY = 30.0
"""Seconds between two lines where there is no terminal."""


@dataclass
class Tally:
    """What a session did so far.

    Attributes:
        files, pages: ended in this session, and pages of those that were digitised.
        failed, skipped: of these files.
        waiting: files yet to do.
        began: when the session began (``time.monotonic()``).
        scanning: whether the input is still being walked, so that more may come.
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
        return 60.0 * self.pages / max(time.monotonic() - self.began, 1e-3)

    @property
    def seconds_left(self) -> float | None:
        """At the pace so far; None before the first file."""
        return (time.monotonic() - self.began) / self.files * self.waiting if self.files else None

    def sentence(self) -> str:
        """The state in one line."""
        left = _duration(self.seconds_left) if self.seconds_left is not None and not self.scanning else "?"
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.files} files, {self.pages} pages{failed}, {self.waiting} to go, {self.pages_a_minute:.1f} pages/min, {left} left"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


class Display:
    """Shows a :class:`Tally`; a context manager.

    Args:
        console: where; None for standard error.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._last = time.monotonic()
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                TextColumn("{task.fields[said]}"), console=self.console,
            )  # fmt: skip
            self._task = self._bar.add_task("digitising", total=None, said="")

    def __enter__(self) -> Display:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, tally: Tally) -> None:
        """Show *tally*; may be called as often as one likes."""
        if self._bar is not None:
            total = None if tally.scanning else tally.files + tally.waiting
            left = _duration(tally.seconds_left) if tally.seconds_left is not None and not tally.scanning else "?"
            failed = f", {tally.failed} failed" if tally.failed else ""
            said = f"{tally.pages_a_minute:.1f} pages/min, {left} left{failed}"
            self._bar.update(self._task, completed=tally.files, total=total, said=said)
        elif time.monotonic() - self._last >= LINE_EVERY:
            self._last = time.monotonic()
            log.info("%s", tally.sentence())
