# SPDX-License-Identifier: MPL-2.0
"""What ``archive verify`` sees: nothing on a sound run, and every harm done to one."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from made_run import draw, scan_pdf, without_history

from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.verify import Problem, verify
from ocrmypdf_superres.cli import main
from ocrmypdf_superres.modelstore.store import sha256_of

PDF, METS = "sub/a b.pdf", "book/mets/mets.xml"


def problems(layout: Layout, **how: object) -> list[Problem]:
    return [problem for _, found in verify(layout, **how) for problem in found]  # type: ignore[arg-type]


def state_of(folder: Path) -> dict[str, tuple[int, str]]:
    """Everything but SQLite's shared memory, where readers note that they read."""
    files = (p for p in folder.rglob("*") if p.is_file() and not p.name.endswith("-shm"))
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, sha256_of(p)) for p in files}


def believed(layout: Layout, name: str) -> None:
    """Let the manifest take what lies there now for what was written."""
    path = layout.out / name
    with closing(sqlite3.connect(layout.manifest)) as db, db:
        changed = db.execute(
            "UPDATE outputs SET sha256 = ?, size = ? WHERE name = ?", (sha256_of(path), path.stat().st_size, os.fsencode(name))
        )
        assert changed.rowcount == 1


def test_a_sound_run(run):
    before = state_of(run.out.parent)
    assert [file for file, _ in verify(run, inputs=True)] == [PDF, "image.tif", METS]
    assert problems(run, inputs=True) == []
    assert problems(run, inputs=True, quick=True) == []
    assert state_of(run.out.parent) == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_run_that_nothing_may_be_written_to(run):
    folders = [run.out, *(p for p in run.out.rglob("*") if p.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert problems(run, inputs=True) == []
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_in_other_processes(run):
    (run.out / f"{PDF}.txt").unlink()
    assert problems(run, jobs=2) == [Problem(PDF, f"{PDF}.txt", "is missing")]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(("name", "harm", "said", "seen_quickly"), [
    (PDF, flip, "damaged or was changed", False),
    (PDF, lambda p: p.write_bytes(p.read_bytes()[:-1]), "bytes", True),
    (f"{PDF}.alto/0002.xml", Path.unlink, "is missing", True),
    ("image.tif.pdf.hocr/0001.hocr", lambda p: (p.unlink(), p.mkdir()), "is not a file", True),
])  # fmt: skip
def test_harm_to_outputs(run, name, harm: Callable[[Path], object], said, seen_quickly):
    harm(run.out / name)
    (found,) = problems(run)
    assert found.what == name and said in found.problem
    assert bool(problems(run, quick=True)) is seen_quickly


def test_a_pdf_that_is_not_what_it_should_be(run):
    scan_pdf(run.out / PDF, [draw()])
    believed(run, PDF)
    assert [p.problem for p in problems(run)] == [
        "has 1 pages, the input has 2", "does not claim to be PDF/A", "its history lacks this run", "has no text on page 1",
    ]  # fmt: skip
    (run.out / PDF).write_bytes(b"%PDF-1.4 nothing")
    believed(run, PDF)
    assert "cannot be opened as a PDF" in problems(run)[0].problem


def test_a_history_that_was_lost(run):
    without_history(run.out / PDF)
    believed(run, PDF)
    assert "its history lacks this run" in [p.problem for p in problems(run)]


@pytest.mark.parametrize(("name", "text", "said"), [
    (f"{PDF}.alto/0001.xml", b"<alto", "not well-formed XML"), (f"{PDF}.alto/0001.xml", b"<alto/>", "ALTO with 0 words"),
    (f"{PDF}.hocr/0001.hocr", b"<html>", "not well-formed XML"), (f"{PDF}.txt", b"\xff\xfe\xfd", "not UTF-8"),
    (f"{PDF}.images/0001.png", b"\x89PNG", "not a readable image"),
])  # fmt: skip
def test_other_outputs_that_are_not_what_they_should_be(run, name, text, said):
    (run.out / name).write_bytes(text)
    believed(run, name)
    (found,) = problems(run)
    assert said in found.problem


def test_an_output_that_the_manifest_never_had(run):
    with closing(sqlite3.connect(run.manifest)) as db, db:
        db.execute("DELETE FROM outputs WHERE kind = 'text' AND file = 1")
    assert problems(run) == [Problem(PDF, "text", "the manifest has no such output")]


def test_inputs_are_verified_on_request(run):
    flip(run.out.parent / "in" / PDF)
    (run.out.parent / "in" / "image.tif").unlink()
    assert problems(run) == []
    flip(run.out.parent / "in" / "book" / "images" / "2.tif")
    first, second, third = problems(run, inputs=True)
    assert third.file == METS and "changed after it was read" in third.problem
    assert "changed after it was read" in first.problem and "cannot be read" in second.problem
    (only,) = problems(run, inputs=True, quick=True)
    assert only.file == "image.tif"


def test_a_mets_document_in_its_order_with_the_masters_named(run):
    words = (run.out / f"{METS}.pdf.txt").read_text("utf-8").split()
    assert " ".join(words) == "this is the first page this is the last page"
    found = [(run.out / f"{METS}.pdf.alto/000{page}.xml").read_text("utf-8") for page in (1, 2)]
    assert [re.search("<fileName>(.*)</fileName>", alto).group(1) for alto in found] == ["book/images/2.tif", "book/images/1.tif"]


def test_the_command(run, capsys):
    assert main(["archive", "verify", str(run.out), "--inputs", "--jobs", "1"]) == 0
    assert "3 files are in order" in capsys.readouterr().out
    (run.out / PDF).unlink()
    assert main(["archive", "verify", str(run.out), "--quick"]) == 3
    out = capsys.readouterr().out
    assert "is missing" in out and "1 of 3 files" in out
    assert main(["archive", "verify", str(run.out.parent)]) == 1
    assert "holds no run" in capsys.readouterr().err
