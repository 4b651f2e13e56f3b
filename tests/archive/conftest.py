# SPDX-License-Identifier: MPL-2.0
"""Quiet threads, and a run to look at or do harm to."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ocrmypdf_superres.archive.store.layout import Layout


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tests share small machines."""
    os.environ["OMP_THREAD_LIMIT"] = "1"


@pytest.fixture(scope="session")
def sound_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing was done to, with ``in`` and ``out``; not to be changed."""
    from made_run import make_run

    folder = tmp_path_factory.mktemp("sound")
    make_run(folder)
    return folder


@pytest.fixture
def run(sound_run: Path, tmp_path: Path) -> Layout:
    """A copy of it."""
    shutil.copytree(sound_run, tmp_path, dirs_exist_ok=True)
    with closing(sqlite3.connect(tmp_path / "out/.superres/manifest.sqlite")) as db, db:
        db.execute("UPDATE facts SET value = ? WHERE name = 'input'", (str(tmp_path / "in"),))
    return Layout(tmp_path / "out")
