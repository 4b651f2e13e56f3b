# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from ocrmypdf_superres.archive.store.lock import locked
from ocrmypdf_superres.archive.store.manifest import Manifest, SettingsRow
from ocrmypdf_superres.archive.tasks import FileResult, Kind, Output, PageResult, State
from ocrmypdf_superres.errors import ArchiveError

STRANGE = os.fsdecode(b"a \n'\"\xff\xfe.pdf")


@pytest.fixture
def manifest(tmp_path):
    with Manifest(tmp_path / "manifest.sqlite", write=True) as made:
        yield made


def result(number: int, **values) -> FileResult:
    pages = [
        PageResult(1, "enlarged", "why", 100.0, 300.0, 3, 6.0, 1.5, 10, 0.9, ["ink but no words"], {"a": [1]}),
        PageResult(2, words=30, confidence=0.5),
    ]
    values = {"pages": pages, "sha256": "ab", "outputs": [Output("pdf", STRANGE, "cd", 7)], "warnings": ["w\n"], **values}
    return FileResult(number, values.pop("state", State.STAGED), values.pop("code", "ok"), **values)


def test_everything_comes_back(manifest, tmp_path):
    number = manifest.add(STRANGE, Kind.PDF, 5, 6)
    manifest.stage(result(number), "S", "1.1")
    row = manifest.find(STRANGE)
    assert (row.state, row.staging, row.pages, row.words, row.settings) == (State.STAGED, "1.1", 2, 40, "S")
    assert row.confidence == pytest.approx(0.6) and row.warnings == ["w\n"]
    assert manifest.outputs(number) == [] and manifest.outputs(number, staged=True) == [Output("pdf", STRANGE, "cd", 7)]
    manifest.publish(number)
    with Manifest(tmp_path / "manifest.sqlite") as reader:
        assert reader.find(STRANGE).state is State.DONE and reader.outputs(number) == [Output("pdf", STRANGE, "cd", 7)]
        assert reader.pages(number) == result(number).pages
        assert reader.counts() == {(State.DONE, "ok"): (1, 2)}
        with pytest.raises(sqlite3.OperationalError):
            reader.add("b", Kind.PDF, 0, 0)


def test_a_changed_file_waits_again_and_keeps_its_outputs(manifest):
    number = manifest.add("a.pdf", Kind.PDF, 5, 6)
    manifest.stage(result(number), "S", "1.1")
    manifest.publish(number)
    assert manifest.add("a.pdf", Kind.PDF, 5, 7) == number
    row = manifest.file(number)
    assert (row.state, row.tries, row.sha256) == (State.WAITING, 0, "ab") and manifest.outputs(number)
    manifest.finish(result(number, state=State.FAILED, code="damaged"), "S")
    manifest.add("a.pdf", Kind.PDF, 5, 8)
    assert manifest.file(number).sha256 == "", "the outputs are not of the input that failed"


def test_waiting_files_come_when_their_time_has_come(manifest):
    first, second = (manifest.add(name, Kind.PDF, 1, 1) for name in ("a", "b"))
    assert [row.number for row in manifest.waiting(9, time.time())] == [first, second]
    manifest.retry(first, "io", "why", time.time() + 100)
    assert [row.number for row in manifest.waiting(9, time.time())] == [second]
    assert [row.number for row in manifest.waiting(9, time.time() + 101)] == [second, first]
    assert manifest.file(first).tries == 1 and manifest.next_try() == 0
    manifest.finish(result(second, state=State.SKIPPED, code="has-text"), "S")
    assert manifest.next_try() > time.time()


def test_a_clock_that_was_set_back_delays_no_file(manifest):
    number = manifest.add("a", Kind.PDF, 1, 1)
    now = time.time()
    manifest.retry(number, "io", "why", now + 60)
    assert manifest.waiting(9, now, longest=60) == []
    assert [row.number for row in manifest.waiting(9, now - 365 * 86400, longest=60)] == [number]


def test_a_reason_that_is_not_text_is_stored(manifest):
    number = manifest.add("a", Kind.PDF, 1, 1)
    manifest.retry(number, "io", "a\udcff is gone", 0.0)
    assert manifest.file(number).reason == r"a\udcff is gone"
    manifest.finish(result(number, state=State.FAILED, code="failed", reason="b\udcfe is gone"), "S")
    assert manifest.file(number).reason == r"b\udcfe is gone"
    failed = PageResult(1, "failed", "no net in a\udcff")
    manifest.stage(result(number, pages=[failed]), "S", "1.1")
    assert [page.reason for page in manifest.pages(number)] == [r"no net in a\udcff"]


def test_outputs_in_place_are_known_although_others_failed(manifest):
    number = manifest.add("a", Kind.PDF, 1, 1)
    old, new, text = Output("pdf", "a", "1", 1), Output("pdf", "a", "2", 2), Output("text", "a.txt", "3", 3)
    manifest.stage(result(number, outputs=[old]), "S", "1.1")
    manifest.publish(number)
    manifest.stage(result(number, outputs=[new, text]), "S", "1.2")
    manifest.finish(result(number, state=State.FAILED, code="unwritable"), "S", published=["a"])
    assert manifest.outputs(number) == [new] and manifest.outputs(number, staged=True) == []


