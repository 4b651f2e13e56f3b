# SPDX-License-Identifier: MPL-2.0
"""A run that does not end by itself: it processes the files in a folder and then those that arrive, until it is stopped.

The folder is walked again whenever the system reports a change in it, and now and then in any case, since such reports may
be lost (and network shares send none). The manifest tells which files are new or changed, as in any run.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from ocrmypdf_superres.archive.intake.enqueue import Intake, is_gone
from ocrmypdf_superres.archive.intake.scan import Found, Verdict
from ocrmypdf_superres.archive.intake.stable_scan import StableScan
from ocrmypdf_superres.archive.progress import Display, Tally
from ocrmypdf_superres.archive.run import Counts, Run
from ocrmypdf_superres.archive.session import Session
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.store.schema import KnownFile
from ocrmypdf_superres.archive.tasks import FileTask, State

log = logging.getLogger("ocrmypdf.superres")

WALK_ANYWAY = 600.0
"""Seconds after which the folder is walked although no change was reported."""

POLL = 30.0
"""Seconds between two walks where the system cannot report changes."""

MIN_PAUSE = 1.0
"""Seconds between two walks at least."""

IDLE = 0.25
"""Seconds that an intake waits for a change when it has nothing to do."""


@dataclass(frozen=True)
class WatchTiming:
    """How often a folder is scanned.

    Attributes:
        settle: seconds for which a file's size and time must have been stable.
        poll: seconds between two walks; 0 for a walk whenever the system reports a change.
    """

    settle: float = 5.0
    poll: float = 0.0


class WatchRun(Run):
    """A :class:`Run` that ends only when it is asked to stop.

    Args:
        arguments, keywords: those of :class:`Run`.
        timing: how often the folder is scanned.
    """

    def __init__(self, *arguments: Any, timing: WatchTiming | None = None, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._timing = timing or WatchTiming()

    def run(self, display: Display | None = None) -> Counts:
        """See :meth:`Run.run`."""
        changed = threading.Event()
        with observed(self.job.source, self.job.layout.out, changed, self._timing) as timing:
            return self.run_session(display or WatchDisplay(), partial(WatchSession, timing=timing, changed=changed))


class WatchSession(Session):
    """A :class:`Session` that ends only when it is asked to stop.

    Args:
        arguments: those of :class:`Session`.
        timing: how often the folder is scanned.
        changed: is set when something changes in the folder.
    """

    def __init__(self, *arguments: Any, timing: WatchTiming, changed: threading.Event) -> None:
        super().__init__(*arguments)
        self._timing, self._changed = timing, changed

    def make_intake(self) -> Intake:
        """See :meth:`Session.make_intake`."""
        job = self.job
        return WatchIntake(job.source, job.layout.out, self.manifest, job.settings_hash, self.count, self._timing, self._changed)

    def _is_gone(self, task: FileTask) -> bool:
        """Return whether an input was removed; a folder of which all files were taken away is as usual."""
        return is_gone(task.source)


class WatchDisplay(Display):
    """A :class:`Display` that writes no line while nothing happens."""

    _files_shown = 0

    def show(self, tally: Tally) -> None:
        """See :meth:`Display.show`."""
        if self.console.is_terminal or tally.files != self._files_shown:
            before = self._last
            super().show(tally)
            self._files_shown = self._files_shown if self._last == before else tally.files


class WatchIntake(Intake):
    """An :class:`Intake` that never ends.

    Its first walk is that of any run. Later ones only take in files that are new or have changed, so that a file which failed
    permanently is not tried at every walk.
    """

    def __init__(
        self, source: Path, out: Path, manifest: Manifest, settings: str, ended: Callable[[str, Verdict], None],
        timing: WatchTiming, changed: threading.Event,
    ) -> None:  # fmt: skip
        self._new_scan = partial(StableScan, os.fspath(source), os.fspath(out), manifest, timing.settle)
        self._timing, self._changed = timing, changed
        self._scan, self._walks, self._walking, self._walked = self._new_scan({}), 0, False, 0.0
        super().__init__(self._scan, manifest, settings, ended=ended)

    def take(self) -> bool:
        """Take in a batch of the present walk, or begin the next walk when it is time; always return True."""
        if not self._walking:
            if not self._is_time():
                self._changed.wait(IDLE)
                return True
            self._changed.clear()
            self._scan = self._new_scan(self._scan.unstable)
            self.begin(self._scan)
        self._walking = super().take()
        if not self._walking:
            self._walked = time.monotonic()
            self._walks += 1
        return True

    def _is_time(self) -> bool:
        if not self._walks:
            return True
        passed = time.monotonic() - self._walked
        if self._changed.is_set() and not self._timing.poll:
            return passed >= MIN_PAUSE
        wait = self._timing.poll or WALK_ANYWAY
        return passed >= (min(wait, max(MIN_PAUSE, self._timing.settle)) if self._scan.unstable else wait)

    def _is_due(self, row: KnownFile, found: Found) -> bool:
        if self._walks and row.state is State.FAILED and row.code != "unreadable":
            return (row.size, row.mtime_ns) != (found.size, found.mtime_ns)
        return super()._is_due(row, found)


class _Listener(FileSystemEventHandler):
    """Sets *changed* when something outside *out* changes."""

    def __init__(self, out: Path, changed: threading.Event) -> None:
        self._out, self._changed = os.fspath(out), changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        # A worker that reads a file does not change it; and where OUT is inside IN, the run's own writing does not count.
        if event.event_type in ("opened", "closed_no_write"):
            return
        paths = [os.fsdecode(path) for path in (event.src_path, event.dest_path) if path]
        if any(path != self._out and not path.startswith(self._out + os.sep) for path in paths):
            self._changed.set()


@contextmanager
def observed(source: Path, out: Path, changed: threading.Event, timing: WatchTiming) -> Iterator[WatchTiming]:
    """Set *changed* when something changes in *source*; yield *timing*, which polls if the system cannot report changes."""
    if timing.poll:
        yield timing
        return
    observer = Observer()
    observer.schedule(_Listener(out, changed), os.fspath(source), recursive=True)
    try:
        observer.start()
    except OSError as error:
        log.warning("superres: the system cannot report changes in %s (%s); it is walked every %g seconds", source, error, POLL)
        yield replace(timing, poll=POLL)
        return
    try:
        yield timing
    finally:
        observer.stop()
        observer.join()
