# SPDX-License-Identifier: MPL-2.0
"""Walks a folder in which files are still being written, and tells only of those that are complete."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterator

from ocrmypdf_superres.archive.intake.scan import Found, Scan
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.tasks import State

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: Size and modification time of a file that is not complete, and since when (``time.monotonic()``) they are these.
Unstable = dict[str, tuple[int, int, float]]


class StableScan(Scan):
    """A :class:`Scan` that leaves out new and changed files until their size and time have stood still.

    Args:
        root, out: see :class:`Scan`.
        manifest: what is known; a file that is in it as it is now counts as complete.
        seconds: how long a file must have stood still.
        before: the :attr:`unstable` of the walk before.

    Attributes:
        unstable: after the walk, the files that were left out.
    """

    def __init__(self, root: str, out: str, manifest: Manifest, seconds: float, before: Unstable) -> None:
        super().__init__(root, out)
        self.unstable: Unstable = {}
        self._manifest, self._seconds, self._before = manifest, seconds, before

    def __iter__(self) -> Iterator[Found]:
        """Yield the files that are complete, and what is no file."""
        return filter(self._rests, super().__iter__())

    def _rests(self, found: Found) -> bool:
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
        if now - since >= self._seconds and not is_being_written(found.full):
            return True
        self.unstable[found.path] = (*facts, since)
        return False


def is_being_written(path: str) -> bool:
    """Return whether the system says that a process has the file *path* open for writing; False where it does not tell.

    Linux grants a read lease only on files that nobody has open for writing. It tells of this machine's processes, and the
    file must be this user's.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False  # whoever reads it will say why
    try:
        # Should someone open it for writing at this very moment: the signal's default, SIGIO, would end this process.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)  # type: ignore[attr-defined]
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(handle)
    return False