def test_outputs_in_place_are_known_although_others_were_lost(manifest):
    number = manifest.add("a", Kind.PDF, 1, 1)
    made, text = Output("pdf", "a", "2", 2), Output("text", "a.txt", "3", 3)
    manifest.stage(result(number, outputs=[made, text]), "S", "1.1")
    manifest.wait_again(number, published=["a"])
    assert manifest.outputs(number) == [made] and manifest.outputs(number, staged=True) == []
    assert manifest.file(number).state is State.WAITING


def test_sessions_and_settings(manifest):
    settings = SettingsRow("S", "toml", "model", "12")
    first = manifest.begin_session(settings, "host", {"a": "1"})
    manifest.end_session(first, "finished")
    assert manifest.begin_session(settings, "host", {}) == first + 1
    assert manifest.settings("S") == settings and manifest.settings("T") is None
    assert manifest.input_folder() is None
    for folder in (Path("/scans"), Path(os.fsdecode(b"/scans \xff"))):
        manifest.set_input_folder(folder)
        assert manifest.input_folder() == folder


def test_a_write_that_fails_changes_nothing(manifest):
    with pytest.raises(KeyError), manifest.transaction():
        manifest.add("a", Kind.PDF, 1, 1)
        raise KeyError
    assert manifest.find("a") is None


@pytest.mark.parametrize("content", [b"this is no database" * 100, None])
def test_what_is_no_manifest_is_refused(tmp_path, content):
    path = tmp_path / "manifest.sqlite"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArchiveError):
        Manifest(path)


def test_a_manifest_of_another_version_is_refused(manifest):
    manifest.db.execute("PRAGMA user_version = 99")
    with pytest.raises(ArchiveError, match="version 99"):
        Manifest(manifest.path)


def test_a_manifest_that_is_still_empty(tmp_path):
    with closing(sqlite3.connect(tmp_path / "manifest.sqlite")) as made:
        made.execute("PRAGMA journal_mode = WAL")
    with pytest.raises(ArchiveError, match="has not begun yet"):
        Manifest(tmp_path / "manifest.sqlite")


def test_one_run_at_a_time(tmp_path):
    with locked(tmp_path / "lock"):
        with pytest.raises(ArchiveError, match="Another run"):
            with locked(tmp_path / "lock"):
                pass
    with locked(tmp_path / "lock"):
        pass


def test_a_lock_that_cannot_be_used_is_not_another_run(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").write_bytes(b"not a database" * 100)
    for name in ("folder", "other"):
        with pytest.raises(ArchiveError, match="cannot be locked"), locked(tmp_path / name):
            pass


@pytest.mark.slow
def test_a_million_files_start_resume_and_report_in_seconds(tmp_path, capsys):
    """Rows as a run leaves them; 990,000 done and 10,000 waiting."""
    rows = 1_000_000
    path = tmp_path / "manifest.sqlite"
    with Manifest(path, write=True) as made:
        made.db.execute("PRAGMA synchronous = OFF")
        with made.transaction():
            made.db.executemany(
                "INSERT INTO files (number, path, kind, size, mtime_ns, state, code, settings, sha256, seconds, pages, words, "
                "confidence, worker, ended) VALUES (?, ?, 'pdf', 100000, 1, ?, ?, ?, ?, 3.5, 1, 300, 0.9, 'host/1', 1.0)",
                ((n, f"box {n // 1000:04d}/page {n:07d}.pdf".encode(), "waiting" if n % 100 == 0 else "done",
                  "" if n % 100 == 0 else "ok", "s" * 64, f"{n:064x}") for n in range(rows)),
            )  # fmt: skip
            made.db.executemany(
                "INSERT INTO pages VALUES "
                "(?, 1, 'enlarged', 'text 6.0 px high at 100 dpi', 100, 300, 3, 6.0, 1.0, 300, 0.9, '[]', '{}')",
                ((n,) for n in range(rows)),
            )
            made.db.executemany(
                "INSERT INTO outputs VALUES (?, 0, ?, 'pdf', ?, 100000)",
                ((f"box {n // 1000:04d}/page {n:07d}.pdf".encode(), n, f"{n:064x}") for n in range(rows) if n % 100),
            )
    seconds: dict[str, float] = {}

    def timed(name, work):
        began = time.perf_counter()
        found = work()
        seconds[name] = time.perf_counter() - began
        return found

    with timed("open", lambda: Manifest(path, write=True)) as manifest:
        assert len(timed("counts", manifest.counts)) == 2
        assert len(timed("first files", lambda: manifest.waiting(8, time.time()))) == 8
        assert timed("how many wait", lambda: manifest.count(State.WAITING)) == rows // 100
        assert timed("staged files", lambda: list(manifest.files(State.STAGED))) == []
        timed("100,000 looks", lambda: [manifest.known_file(f"box {n // 1000:04d}/page {n:07d}.pdf") for n in range(0, rows, 10)])
        number = manifest.waiting(1, time.time())[0].number
        timed("a file's end", lambda: (manifest.stage(result(number), "S", "1.1"), manifest.publish(number)))
        assert sum(1 for _ in timed("all files", lambda: list(manifest.files()))) == rows
    with capsys.disabled():
        print(f"\n{path.stat().st_size / 1e6:.0f} MB; " + ", ".join(f"{name} {value:.3f} s" for name, value in seconds.items()))
    quick = {name: value for name, value in seconds.items() if name not in ("100,000 looks", "all files")}
    assert max(quick.values()) < 5.0, seconds
