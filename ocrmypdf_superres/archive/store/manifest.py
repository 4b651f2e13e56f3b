# SPDX-License-Identifier: MPL-2.0
"""The manifest of a run: an SQLite database with a row per file and a row per page.

Only the process of the run writes; any number of processes may read meanwhile (write-ahead log).
Paths are BLOBs, since a name may contain newlines or bytes that are not valid text; in Python they are ``str`` as
``os.fsdecode`` returns them, with ``/`` between folders. A commit is durable when it returns (``synchronous=FULL``);
:mod:`ocrmypdf_superres.archive.run` explains why that matters.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ocrmypdf_superres.archive.store.name_encoding import decode_path, encode_path
from ocrmypdf_superres.archive.store.schema import (
    FILE_FIELDS,
    PAGE_FIELDS,
    SCHEMA,
    SCHEMA_VERSION,
    FileRow,
    KnownFile,
    SettingsRow,
    dump,
    file_row,
    mean_confidence,
)
from ocrmypdf_superres.archive.tasks import FileResult, Kind, Output, PageResult, State
from ocrmypdf_superres.errors import ArchiveError

RESTORE = "restore the manifest from a backup"
"""What to do if the manifest is damaged."""


def unusable(path: Path, error: sqlite3.DatabaseError) -> ArchiveError:
    """Return what to say of the manifest *path* after *error*; damage often shows only where it is read."""
    return ArchiveError(f"The manifest {path} cannot be used ({error}); restore it from a backup.")


def is_damage(error: Exception) -> bool:
    """Return whether *error* says that the manifest is damaged, rather than that its disk is full or may not be written to."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)


