# SPDX-License-Identifier: MPL-2.0
"""A lock for one run at a time, which ends with its process, however that ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ocrmypdf_superres.errors import ArchiveError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock in the file *path*, which is created if it is missing.

    It uses SQLite's locking, since that works wherever the manifest works.

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
