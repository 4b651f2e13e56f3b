# SPDX-License-Identifier: MPL-2.0
"""Requirements that every machine of a cluster must meet before it may work for a run."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import ocrmypdf_superres
from ocrmypdf_superres.archive.settings import Settings
from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.worker.ocr_file import scratch_prefix
from ocrmypdf_superres.archive.worker.preflight import check_settings, software
from ocrmypdf_superres.errors import ModelError, SuperresError
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.plugin.options import SuperresOptions


@dataclass(frozen=True)
class Requirements:
    """Software, model and folders as the run's own machine has them.

    Attributes:
        source: the run's input folder, absolute.
        filled: whether the input folder holds anything.
        staging: the run's folder for unfinished outputs, absolute.
        marker: a file beside it that holds ``token`` while the run is active.
        scratch: folder for temporary files; empty for the system's.
        model: name or folder of the model.
        settings: of the run.
        files: the model's files and their SHA-256.
        software: package names and versions.
        token: random text.
    """

    source: str
    filled: bool
    staging: str
    marker: str
    scratch: str
    model: str
    settings: Settings = field(hash=False)
    files: dict[str, str] = field(hash=False)
    software: dict[str, str] = field(hash=False)
    token: str

    @classmethod
    def here(cls, source: Path, layout: Layout, settings: Settings) -> Requirements:
        """Describe this machine, for a run over *source* in *layout*.

        Raises:
            ModelError: there is no such model as *settings* has.
        """
        token = uuid.uuid4().hex
        marker = layout.hidden / f"cluster-{token}"
        model = SuperresOptions.model_validate(dict(settings.superres)).model
        files = dict(find_model(model).card.files)
        return cls(
            os.fspath(source),
            _filled(source),
            os.fspath(layout.staging),
            os.fspath(marker),
            settings.scratch,
            model,
            settings,
            files,
            _software(),
            token,
        )

    def mark(self) -> None:
        """Write the marker."""
        Path(self.marker).write_text(self.token, encoding="ascii")

    def unmark(self) -> None:
        """Remove the marker."""
        Path(self.marker).unlink(missing_ok=True)

    def problem(self) -> str:
        """Return what keeps this machine from the run's work, as the rest of a sentence; empty if nothing does."""
        if self in _known_good:
            return ""
        try:
            problem = self._software_problem() or self._folder_problem()
            if not problem:
                check_settings(self.settings)
        except (SuperresError, OSError) as error:
            return f"cannot do the run's work: {str(error).rstrip('.')}"
        if not problem:
            _known_good.add(self)
        return problem

    def forget(self) -> None:
        """Let the next :meth:`problem` check this machine again."""
        _known_good.discard(self)

    def _software_problem(self) -> str:
        here = _software()
        for package, wanted in self.software.items():
            if here[package] != wanted:
                return f"has {package} {here[package]}, but the run has {wanted}; install the same version on all machines"
        try:
            files = dict(find_model(self.model).card.files)
        except ModelError as error:
            return f"cannot use the model: {str(error).rstrip('.')}"
        if files != self.files:
            return f"has other files of the model {self.model} than the run; install the same model on all machines"
        return ""

    def _folder_problem(self) -> str:
        shared = "input and output must be on a file system that all machines share, under the same path"
        try:
            if Path(self.marker).read_text(encoding="ascii") != self.token:
                return f"sees another file as {self.marker}; {shared}"
        except OSError as error:
            return f"cannot read {self.marker} ({error.strerror}); {shared}"
        if not os.access(self.staging, os.W_OK | os.X_OK):
            return f"may not write to {self.staging}; let its user write there"
        try:
            # Where a network file system is not mounted, its mount point is an empty folder.
            if self.filled and not _filled(Path(self.source)):
                return f"finds nothing in {self.source}; {shared}"
        except OSError as error:
            return f"cannot read {self.source} ({error.strerror}); {shared}"
        return ""

    def sweep(self) -> None:
        """Remove the temporary files of this run on this machine; it must not be working here."""
        for leftover in Path(self.scratch or tempfile.gettempdir()).glob(f"{scratch_prefix(Path(self.staging))}-*"):
            shutil.rmtree(leftover, ignore_errors=True)


def _filled(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return next(entries, None) is not None


_known_good: set[Requirements] = set()


def _software() -> dict[str, str]:
    """Return the versions that must be the same everywhere, since a file's text depends on them."""
    found = software()
    return {"ocrmypdf-superres": ocrmypdf_superres.__version__, "ocrmypdf": found["ocrmypdf"], "tesseract": found["tesseract"]}
