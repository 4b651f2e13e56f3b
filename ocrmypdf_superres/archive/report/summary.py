# SPDX-License-Identifier: MPL-2.0
"""The figures of a run, and the pages and files that a person should check first.

The database sums and lists are limited, so that a million rows take seconds.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.store.name_encoding import printable
from ocrmypdf_superres.archive.store.schema import FileRow
from ocrmypdf_superres.archive.tasks import Kind, PageResult, State
from ocrmypdf_superres.errors import ArchiveError


@dataclass(frozen=True)
class WorstPage:
    """A page that a person should check first, and its file."""

    file: FileRow
    page: PageResult


@dataclass(frozen=True)
class Summary:
    """The numbers of a run.

    Attributes:
        ends: (state, code, files, the reason of one of them), the most frequent first within a state.
        actions: what was done to pages -> how many (``enlarged``, ``left``, ``failed``, ``not-read``).
        confidences: pages by mean confidence: ten bins, from 0 to 0.1 up to 0.9 to 1.
        findings: why a page should be checked -> pages.
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
    """Return the numbers of the run; one pass over the files and one over the pages."""
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
            last = manifest.db.execute(
                "SELECT MAX(ended) FROM files WHERE ended BETWEEN ? AND ?", (started, following)
            ).fetchone()[0]
            ended = last if last is not None else started
        total += max(0.0, ended - started)
    return total


def worst_pages(manifest: Manifest, limit: int) -> list[WorstPage]:
    """Return at most *limit* pages of files that are done: some that failed, some with findings, then the least certain."""
    queries = (
        (limit // 3, "SELECT file, page FROM pages WHERE action = 'failed' ORDER BY file, page LIMIT ?"),
        (2 * limit // 3, "SELECT file, page FROM pages WHERE findings != '[]' ORDER BY file, page LIMIT ?"),
        (limit, "SELECT file, page FROM pages WHERE confidence IS NOT NULL ORDER BY confidence, file, page LIMIT ?"),
    )
    found: dict[tuple[int, int], WorstPage] = {}
    for most, query in queries:
        rows = manifest.db.execute(query, (2 * limit,))
        for number, page in rows:
            if len(found) >= most:
                break
            row = manifest.file(number)
            if (number, page) in found or row is None or row.state is not State.DONE:
                continue
            found[number, page] = WorstPage(row, next(p for p in manifest.pages(number) if p.page == page))
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
    """Return the PDF that has the pages of file *row*: the input if it is one, otherwise the output.

    Raises:
        ArchiveError: neither exists.
    """
    source = (manifest.input_folder() or Path()) / row.path
    made = [layout.out / output.name for output in manifest.outputs(row.number) if output.kind == "pdf"]
    for path in [source, *made] if row.kind is Kind.PDF else made:
        if path.is_file():
            return path.absolute()
    raise ArchiveError(
        f"The file {printable(row.path)} is no longer in its place, and neither is the PDF made from it; put one of the two back."
    )
