# SPDX-License-Identifier: MPL-2.0
"""The line at the end of a job."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

import ocrmypdf
import pikepdf
import pytest

from ocrmypdf_superres.plugin.readings.lines import TESSERACT_LOG, warnings_only
from ocrmypdf_superres.plugin.record import PageRecord
from ocrmypdf_superres.plugin.summary import JOURNAL, log_summary, note, sentence

SAMPLE = Path(__file__).parents[2] / "examples" / "sample-72dpi.pdf"


def page(number: int, action: str = "left", **extra: object) -> PageRecord:
    record = PageRecord("a.pdf", number, action)
    record.extra.update(extra)
    return record


def test_the_line_counts_pages_by_what_was_done_to_them() -> None:
    sure, unsure = {"net": 0.95}, {"net": 0.5, "blend": 0.6}
    records = [
        page(1), page(2, "enlarged", probability=sure, reading_seconds={"net": 1.0}), page(3, "failed"),
        page(7, "enlarged", probability=unsure, reading_seconds={"net": 1.0, "blend": 1.0}),
    ]  # fmt: skip
    said = "2 of 4 pages were enlarged, 1 read again, 1 left in doubt (page 7), 1 with a fault (page 3)"
    assert sentence(records) == said
    assert sentence([page(1, "enlarged")]) == "1 of 1 page was enlarged"
    many = [page(number, "failed") for number in range(20, 0, -1)]
    assert sentence(many) == "0 of 20 pages were enlarged, 20 with a fault (pages 1, 2, 3, 4, 5, 6, 7, 8, ...)"


def test_a_page_without_text_on_which_nothing_was_read_is_not_in_doubt() -> None:
    blank = {"ink": 0.0, "extra": {"probability": {"net": 0.0}, "words": {"net": 0}}}
    lost = {**blank, "ink": 0.1, "x_height": 9.0}
    invented = {**blank, "extra": {"probability": {"net": 0.2}, "words": {"net": 3}}}
    records = [PageRecord("a.pdf", number, **fields) for number, fields in enumerate((blank, lost, invented), start=1)]
    assert sentence(records) == "0 of 3 pages were enlarged, 2 left in doubt (pages 2, 3)"


def test_notes_are_read_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    note(page(1), tmp_path)
    with caplog.at_level(logging.INFO, logger="ocrmypdf.superres"):
        log_summary(tmp_path)
        log_summary(tmp_path)
    assert caplog.messages == ["superres: 0 of 1 page was enlarged"] and not (tmp_path / JOURNAL).exists()


@pytest.mark.parametrize("damage", [b'{"file": "a.p', b"\xff\n", b'{"page": 1}\n'])
def test_damaged_notes_do_not_end_the_job(damage: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    note(page(1), tmp_path)
    with (tmp_path / JOURNAL).open("ab") as stream:
        stream.write(damage)
    log_summary(tmp_path)
    assert "the notes for the summary cannot be read" in caplog.text


@pytest.mark.parametrize("threads", [True, False])
def test_a_job_ends_with_one_line(threads: bool, tmp_path: Path, lanczos_net: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pikepdf.open(SAMPLE) as pdf:
        pdf.pages.append(pdf.pages[0])
        pdf.save(tmp_path / "in.pdf")
    with caplog.at_level(logging.INFO, logger="ocrmypdf"):
        ocrmypdf.ocr(
            tmp_path / "in.pdf", tmp_path / "out.pdf", plugins=["ocrmypdf_superres"], progress_bar=False, use_threads=threads,
            superres_model=str(lanczos_net), superres_verify="off", superres_engines="none", output_type="pdf", jobs=2,
        )  # fmt: skip
    said = [record.getMessage() for record in caplog.records if record.name == "ocrmypdf.superres"]
    assert [line for line in said if "pages were enlarged" in line] == ["superres: 2 of 2 pages were enlarged"]


def test_lines_that_are_read_again_are_not_named_one_by_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    report = tmp_path / "report.jsonl"
    with caplog.at_level(logging.INFO, logger="ocrmypdf"):
        ocrmypdf.ocr(
            SAMPLE, tmp_path / "out.pdf", plugins=["ocrmypdf_superres"], progress_bar=False, use_threads=True, output_type="pdf",
            superres_engines="none", superres_report=str(report), superres_verify="always", superres_budget=10,
        )  # fmt: skip
    assert json.loads(report.read_text(encoding="utf-8"))["action"] == "enlarged"
    assert not [message for message in caplog.messages if "[tesseract] Page" in message]


def test_lines_of_a_list_are_off_the_log_for_their_thread_only(caplog: pytest.LogCaptureFixture) -> None:
    messages = logging.getLogger(TESSERACT_LOG)
    with caplog.at_level(logging.INFO, logger=TESSERACT_LOG):
        with warnings_only():
            messages.info("Page 1 : line.png")
            messages.warning("took too long")
            other = threading.Thread(target=messages.info, args=("of another page",))
            other.start()
            other.join()
        messages.info("after")
    assert caplog.messages == ["took too long", "of another page", "after"]
