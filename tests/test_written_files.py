# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ocrmypdf_superres.commands.shared.output import write_json, write_text
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.run_folder import Run, read_run, write_run
from ocrmypdf_superres.files import append_line, atomic_write_text, read_text
from ocrmypdf_superres.plugin.record import PageRecord
from ocrmypdf_superres.tables import read_toml

NOT_UTF8 = os.fsdecode(b"scan \xff")
"""A file name as Linux allows it."""


@pytest.mark.parametrize("name", ["x" * 250 + ".txt", "\u00fc" * 120 + ".txt"])
def test_a_name_as_long_as_the_system_allows(tmp_path, name):
    atomic_write_text(tmp_path / name, "text")
    assert (tmp_path / name).read_text() == "text" and len(list(tmp_path.iterdir())) == 1


def test_half_a_line_is_an_error(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:3]))
    with pytest.raises(OSError, match="No space left"):
        append_line(tmp_path / "log.jsonl", "a whole line")


def test_a_result_goes_to_a_new_folder_or_is_refused_in_a_sentence(tmp_path):
    write_text(tmp_path / "new" / "table.md", "| a |", "--markdown")
    assert (tmp_path / "new" / "table.md").read_text() == "| a |"
    with pytest.raises(OptionError, match=r"--markdown was given .*table\.md/x"):
        write_text(tmp_path / "new" / "table.md" / "x", "", "--markdown")


def test_a_text_has_no_byte_order_mark(tmp_path):
    path = tmp_path / "a.gt.txt"
    path.write_text("Müller\n", encoding="utf-8-sig")
    assert read_text(path) == "Müller\n"
    path.write_text('languages = "deu"', encoding="utf-8-sig")
    assert read_toml(path, "The recipe") == {"languages": "deu"}


def test_a_text_that_cannot_be_read_is_one_sentence(tmp_path):
    path = tmp_path / "a.gt.txt"
    path.write_text(" Müller\n", encoding="latin-1")
    with pytest.raises(OptionError, match=r"The text .*a\.gt\.txt is not UTF-8 \(invalid start byte at byte 2\)"):
        read_text(path)
    with pytest.raises(OptionError, match=r"The label .*b\.txt cannot be read \(No such file or directory\)"):
        read_text(tmp_path / "b.txt", "The label")


def test_json_keeps_names_that_are_not_utf8(tmp_path):
    write_json(tmp_path / "out.json", [{"file": NOT_UTF8, "text": "\\udcff ü"}])
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8")) == [{"file": NOT_UTF8, "text": "\\udcff ü"}]
    run = Run(NOT_UTF8, "as-is", "lanczos", [{"page": NOT_UTF8}])
    write_run(run, tmp_path)
    assert read_run(tmp_path) == run


def test_a_report_names_files_that_are_not_utf8(tmp_path):
    pytest.importorskip("jinja2")
    records, report = tmp_path / "records.jsonl", tmp_path / f"{NOT_UTF8}.html"
    records.write_text(PageRecord(f"{NOT_UTF8}.pdf", 1, reason="large enough").to_json() + "\n")
    # Standard output is strict in most locales.
    done = subprocess.run(
        [sys.executable, "-m", "ocrmypdf_superres", "report", str(records), "-o", str(report)],
        capture_output=True, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert "scan \\udcff.pdf" in report.read_text(encoding="utf-8") and b"scan \\udcff.html" in done.stdout
