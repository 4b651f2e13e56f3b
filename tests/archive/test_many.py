# SPDX-License-Identifier: MPL-2.0
"""Hundreds of files: good and bad ones mixed, and what a page costs when there are more."""

from __future__ import annotations

import ctypes
import os
import random
import subprocess
import time
from pathlib import Path

import pytest
from archive_files import (
    check_consistent,
    command,
    encrypted_bytes,
    environment,
    hashes,
    image_bytes,
    page,
    pdf_bytes,
    with_text_bytes,
)
from PIL import Image

from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.tasks import State
from ocrmypdf_superres.evaluation.methods.stopwatch import children_seconds

SETTINGS = 'outputs = ["pdf", "text"]\nwait = 0.1\nseconds = 120\n[ocrmypdf]\noutput_type = "pdf"\n[superres]\ntrigger = "off"\n'


def mixed(source: Path) -> int:
    """Fill *source* with 300 files (and a folder that nobody may read); return how many."""
    source.mkdir()
    chance = random.Random(5)
    files: dict[bytes, bytes] = {}
    good = {b"pdf": pdf_bytes(page()), b"two.pdf": pdf_bytes(page(), page("old walls")), b"png": image_bytes(page()),
            b"tif": image_bytes(page(), "TIFF"), b"jpg": image_bytes(page(), "JPEG")}  # fmt: skip
    for number in range(60):
        suffix = list(good)[number % 5]
        files[b"good/%d/same name.%s" % (number // 5, suffix)] = good[suffix]
    for name in (b"a.tif", b"a.pdf", b"a.tif.pdf", b"a.tif.pdf.pdf", b"a.ocr.pdf", b"A.PDF", b"a"):
        files[b"names/" + name] = good[b"tif" if name.endswith(b"tif") else b"pdf"]
    for strange in (b"'", b'"', b"\n", b" ", b"\xff\xfe", "ß漢字".encode(), b"-x", b"$(id)", b"%s", b"\\", b"*", b"\t\x01"):
        files[b"strange/x" + strange + b".pdf"] = good[b"pdf"]
        files[b"strange/folder" + strange + b"/x.png"] = good[b"png"]
    for number in range(80):
        content = bytearray(good[list(good)[number % 5]])
        if number % 2:
            del content[chance.randrange(len(content)) :]
        else:
            for _ in range(200):
                content[chance.randrange(len(content))] = chance.randrange(256)
        files[b"damaged/%d.%s" % (number, list(good)[number % 5])] = bytes(content)
    for number in range(20):
        files[b"encrypted/%d.pdf" % number] = encrypted_bytes()
        files[b"empty/%d.%s" % (number, [b"pdf", b"tif", b"txt"][number % 3])] = b""
        files[b"typed/%d.pdf" % number] = with_text_bytes()
        files[b"other/%d.%s" % (number, [b"txt", b"pdf", b"docx", b"tif"][number % 4])] = chance.randbytes(500)
    for number in range(4):
        files[b"huge/%d.png" % number] = image_bytes(Image.new("1", (30000, 20000)))
    while len(files) < 300:
        files[b"more/%d.txt" % len(files)] = b"notes"
    for name, content in files.items():
        path = os.path.join(os.fsencode(source), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as stream:
            stream.write(content)
    (source / "secret").mkdir()
    (source / "secret" / "x.pdf").write_bytes(good[b"pdf"])
    return len(files)


def without_privileges() -> None:
    """Take from root, for the program that follows, that it may read what it may not."""
    if os.geteuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.slow
def test_three_hundred_mixed_files(tmp_path, capsys):
    source, out = tmp_path / "in", tmp_path / "out"
    number = mixed(source)
    (tmp_path / "settings.toml").write_text(SETTINGS)
    before = hashes(source)
    (source / "secret").chmod(0)
    try:
        line = command("run", source, out, "--settings", tmp_path / "settings.toml")
        done = subprocess.run(line, capture_output=True, text=True, env=environment(), check=False, preexec_fn=without_privileges)
    finally:
        (source / "secret").chmod(0o755)
    assert done.returncode == 3, done.stderr
    assert hashes(source) == before
    check_consistent(out)
    counts: dict[tuple[str, str, str], int] = {}
    with Manifest(Layout(out).manifest) as manifest:
        rows = list(manifest.files())
    for row in rows:
        group = row.path.partition("/")[0]
        counts[group, row.state.value, row.code] = counts.get((group, row.state.value, row.code), 0) + 1
        assert row.state in (State.DONE, State.SKIPPED, State.FAILED)
        assert (row.state is State.DONE) == (row.reason == ""), row
    with capsys.disabled():
        print("", *(f"{group}: {n} {state} ({code})" for (group, state, code), n in sorted(counts.items())), sep="\n")
    assert len(rows) == number + 1
    assert counts["good", "done", "ok"] == 60 and counts["names", "done", "ok"] == 7 and counts["strange", "done", "ok"] == 24
    assert counts["encrypted", "failed", "encrypted"] == counts["typed", "skipped", "has-text"] == 20
    assert counts["huge", "failed", "too-large"] == 4 and counts["secret", "failed", "unreadable"] == 1
    assert not any(code == "error" for _, _, code in counts), "no end that nobody thought of"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_page_costs_the_same_among_fifty_and_among_five_hundred(tmp_path, capsys):
    (tmp_path / "settings.toml").write_text(SETTINGS)
    seconds, processor = {}, {}
    for files in (50, 500):
        source = tmp_path / f"in {files}"
        source.mkdir()
        for number in range(files):
            (source / f"{number}.pdf").write_bytes(pdf_bytes(page(f"page {number}")))
        began, used = time.monotonic(), children_seconds()
        line = command("run", source, tmp_path / f"out {files}", "--settings", tmp_path / "settings.toml")
        subprocess.run(line, check=True, capture_output=True, env=environment())
        seconds[files], processor[files] = (time.monotonic() - began) / files, (children_seconds() - used) / files
    with capsys.disabled():
        for name, found in (("seconds", seconds), ("processor seconds", processor)):
            print(f"\n{name} a page: {found[50]:.3f} among 50, {found[500]:.3f} among 500", end="")
    # Seconds on the wall depend on what else the machine does.
    assert processor[500] < 1.1 * processor[50]
