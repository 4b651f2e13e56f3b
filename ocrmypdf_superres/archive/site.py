# SPDX-License-Identifier: MPL-2.0
"""What every machine of a cluster must have and see before it may work for a run."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import ocrmypdf_superres
from ocrmypdf_superres.errors import ModelError
from ocrmypdf_superres.modelstore import find_model


@dataclass(frozen=True)
class Site:
    """Software, model and folders as the run's own machine has them.

    Attributes:
        source: the run's input folder, absolute.
        marker: a file below the run's output folder that holds ``token`` while the run goes on.
        model: name or folder of the model; ``files`` are its files' SHA-256.
        software: package name and version.
    """

    source: str
    marker: str
    model: str
    files: dict[str, str] = field(hash=False)
    software: dict[str, str] = field(hash=False)
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def here(cls, source: Path, hidden: Path, model: str) -> Site:
        """Describe this machine, for a run over *source* whose own things lie in *hidden*.

        Raises:
            ModelError: there is no such *model*.
        """
        token = uuid.uuid4().hex
        marker = str(hidden / f"cluster-{token}")
        return cls(str(source), marker, model, dict(find_model(model).card.files), _software(), token)

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
        folder = os.path.dirname(self.marker)
        if not os.access(folder, os.W_OK):
            return f"may not write to {folder}; let its user write there"
        if not os.path.isdir(self.source) or not os.access(self.source, os.R_OK | os.X_OK):
            return f"cannot read {self.source}; {shared}"
        return ""


_known_good: set[Site] = set()


def _remember(site: Site) -> str:
    _known_good.add(site)
    return ""


def _software() -> dict[str, str]:
    return {"ocrmypdf-superres": ocrmypdf_superres.__version__, "ocrmypdf": version("ocrmypdf")}
