# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

WORDS = "the quick brown fox jumps over the lazy dog and keeps running through wet fields until evening comes"


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """A folder with a little text in two languages."""
    for language in ("eng", "deu"):
        folder = tmp_path / "data" / "text" / language
        folder.mkdir(parents=True)
        (folder / "book.txt").write_text(" ".join([WORDS] * 5), encoding="utf-8")
    return tmp_path / "data"


@pytest.fixture
def held_folder(data_folder: Path) -> Path:
    """The data folder with another text in ``held``, to validate on."""
    folder = data_folder / "held" / "eng"
    folder.mkdir(parents=True)
    (folder / "held.txt").write_text("pack my box with five dozen liquor jugs before the sphinx of quartz judges " * 5)
    return data_folder


@pytest.fixture
def small_disk(tmp_path: Path):
    """A folder on a file system of 1 MiB, or skip where this user may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.name != "posix" or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
