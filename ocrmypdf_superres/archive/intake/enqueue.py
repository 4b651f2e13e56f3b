# SPDX-License-Identifier: MPL-2.0
"""Enters the files that a walk over the input finds into the manifest: new, changed, to be retried, or to be left alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice

from ocrmypdf_superres.archive.intake.scan import IN_METS, Found, Scan, Verdict, classify
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.store.schema import KnownFile
from ocrmypdf_superres.archive.tasks import FileResult, Kind, State

BATCH = 500
"""Number of files that are taken in with one commit."""

RETRIED = {"exists", "unwritable", "unreadable", "gone", "settings"}
"""Codes of failures that a person may have put right since, and that are cheap to try: a new run retries them."""

GONE = Verdict(Kind.OTHER, State.SKIPPED, "gone", "It was moved or deleted before it was read.")
"""Verdict on a file that is no longer in the input folder."""


def is_gone(path: str) -> bool:
    """Return whether there is nothing under the absolute *path*; a folder that may not be entered tells nothing."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


class Intake:
    """Takes in the files of a walk, one batch per call.

    Args:
        scan: the walk.
        manifest: where the files are entered.
        settings: hash of the present settings.
        retry_failed: also retry files that failed permanently.
        ended: called with the path and verdict of each file that ends here: it is not an input or cannot be examined.
        misses_output: whether the file of that number, which is done, must be processed again for an output that is missing.
    """

    def __init__(
        self, scan: Scan, manifest: Manifest, settings: str, retry_failed: bool = False,
        ended: Callable[[str, Verdict], None] = lambda path, verdict: None,
        misses_output: Callable[[int], bool] = lambda number: False,
    ) -> None:  # fmt: skip
        self.manifest, self.settings, self.retry_failed, self.ended = manifest, settings, retry_failed, ended
        self.misses_output = misses_output
        self.begin(scan)

    def begin(self, scan: Scan) -> None:
        """Begin with another walk."""
        self.scan, self._finds = scan, iter(scan)
        self._broken = set(self.manifest.paths_with_code("unreadable"))
        # Images that belonged to a METS document, which this walk may find after them.
        self._of_mets: dict[str, Found] = {}
        # Files that failed, without those that this walk has found.
        self._failed = set(self.manifest.numbers(State.FAILED))

    def take(self) -> bool:
        """Take in the next batch; return False when the walk is over."""
        batch = list(islice(self._finds, BATCH))
        with self.manifest.transaction():
            self._take_all(batch)
            if len(batch) < BATCH:
                self._enter_released()
                self._skip_removed()
            for folder in self.scan.read_folders:
                if folder in self._broken:
                    self.manifest.forget(folder)
            self.scan.read_folders.clear()
        return len(batch) == BATCH

    def _take_all(self, batch: Iterable[Found]) -> None:
        for found in batch:
            row = self.manifest.known_file(found.path)
            if row is not None:
                self._failed.discard(row.number)
            if row is not None and (row.state, row.code) == (State.SKIPPED, IN_METS):
                if found.verdict is None:
                    self._of_mets[found.path] = found
                    continue
                self._of_mets.pop(found.path, None)
            if row is None or self._is_due(row, found):
                self._enter(row, found, found.verdict or classify(found.full))

    def _enter_released(self) -> None:
        """Enter the images that no METS document names any more, which are inputs of their own now."""
        for path, found in self._of_mets.items():
            self._enter(self.manifest.known_file(path), found, classify(found.full))

    def _skip_removed(self) -> None:
        """End files that failed and were removed since as skipped."""
        for number in self._failed:
            row = self.manifest.file(number)
            if row is not None and row.state is State.FAILED and is_gone(f"{self.scan.root}/{row.path}"):
                self.manifest.finish(FileResult(number, GONE.state, GONE.code, GONE.reason), self.settings)
                self.ended(row.path, GONE)

    def _is_due(self, row: KnownFile, found: Found) -> bool:
        """Return whether the file must be processed again."""
        unchanged = (row.size, row.mtime_ns) == (found.size, found.mtime_ns)
        if row.state is State.STAGED:
            return False
        if found.verdict is not None and found.verdict.code == IN_METS:
            return True  # also where it ended on its own before its document was found
        if row.state is State.WAITING:
            return not unchanged or (found.verdict is not None and found.verdict.state is not State.WAITING)
        if not unchanged or row.settings != self.settings:
            return True
        if (row.state, row.code) == (GONE.state, GONE.code):
            return True  # it is back
        if row.state is State.DONE:
            return self.misses_output(row.number)
        return row.state is State.FAILED and (row.transient or row.code in RETRIED or self.retry_failed)

    def _enter(self, row: KnownFile | None, found: Found, verdict: Verdict) -> None:
        same = row is not None and (row.state, row.code, row.settings) == (verdict.state, verdict.code, self.settings)
        if same and row is not None and (row.size, row.mtime_ns) == (found.size, found.mtime_ns):
            return
        if verdict.code == IN_METS and row is not None and row.state is State.DONE:
            left = "what it became on its own before is left in OUT and can be deleted"
            verdict = replace(verdict, reason=f"{verdict.reason.rstrip('.')}; {left}.")
        number = self.manifest.add(found.path, verdict.kind, found.size, found.mtime_ns)
        if verdict.state is not State.WAITING:
            self.manifest.finish(FileResult(number, verdict.state, verdict.code, verdict.reason), self.settings)
            self.ended(found.path, verdict)
