# SPDX-License-Identifier: MPL-2.0
"""Whole runs over small trees, in this process; the workers are processes of their own."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest
from archive_files import (
    check_consistent,
    encrypted_bytes,
    hashes,
    image_bytes,
    page,
    pdf_bytes,
    states,
    task,
    texts,
    with_text_bytes,
)
from rich.console import Console

from ocrmypdf_superres.archive import publish as publishing
from ocrmypdf_superres.archive.executors.local_pool import LocalPool
from ocrmypdf_superres.archive.progress import Display
from ocrmypdf_superres.archive.run import Run
from ocrmypdf_superres.archive.session import Stop
from ocrmypdf_superres.archive.settings import Settings
from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.tasks import UNFIT, FileResult, Limits, State
from ocrmypdf_superres.errors import ArchiveError

QUICK = Settings(outputs=("pdf", "text"), ocrmypdf={"output_type": "pdf"}, superres={"trigger": "off"}, wait=0.2)


def run(source: Path, out: Path, settings: Settings = QUICK, workers: int = 2, **keywords) -> Run:
    session = Run(source, out, settings, lambda: LocalPool(workers), **keywords)
    session.run(Display(Console(quiet=True)))
    return session


def put(source: Path, **files: bytes) -> None:
    for name, content in files.items():
        (source / name.replace("__", ".")).write_bytes(content)


def test_a_mixed_tree(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    strange = os.fsdecode("box 'ü\n\"/a \n'ß".encode() + b"\xff.pdf")
    (source / strange).parent.mkdir(parents=True)
    (source / strange).write_bytes(pdf_bytes(page("strange")))
    put(source, a__pdf=pdf_bytes(page("first"), page("second")), a__png=image_bytes(page("image")), crypt__pdf=encrypted_bytes(),
        typed__pdf=with_text_bytes(), cut__pdf=pdf_bytes(page())[:500], empty__pdf=b"", notes__txt=b"notes")  # fmt: skip
    (tmp_path / "shelf").mkdir()
    (source / "shelf").symlink_to(tmp_path / "shelf")
    before = hashes(source)
    session = run(source, out)
    assert states(out) == {
        strange: ("done", "ok"), "a.pdf": ("done", "ok"), "a.png": ("done", "ok"), "crypt.pdf": ("failed", "encrypted"),
        "typed.pdf": ("skipped", "has-text"), "cut.pdf": ("failed", "damaged"), "empty.pdf": ("failed", "empty"),
        "notes.txt": ("skipped", "no-input"), "shelf": ("skipped", "linked-folder"),
    }  # fmt: skip
    assert {k: v.strip("\n").replace("\n\f", "|") for k, v in texts(out).items()} == {
        f"{strange}.txt": "strange", "a.pdf.txt": "first|second", "a.png.pdf.txt": "image",
    }  # fmt: skip
    assert hashes(source) == before
    check_consistent(out)
    assert (session.tally.files, session.tally.pages, session.tally.failed) == (6, 4, 3)
    logs = Layout(out).logs
    log = (logs / "run-0001.log").read_text()
    assert len(list((logs / "failed").iterdir())) == 2 and "crypt.pdf: failed (encrypted)" in log
    assert "WARNING shelf: skipped (linked-folder)" in log and "INFO notes.txt: skipped (no-input)" in log


def test_what_a_second_run_does(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    put(source, touched__pdf=pdf_bytes(page("touched")), new__pdf=pdf_bytes(page("before")), taken__pdf=pdf_bytes(page("taken")))
    run(source, out)
    first = {name: (out / name).stat().st_ino for name in hashes(out)}
    put(source, new__pdf=pdf_bytes(page("after")), taken__pdf=pdf_bytes(page("other")))
    (out / "taken.pdf").write_bytes(b"a person was here")
    os.utime(source / "touched.pdf", (1, 1))
    run(source, out)
    assert states(out) == {**{f"{n}.pdf": ("done", "ok") for n in ("new", "touched")}, "taken.pdf": ("failed", "exists")}
    assert (out / "taken.pdf").read_bytes() == b"a person was here"
    assert {n for n, inode in first.items() if (out / n).stat().st_ino != inode} == {"new.pdf", "new.pdf.txt"}
    assert "after" in (out / "new.pdf.txt").read_text()
    os.unlink(out / "taken.pdf")
    run(source, out)
    check_consistent(out)
    assert "other" in (out / "taken.pdf.txt").read_text()


def test_inputs_that_were_removed_are_skipped(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    put(source, cut__pdf=pdf_bytes(page())[:500], stays__pdf=pdf_bytes(page()), taken__pdf=pdf_bytes(page()))

    class Removing(LocalPool):
        def submit(self, task):
            if task.relative == "taken.pdf":
                os.unlink(task.source)
            super().submit(task)

    Run(source, out, QUICK, lambda: Removing(2)).run(Display(Console(quiet=True)))
    assert states(out) == {"cut.pdf": ("failed", "damaged"), "stays.pdf": ("done", "ok"), "taken.pdf": ("skipped", "gone")}
    (source / "cut.pdf").unlink()
    session = run(source, out)
    assert states(out)["cut.pdf"] == ("skipped", "gone") and (session.tally.files, session.tally.skipped) == (0, 1)


def test_a_missing_output_is_made_again_where_that_is_asked_for(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    put(source, a__pdf=pdf_bytes(page("lost")), b__pdf=pdf_bytes(page("kept")))
    run(source, out)
    kept = hashes(out)["b.pdf"]
    os.unlink(out / "a.pdf")
    run(source, out)
    assert "a.pdf" not in hashes(out)
    assert run(source, out, remake_missing=True).tally.files == 1
    check_consistent(out)
    assert hashes(out)["b.pdf"] == kept and "lost" in (out / "a.pdf.txt").read_text()


@pytest.mark.slow
def test_other_settings_do_it_again(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    put(source, a__pdf=pdf_bytes(page()))
    run(source, out)
    run(source, out, QUICK.changed(outputs=("pdf", "hocr")))
    assert set(hashes(out)) == {"a.pdf", "a.pdf.hocr/0001.hocr"}
    check_consistent(out)


def test_a_run_belongs_to_its_input(tmp_path):
    for name in ("in", "other"):
        (tmp_path / name).mkdir()
    run(tmp_path / "in", tmp_path / "out")
    with pytest.raises(ArchiveError, match="another OUT"):
        run(tmp_path / "other", tmp_path / "out")
    run(tmp_path / "other", tmp_path / "out", moved=True)


@pytest.mark.slow
def test_asked_to_stop_it_finishes_what_it_began(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    put(source, **{f"{n}__pdf": pdf_bytes(page(f"page {n}")) for n in range(6)})

    class Stopping(Display):
        def show(self, tally):
            if tally.files:
                stop.ask("SIGINT")

    stop = Stop()
    Run(source, out, QUICK, lambda: LocalPool(1), stop=stop).run(Stopping(Console(quiet=True)))
    done = [state for state, _ in states(out).values()].count("done")
    assert 1 <= done < 6 and set(states(out).values()) == {("done", "ok"), ("waiting", "")}
    run(source, out)
    check_consistent(out)
    assert len(texts(out)) == 6


def test_after_a_half_published_file_the_next_run_continues(tmp_path, monkeypatch):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    put(source, a__pdf=pdf_bytes(page()))
    move = publishing._move

    def refuse_text(staged, target, output, earlier):
        if target.suffix == ".txt":
            raise PermissionError(errno.EACCES, "Permission denied")
        move(staged, target, output, earlier)

    monkeypatch.setattr(publishing, "_move", refuse_text)
    run(source, out, workers=1)
    assert states(out) == {"a.pdf": ("failed", "unwritable")} and (out / "a.pdf").exists()
    check_consistent(out)
    monkeypatch.undo()
    run(source, out, workers=1)
    assert states(out) == {"a.pdf": ("done", "ok")}
    check_consistent(out)


def test_a_taken_name_that_is_not_text_fails_one_file_only(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    name = os.fsdecode(b"a\xff.pdf")
    source.mkdir()
    out.mkdir()
    (source / name).write_bytes(pdf_bytes(page()))
    (out / name).write_bytes(b"mine")
    run(source, out, workers=1)
    assert states(out) == {name: ("failed", "exists")} and (out / name).read_bytes() == b"mine"
    assert r"a\xff.pdf exists" in next(Layout(out).logs.glob("run-*.log")).read_text()


class TestPool:
    def results(self, pool, number):
        found = []
        until = time.monotonic() + 60
        while len(found) < number and time.monotonic() < until:
            found += pool.results(1.0)
        return found

    def test_limits_and_death(self, tmp_path):
        """One worker after another: too slow, too large, killed from outside, and then one that does its work."""
        source = tmp_path / "a.pdf"
        source.write_bytes(pdf_bytes(*[page()] * 3))
        pool = LocalPool(1)
        try:
            pool.submit(task(tmp_path, source, limits=Limits(seconds=0.3)))
            (result,) = self.results(pool, 1)
            assert (result.state, result.code, result.transient) == (State.FAILED, "timeout", False)
            pool.submit(task(tmp_path, source, limits=Limits(memory=30 * 1024**2)))
            (result,) = self.results(pool, 1)
            assert (result.code, result.transient) == ("memory", False)
            pool.submit(task(tmp_path, source))
            while not (pool._pool and pool._pool[0].task):
                list(pool.results(0.05))
            pool._pool[0].process.kill()
            (result,) = self.results(pool, 1)
            assert (result.code, result.transient) == ("died", True) and "signal 9" in result.reason
            pool.submit(task(tmp_path, source))
            (result,) = self.results(pool, 1)
            assert result.state is State.STAGED
        finally:
            pool.close(cancel=True)

    def test_a_system_without_process_groups_is_refused(self, monkeypatch):
        monkeypatch.delattr(os, "setsid")
        with pytest.raises(ArchiveError, match="POSIX"):
            LocalPool(1)

    @pytest.mark.slow
    def test_a_machine_on_which_no_worker_starts(self, tmp_path):
        pool = LocalPool(1, setup=_die)
        try:
            pool.submit(task(tmp_path, tmp_path / "a.pdf"))
            with pytest.raises(ArchiveError, match="doctor"):
                self.results(pool, 1)
        finally:
            pool.close(cancel=True)


def _die() -> None:
    os._exit(3)


def test_a_worker_that_cannot_work_costs_no_try(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    put(source, a__pdf=pdf_bytes(page()))

    class Unfit(LocalPool):
        refused = 0

        def submit(self, task):
            if self.refused < 3:
                Unfit.refused += 1
                self.unfit = FileResult(task.number, State.FAILED, UNFIT, "The worker has no scratch.", transient=True)
            else:
                super().submit(task)

        def results(self, timeout):
            unfit, self.unfit = getattr(self, "unfit", None), None
            return iter([unfit]) if unfit else super().results(timeout)

    Run(source, out, QUICK.changed(tries=2, wait=0.05), lambda: Unfit(1)).run(Display(Console(quiet=True)))
    assert states(out) == {"a.pdf": ("done", "ok")} and Unfit.refused == 3


@pytest.mark.slow
def test_failures_that_may_pass_are_tried_again(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    put(source, a__pdf=pdf_bytes(page()))

    class Killer(LocalPool):
        """Kills the worker of the first two tries."""

        killed = 0

        def results(self, timeout):
            for worker in self._pool:
                if worker.task is not None and self.killed < 2:
                    Killer.killed += 1
                    worker.process.kill()
            return super().results(timeout)

    began = time.monotonic()
    Run(source, out, QUICK, lambda: Killer(1)).run(Display(Console(quiet=True)))
    assert states(out) == {"a.pdf": ("done", "ok")} and time.monotonic() - began > 0.2 + 0.4
    assert (Layout(out).logs / "run-0001.log").read_text().count("next try") == 2
