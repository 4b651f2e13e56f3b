# SPDX-License-Identifier: MPL-2.0
"""Paths of a run: the outputs are in ``OUT`` itself, everything else is in ``OUT/.superres``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ocrmypdf_superres.errors import ArchiveError

HIDDEN = ".superres"
"""Name of the folder inside ``OUT``; it never holds inputs or outputs."""


@dataclass(frozen=True)
class Layout:
    """The paths of a run.

    Args:
        out: the run's output folder, absolute.
    """

    out: Path

    @property
    def hidden(self) -> Path:
        """Folder of everything but the outputs."""
        return self.out / HIDDEN

    @property
    def manifest(self) -> Path:
        """The SQLite database with a row per file and a row per page."""
        return self.hidden / "manifest.sqlite"

    @property
    def settings(self) -> Path:
        """The settings of the last run, for reading and for ``archive run`` without ``--settings``."""
        return self.hidden / "settings.toml"

    @property
    def lock(self) -> Path:
        """File that a run locks while it works."""
        return self.hidden / "lock"

    @property
    def staging(self) -> Path:
        """Outputs of files in work, a folder per task; on the file system of the outputs."""
        return self.hidden / "staging"

    @property
    def logs(self) -> Path:
        """A log per run, and in ``failed`` a log per failed file, named by its number."""
        return self.hidden / "logs"

    def failed_log(self, number: int) -> Path:
        """Return the path of the log of the last failed try of file *number*."""
        return self.logs / "failed" / f"{number}.log"

    def make(self) -> None:
        """Create the folders of a run."""
        for folder in (self.staging, self.logs / "failed"):
            folder.mkdir(parents=True, exist_ok=True)


def open_layout(out: str | os.PathLike[str]) -> Layout:
    """Return the layout of the run in *out*.

    Raises:
        ArchiveError: *out* holds no run.
    """
    layout = Layout(Path(out).absolute())
    if not layout.manifest.is_file():
        raise ArchiveError(f"{out} holds no run ({layout.manifest} is missing); give the OUT of an `archive run`.")
    return layout
