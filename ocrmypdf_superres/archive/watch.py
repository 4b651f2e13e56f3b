# SPDX-License-Identifier: MPL-2.0
"""A run that goes on: it digitises what lies in a folder and then what comes, until it is asked to stop.

The folder is walked anew whenever the system tells of a change in it, and now and then in any case, since such messages
may be lost (and network shares send none).  What is new or changed is seen by the manifest, as in any run.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from ocrmypdf_superres.archive.intake.enqueue import Intake
from ocrmypdf_superres.archive.intake.scan import Found, Verdict
from ocrmypdf_superres.archive.intake.stable_scan import StableScan, Unstable
from ocrmypdf_superres.archive.progress import Display, Tally
from ocrmypdf_superres.archive.run import Run
from ocrmypdf_superres.archive.store.manifest import KnownFile, Manifest
from ocrmypdf_superres.archive.tasks import FileResult, State

log = logging.getLogger("ocrmypdf.superres")

ANYWAY = 600.0
"""Seconds after which the folder is walked although nothing was heard of it."""

POLL = 30.0
"""The same where the system cannot tell of changes."""

LEAST = 1.0
"""Seconds between two walks at least."""

IDLE = 0.25
"""Seconds that an intake with nothing to do takes its time."""


@dataclass(frozen=True)
class WatchTiming:
    """How a folder is watched.

    Attributes:
        settle: seconds that a file's size and time must have stood still.
        poll: seconds between two walks; 0 for: when the system tells of a change.
    """

    settle: float = 5.0
    poll: float = 0.0


class WatchRun(Run):
    """A :class:`Run` that ends only when it is asked to stop.

    Args:
        timing: how the folder is watched.
        arguments: those of :class:`Run`.
    """

    def __init__(self, *arguments: Any, timing: WatchTiming | None = None, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._timing = timing or WatchTiming()
        self._changed = threading.Event()

    def run(self, display: Display | None = None) -> dict[tuple[State, str], tuple[int, int]]:
        """See :meth:`Run.run`."""
        with observed(self.source, self.layout.out, self._changed, self._timing) as self._timing:
            return super().run(display or WatchDisplay())

    def _intake(self) -> Intake:
        return WatchIntake(self.source, self.layout.out, self.manifest, self._hash, self._count, self._timing, self._changed)

    def _accept(self, result: FileResult) -> None:
        if result.code == "gone":
            result = replace(result, state=State.SKIPPED, reason="It was moved or deleted before it was read.")
        super()._accept(result)


class WatchDisplay(Display):
    """A :class:`Display` that writes no line while nothing happens."""

    _told = 0

    def show(self, tally: Tally) -> None:
        """See :meth:`Display.show`."""
        if self.console.is_terminal or tally.files != self._told:
            before = self._last
            super().show(tally)
            self._told = self._told if self._last == before else tally.files


class WatchIntake(Intake):
    """An :class:`Intake` that never comes to an end.

    The first walk is as that of any run. Later ones take in what is new or changed, so that what failed for good is not
    tried at every walk.
    """

    def __init__(
        self, source: Path, out: Path, manifest: Manifest, settings: str, ended: Callable[[str, Verdict], None],
        timing: WatchTiming, changed: threading.Event,
    ) -> None:  # fmt: skip
        self._folders = os.fspath(source), os.fspath(out)
        self._timing, self._changed = timing, changed
        self._unstable: Unstable = {}
        self._walks, self._walking, self._walked = 0, False, 0.0
        super().__init__(self._new_scan(manifest), manifest, settings, ended=ended)

    def take(self) -> bool:
        """Take a batch of the present walk in, or begin the next when it is time; always True."""
        if not self._walking:
            if not self._is_time():
                self._changed.wait(IDLE)
                return True
            self._changed.clear()
            self.scan = self._new_scan(self.manifest)
            self.__post_init__()
            self._walking = True
        assert isinstance(self.scan, StableScan)
        self._walking = super().take()
        if not self._walking:
            self._unstable, self._walked = self.scan.unstable, time.monotonic()
            self._walks += 1
        return True

    def _new_scan(self, manifest: Manifest) -> StableScan:
        return StableScan(*self._folders, manifest, self._timing.settle, self._unstable)

    def _is_time(self) -> bool:
        if not self._walks:
            return True
        passed = time.monotonic() - self._walked
        if self._changed.is_set() and not self._timing.poll:
            return passed >= LEAST
        wait = self._timing.poll or ANYWAY
        return passed >= (min(wait, max(LEAST, self._timing.settle)) if self._unstable else wait)

    def _is_due(self, row: KnownFile, found: Found) -> bool:
        if self._walks and row.state is State.FAILED and row.code != "unreadable":
            return (row.size, row.mtime_ns) != (found.size, found.mtime_ns)
        return super()._is_due(row, found)


class _Listener(FileSystemEventHandler):
    """Sets *changed* when something outside *out* changes."""

    def __init__(self, out: Path, changed: threading.Event) -> None:
        self._out, self._changed = os.fspath(out), changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        # That a worker reads a file is no change; and where OUT lies in IN, neither is what the run does there.
        if event.event_type in ("opened", "closed_no_write"):
            return
        paths = [os.fsdecode(path) for path in (event.src_path, event.dest_path) if path]
        if any(path != self._out and not path.startswith(self._out + os.sep) for path in paths):
            self._changed.set()


@contextmanager
def observed(source: Path, out: Path, changed: threading.Event, timing: WatchTiming) -> Iterator[WatchTiming]:
    """Have *changed* set when something changes in *source*; yield *timing*, which polls where the system cannot tell."""
    if timing.poll:
        yield timing
        return
    observer = Observer()
    observer.schedule(_Listener(out, changed), os.fspath(source), recursive=True)
    try:
        observer.start()
    except OSError as error:
        log.warning("superres: the system cannot tell of changes in %s (%s); it is looked at every %g seconds", source, error, POLL)
        yield replace(timing, poll=POLL)
        return
    try:
        yield timing
    finally:
        observer.stop()
        observer.join()
