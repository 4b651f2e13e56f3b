# SPDX-License-Identifier: MPL-2.0
"""A run as the rows of a catalogue, one per file and one per page, streamed from the database to CSV or JSON."""

from __future__ import annotations

import csv
import itertools
import json
import operator
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.store.name_encoding import printable
from ocrmypdf_superres.errors import ArchiveError
from ocrmypdf_superres.files import atomic_write

FILE_FIELDS = (
    "file", "kind", "size", "state", "code", "reason", "tries", "sha256", "settings", "model", "model_sha256", "pages", "words",
    "confidence", "seconds", "ended", "findings", "warnings", "worker", "outputs", "output_sha256",
)  # fmt: skip
PAGE_FIELDS = (
    "file",
    "page",
    "action",
    "reason",
    "dpi",
    "new_dpi",
    "scale",
    "x_height",
    "seconds",
    "words",
    "confidence",
    "findings",
)

_FILES = (
    "SELECT number, path AS file, kind, size, state, code, reason, tries, sha256, f.settings, model, model_sha256, pages, words, "
    "confidence, seconds, ended, findings, warnings, worker FROM files AS f NOT INDEXED LEFT JOIN settings ON hash = f.settings "
    "ORDER BY number"
)
_OUTPUTS = "SELECT file, name, sha256 FROM outputs WHERE staged = 0 ORDER BY file, name"
_PAGES = (
    "SELECT path AS file, page, action, p.reason, dpi, new_dpi, scale, x_height, p.seconds, p.words, p.confidence, p.findings "
    "FROM files NOT INDEXED JOIN pages AS p ON p.file = number ORDER BY p.file, page"
)


def file_rows(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Yield :data:`FILE_FIELDS` of every file; names by :func:`~ocrmypdf_superres.archive.store.name_encoding.printable`."""
    made = itertools.groupby(manifest.db.execute(_OUTPUTS), operator.itemgetter(0))
    number, outputs = next(made, (None, iter(())))
    for values in _rows(manifest, _FILES):
        while number is not None and number < values["number"]:
            number, outputs = next(made, (None, iter(())))
        own = [(printable(os.fsdecode(name)), sha256) for _, name, sha256 in outputs] if number == values["number"] else []
        values["outputs"], values["output_sha256"] = [name for name, _ in own], [sha256 for _, sha256 in own]
        values["seconds"], values["ended"] = round(values["seconds"], 2), _date(values["ended"])
        values["warnings"] = [printable(text) for text in json.loads(values["warnings"])]
        yield {name: values[name] for name in FILE_FIELDS}


def page_rows(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Yield :data:`PAGE_FIELDS` of every page of every file."""
    return _rows(manifest, _PAGES)


def _rows(manifest: Manifest, query: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of *query*, with the columns that files and pages have in common made readable."""
    cursor = manifest.db.cursor()
    cursor.row_factory = sqlite3.Row
    for row in cursor.execute(query):
        values = dict(row)
        values["file"], values["reason"] = printable(os.fsdecode(values["file"])), printable(values["reason"])
        values["confidence"], values["findings"] = _rounded(values["confidence"]), json.loads(values["findings"])
        yield values


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _date(moment: float | None) -> str:
    return "" if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def write_csv(rows: Iterator[dict[str, Any]], fields: tuple[str, ...], path: Path) -> None:
    """Write *rows* as CSV (RFC 4180, UTF-8) with a header; lists are joined by ``; ``.

    Raises:
        ArchiveError: the file cannot be written.
    """
    with _written(path) as stream:
        writer = csv.DictWriter(stream, fields)
        writer.writeheader()
        for row in rows:
            writer.writerow({k: "; ".join(map(str, v)) if isinstance(v, list) else v for k, v in row.items()})


def write_json(rows: Iterator[dict[str, Any]], path: Path) -> None:
    """Write *rows* as JSON lines in UTF-8.

    Raises:
        ArchiveError: the file cannot be written.
    """
    with _written(path) as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@contextmanager
def _written(path: Path) -> Iterator[TextIO]:
    try:
        with atomic_write(path) as part, part.open("w", encoding="utf-8", newline="") as stream:
            yield stream
    except OSError as error:
        message = f"The catalogue {path} cannot be written ({error.strerror}); give a file in a writable folder."
        raise ArchiveError(message) from error
