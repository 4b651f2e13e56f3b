# SPDX-License-Identifier: MPL-2.0
"""What every machine of a cluster must have and see before it may work for a run."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import ocrmypdf_superres
from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.worker.ocr_file import scratch_prefix
from ocrmypdf_superres.archive.worker.preflight import software
from ocrmypdf_superres.errors import ModelError
from ocrmypdf_superres.modelstore.store import find_model


@dataclass(frozen=True)
class Requirements:
    """Software, model and folders as the run's own machine has them.

    Attributes:
        source: the run's input folder, absolute; ``filled`` says whether there is anything in it.
        staging: the run's folder for outputs that are being made, absolute.
        marker: a file beside it that holds ``token`` while the run goes on.
        scratch: folder for temporary files; empty for the system's.
        model: name or folder of the model; ``files`` are its files' SHA-256.
        software: package name and version.
    """

    source: str
    filled: bool
    staging: str
    marker: str
    scratch: str
    model: str
    files: dict[str, str] = field(hash=False)
    software: dict[str, str] = field(hash=False)
    token: str

    @classmethod
    def here(cls, source: Path, layout: Layout, model: str, scratch: str = "") -> Requirements:
        """Describe this machine, for a run over *source* in *layout*.

        Raises:
            ModelError: there is no such *model*.
        """
        token = uuid.uuid4().hex
        marker = layout.hidden / f"cluster-{token}"
        files = dict(find_model(model).card.files)
        return cls(
            os.fspath(source), _filled(source), os.fspath(layout.staging), os.fspath(marker), scratch, model, files, _software(), token
        )

    def mark(self) -> None:
        """Write the marker."""
        Path(self.marker).write_text(self.token, encoding="ascii")

    def unmark(self) -> None:
        """Take the marker away."""
        Path(self.marker).unlink(missing_ok=True)

    def problem(self) -> str:
        """Return what keeps this machine from the run's work, as the rest of a sentence; empty where nothing does."""
        if self in _known_good:
            return ""
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
        return self._folders() or _remember(self)

    def _folders(self) -> str:
        shared = "input and output must lie on a file system that all machines share, under the same path"
        try:
            if Path(self.marker).read_text(encoding="ascii") != self.token:
                return f"sees another file as {self.marker}; {shared}"
        except OSError as error:
            return f"cannot read {self.marker} ({error.strerror}); {shared}"
        if not os.access(self.staging, os.W_OK | os.X_OK):
            return f"may not write to {self.staging}; let its user write there"
        try:
            # What a network file system is mounted on is an empty folder where it is not mounted.
            if self.filled and not _filled(Path(self.source)):
                return f"finds nothing in {self.source}; {shared}"
        except OSError as error:
            return f"cannot read {self.source} ({error.strerror}); {shared}"
        return ""

    def sweep(self) -> None:
        """Take away the temporary files of this run on this machine; nothing of it may be in work here."""
        for left in Path(self.scratch or tempfile.gettempdir()).glob(f"{scratch_prefix(Path(self.staging))}-*"):
            shutil.rmtree(left, ignore_errors=True)


def _filled(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return next(entries, None) is not None


_known_good: set[Requirements] = set()


def _remember(requirements: Requirements) -> str:
    _known_good.add(requirements)
    return ""


def _software() -> dict[str, str]:
    """What must be the same everywhere, or a file's text would depend on the machine that read it."""
    found = software()
    return {"ocrmypdf-superres": ocrmypdf_superres.__version__, "ocrmypdf": found["ocrmypdf"], "tesseract": found["tesseract"]}
