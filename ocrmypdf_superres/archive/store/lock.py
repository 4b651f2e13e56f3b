# SPDX-License-Identifier: MPL-2.0
"""One run at a time: a lock that is gone when its process is, however that ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ocrmypdf_superres.errors import ArchiveError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock in the file *path*, which is made if it is missing.

    SQLite's own locking, since it works on every system that the manifest works on.

    Raises:
        ArchiveError: another process holds it.
    """
    database = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        database.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        database.close()
        raise ArchiveError(f"Another run works in {path.parent.parent} ({error}); wait for it, or stop it first.") from error
    try:
        yield
    finally:
        database.close()
