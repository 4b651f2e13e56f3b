# SPDX-License-Identifier: MPL-2.0
"""Files of somebody else in OUT that have the names of outputs."""

from __future__ import annotations

import os

import pytest
from archive_files import check_consistent, hashes, page, pdf_bytes, states
from rich.console import Console
from test_run import QUICK, put, run

from ocrmypdf_superres.archive.executors.local_pool import LocalPool
from ocrmypdf_superres.archive.progress import Display
from ocrmypdf_superres.archive.run import Run
from ocrmypdf_superres.archive.store.layout import Layout


@pytest.mark.parametrize("taken", ["a.pdf", "a.pdf.txt", "a.pdf.hocr"])
def test_a_name_that_is_taken_costs_no_ocr(tmp_path, taken):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    put(source, a__pdf=pdf_bytes(page()))
    (out / taken).write_bytes(b"mine")
    for _ in range(2):
        session = run(source, out, QUICK.changed(outputs=("pdf", "text", "hocr")), workers=1)
        assert states(out) == {"a.pdf": ("failed", "exists")} and hashes(out).keys() == {taken}
        assert (session.tally.files, session.tally.failed, session.tally.pages) == (1, 1, 0)
    (log,) = (Layout(out).logs / "failed").iterdir()
    assert "move it away" in log.read_text() and "ocrmypdf.api" not in log.read_text() and "Postprocessing" not in log.read_text()
    (out / taken).unlink()
    assert run(source, out, workers=1).tally.pages == 1
    check_consistent(out)


def test_an_output_that_was_changed_is_no_conflict_for_an_unchanged_input(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    put(source, a__pdf=pdf_bytes(page()))
    run(source, out, workers=1)
    (out / "a.pdf").write_bytes(b"a person was here")
    os.utime(source / "a.pdf", (1, 1))
    run(source, out, workers=1)
    assert states(out) == {"a.pdf": ("done", "ok")}


def test_a_name_that_is_taken_during_ocr_keeps_the_log_and_counts_no_page(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    put(source, a__pdf=pdf_bytes(page()))

    class Late(LocalPool):
        def results(self, timeout):
            for result in super().results(timeout):
                (out / "a.pdf").write_bytes(b"mine")
                yield result

    session = Run(source, out, QUICK, lambda: Late(1))
    session.run(Display(Console(quiet=True)))
    assert states(out) == {"a.pdf": ("failed", "exists")} and session.tally.pages == 0
    (log,) = (Layout(out).logs / "failed").iterdir()
    assert "Postprocessing" in log.read_text() and "move it away" in log.read_text()
