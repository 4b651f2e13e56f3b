# SPDX-License-Identifier: MPL-2.0
"""A run: walk the input, have its files digitised, publish what was made, remember everything.

How a file gets from input to output, such that the run may be killed between any two steps and is continued later:

1. It stands in the manifest as ``waiting``.  That it is being worked on is known to this process alone.
2. A worker makes its outputs in ``OUT/.superres/staging/N``, syncs them to the disk, and returns their SHA-256.
   Killed before: the file still waits, and the next run removes what is in staging.
3. The manifest commits it as ``staged``, with names and hashes of the outputs.
4. Each output is moved to its place (:mod:`~ocrmypdf_superres.archive.publish`), which never overwrites what is not the
   run's own; the folders are synced.  Killed in between: the next run publishes the rest, knowing by the hashes what has
   arrived; so an output in ``OUT`` always is one that the manifest knew of before.
5. The manifest commits it as ``done``.

So nothing is done twice but what was in flight, and a file that is done has all its outputs.  Failures that may pass
wait for another try, after ``wait`` seconds, then twice that, and so on; the others end at once.  One process writes the
manifest, held by a lock that ends with it.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import socket
import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocrmypdf_superres.archive.executors.base import Executor
from ocrmypdf_superres.archive.intake.enqueue import Intake
from ocrmypdf_superres.archive.intake.scan import Scan, Verdict
from ocrmypdf_superres.archive.progress import Display, Tally
from ocrmypdf_superres.archive.publish import NotOursError, StagingLostError, publish
from ocrmypdf_superres.archive.settings import Settings, weights_sha256
from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.store.lock import locked
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.store.name_encoding import encode_path, printable
from ocrmypdf_superres.archive.store.schema import FileRow, SettingsRow
from ocrmypdf_superres.archive.tasks import FileResult, FileTask, State
from ocrmypdf_superres.archive.worker.ocr_file import scratch_folder, scratch_prefix
from ocrmypdf_superres.archive.worker.outcomes import DISK_FULL
from ocrmypdf_superres.archive.worker.preflight import check_folders, check_settings, software
from ocrmypdf_superres.errors import ArchiveError

log = logging.getLogger("ocrmypdf.superres")

COUNT_EVERY = 1.0
"""Seconds; counting what waits takes a moment where that is a million files."""

_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass
class Stop:
    """Asks a run to stop; a signal handler may set it.

    Attributes:
        reason: why; empty while there is no such wish.
        cancel: whether what is being worked on is stopped too, rather than finished.
    """

    reason: str = ""
    cancel: bool = False

    def ask(self, reason: str, cancel: bool = False) -> None:
        self.reason = self.reason or reason
        self.cancel = self.cancel or cancel


class Run:
    """One session of a run.

    Args:
        source, out: input and output folder.
        settings: the run's settings.
        make_executor: called when the work begins.
        stop: asks the run to stop.
        retry_failed: also try files again that failed for good.
        moved: the input folder is another than last time, but holds the same files.

    Raises:
        ArchiveError: the folders or settings cannot be worked with, or another run works in *out*.
    """

    def __init__(
        self, source: Path, out: Path, settings: Settings, make_executor: Callable[[], Executor], *,
        stop: Stop | None = None, retry_failed: bool = False, moved: bool = False,
    ) -> None:  # fmt: skip
        self.source, self.layout, self.settings = source.absolute(), Layout(out.absolute()), settings
        self.stop, self.tally = stop or Stop(), Tally()
        self._make_executor, self._retry_failed, self._moved = make_executor, retry_failed, moved
        self._hash = settings.hash()
        self._arguments: dict[str, Any] = {"superres_threads": 1, **settings.ocr_arguments()}
        self._in_flight: dict[int, FileTask] = {}
        self._session = self._tasks = 0
        check_folders(self.source, self.layout.out)
        check_settings(settings)

    def run(self, display: Display | None = None) -> dict[tuple[State, str], tuple[int, int]]:
        """Work until everything has its end or the run is to stop; return the manifest's counts.

        Raises:
            ArchiveError: another run works in the output folder, or the manifest cannot be used.
        """
        self._make_layout()
        with locked(self.layout.lock), Manifest(self.layout.manifest, write=True) as self.manifest:
            self._begin()
            outcome = "killed"
            try:
                with self._run_log(), display or Display() as shows:
                    self._recover()
                    self._work(shows)
                outcome = self.stop.reason or "finished"
            finally:
                self._clear()
                with contextlib.suppress(sqlite3.OperationalError):  # the disk may be full
                    self.manifest.end_session(self._session, outcome)
            return self.manifest.counts()

    def _make_layout(self) -> None:
        try:
            self.layout.make()
        except OSError as error:
            raise ArchiveError(f"The output folder {self.layout.out} cannot be written to ({error}); give another OUT.") from error

    def _begin(self) -> None:
        known = self.manifest.fact("input")
        given = encode_path(str(self.source))
        if known is not None and known != given and not self._moved:
            raise ArchiveError(
                f"{self.layout.out} holds the run over {known}, not over {given}; give another OUT, or --moved if these are the same files."
            )
        self.manifest.set_fact("input", given)
        model = self.settings.model
        row = SettingsRow(self._hash, self.settings.toml(), model.card.name, weights_sha256(model))
        self._session = self.manifest.begin_session(row, socket.gethostname(), software())
        part = self.layout.settings.with_suffix(".part")
        part.write_text(row.toml, encoding="utf-8")
        part.replace(self.layout.settings)

    @contextlib.contextmanager
    def _run_log(self) -> Any:
        self._log = logging.Logger("run")
        handler = logging.FileHandler(self.layout.logs / f"run-{self._session:04d}.log", encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self._log.addHandler(handler)
        try:
            yield
        finally:
            handler.close()

    def _recover(self) -> None:
        """Finish what an earlier run staged, and remove what it left lying."""
        for row in list(self.manifest.files(State.STAGED)):
            self._publish(row.number, row.path, row.staging)
        self._clear()

    def _clear(self) -> None:
        """Remove staging but for what is staged, and the scratch folders on this machine."""
        kept = {row.staging for row in self.manifest.files(State.STAGED)}
        for entry in os.scandir(self.layout.staging):
            if entry.name not in kept:
                _remove(entry.path)
        base, prefix = self.settings.scratch or tempfile.gettempdir(), scratch_prefix(self.layout.staging)
        for entry in os.scandir(base):
            if entry.name.startswith(prefix):
                _remove(entry.path)

    def _intake(self) -> Intake:
        scan = Scan(os.fspath(self.source), os.fspath(self.layout.out))
        return Intake(scan, self.manifest, self._hash, self._retry_failed, self._count)

    def _work(self, display: Display) -> None:
        intake = self._intake()
        counted = 0.0
        executor = self._make_executor()
        try:
            while True:
                if self.tally.scanning and not self.stop.reason:
                    self.tally.scanning = intake.take()
                waits = self._feed(executor)
                if self.stop.cancel or (not self._in_flight and (self.stop.reason or (not waits and not self.tally.scanning))):
                    return
                for result in executor.results(0.0 if self.tally.scanning and not self.stop.reason else 0.5):
                    self._accept(result)
                if time.monotonic() - counted > COUNT_EVERY:
                    counted, self.tally.waiting = time.monotonic(), self.manifest.count(State.WAITING)
                display.show(self.tally)
        except (OSError, sqlite3.OperationalError) as error:
            if not _is_full(error):
                raise ArchiveError(f"The run cannot go on ({error}); when that is put right, the same command goes on where it was.") from error
            self.stop.ask(DISK_FULL, cancel=True)
        finally:
            executor.close(cancel=True)

    def _feed(self, executor: Executor) -> bool:
        """Submit files while workers want some; whether any file waits, now or for its next try."""
        wanted = executor.workers + max(1, executor.workers // 4) - len(self._in_flight)
        if wanted <= 0:
            return True
        if self.stop.reason:
            return False
        rows = self.manifest.waiting(wanted + len(self._in_flight), time.time())
        rows = [row for row in rows if row.number not in self._in_flight][:wanted]
        left = len(rows) + len(self._in_flight)
        spare = executor.shares_cores and not self.tally.scanning and 0 < left < executor.workers
        for row in rows:
            task = self._task(row, executor.workers // left if spare else 1)
            self._in_flight[row.number] = task
            executor.submit(task)
        return bool(rows) or self.manifest.next_try() is not None

    def _task(self, row: FileRow, jobs: int) -> FileTask:
        self._tasks += 1
        known = row.sha256 if row.settings == self._hash and self.manifest.outputs(row.number) else ""
        return FileTask(
            row.number, os.path.join(self.source, *row.path.split("/")), row.path, row.kind,
            os.fspath(self.layout.staging / f"{self._session}.{self._tasks}"), self.settings.outputs,
            {**self._arguments, "jobs": jobs}, self.settings.limits, row.tries + 1, known, self.settings.scratch, self._hash,
            self.settings.image_dpi,
        )  # fmt: skip

    def _accept(self, result: FileResult) -> None:
        """Bring a result into the manifest, and its outputs to their place."""
        task = self._in_flight.pop(result.number)
        if result.code == DISK_FULL:
            self._drop(task)
            self.stop.ask(DISK_FULL)
            return
        if result.state is State.STAGED:
            name = os.path.basename(task.staging)
            self.manifest.stage(result, self._hash, name)
            self._publish(result.number, task.relative, name)
            self.tally.pages += len(result.pages)
        elif result.code == "unchanged":
            self.manifest.finish(result, self._hash, keep=True)
        elif result.transient and task.attempt < self.settings.tries:
            pause = self.settings.wait * 2.0 ** (task.attempt - 1)
            self.manifest.retry(result.number, result.code, result.reason, time.time() + pause)
            self._say(logging.WARNING, task.relative, f"{result.code}, tried again in {pause:g} s: {result.reason}")
            self._keep_log(task)
            self._drop(task)
            return
        else:
            self._end(result, task.relative)
            if result.state is State.FAILED:
                self._keep_log(task)
        self._drop(task)
        self.tally.files += 1
        self.tally.waiting = max(0, self.tally.waiting - 1)

    def _end(self, result: FileResult, path: str) -> None:
        """Let a file end as failed or skipped."""
        self.manifest.finish(result, self._hash)
        self._count(path, result)

    def _count(self, path: str, end: FileResult | Verdict) -> None:
        self.tally.failed += end.state is State.FAILED
        self.tally.skipped += end.state is State.SKIPPED
        level = logging.WARNING if end.state is State.FAILED else logging.INFO
        self._say(level, path, f"{end.state.value} ({end.code}): {end.reason}")

    def _publish(self, number: int, path: str, staging: str) -> None:
        try:
            left = publish(self.layout.out, self.layout.staging / staging, self.manifest.outputs(number, staged=True), self.manifest.outputs(number))
        except StagingLostError as error:
            self.manifest.wait_again(number)
            self._say(logging.WARNING, path, str(error))
            return
        except (NotOursError, OSError) as error:
            if isinstance(error, OSError) and _is_full(error):
                raise
            row = self.manifest.file(number)
            code = "exists" if isinstance(error, NotOursError) else "unwritable"
            reason = str(error) if isinstance(error, NotOursError) else f"An output cannot be written: {error.strerror or error}."
            self._end(FileResult(number, State.FAILED, code, reason, sha256=row.sha256 if row else ""), path)
            return
        self.manifest.publish(number)
        for sentence in left:
            self._say(logging.WARNING, path, sentence)
        self._say(logging.INFO, path, "done")

    def _say(self, level: int, path: str, said: str) -> None:
        self._log.log(level, "%s: %s", printable(path), said)
        if level >= logging.WARNING:
            log.log(level, "%s: %s", printable(path), said)

    def _keep_log(self, task: FileTask) -> None:
        with contextlib.suppress(OSError):
            os.replace(task.log, self.layout.failed_log(task.number))

    def _drop(self, task: FileTask) -> None:
        """Remove what a task left lying, which a killed worker could not."""
        _remove(task.log)
        if task.number not in self._in_flight:
            row = self.manifest.file(task.number)
            if row is None or row.state is not State.STAGED:
                _remove(task.staging)
        _remove(os.fspath(scratch_folder(task)))


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _is_full(error: Exception) -> bool:
    """Whether *error* says that the disk is full."""
    if isinstance(error, sqlite3.OperationalError):
        return "full" in str(error)
    return isinstance(error, OSError) and error.errno in _FULL
