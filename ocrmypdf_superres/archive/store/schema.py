# SPDX-License-Identifier: MPL-2.0
"""The manifest's tables, and their rows as Python objects."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ocrmypdf_superres.archive.tasks import Kind, PageResult, State

SCHEMA_VERSION = 2

SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE settings (
    hash TEXT PRIMARY KEY, toml TEXT NOT NULL, model TEXT NOT NULL, model_sha256 TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE sessions (
    number INTEGER PRIMARY KEY, settings TEXT NOT NULL, started REAL NOT NULL, ended REAL, outcome TEXT,
    host TEXT NOT NULL, software TEXT NOT NULL
);
CREATE TABLE files (
    number INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    state TEXT NOT NULL, code TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', transient INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0, next_try REAL NOT NULL DEFAULT 0,
    settings TEXT NOT NULL DEFAULT '', sha256 TEXT NOT NULL DEFAULT '', seconds REAL NOT NULL DEFAULT 0,
    pages INTEGER NOT NULL DEFAULT 0, words INTEGER NOT NULL DEFAULT 0, confidence REAL,
    findings TEXT NOT NULL DEFAULT '[]', warnings TEXT NOT NULL DEFAULT '[]', worker TEXT NOT NULL DEFAULT '', ended REAL,
    staging TEXT NOT NULL DEFAULT ''
);
CREATE INDEX files_waiting ON files (next_try, number) WHERE state = 'waiting';
CREATE INDEX files_state ON files (state, code, pages);
CREATE TABLE pages (
    file INTEGER NOT NULL, page INTEGER NOT NULL, action TEXT NOT NULL, reason TEXT NOT NULL, dpi REAL, new_dpi REAL,
    scale INTEGER, x_height REAL, seconds REAL NOT NULL, words INTEGER, confidence REAL, findings TEXT NOT NULL,
    record TEXT NOT NULL, PRIMARY KEY (file, page)
) WITHOUT ROWID;
CREATE TABLE outputs (
    name BLOB NOT NULL, staged INTEGER NOT NULL, file INTEGER NOT NULL, kind TEXT NOT NULL, sha256 TEXT NOT NULL,
    size INTEGER NOT NULL, PRIMARY KEY (name, staged)
) WITHOUT ROWID;
CREATE INDEX outputs_file ON outputs (file, staged);
"""


@dataclass(frozen=True)
class FileRow:
    """A file in the manifest.

    Attributes:
        number: key of the row; it never changes.
        path: relative to the run's input folder.
        size, mtime_ns: of the input when it was last examined.
        state, code, reason, transient: as in :class:`~ocrmypdf_superres.archive.tasks.FileResult`; a waiting file with a
            code failed before and is tried again at ``next_try`` (seconds since 1970).
        tries: number of attempts so far, for the present input and settings.
        settings: hash of the settings under which the file ended; see :meth:`Manifest.settings`.
        sha256: of the input as it was read.
        seconds: wall-clock time of the last attempt.
        pages, words, confidence: number of pages and words, and the mean confidence of the words in [0, 1].
        ended: time of the end (seconds since 1970); None before.
        staging: name of the folder in staging that holds the outputs of a ``STAGED`` file.
    """

    number: int
    path: str
    kind: Kind
    size: int
    mtime_ns: int
    state: State
    code: str
    reason: str
    transient: bool
    tries: int
    next_try: float
    settings: str
    sha256: str
    seconds: float
    pages: int
    words: int
    confidence: float | None
    findings: list[str]
    warnings: list[str]
    worker: str
    ended: float | None
    staging: str


class KnownFile(NamedTuple):
    """The columns of a file that decide whether it is processed again; see :class:`FileRow`."""

    number: int
    size: int
    mtime_ns: int
    state: State
    code: str
    transient: bool
    settings: str


@dataclass(frozen=True)
class SettingsRow:
    """Settings of a run: their hash and TOML text, and the model's name with the SHA-256 of its weights."""

    hash: str
    toml: str
    model: str
    model_sha256: str


FILE_FIELDS = ", ".join(FileRow.__dataclass_fields__)
PAGE_FIELDS = "page, action, reason, dpi, new_dpi, scale, x_height, seconds, words, confidence, findings, record"


def mean_confidence(pages: Iterable[PageResult]) -> tuple[float | None, int]:
    """Return the mean confidence of all words of *pages* (None without words) and their number."""
    total, words = 0.0, 0
    for page in pages:
        if page.words and page.confidence is not None:
            total, words = total + page.words * page.confidence, words + page.words
    return (total / words if words else None), words


def dump(value: Any) -> str:
    """Return *value* as JSON for a column."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


_KINDS, _STATES = {kind.value: kind for kind in Kind}, {state.value: state for state in State}


def file_row(row: Sequence[Any]) -> FileRow:
    """Return the object for a row of :data:`FILE_FIELDS`; it must be fast, as there may be a million rows."""
    values = list(row)
    values[1] = os.fsdecode(row[1])
    values[2], values[5], values[8] = _KINDS[row[2]], _STATES[row[5]], bool(row[8])
    values[17], values[18] = _json_list(row[17]), _json_list(row[18])
    return FileRow(*values)


def _json_list(text: str) -> list[str]:
    found: list[str] = [] if text == "[]" else json.loads(text)
    return found
