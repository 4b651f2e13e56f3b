# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from archive_files import wait_until
from PIL import Image
from rich.console import Console

pytest.importorskip("watchdog")

from ocrmypdf_superres.archive import progress, watch
from ocrmypdf_superres.archive.intake.stable_scan import StableScan, is_being_written
from ocrmypdf_superres.archive.progress import Tally
from ocrmypdf_superres.archive.session import Stop
from ocrmypdf_superres.archive.settings import Settings
from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.tasks import FileResult, Kind, Output, State
from ocrmypdf_superres.archive.watch import WatchDisplay, WatchRun, WatchTiming


class CopyingExecutor:
    """Makes an output at once, with the input's bytes; ``fail`` names inputs that fail."""

    workers, shares_cores = 2, True

    def __init__(self):
        self.tasks, self.done, self.fail = [], [], set()

    def submit(self, task):
        self.tasks.append(task)

    def results(self, timeout):
        if not self.tasks:
            time.sleep(min(timeout, 0.02))
        while self.tasks:
            task = self.tasks.pop(0)
            self.done.append(task.relative)
            try:
                content = Path(task.source).read_bytes()
            except FileNotFoundError:
                yield FileResult(task.number, State.FAILED, "gone", "A file of it is missing.")
                continue
            if task.relative in self.fail:
                yield FileResult(task.number, State.FAILED, "damaged", "It is damaged.")
                continue
            staged = Path(task.staging) / f"{task.relative}.out"
            staged.parent.mkdir(parents=True)
            staged.write_bytes(content)
            sha256 = hashlib.sha256(content).hexdigest()
            yield FileResult(
                task.number,
                State.STAGED,
                "ok",
                sha256=sha256,
                outputs=[Output("pdf", f"{task.relative}.out", sha256, len(content))],
            )

    def close(self, cancel=False):
        self.tasks.clear()


