# SPDX-License-Identifier: MPL-2.0
"""What a run made, for people and for a catalogue: figures by SQL, the worst pages, and a row a file and a row a page.

All of it is quick with a million rows: sums are the database's, lists are cut, rows are streamed.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ocrmypdf_superres.archive.layout import Layout
from ocrmypdf_superres.archive.manifest import FileRow, Manifest
from ocrmypdf_superres.archive.names import shown, unpacked
from ocrmypdf_superres.archive.tasks import Kind, PageResult, State
from ocrmypdf_superres.errors import ArchiveError

FILE_FIELDS = (
    "file", "kind", "size", "state", "code", "reason", "tries", "sha256", "settings", "model", "model_sha256", "pages", "words",
    "confidence", "seconds", "ended", "findings", "warnings", "worker", "outputs", "output_sha256",
)  # fmt: skip
PAGE_FIELDS = ("file", "page", "action", "reason", "dpi", "new_dpi", "scale", "x_height", "seconds", "words", "confidence", "findings")


@dataclass(frozen=True)
class WorstPage:
    """A page that a person should look at first: its file, the page, and why it stands here."""

    file: FileRow
    page: PageResult
    why: str


@dataclass(frozen=True)
class Summary:
    """The figures of a run.

    Attributes:
        ends: (state, code, files, the reason of one of them), the most frequent first within a state.
        actions: what was done to pages -> how many (``enlarged``, ``left``, ``failed``, ``not-read``).
        confidences: pages by mean confidence: ten bins, from 0 to 0.1 up to 0.9 to 1.
        findings: what a page should be looked at for -> pages.
        pages, words: in all files that are done.
        work: seconds of all workers together.
        wall: seconds that the run's sessions lasted, from each one's start to its last file's end.
        files_with_findings, files_with_warnings: of those that are done.
    """

    ends: list[tuple[State, str, int, str]]
    actions: Counter[str]
    confidences: list[int]
    findings: Counter[str]
    pages: int
    words: int
    work: float
    wall: float
    files_with_findings: int
    files_with_warnings: int

    def files(self, state: State) -> int:
        """Files in that state."""
        return sum(count for found, _, count, _ in self.ends if found is state)


def summarize(manifest: Manifest) -> Summary:
    """Return the figures of the run; one pass over the files and one over the pages."""
    db = manifest.db
    ends = []
    for state, code, files, one in db.execute("SELECT state, code, COUNT(*), MIN(number) FROM files GROUP BY state, code"):
        (reason,) = db.execute("SELECT reason FROM files WHERE number = ?", (one,)).fetchone()
        ends.append((State(state), code, files, reason))
    order = list(State)
    ends.sort(key=lambda end: (order.index(end[0]), -end[2], end[1]))
    done = db.execute(
        "SELECT SUM(pages), SUM(words), SUM(seconds), SUM(findings != '[]'), SUM(warnings != '[]') "
        "FROM files NOT INDEXED WHERE state = 'done'"
    ).fetchone()
    actions: Counter[str] = Counter()
    confidences = [0] * 10
    grouped = "SELECT action, CAST(confidence * 10 AS INTEGER), findings, COUNT(*) FROM pages GROUP BY 1, 2, 3"
    findings: Counter[str] = Counter()
    for action, tenth, found, count in db.execute(grouped):
        actions[action] += count
        if tenth is not None:
            confidences[min(9, max(0, tenth))] += count
        for text in json.loads(found):
            findings[text] += count
    pages, words, work, with_findings, with_warnings = (value or 0 for value in done)
    return Summary(ends, actions, confidences, findings, pages, words, work, _wall(manifest), with_findings, with_warnings)


def _wall(manifest: Manifest) -> float:
    """Seconds of all sessions; one that was killed lasted until the last file that ended before the next began."""
    sessions = manifest.db.execute("SELECT started, ended FROM sessions ORDER BY number").fetchall()
    total = 0.0
    for number, (started, ended) in enumerate(sessions):
        if ended is None:
            following = sessions[number + 1][0] if number + 1 < len(sessions) else float("inf")
            last = manifest.db.execute("SELECT MAX(ended) FROM files WHERE ended BETWEEN ? AND ?", (started, following)).fetchone()[0]
            ended = last if last is not None else started
        total += max(0.0, ended - started)
    return total


def worst_pages(manifest: Manifest, limit: int) -> list[WorstPage]:
    """Return at most *limit* pages of files that are done: some that failed, some with findings, then the least certain."""
    queries = (
        (limit // 3, "could not be enlarged", "action = 'failed'", "file, page"),
        (2 * limit // 3, "", "findings != '[]'", "file, page"),
        (limit, "least certain", "confidence IS NOT NULL", "confidence, file, page"),
    )
    found: dict[tuple[int, int], WorstPage] = {}
    for most, why, where, order in queries:
        rows = manifest.db.execute(f"SELECT file, page FROM pages WHERE {where} ORDER BY {order} LIMIT ?", (2 * limit,))
        for number, page in rows:
            if len(found) >= most:
                break
            row = manifest.file(number)
            if (number, page) in found or row is None or row.state is not State.DONE:
                continue
            result = next(p for p in manifest.pages(number) if p.page == page)
            found[number, page] = WorstPage(row, result, why or "; ".join(result.findings))
    return list(found.values())


def ended_otherwise(manifest: Manifest, state: State, limit: int) -> list[FileRow]:
    """Return the first *limit* files of a state."""
    rows: list[FileRow] = []
    for row in manifest.files(state):
        if len(rows) == limit:
            break
        rows.append(row)
    return rows


def place_of_pdf(manifest: Manifest, layout: Layout, row: FileRow) -> Path:
    """Return where the pages of file *row* can be looked at: the PDF that came, else the one that was made.

    Raises:
        ArchiveError: neither is there.
    """
    came = Path(unpacked(manifest.fact("input") or "")) / row.path
    made = [layout.out / output.name for output in manifest.outputs(row.number) if output.kind == "pdf"]
    for path in [came, *made] if row.kind is Kind.PDF else made:
        if path.is_file():
            return path.absolute()
    raise ArchiveError(f"The file {shown(row.path)} is not where it was, and there is no PDF made of it; give back one of the two.")


def file_rows(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Yield :data:`FILE_FIELDS` of every file; names as :func:`~ocrmypdf_superres.archive.names.shown` gives them."""
    models: dict[str, tuple[str, str]] = {}
    for row in manifest.files():
        if row.settings not in models:
            known = manifest.settings(row.settings)
            models[row.settings] = (known.model, known.model_sha256) if known else ("", "")
        model, model_sha256 = models[row.settings]
        outputs = manifest.outputs(row.number) if row.state is State.DONE else []
        yield {
            "file": shown(row.path), "kind": row.kind.value, "size": row.size, "state": row.state.value, "code": row.code,
            "reason": shown(row.reason), "tries": row.tries, "sha256": row.sha256, "settings": row.settings, "model": model,
            "model_sha256": model_sha256, "pages": row.pages, "words": row.words, "confidence": _rounded(row.confidence),
            "seconds": round(row.seconds, 2), "ended": _date(row.ended), "findings": row.findings,
            "warnings": [shown(text) for text in row.warnings], "worker": row.worker,
            "outputs": [shown(output.name) for output in outputs], "output_sha256": [output.sha256 for output in outputs],
        }  # fmt: skip


