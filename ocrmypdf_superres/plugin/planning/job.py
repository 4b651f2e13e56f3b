# SPDX-License-Identifier: MPL-2.0
"""The dry run of a document: a job of OCRmyPDF whose pages are planned for and not read."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ocrmypdf
from ocrmypdf.exceptions import ExitCodeException

from ocrmypdf_superres.errors import SuperresError, what_is_wrong
from ocrmypdf_superres.plugin.planning.hooks import pages_file
from ocrmypdf_superres.plugin.record import PageRecord
from ocrmypdf_superres.processes import standard_streams_kept

SKIP = "skip"
"""The action of a page that OCRmyPDF does not read."""


def plan_document(path: Path, options: Mapping[str, Any]) -> list[PageRecord]:
    """Return what the plugin would do to each page of *path* that *options* ask for, in order.

    The fields of a record are those of ``--superres-report``; its action is ``enlarge``, ``leave``, ``failed``, or ``skip`` for
    pages that OCRmyPDF does not read.

    Args:
        path: a PDF, or an image that OCRmyPDF takes.
        options: keywords of ``ocrmypdf.ocr()``, the plugin's among them.

    Raises:
        SuperresError: OCRmyPDF cannot work on the file or with the options.
    """
    if not path.is_file():
        raise SuperresError(f"The input {path} is missing or is not a file; give a PDF or an image.")
    with tempfile.TemporaryDirectory(prefix="superres-plan-") as folder:
        report = Path(folder) / "plan.jsonl"
        given = {
            "use_threads": True, "progress_bar": False, **options,
            "optimize": 0, "output_type": "pdf", "superres_report": str(report), "superres_keep": None,
            # A page with text ends a job unless the user says what to do with it; here the others are still of interest.
            "skip_text": not (options.get("force_ocr") or options.get("redo_ocr")),
        }  # fmt: skip
        try:
            with standard_streams_kept():
                code = ocrmypdf.ocr(path, Path(folder) / "plan.pdf", plugins=["ocrmypdf_superres.plugin.planning.hooks"], **given)
        except (ExitCodeException, TypeError, OSError) as error:  # TypeError: a value that OCRmyPDF's options do not take
            raise SuperresError(f"OCRmyPDF cannot work on {path}: {what_is_wrong(error)}") from error
        if code != 0:
            raise SuperresError(f"OCRmyPDF ended with exit code {int(code)} on {path}.")
        found = _all_pages(path, report, str(options.get("pages") or ""))
    if not found:
        raise SuperresError(f"No page of {path} is among those that --pages names; give pages of it, such as 1,3-5.")
    return found


def _all_pages(path: Path, report: Path, pages: str) -> list[PageRecord]:
    """Return the records in *report*, and one for every other page that was asked for."""
    lines = report.read_text(encoding="utf-8").splitlines() if report.is_file() else []
    found = {record.page: record for record in map(PageRecord.from_json, lines)}
    for number, holds in enumerate(json.loads(pages_file(report).read_text(encoding="utf-8")), 1):
        if number not in found and (not pages or holds["text"]):
            found[number] = PageRecord(str(path), number, SKIP, _why_skipped(holds))
    return [found[number] for number in sorted(found)]


def _why_skipped(holds: Mapping[str, bool]) -> str:
    if holds["text"]:
        return "has text already; OCRmyPDF stops at such a page, without --skip-text, --redo-ocr or --force-ocr"
    return "has no image that OCRmyPDF would read" if not holds["images"] else "OCRmyPDF does not read it"