class Watched:
    """A watch that goes on in a thread."""

    def __init__(self, tmp_path, timing, executor=None):
        self.source, self.out = tmp_path / "in", tmp_path / "out"
        self.source.mkdir(exist_ok=True)
        self.stop, self.executor = Stop(), executor or CopyingExecutor()
        self.run = WatchRun(self.source, self.out, Settings(wait=0.0), lambda: self.executor, stop=self.stop, timing=timing)
        self.thread = threading.Thread(target=self.run.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.ask("SIGTERM")
        self.thread.join(20)
        assert not self.thread.is_alive()

    def until(self, *names, seconds=20.0):
        until = time.monotonic() + seconds
        while any(not (self.out / f"{name}.out").exists() for name in names):
            assert time.monotonic() < until, f"{names} did not come; there are {os.listdir(self.out)}"
            time.sleep(0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(watch, "MIN_PAUSE", 0.05)
    monkeypatch.setattr(watch, "IDLE", 0.02)


def put(folder, name, shade=255):
    Image.new("L", (8, 8), shade).save(folder / name, "PNG")


@pytest.mark.parametrize("poll", [0.0, 0.1])
def test_what_is_there_and_what_comes(tmp_path, poll):
    (tmp_path / "in").mkdir()
    put(tmp_path / "in", "there.png")
    with Watched(tmp_path, WatchTiming(0.1, poll)) as watched:
        watched.until("there.png")
        put(watched.source, "came.png")
        (watched.source / "folder").mkdir()
        watched.until("came.png")
        put(watched.source / "folder", "deeper.png")
        os.rename(watched.source / "came.png", watched.source / "renamed.png")
        watched.until("folder/deeper.png", "renamed.png")
        put(watched.source, "there.png", shade=7)
        while (watched.out / "there.png.out").read_bytes() != (watched.source / "there.png").read_bytes():
            time.sleep(0.01)
    assert sorted(watched.executor.done) == ["came.png", "folder/deeper.png", "renamed.png", "there.png", "there.png"]
    with Watched(tmp_path, WatchTiming(0.1, poll)) as again:
        put(again.source, "last.png")
        again.until("last.png")
    assert again.executor.done == ["last.png"], "a restart goes on and does nothing twice"


class SlowExecutor(CopyingExecutor):
    """Reads an input when it gets the task, and returns the result only when ``released`` is set."""

    def __init__(self):
        super().__init__()
        self.released, self.waiting = threading.Event(), []

    def submit(self, task):
        super().submit(task)
        self.waiting += super().results(0.0)

    def results(self, timeout):
        if not self.released.wait(min(timeout, 0.02)):
            return
        while self.waiting:
            yield self.waiting.pop(0)


def test_a_file_that_changes_while_it_is_processed_is_processed_again(tmp_path):
    executor = SlowExecutor()
    with Watched(tmp_path, WatchTiming(0.05), executor) as watched:
        put(watched.source, "a.png")
        wait_until(lambda: executor.waiting, 20)
        put(watched.source, "a.png", shade=7)
        facts = os.stat(watched.source / "a.png")
        with Manifest(Layout(watched.out).manifest) as manifest:
            wait_until(lambda: manifest.find("a.png").mtime_ns == facts.st_mtime_ns, 20)
            executor.released.set()
            wait_until(lambda: manifest.find("a.png").state is State.DONE, 20)
            wait_until(lambda: (watched.out / "a.png.out").read_bytes() == (watched.source / "a.png").read_bytes(), 20)
            assert manifest.find("a.png").sha256 == hashlib.sha256((watched.source / "a.png").read_bytes()).hexdigest()


def test_failures_and_files_that_vanish_stop_nothing(tmp_path):
    executor = CopyingExecutor()
    executor.fail.add("bad.png")
    with Watched(tmp_path, WatchTiming(0.05), executor) as watched:
        put(watched.source, "bad.png")
        (watched.source / "empty.pdf").touch()
        put(watched.source, "gone.png")
        submit = executor.submit

        def vanish(task):
            if task.relative == "gone.png":
                os.unlink(task.source)
            submit(task)

        executor.submit = vanish
        put(watched.source, "good.png")
        watched.until("good.png")
        for number in range(3):  # further walks try no failure again
            put(watched.source, f"{number}.png")
            watched.until(f"{number}.png")
    assert executor.done.count("bad.png") == 1
    with Manifest(Layout(tmp_path / "out").manifest) as manifest:
        ends = {row.path: (row.state, row.code) for row in manifest.files()}
    assert ends["bad.png"] == (State.FAILED, "damaged") and ends["empty.pdf"] == (State.FAILED, "empty")
    assert ends["gone.png"] == (State.SKIPPED, "gone")


def test_a_file_is_skipped_only_if_it_is_gone(tmp_path):
    class Without(CopyingExecutor):
        """Misses a file of its own."""

        def results(self, timeout):
            while self.tasks:
                task = self.tasks.pop(0)
                self.done.append(task.relative)
                yield FileResult(task.number, State.FAILED, "gone", "A file of it is missing.")

    executor = Without()
    with Watched(tmp_path, WatchTiming(0.05), executor) as watched:
        put(watched.source, "a.png")
        wait_until(lambda: executor.done, 20)
    with Manifest(Layout(tmp_path / "out").manifest) as manifest:
        assert manifest.find("a.png").state is State.FAILED


def test_a_file_that_was_gone_and_is_back_is_processed(tmp_path):
    executor = CopyingExecutor()
    submit, away = executor.submit, tmp_path / "away.png"

    def take_away(task):
        if not executor.done:
            os.rename(task.source, away)
        submit(task)

    executor.submit = take_away
    with Watched(tmp_path, WatchTiming(0.05), executor) as watched:
        put(watched.source, "a.png")
        wait_until(away.exists, 20)
        with Manifest(Layout(watched.out).manifest) as manifest:
            wait_until(lambda: (row := manifest.find("a.png")) is not None and row.state is State.SKIPPED, 20)
        os.rename(away, watched.source / "a.png")
        watched.until("a.png")


def test_a_file_is_left_until_it_stands_still(tmp_path):
    source, layout = tmp_path / "in", Layout(tmp_path / "out")
    source.mkdir()
    layout.make()
    with Manifest(layout.manifest, write=True) as manifest:

        def walk(before, seconds=0.2):
            scan = StableScan(str(source), str(layout.out), manifest, seconds, before)
            return [found.path for found in scan], scan.unstable

        put(source, "a.png")
        found, unstable = walk({})
        assert found == [] and list(unstable) == ["a.png"]
        time.sleep(0.25)
        put(source, "a.png", shade=1)
        os.utime(source / "a.png", ns=(1, unstable["a.png"][1] + 1))
        found, unstable = walk(unstable)
        assert found == [], "it changed, so its time begins anew"
        time.sleep(0.25)
        with open(source / "a.png", "ab"):
            open_found, unstable = walk(unstable)
        found, unstable = walk(unstable)
        assert found == ["a.png"] and unstable == {}
        if sys.platform == "linux":
            assert open_found == [], "somebody has it open for writing"
        facts = os.stat(source / "a.png")
        manifest.add("a.png", Kind.IMAGE, facts.st_size, facts.st_mtime_ns)
        assert walk({})[0] == ["a.png"], "what the manifest knows need not wait"


@pytest.mark.skipif(sys.platform != "linux", reason="read leases")
def test_a_file_that_is_open_for_ever_is_taken_at_last(tmp_path, caplog):
    """As every file is on some network shares."""
    source, layout = tmp_path / "in", Layout(tmp_path / "out")
    source.mkdir()
    layout.make()
    for name in ("a.png", "b.png"):
        put(source, name)
    taken, before, began = set(), {}, time.monotonic()
    with Manifest(layout.manifest, write=True) as manifest, open(source / "a.png", "ab"), open(source / "b.png", "ab"):
        while len(taken) < 2:
            scan = StableScan(str(source), str(layout.out), manifest, 0.15, before)
            taken |= {one.path for one in scan}
            before = scan.unstable
            assert not taken or time.monotonic() - began >= 1.5
            assert time.monotonic() - began < 20
            time.sleep(0.05)
    assert taken == {"a.png", "b.png"}
    assert len([message for message in caplog.messages if "count as open for writing" in message]) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="read leases")
def test_who_writes(tmp_path):
    path = tmp_path / "name with\nline end"
    path.write_bytes(b"x")
    assert not is_being_written(str(path))
    with open(path, "rb"):
        assert not is_being_written(str(path))
    with open(path, "r+b"):
        assert is_being_written(str(path))
    assert not is_being_written(str(tmp_path / "gone"))
    os.mkfifo(tmp_path / "pipe")
    assert not is_being_written(str(tmp_path / "pipe"))


def test_without_notices_it_looks_by_itself(tmp_path, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(watch.Observer, "start", full)
    monkeypatch.setattr(watch, "POLL", 0.1)
    with Watched(tmp_path, WatchTiming(0.05)) as watched:
        put(watched.source, "a.png")
        watched.until("a.png")
    assert "watch limit reached" in caplog.text


def test_a_line_only_when_something_happened(monkeypatch, caplog):
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    display, tally = WatchDisplay(Console(file=io.StringIO())), Tally()
    with caplog.at_level("INFO", logger="ocrmypdf.superres"):
        for files in (0, 0, 1, 1, 2):
            tally.files = files
            display.show(tally)
    assert [message.split(",")[0] for message in caplog.messages] == ["1 files", "2 files"]


@pytest.mark.slow
def test_the_command_stops_on_sigterm(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    command = [sys.executable, "-m", "ocrmypdf_superres", "archive", "watch", str(source), str(out)]
    command += ["--settle", "0.5", "--jobs", "1", "--image-dpi", "100", "--output-type", "pdf"]
    for name in ("first", "second"):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        Image.new("L", (300, 100), 255).save(source / f"{name}.png")
        until = time.monotonic() + 60
        while not (out / f"{name}.png.pdf").exists():
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0 and "Stopped by SIGTERM after 1 files, 0 of which failed" in said
    assert os.listdir(out / ".superres" / "staging") == []