def page_rows(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Yield :data:`PAGE_FIELDS` of every page of every file."""
    for row in manifest.files():
        if not row.pages:
            continue
        for page in manifest.pages(row.number):
            values = {name: getattr(page, name) for name in PAGE_FIELDS[1:]}
            values["confidence"], values["reason"] = _rounded(page.confidence), shown(page.reason)
            yield {"file": shown(row.path), **values}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _date(moment: float | None) -> str:
    return "" if moment is None else datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="seconds")


def write_csv(rows: Iterator[dict[str, Any]], fields: tuple[str, ...], path: Path) -> None:
    """Write *rows* as CSV: RFC 4180, UTF-8, the names of the columns first, lists joined by ``; ``.

    Raises:
        ArchiveError: the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, fields)
            writer.writeheader()
            for row in rows:
                writer.writerow({k: "; ".join(map(str, v)) if isinstance(v, list) else v for k, v in row.items()})
    except OSError as error:
        raise _unwritable(path, error) from error


def write_json(rows: Iterator[dict[str, Any]], path: Path) -> None:
    """Write *rows* as JSON lines, an object a line, in UTF-8.

    Raises:
        ArchiveError: the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8") as stream:
            stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ArchiveError:
    return ArchiveError(f"The catalogue {path} cannot be written ({error.strerror}); give a file in a folder that can be written to.")
