# SPDX-License-Identifier: MPL-2.0
"""Model folders are swapped so that whoever looks for one finds a whole one, at any moment and after any crash."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ocrmypdf_superres.errors import ModelError
from ocrmypdf_superres.modelstore import store
from ocrmypdf_superres.modelstore.cards import CARD, WEIGHTS, Card
from ocrmypdf_superres.modelstore.store import SEARCH_VARIABLE, find_model, list_models, sha256_of
from ocrmypdf_superres.modelstore.writer import model_folder, write_card


def write(folder: Path, weights: bytes) -> None:
    with model_folder(folder) as part:
        (part / WEIGHTS).write_bytes(weights)
        write_card(Card("swapped", "docsr", {}, (2,), {WEIGHTS: sha256_of(part / WEIGHTS)}), part / CARD)


def weights_of(name: str) -> bytes:
    model = find_model(name)
    model.verify()
    return model.weights_path().read_bytes()


def test_a_new_folder_replaces_the_old_one_and_leaves_nothing(tmp_path):
    folder = tmp_path / "swapped"
    for weights in (b"old", b"new"):
        write(folder, weights)
        assert weights_of(str(folder)) == weights
        assert [path.name for path in tmp_path.iterdir()] == ["swapped"]


def test_a_fault_while_writing_keeps_the_old_one(tmp_path):
    folder = tmp_path / "swapped"
    write(folder, b"old")
    with pytest.raises(RuntimeError), model_folder(folder) as part:
        (part / WEIGHTS).write_bytes(b"half")
        raise RuntimeError
    assert weights_of(str(folder)) == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["swapped"]


def test_something_else_is_kept(tmp_path):
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(ModelError, match=r"does not hold a card\.toml"), model_folder(tmp_path):
        pytest.fail("the folder was given away")
    assert (tmp_path / "letters.txt").read_text() == "dear"


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_crash_at_any_rename_leaves_a_whole_model(tmp_path, monkeypatch, renames):
    """The process ends without any clean-up before its rename number *renames*, or after both."""
    folder = tmp_path / "swapped"
    write(folder, b"old")
    script = """
import os, pathlib, shutil, sys
sys.path.insert(0, sys.argv[3])
from test_model_writer import write
left, rename = int(sys.argv[2]), pathlib.Path.rename
def dying(self, target):
    global left
    if left == 0:
        os._exit(9)
    left -= 1
    return rename(self, target)
pathlib.Path.rename = dying
remove = shutil.rmtree
shutil.rmtree = lambda path, **more: os._exit(9) if left == 0 and str(path).endswith(".before") else remove(path, **more)
write(pathlib.Path(sys.argv[1]), b"new")
"""
    command = [sys.executable, "-c", script, str(folder), str(renames), str(Path(__file__).parent)]
    assert subprocess.run(command, env=dict(os.environ), check=False).returncode == 9
    monkeypatch.setenv(SEARCH_VARIABLE, str(tmp_path))
    expected = b"new" if renames == 2 else b"old"
    assert weights_of("swapped") == weights_of(str(folder)) == expected
    assert [model.card.name for model in list_models()].count("swapped") == 1
    write(folder, b"newest")
    assert weights_of("swapped") == b"newest"
    assert not folder.with_name(".swapped.before").exists()


def test_a_reader_finds_it_at_every_moment(tmp_path):
    folder = tmp_path / "swapped"
    write(folder, b"0")
    missed: list[Exception] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            try:
                find_model(str(folder))
            except ModelError as error:
                missed.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for number in range(60):
            write(folder, str(number).encode())
    finally:
        done.set()
        thread.join()
    assert not missed


def test_a_card_that_comes_back_after_the_look_is_read_again(tmp_path, monkeypatch):
    """One swap takes the card away as it is opened, the next has put another one there when the fault is looked at."""
    folder = tmp_path / "swapped"
    write(folder, b"old")
    read, looks = store.read_card, []

    def late(path: Path) -> Card:
        looks.append(path)
        if len(looks) > 1:
            return read(path)
        path.unlink()
        try:
            return read(path)
        finally:
            write_card(Card("swapped", "docsr", {}, (2,), {WEIGHTS: sha256_of(folder / WEIGHTS)}), path)

    monkeypatch.setattr(store, "read_card", late)
    assert find_model(str(folder)).card.name == "swapped"
    assert len(looks) == 2
