# SPDX-License-Identifier: MPL-2.0
"""A lock for one run at a time, which ends with its process, however that ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ocrmypdf_superres.errors import ArchiveError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock in the file *path*, which is created if it is missing.

    It uses SQLite's locking, since that works wherever the manifest works.

    Raises:
        ArchiveError: another process holds it, or the file cannot be locked.
    """
    try:
        database = sqlite3.connect(path, timeout=0, isolation_level=None)
    except sqlite3.DatabaseError as error:
        raise _cannot_lock(path, error) from error
    with closing(database):
        try:
            database.execute("BEGIN EXCLUSIVE")
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise _cannot_lock(path, error) from error
            raise ArchiveError(f"Another run works in {path.parent.parent}; wait for it, or stop it first.") from error
        yield


def _cannot_lock(path: Path, error: sqlite3.DatabaseError) -> ArchiveError:
    return ArchiveError(f"{path} cannot be locked ({error}); give an OUT that can be written to, on a file system with locks.")
