# SPDX-License-Identifier: MPL-2.0
"""Brings what a walk over the input finds into the manifest: what is new, changed, to be tried again, or to be left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from ocrmypdf_superres.archive.intake.scan import Found, Scan, Verdict, classify
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.store.schema import KnownFile
from ocrmypdf_superres.archive.tasks import FileResult, State

BATCH = 500
"""So many files are taken in with one commit."""

AGAIN = {"exists", "unwritable", "unreadable", "gone", "settings"}
"""Permanent failures that a person may have put right since, and that cost nothing to try: a new run tries them again."""


@dataclass
class Intake:
    """Takes a walk's finds in, a batch a call.

    Attributes:
        scan: the walk.
        manifest: where to.
        settings: hash of the present settings.
        retry_failed: also try files again that failed for good.
        ended: called with each file that ends here, as no input or one that cannot be looked at, and its verdict.
    """

    scan: Scan
    manifest: Manifest
    settings: str
    retry_failed: bool = False
    ended: Callable[[str, Verdict], None] = lambda path, verdict: None

    def __post_init__(self) -> None:
        self._finds: Iterator[Found] = iter(self.scan)
        self._broken = set(self.manifest.paths_with_code("unreadable"))

    def take(self) -> bool:
        """Take the next batch in; False when there is nothing more."""
        batch = list(islice(self._finds, BATCH))
        with self.manifest.transaction():
            self._take_all(batch)
            for folder in self.scan.read_folders:
                if folder in self._broken:
                    self.manifest.forget(folder)
            self.scan.read_folders.clear()
        return len(batch) == BATCH

    def _take_all(self, batch: Iterable[Found]) -> None:
        for found in batch:
            row = self.manifest.known_file(found.path)
            if row is None or self._is_due(row, found):
                verdict = found.verdict or classify(found.full)
                self._enter(row, found, verdict)

    def _is_due(self, row: KnownFile, found: Found) -> bool:
        """Whether the file is to be looked at again."""
        unchanged = (row.size, row.mtime_ns) == (found.size, found.mtime_ns)
        if row.state is State.STAGED:
            return False
        if row.state is State.WAITING:
            return not unchanged or (found.verdict is not None and found.verdict.state is not State.WAITING)
        if not unchanged or row.settings != self.settings:
            return True
        return row.state is State.FAILED and (row.transient or row.code in AGAIN or self.retry_failed)

    def _enter(self, row: KnownFile | None, found: Found, verdict: Verdict) -> None:
        same = row is not None and (row.state, row.code, row.settings) == (verdict.state, verdict.code, self.settings)
        if same and row is not None and (row.size, row.mtime_ns) == (found.size, found.mtime_ns):
            return
        number = self.manifest.add(found.path, verdict.kind, found.size, found.mtime_ns)
        if verdict.state is not State.WAITING:
            self.manifest.finish(FileResult(number, verdict.state, verdict.code, verdict.reason), self.settings)
            self.ended(found.path, verdict)
