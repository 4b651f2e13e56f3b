# SPDX-License-Identifier: MPL-2.0
"""Walks a folder in which files are still being written, and yields only complete ones."""

from __future__ import annotations

import errno
import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from ocrmypdf_superres.archive.intake.scan import Found, Scan
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.store.name_encoding import printable_path
from ocrmypdf_superres.archive.tasks import State
from ocrmypdf_superres.log_once import log_once

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("ocrmypdf.superres")

OPEN_TIMES, MIN_OPEN = 10.0, 1.0
"""A file that seems to be open for writing is taken when it has been stable for this many times the usual time, and at least
for this many seconds: NFS without delegations and SMB say so of every file."""

Unstable = dict[str, tuple[int, int, float]]
"""Path -> size and modification time of an incomplete file, and since when (``time.monotonic()``) they have been these."""


class StableScan(Scan):
    """A :class:`Scan` that leaves out new and changed files until their size and time are stable.

    Args:
        root, out: see :class:`Scan`.
        manifest: of the run; a file that it has with the present size and time counts as complete.
        seconds: for which a file must have been stable, ten times as long if it seems to be open for writing.
        before: the :attr:`unstable` of the previous walk.

    Attributes:
        unstable: after the walk, the files that it left out.
    """

    def __init__(self, root: str, out: str, manifest: Manifest, seconds: float, before: Unstable) -> None:
        super().__init__(root, out)
        self.unstable: Unstable = {}
        self._manifest, self._seconds, self._before = manifest, seconds, before
        self._longest = max(MIN_OPEN, OPEN_TIMES * seconds)
        self._told = (
            f"superres: files in {printable_path(Path(root))} count as open for writing although their size and time have been "
            f"stable for {self._longest:g} s, as all do on some network shares; they are processed"
        )

    def __iter__(self) -> Iterator[Found]:
        """Yield the complete files, and entries that are not files."""
        return filter(self._is_stable, super().__iter__())

    def _is_stable(self, found: Found) -> bool:
        if found.verdict is not None and found.verdict.state is not State.WAITING:
            return True
        facts = (found.size, found.mtime_ns)
        row = self._manifest.known_file(found.path)
        if row is not None and (row.size, row.mtime_ns) == facts:
            return True
        now = time.monotonic()
        *known, since = self._before.get(found.path, (*facts, now))
        if tuple(known) != facts:
            since = now
        stable = now - since
        if stable >= self._seconds and not is_being_written(found.full):
            return True
        if stable >= self._longest:
            log_once(log, logging.WARNING, self._told)
            return True
        self.unstable[found.path] = (*facts, since)
        return False


def is_being_written(path: str) -> bool:
    """Return whether a process has the file *path* open for writing; False where the system cannot tell.

    Linux grants a read lease only on a file that nobody has open for writing. This covers the processes on this machine, and
    the file must belong to this user.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False  # reading it will show why
    try:
        # Someone may open it for writing at this very moment; the default signal, SIGIO, would then end this process.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(handle)
    return False
