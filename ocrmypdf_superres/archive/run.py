# SPDX-License-Identifier: MPL-2.0
"""A run: walk the input, run OCR on its files, publish the outputs, remember everything.

How a file gets from input to output, such that the run may be killed between any two steps and be continued later:

1. It is ``waiting`` in the manifest. Only this process knows which files are in work.
2. A worker makes its outputs in ``OUT/.superres/staging/N``, syncs them to the disk, and returns their SHA-256.
   Killed before: the file still waits, and the next run empties the staging folder.
3. The manifest commits it as ``staged``, with names and hashes of the outputs.
4. Each output is moved to its place (:mod:`~ocrmypdf_superres.archive.publish`), which never overwrites a file that is not
   the run's own; the folders are synced. Killed in between: the next run publishes the rest and knows by the hashes which
   ones have arrived. So the manifest knew every output in ``OUT`` before it appeared there.
5. The manifest commits it as ``done``.

So only files in flight are processed twice, and a file that is done has all its outputs. A file whose failure is transient
is tried again after ``wait`` seconds, then after twice that, and so on; other failures are final. One process writes the
manifest; it holds a lock that ends with it.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from ocrmypdf_superres.archive.executors.base import Executor
from ocrmypdf_superres.archive.progress import Display
from ocrmypdf_superres.archive.session import Job, Session, Stop, stopped_by_full_disk
from ocrmypdf_superres.archive.settings import Settings, weights_sha256
from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.store.lock import locked
from ocrmypdf_superres.archive.store.manifest import RESTORE, Manifest, is_damage
from ocrmypdf_superres.archive.store.name_encoding import printable_path
from ocrmypdf_superres.archive.store.schema import SettingsRow
from ocrmypdf_superres.archive.tasks import State
from ocrmypdf_superres.archive.worker.preflight import check_folders, check_settings, software
from ocrmypdf_superres.errors import ArchiveError
from ocrmypdf_superres.files import atomic_write_text

Counts = dict[tuple[State, str], tuple[int, int]]
"""(state, code) -> (files, pages)."""


class Run:
    """A run over one input folder.

    Args:
        source, out: input and output folder.
        settings: the run's settings.
        make_executor: called when the work begins.
        stop: asks the run to stop.
        retry_failed: also retry files that failed permanently.
        remake_missing: also process files again of which outputs are missing.
        moved: the input folder has another path than last time, but holds the same files.

    Attributes:
        job, stop, tally: what is to be done, what asks it to stop, and what it has done so far.

    Raises:
        ArchiveError: the folders or settings cannot be used.
    """

    def __init__(
        self, source: Path, out: Path, settings: Settings, make_executor: Callable[[], Executor], *,
        stop: Stop | None = None, retry_failed: bool = False, remake_missing: bool = False, moved: bool = False,
    ) -> None:  # fmt: skip
        self.job = Job(
            source.absolute(), Layout(out.absolute()), settings, make_executor, stop or Stop(), retry_failed, remake_missing
        )
        self.stop, self.tally, self._moved = self.job.stop, self.job.tally, moved
        check_folders(self.job.source, self.job.layout.out)
        check_settings(settings)

    def run(self, display: Display | None = None) -> Counts:
        """Work until all files have ended or the run is to stop; return the manifest's counts.

        Raises:
            ArchiveError: another run works in the output folder, or the disk, the manifest or the executor failed.
        """
        return self.run_session(display or Display(), Session)

    def run_session(self, display: Display, make_session: Callable[[Job, Manifest, int, logging.Logger], Session]) -> Counts:
        """Run the session that *make_session* makes; see :meth:`run`."""
        layout = self.job.layout
        try:
            layout.make()
        except OSError as error:
            raise ArchiveError(f"The output folder {layout.out} cannot be written to ({error}); give another OUT.") from error
        with locked(layout.lock), Manifest(layout.manifest, write=True) as manifest:
            try:
                number, outcome = self._begin(manifest), "killed"
            except (OSError, sqlite3.DatabaseError) as error:
                remedy = RESTORE if is_damage(error) else "correct that and run again"
                raise ArchiveError(f"The run cannot start in {layout.out} ({error}); {remedy}.") from error
            with _run_log(layout.logs / f"run-{number:04d}.log") as run_log:
                session = make_session(self.job, manifest, number, run_log)
                try:
                    with display:
                        with stopped_by_full_disk(self.stop):
                            session.recover()
                        if not self.stop.reason:
                            session.work(display)
                    outcome = self.stop.reason or "finished"
                finally:
                    # The disk may be full or the manifest damaged, and an error here would hide the one that says so.
                    with contextlib.suppress(OSError, sqlite3.DatabaseError):
                        session.clear()
                    with contextlib.suppress(sqlite3.DatabaseError):
                        manifest.end_session(number, outcome)
            return manifest.counts()

    def _begin(self, manifest: Manifest) -> int:
        """Check that this is the manifest's input, and begin a session; return its number."""
        known, given, layout = manifest.input_folder(), self.job.source, self.job.layout
        if known is not None and known != given and not self._moved:
            raise ArchiveError(
                f"{layout.out} holds the run over {printable_path(known)}, not over {printable_path(given)}; give another OUT, "
                "or --moved for the same files."
            )
        manifest.set_input_folder(given)
        model = self.job.settings.model
        row = SettingsRow(self.job.settings_hash, self.job.settings.toml(), model.card.name, weights_sha256(model))
        number = manifest.begin_session(row, socket.gethostname(), software())
        atomic_write_text(layout.settings, row.toml)
        return number


@contextlib.contextmanager
def _run_log(path: Path) -> Iterator[logging.Logger]:
    """Yield a logger that writes to the file *path* alone."""
    logger = logging.Logger("run")
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        handler.close()
