# SPDX-License-Identifier: MPL-2.0
"""One session of a run: feed the executor, take its results into the manifest, publish what was made.

:mod:`ocrmypdf_superres.archive.run` describes the order of the steps that lets a session be killed at any moment.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ocrmypdf_superres.archive.executors.base import Executor
from ocrmypdf_superres.archive.intake.enqueue import GONE, Intake, is_gone
from ocrmypdf_superres.archive.intake.scan import LINKED, Scan, Verdict
from ocrmypdf_superres.archive.progress import Display, Tally
from ocrmypdf_superres.archive.publish import NotOursError, StagingLostError, is_published, name_conflict, publish
from ocrmypdf_superres.archive.settings import Settings
from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.store.manifest import RESTORE, Manifest, is_damage
from ocrmypdf_superres.archive.store.name_encoding import printable
from ocrmypdf_superres.archive.store.output_names import page_name, pdf_name, text_name
from ocrmypdf_superres.archive.store.schema import FileRow
from ocrmypdf_superres.archive.tasks import UNFIT, FileResult, FileTask, Output, State
from ocrmypdf_superres.archive.worker.ocr_file import scratch_folder, scratch_prefix
from ocrmypdf_superres.archive.worker.outcomes import DISK_FULL, FULL
from ocrmypdf_superres.errors import ArchiveError

log = logging.getLogger("ocrmypdf.superres")

COUNT_EVERY = 1.0
"""Seconds between two counts of the waiting files; with a million of them, counting takes a moment."""


@dataclass
class Stop:
    """A request to stop a run; a signal handler may set it.

    Attributes:
        reason: why; empty before a request.
        cancel: whether files in work are stopped too, rather than finished.
        detail: more about the reason, as a clause; may be empty.
    """

    reason: str = ""
    cancel: bool = False
    detail: str = ""

    def ask(self, reason: str, cancel: bool = False, detail: str = "") -> None:
        """Ask the run to stop; the first *reason* and *detail* count, and *cancel* cannot be taken back."""
        if not self.reason:
            self.reason, self.detail = reason, detail
        self.cancel = self.cancel or cancel


@dataclass(frozen=True)
class Job:
    """What a run has to do, decided before it begins.

    Attributes:
        source: the input folder, absolute.
        layout: the paths of the output folder.
        settings: the run's settings.
        make_executor: called when the work begins.
        stop: asks the run to stop.
        retry_failed: whether to retry files that failed permanently.
        remake_missing: whether to process files again of which outputs are missing.
        tally: what the run has done so far.
    """

    source: Path
    layout: Layout
    settings: Settings
    make_executor: Callable[[], Executor]
    stop: Stop
    retry_failed: bool
    remake_missing: bool = False
    tally: Tally = field(default_factory=Tally)

    @cached_property
    def settings_hash(self) -> str:
        """Hash of the settings, from the moment it is first asked for."""
        return self.settings.hash()


class Session:
    """The work of one run, from its start to its end, while it holds the lock of its output folder.

    Args:
        job: what to do.
        manifest: of the run, open for writing.
        number: of the session in the manifest.
        run_log: gets a line for each file.
    """

    def __init__(self, job: Job, manifest: Manifest, number: int, run_log: logging.Logger) -> None:
        self.job, self.manifest = job, manifest
        self._number, self._log = number, run_log
        self._arguments: dict[str, Any] = {"superres_threads": 1, **job.settings.ocr_arguments()}
        self._in_flight: dict[int, tuple[FileTask, FileRow]] = {}
        self._tasks = 0
        self._longest_pause = job.settings.wait * 2.0 ** min(job.settings.tries, 60)

    def recover(self) -> None:
        """Publish what an earlier session staged, and remove its other leftovers."""
        for row in list(self.manifest.files(State.STAGED)):
            self._publish(row.number, row.path, row.staging)
        self.clear()

    def clear(self) -> None:
        """Remove everything from staging that is not staged, and the run's scratch folders on this machine."""
        kept = {row.staging for row in self.manifest.files(State.STAGED)}
        for entry in self.job.layout.staging.iterdir():
            if entry.name not in kept:
                _remove(entry)
        prefix = scratch_prefix(self.job.layout.staging)
        for entry in Path(self.job.settings.scratch or tempfile.gettempdir()).iterdir():
            if entry.name.startswith(prefix):
                _remove(entry)

    def make_intake(self) -> Intake:
        """Return what takes the input's files into the manifest."""
        scan = Scan(os.fspath(self.job.source), os.fspath(self.job.layout.out))
        return Intake(scan, self.manifest, self.job.settings_hash, self.job.retry_failed, self.count, self._misses_output)

    def _misses_output(self, number: int) -> bool:
        """Return whether file *number* has to be processed again since one of its outputs is missing."""
        out = self.job.layout.out
        return self.job.remake_missing and not all((out / made.name).exists() for made in self.manifest.outputs(number))

    def work(self, display: Display) -> None:
        """Process files until all of them have ended or the run is to stop.

        Raises:
            ArchiveError: the disk, the manifest or the executor failed.
        """
        intake, stop, tally = self.make_intake(), self.job.stop, self.job.tally
        counted = 0.0
        executor = self.job.make_executor()
        with stopped_by_full_disk(stop), contextlib.ExitStack() as stack:
            stack.callback(executor.close, cancel=True)
            while True:
                if tally.scanning and not stop.reason:
                    tally.scanning = intake.take()
                waits = self._feed(executor)
                if stop.cancel or (not self._in_flight and (stop.reason or (not waits and not tally.scanning))):
                    return
                for result in executor.results(0.0 if tally.scanning and not stop.reason else 0.5):
                    self.accept(result)
                if time.monotonic() - counted > COUNT_EVERY:
                    counted, tally.waiting = time.monotonic(), self.manifest.count(State.WAITING)
                display.show(tally)

    def _feed(self, executor: Executor) -> bool:
        """Submit files while workers want some; return whether any file waits, now or for its next try."""
        wanted = executor.workers + max(1, executor.workers // 4) - len(self._in_flight)
        if wanted <= 0:
            return True
        if self.job.stop.reason:
            return False
        rows = self.manifest.waiting(wanted + len(self._in_flight), time.time(), self._longest_pause)
        rows = [row for row in rows if row.number not in self._in_flight][:wanted]
        left = len(rows) + len(self._in_flight)
        idle_cores = executor.shares_cores and not self.job.tally.scanning and 0 < left < executor.workers
        for row in rows:
            task = self._task(row, executor.workers // left if idle_cores else 1)
            self._in_flight[row.number] = task, row
            executor.submit(task)
        return bool(rows) or self.manifest.next_try() is not None

    def _task(self, row: FileRow, jobs: int) -> FileTask:
        self._tasks += 1
        settings = self.job.settings
        is_made = row.settings == self.job.settings_hash and self.manifest.outputs(row.number)
        known = row.sha256 if is_made and not self._misses_output(row.number) else ""
        return FileTask(
            row.number, os.fspath(self.job.source.joinpath(*row.path.split("/"))), row.path, row.kind,
            os.fspath(self.job.layout.staging / f"{self._number}.{self._tasks}"), settings.outputs,
            {**self._arguments, "jobs": jobs}, settings.limits, row.tries + 1, known, settings.scratch, self.job.settings_hash,
            settings.image_dpi, self._conflict(row),
        )  # fmt: skip

    def _conflict(self, row: FileRow) -> str:
        """Return which file in OUT has the name of an output of *row* and is not its own; empty if none has."""
        name, outputs = pdf_name(row.path, row.kind), self.job.settings.outputs
        names = {"pdf": name, "text": text_name(name)}
        folders = [page_name(name, kind, 1).rpartition("/")[0] for kind in outputs if kind not in names]
        wanted = [names[kind] for kind in outputs if kind in names]
        return name_conflict(self.job.layout.out, wanted, folders, self.manifest.outputs(row.number))

    def accept(self, result: FileResult) -> None:
        """Bring a result into the manifest, and its outputs to their final names."""
        (task, submitted), settings, tally = self._in_flight.pop(result.number), self.job.settings, self.job.tally
        if result.code == DISK_FULL:
            self._drop(task)
            self._say(logging.WARNING, task.relative, f"{result.reason} The worker is {result.worker}.")
            full = f"{result.reason[:1].lower()}{result.reason[1:].rstrip('.')}"
            detail = f"{full} (worker {result.worker}, file {printable(task.relative)})"
            self.job.stop.ask(DISK_FULL, detail=detail)
            return
        if result.code == GONE.code and self._is_gone(task):
            result = replace(result, state=GONE.state, reason=GONE.reason)
        if self._is_outdated(submitted):
            self._say(logging.INFO, task.relative, "changed while it was processed; the result is dropped")
            self._drop(task)
            return
        if result.state is State.STAGED:
            name = Path(task.staging).name
            self.manifest.stage(result, self.job.settings_hash, name)
            if self._publish(result.number, task.relative, name):
                tally.pages += len(result.pages)
        elif result.code == "unchanged":
            self.manifest.finish(result, self.job.settings_hash, keep=True)
        elif result.code == UNFIT or (result.transient and task.attempt < settings.tries):
            pause = settings.wait * 2.0 ** (task.attempt - 1)
            self.manifest.retry(result.number, result.code, result.reason, time.time() + pause, tried=result.code != UNFIT)
            self._say(logging.WARNING, task.relative, f"{result.code}, next try in {pause:g} s: {result.reason}")
            self._keep_log(task.number, Path(task.log))
            self._drop(task)
            return
        else:
            self._end(result, task.relative)
            if result.state is State.FAILED:
                self._keep_log(task.number, Path(task.log))
        self._drop(task)
        tally.files += 1
        tally.waiting = max(0, tally.waiting - 1)

    def _is_gone(self, task: FileTask) -> bool:
        """Return whether an input was removed; where a network file system is not mounted, the input folder is empty."""
        with contextlib.suppress(OSError):
            return is_gone(task.source) and any(self.job.source.iterdir())
        return False

    def _is_outdated(self, submitted: FileRow) -> bool:
        """Return whether a later walk found another size or time than the row *submitted* has.

        Its row then has the new ones, under which the result of the old content must not be kept.
        """
        row = self.manifest.file(submitted.number)
        return row is None or (row.state, row.size, row.mtime_ns) != (State.WAITING, submitted.size, submitted.mtime_ns)

    def _end(self, result: FileResult, path: str, published: Collection[str] = ()) -> None:
        """End a file as failed or skipped; *published* is as for :meth:`Manifest.finish`."""
        self.manifest.finish(result, self.job.settings_hash, published=published)
        self.count(path, result)

    def count(self, path: str, end: FileResult | Verdict) -> None:
        """Count and log a file that failed or was skipped; a person must hear of a folder that nobody reads."""
        self.job.tally.failed += end.state is State.FAILED
        self.job.tally.skipped += end.state is State.SKIPPED
        level = logging.WARNING if end.state is State.FAILED or end.code == LINKED else logging.INFO
        self._say(level, path, f"{end.state.value} ({end.code}): {end.reason}")

    def _publish(self, number: int, path: str, staging: str) -> bool:
        """Publish what was staged for a file; return whether the file is done."""
        layout, manifest = self.job.layout, self.manifest
        outputs = manifest.outputs(number, staged=True)
        try:
            left = publish(layout.out, layout.staging / staging, outputs, manifest.outputs(number))
        except StagingLostError as error:
            manifest.wait_again(number, self._published(outputs))
            self._say(logging.WARNING, path, str(error))
            return False
        except (NotOursError, OSError) as error:
            if isinstance(error, OSError) and _is_full(error):
                self._say(logging.WARNING, path, f"An output cannot be written: {error}.")
                raise
            row = manifest.file(number)
            code = "exists" if isinstance(error, NotOursError) else "unwritable"
            reason = str(error) if isinstance(error, NotOursError) else f"An output cannot be written: {error.strerror or error}."
            result = FileResult(number, State.FAILED, code, reason, sha256=row.sha256 if row else "")
            self._end(result, path, self._published(outputs))
            self._keep_log(number, layout.staging / f"{staging}.log", reason)
            return False
        manifest.publish(number)
        for sentence in left:
            self._say(logging.WARNING, path, sentence)
        self._say(logging.INFO, path, "done")
        return True

    def _published(self, outputs: Collection[Output]) -> list[str]:
        """Return the names of those of *outputs* that are in their places."""
        out = self.job.layout.out
        return [output.name for output in outputs if is_published(out / output.name, output)]

    def _say(self, level: int, path: str, message: str) -> None:
        self._log.log(level, "%s: %s", printable(path), message)
        if level >= logging.WARNING:
            log.log(level, "%s: %s", printable(path), message)

    def _keep_log(self, number: int, log: Path, reason: str = "") -> None:
        """Keep the *log* of a file that failed, with the *reason* if its worker did not know it."""
        with contextlib.suppress(OSError):
            if reason:
                with log.open("a", encoding="utf-8", errors="backslashreplace") as stream:
                    stream.write(f"{reason}\n")
            log.replace(self.job.layout.failed_log(number))

    def _drop(self, task: FileTask) -> None:
        """Remove a task's leftovers, which a killed worker could not remove."""
        _remove(Path(task.log))
        row = self.manifest.file(task.number)
        if row is None or row.state is not State.STAGED:
            _remove(Path(task.staging))
        _remove(scratch_folder(task))


@contextlib.contextmanager
def stopped_by_full_disk(stop: Stop) -> Iterator[None]:
    """Let *stop* end the run if the disk is full.

    Raises:
        ArchiveError: the disk or the manifest failed otherwise.
    """
    try:
        yield
    except (OSError, sqlite3.DatabaseError) as error:
        if not _is_full(error):
            remedy = "correct that and give the same command again, which continues it"
            raise ArchiveError(f"The run cannot continue ({error}); {RESTORE if is_damage(error) else remedy}.") from error
        stop.ask(DISK_FULL, cancel=True, detail=f"the disk of OUT is full ({error})")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _is_full(error: Exception) -> bool:
    """Return whether *error* says that the disk is full."""
    if isinstance(error, sqlite3.OperationalError):
        return "full" in str(error)
    return isinstance(error, OSError) and error.errno in FULL