class Manifest:
    """The database of one run.

    Args:
        path: file of the database.
        write: open it for writing and create it if it is missing; otherwise it is read only.

    Raises:
        ArchiveError: the file is missing or damaged, or its schema is another version's.
    """

    def __init__(self, path: Path, write: bool = False) -> None:
        self.path = path
        if not write and not path.is_file():
            raise ArchiveError(f"There is no manifest {path}; give the OUT of an `archive run`.")
        try:
            self._connect(write)
        except sqlite3.DatabaseError as error:
            raise unusable(path, error) from error

    def _connect(self, write: bool) -> None:
        # SQLite creates files beside a database even to read it, unless it is immutable, as on a read-only medium.
        log = self.path.with_name(f"{self.path.name}-wal")
        immutable = not write and not os.access(self.path.parent, os.W_OK) and not log.exists()
        where = self.path.absolute().as_uri() + ("?immutable=1" if immutable else "")
        self.db = sqlite3.connect(where, uri=True, timeout=60, isolation_level=None)
        try:
            self._prepare(write)
        except BaseException:
            self.db.close()
            raise

    def _prepare(self, write: bool) -> None:
        self.db.execute("PRAGMA journal_mode = WAL" if write else "PRAGMA query_only = ON")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute("PRAGMA cache_size = -65536")
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and write:
            self.db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        elif version == 0:
            raise ArchiveError(f"The manifest {self.path} is empty, since its run has not begun yet; try again in a moment.")
        elif version != SCHEMA_VERSION:
            raise ArchiveError(
                f"The manifest {self.path} has version {version}, but version {SCHEMA_VERSION} was expected; "
                "use the version of ocrmypdf-superres that made it."
            )

    def close(self) -> None:
        """Close the database; the last connection to close merges the write-ahead log."""
        self.db.close()

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit the writes inside together, or none after an error; a nested transaction is part of the outer one."""
        if self.db.in_transaction:
            yield
            return
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    # Input folder, settings, sessions

    def input_folder(self) -> Path | None:
        """Return the absolute path of the input folder; None before the first session."""
        row = self.db.execute("SELECT value FROM facts WHERE name = 'input'").fetchone()
        return None if row is None else Path(decode_path(row[0]))

    def set_input_folder(self, folder: Path) -> None:
        """Store the absolute path of the input folder."""
        self.db.execute("INSERT OR REPLACE INTO facts VALUES ('input', ?)", (encode_path(os.fspath(folder)),))

    def settings(self, hash: str) -> SettingsRow | None:
        """Return the settings with that *hash*, None if no session had them."""
        row = self.db.execute("SELECT hash, toml, model, model_sha256 FROM settings WHERE hash = ?", (hash,)).fetchone()
        return None if row is None else SettingsRow(*row)

    def begin_session(self, settings: SettingsRow, host: str, software: dict[str, str]) -> int:
        """Store that a session starts; return its number."""
        with self.transaction():
            self.db.execute(
                "INSERT OR IGNORE INTO settings VALUES (?, ?, ?, ?)",
                (settings.hash, settings.toml, settings.model, settings.model_sha256),
            )
            done = self.db.execute(
                "INSERT INTO sessions (settings, started, host, software) VALUES (?, ?, ?, ?)",
                (settings.hash, time.time(), host, json.dumps(software)),
            )
        return int(done.lastrowid or 0)

    def end_session(self, number: int, outcome: str) -> None:
        """Store that session *number* ended now, and its *outcome*."""
        self.db.execute("UPDATE sessions SET ended = ?, outcome = ? WHERE number = ?", (time.time(), outcome, number))

    # Reading; the column names in queries are constants from schema.py.

    def counts(self) -> dict[tuple[State, str], tuple[int, int]]:
        """Return the numbers of (files, pages) by (state, code)."""
        rows = self.db.execute("SELECT state, code, COUNT(*), SUM(pages) FROM files GROUP BY state, code")
        return {(State(state), code): (files, pages) for state, code, files, pages in rows}

    def files(self, state: State | None = None) -> Iterator[FileRow]:
        """Yield the files, or those in *state*, by number."""
        where = "" if state is None else " WHERE state = ?"
        order = "files NOT INDEXED" if state is None else "files"
        with closing(self.db.cursor()) as cursor:
            query = f"SELECT {FILE_FIELDS} FROM {order}{where} ORDER BY number"  # noqa: S608
            cursor.execute(query, () if state is None else (state.value,))
            for row in cursor:
                yield file_row(row)

    def file(self, number: int) -> FileRow | None:
        """Return file *number*, None if there is no such file."""
        row = self.db.execute(f"SELECT {FILE_FIELDS} FROM files WHERE number = ?", (number,)).fetchone()  # noqa: S608
        return None if row is None else file_row(row)

    def find(self, path: str) -> FileRow | None:
        """Return the file with *path*, relative to the input folder; None if there is no such file."""
        row = self.db.execute(f"SELECT {FILE_FIELDS} FROM files WHERE path = ?", (os.fsencode(path),)).fetchone()  # noqa: S608
        return None if row is None else file_row(row)

    def known_file(self, path: str) -> KnownFile | None:
        """Return the columns that decide whether the file *path* is processed again; None if there is no such file."""
        row = self.db.execute(
            "SELECT number, size, mtime_ns, state, code, transient, settings FROM files WHERE path = ?", (os.fsencode(path),)
        ).fetchone()
        return None if row is None else KnownFile(row[0], row[1], row[2], State(row[3]), row[4], bool(row[5]), row[6])

    def paths_with_code(self, code: str) -> list[str]:
        """Return the paths of the files that failed with *code*."""
        rows = self.db.execute("SELECT path FROM files WHERE state = 'failed' AND code = ?", (code,))
        return [os.fsdecode(row[0]) for row in rows]

    def pages(self, number: int) -> list[PageResult]:
        """Return the pages of file *number*, in order."""
        rows = self.db.execute(f"SELECT {PAGE_FIELDS} FROM pages WHERE file = ? ORDER BY page", (number,))  # noqa: S608
        names = PAGE_FIELDS.split(", ")
        pages = [dict(zip(names, row, strict=True)) for row in rows]
        return [PageResult(**{**p, "findings": json.loads(p["findings"]), "record": json.loads(p["record"])}) for p in pages]

    def outputs(self, number: int, staged: bool = False) -> list[Output]:
        """Return the outputs of file *number* that are published, or with *staged* those that are ready to be."""
        rows = self.db.execute(
            "SELECT kind, name, sha256, size FROM outputs WHERE file = ? AND staged = ? ORDER BY name", (number, int(staged))
        )
        return [Output(kind, os.fsdecode(name), sha256, size) for kind, name, sha256, size in rows]

    def waiting(self, limit: int, now: float, longest: float = math.inf) -> list[FileRow]:
        """Return the next *limit* files that may be processed at the time *now* (seconds since 1970).

        A file that would have to wait for more than *longest* seconds may be processed, too: the clock was set back.
        """
        rows = self.db.execute(
            f"SELECT {FILE_FIELDS} FROM files INDEXED BY files_waiting WHERE state = 'waiting' "  # noqa: S608
            "AND (next_try <= ? OR next_try > ?) ORDER BY next_try, number LIMIT ?",
            (now, now + longest, limit),
        )
        return [file_row(row) for row in rows]

    def next_try(self) -> float | None:
        """Return the time at which the next waiting file may be processed (seconds since 1970); None if none is waiting."""
        row = self.db.execute("SELECT MIN(next_try) FROM files INDEXED BY files_waiting WHERE state = 'waiting'").fetchone()
        return None if row[0] is None else float(row[0])

    def numbers(self, state: State) -> list[int]:
        """Return the numbers of the files in *state*."""
        return [row[0] for row in self.db.execute("SELECT number FROM files WHERE state = ?", (state.value,))]

    def count(self, state: State) -> int:
        """Return the number of files in *state*."""
        return int(self.db.execute("SELECT COUNT(*) FROM files WHERE state = ?", (state.value,)).fetchone()[0])

    # Writing

    def add(self, path: str, kind: Kind, size: int, mtime_ns: int) -> int:
        """Add a file that waits to be processed, or reset an existing one; return its number."""
        row = self.db.execute(
            "INSERT INTO files (path, kind, size, mtime_ns, state) VALUES (?, ?, ?, ?, 'waiting') "
            "ON CONFLICT (path) DO UPDATE SET kind = excluded.kind, size = excluded.size, mtime_ns = excluded.mtime_ns, "
            "state = 'waiting', code = '', reason = '', transient = 0, tries = 0, next_try = 0, "
            # The hash is kept only if it belongs to the present outputs, which is so if the file is done.
            "sha256 = CASE state WHEN 'done' THEN sha256 ELSE '' END RETURNING number",
            (os.fsencode(path), kind.value, size, mtime_ns),
        ).fetchone()
        return int(row[0])

    def forget(self, path: str) -> None:
        """Delete the row of *path*, such as a folder that could not be read before and now can."""
        self.db.execute("DELETE FROM files WHERE path = ?", (os.fsencode(path),))

    def stage(self, result: FileResult, settings: str, staging: str) -> None:
        """Store a result whose outputs are complete in the folder *staging*; from now on they may be published."""
        with self.transaction():
            self._end(result, State.STAGED, settings)
            self.db.execute("UPDATE files SET staging = ? WHERE number = ?", (staging, result.number))
            self.db.execute("DELETE FROM outputs WHERE file = ? AND staged = 1", (result.number,))
            self.db.executemany(
                "INSERT INTO outputs (name, staged, file, kind, sha256, size) VALUES (?, 1, ?, ?, ?, ?)",
                [(os.fsencode(o.name), result.number, o.kind, o.sha256, o.size) for o in result.outputs],
            )

    def publish(self, number: int) -> None:
        """Store that all staged outputs of file *number* are published, and with that, that the file is done."""
        with self.transaction():
            self.db.execute("DELETE FROM outputs WHERE file = ? AND staged = 0", (number,))
            self.db.execute("UPDATE outputs SET staged = 0 WHERE file = ?", (number,))
            self.db.execute("UPDATE files SET state = 'done', staging = '' WHERE number = ?", (number,))

    def finish(self, result: FileResult, settings: str, keep: bool = False, published: Collection[str] = ()) -> None:
        """Store that a file ended without new outputs: failed or skipped, or with *keep* still done.

        *published* names those of its staged outputs that are in their places although others could not be published: they
        replace the earlier outputs of the same names, so that the next try knows them as the run's own.
        """
        with self.transaction():
            self._unstage(result.number, published)
            if keep:
                self.db.execute(
                    "UPDATE files SET state = ?, code = 'ok', reason = '' WHERE number = ?", (State.DONE.value, result.number)
                )
            else:
                self._end(result, result.state, settings)

    def _unstage(self, number: int, published: Collection[str]) -> None:
        for name in map(os.fsencode, published):
            self.db.execute("DELETE FROM outputs WHERE name = ? AND staged = 0", (name,))
            self.db.execute("UPDATE outputs SET staged = 0 WHERE name = ? AND file = ?", (name, number))
        self.db.execute("DELETE FROM outputs WHERE file = ? AND staged = 1", (number,))

    def wait_again(self, number: int, published: Collection[str] = ()) -> None:
        """Make a file whose staged outputs are lost wait again; *published* is as for :meth:`finish`."""
        with self.transaction():
            self._unstage(number, published)
            self.db.execute(
                "UPDATE files SET state = 'waiting', staging = '', sha256 = '', next_try = 0 WHERE number = ?", (number,)
            )

    def retry(self, number: int, code: str, reason: str, next_try: float, tried: bool = True) -> None:
        """Make a file that failed, or was not even *tried*, wait for its next try at *next_try* (seconds since 1970)."""
        self.db.execute(
            "UPDATE files SET state = 'waiting', code = ?, reason = ?, transient = 1, tries = tries + ?, next_try = ? "
            "WHERE number = ?",
            (code, _storable(reason), int(tried), next_try, number),
        )

    def _end(self, result: FileResult, state: State, settings: str) -> None:
        confidence, words = mean_confidence(result.pages)
        self.db.execute(
            "UPDATE files SET state = ?, code = ?, reason = ?, transient = ?, tries = tries + 1, next_try = 0, settings = ?, "
            "sha256 = ?, seconds = ?, pages = ?, words = ?, confidence = ?, findings = ?, warnings = ?, worker = ?, ended = ? "
            "WHERE number = ?",
            (state.value, result.code, _storable(result.reason), int(result.transient), settings, result.sha256, result.seconds,
             len(result.pages), words, confidence, dump(result.findings), dump(result.warnings), result.worker,
             time.time(), result.number),
        )  # fmt: skip
        self.db.execute("DELETE FROM pages WHERE file = ?", (result.number,))
        self.db.executemany(
            f"INSERT INTO pages (file, {PAGE_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            [(result.number, p.page, p.action, _storable(p.reason), p.dpi, p.new_dpi, p.scale, p.x_height, p.seconds, p.words,
              p.confidence, dump(p.findings), dump(p.record)) for p in result.pages],
        )  # fmt: skip


def _storable(text: str) -> str:
    """Return *text* without lone surrogates, which stand for undecodable bytes of file names and which SQLite refuses."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
