# SPDX-License-Identifier: MPL-2.0
"""Runs on disks that are full: they stop, say which disk it was, and go on later."""

from __future__ import annotations

import errno
import io
import os
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pikepdf
import pytest
from archive_files import archive, check_consistent, page, pdf_bytes, states
from test_run import QUICK, put, run

from ocrmypdf_superres.archive import publish as publishing
from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.errors import ArchiveError


def test_a_disk_that_is_full_at_the_start_stops_the_run(tmp_path, monkeypatch):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    put(source, a__pdf=pdf_bytes(page()))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(publishing, "_move", full)
        for _ in range(2):  # the second time where the first run's output is published
            assert run(source, out, workers=1).stop.reason == "disk-full" and states(out) == {"a.pdf": ("staged", "ok")}
    with monkeypatch.context() as patched, pytest.raises(ArchiveError, match="database or disk is full"):

        def full_manifest(*_):
            raise sqlite3.OperationalError("database or disk is full")

        patched.setattr(Manifest, "begin_session", full_manifest)
        run(source, out, workers=1)
    assert not run(source, out, workers=1).stop.reason
    check_consistent(out)


def with_ballast(pdf: bytes) -> bytes:
    """*pdf* with a megabyte attached that cannot be compressed."""
    stream = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        opened.attachments["ballast"] = pikepdf.AttachedFileSpec(opened, os.urandom(1_000_000))
        opened.save(stream)
    return stream.getvalue()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Mount a file system of *size* at *folder*."""
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", os.fspath(folder)], capture_output=True, check=False
    ).returncode:
        pytest.skip("may not mount")
    try:
        yield
    finally:
        subprocess.run(["umount", os.fspath(folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to mount a small file system")
def test_a_full_disk_is_named_with_the_file_and_the_worker(tmp_path):
    source, out, scratch = tmp_path / "in", tmp_path / "out", tmp_path / "scratch"
    source.mkdir()
    put(source, a__pdf=with_ballast(pdf_bytes(page())))
    (tmp_path / "s.toml").write_text(QUICK.changed(scratch=os.fspath(scratch)).toml())
    with small_disk(scratch, "400k"):
        ended = archive("run", source, out, "--settings", tmp_path / "s.toml", "--jobs", "1")
    assert ended.returncode == 4 and states(out) == {"a.pdf": ("waiting", "")}
    said = " ".join(ended.stderr.split())
    assert (
        f"not finished: the disk of {scratch} is full (worker {socket.gethostname()}/" in said
        and "file a.pdf); make room" in said
    )
    assert f"a.pdf: The disk of {scratch} is full." in (Layout(out).logs / "run-0001.log").read_text()


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs to mount a small file system")
def test_disk_full_stops_the_run_and_it_goes_on_later(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    put(source, **{f"{n}__pdf": with_ballast(pdf_bytes(page(f"page {n}"))) for n in range(3)})
    with small_disk(out, "2500k"):
        session = run(source, out, workers=1)
        assert session.stop.reason == "disk-full"
        subprocess.run(["mount", "-o", "remount,size=64m", os.fspath(out)], check=True)
        assert not run(source, out).stop.reason
        assert set(states(out).values()) == {("done", "ok")}
        check_consistent(out)
