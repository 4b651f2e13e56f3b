# SPDX-License-Identifier: MPL-2.0
"""Records and the report file."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from ocrmypdf_superres.ocr.kept_pages import PageFiles
from ocrmypdf_superres.plugin.guard import SuperresPageError
from ocrmypdf_superres.plugin.record import PageRecord, emit


def _emit(path: str, page: int) -> None:
    emit(PageRecord("scan.pdf", page, reason="é" * 500), path)


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_lines_of_many_workers_stay_whole(pool, tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    with pool(4) as executor:
        list(executor.map(_emit, [str(path)] * 100, range(100)))
    lines = path.read_text(encoding="utf-8").splitlines()
    assert sorted(json.loads(line)["page"] for line in lines) == list(range(100))


def test_log_line_goes_to_ocrmypdfs_logger(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="ocrmypdf"):
        emit(PageRecord("a.pdf", 1, reason="blank page"), None)
        emit(PageRecord("a.pdf", 2, "failed", reason="no memory"), None)
    assert [record.name for record in caplog.records] == ["ocrmypdf.superres"] * 2
    assert [record.levelno for record in caplog.records] == [logging.DEBUG, logging.WARNING]
    assert "left as it is: blank page" in caplog.text
    assert "is left unchanged: no memory" in caplog.text


def test_a_report_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    emit(PageRecord("a.pdf", 1), str(tmp_path / "gone" / "report.jsonl"))
    assert "cannot be written" in caplog.text


def test_a_report_that_cannot_be_written_ends_the_job_where_that_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SuperresPageError, match=r"Page 1 cannot be written to the report: .*report\.jsonl"):
        emit(PageRecord("a.pdf", 1), str(tmp_path / "gone" / "report.jsonl"), "fail")


def test_records_come_back_with_their_extra_fields_and_faults() -> None:
    record = PageRecord("a.pdf", 1, "enlarged", "small", size=(10, 20), new_size=(20, 40), x_height=5.25)
    record.extra["confidence"] = 91.5
    assert PageRecord.from_json(record.to_json()) == record and "faults" not in record.to_json()
    record.faults.append("could not be verified: disk full")
    assert PageRecord.from_json(record.to_json()) == record


@pytest.mark.parametrize("name", ["M\udcfcller.pdf", "two\u2028lines.pdf", "next\x85line.pdf"])
def test_a_record_is_one_line_of_utf8_whatever_the_file_is_called(name: str, tmp_path: Path) -> None:
    record, path = PageRecord(name, 1), tmp_path / "report.jsonl"
    emit(record, str(path), "fail")
    (line,) = path.read_text(encoding="utf-8").splitlines()
    assert PageRecord.from_json(line) == record
    assert "Müller.pdf" in PageRecord("Müller.pdf", 1).to_json()


def test_a_page_that_is_kept_again_has_files_of_one_job(tmp_path: Path) -> None:
    (tmp_path / "ocr.png").write_bytes(b"an image")
    page = PageFiles(tmp_path, 1)
    page.write("{}", tmp_path / "ocr.png", b"what was read")
    page.write('{"reason": "no OCR is asked for"}')
    assert page.record() == {"reason": "no OCR is asked for"}
    assert page.hypothesis() is None and not page.image.exists()
