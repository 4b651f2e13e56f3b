# SPDX-License-Identifier: MPL-2.0
"""What OCRmyPDF leaves of each page in its working folder: the reading, the image that was read, the plugin's record.

``ocrmypdf.ocr(keep_temporary_files=True)`` leaves the folder ``ocrmypdf.io.*`` in the temporary folder, with
``000001_ocr_hocr.hocr`` (missing for a page that was not read, empty for one in which nothing was found) and
``000001_ocr.png`` (what was read) for page 1, and so on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ocrmypdf_superres.archive.tasks import PageResult
from ocrmypdf_superres.errors import ImageError
from ocrmypdf_superres.ocr.hocr import Reading
from ocrmypdf_superres.page.image import to_luma
from ocrmypdf_superres.page.text_height import measure_text_height, measured_part
from ocrmypdf_superres.plugin.record import PageRecord

LEAST_INK = 0.001
"""Share of a page's pixels; dust covers less."""


@dataclass(frozen=True)
class ReadPage:
    """One page after OCR.

    Attributes:
        result: what goes into the manifest.
        hocr: the reading, None for a page that was not read; may be an empty file.
        image: what OCR saw, None likewise.
        size: (width, height) in pixels of the page as it came, before it was enlarged; of a page without record, of *image*.
    """

    result: PageResult
    hocr: Path | None
    image: Path | None
    size: tuple[int, int] | None

    @property
    def number(self) -> int:
        return self.result.page


def gather(scratch: Path, report: Path, pages: int, relative: str) -> list[ReadPage]:
    """Return the pages that OCRmyPDF worked on.

    Args:
        scratch: the temporary folder that OCRmyPDF was given.
        report: the plugin's report, which may be missing.
        pages: how many the file has.
        relative: the input's name, for the records.
    """
    work = next(iter(sorted(scratch.glob("ocrmypdf.io.*"))), scratch)
    records: dict[int, PageRecord] = {}
    if report.exists():
        for line in report.read_text(encoding="utf-8").splitlines():
            record = PageRecord.from_json(line)
            record.file = relative
            records[record.page] = record
    return [_page(work, number, records.get(number)) for number in range(1, pages + 1)]


def _page(work: Path, number: int, record: PageRecord | None) -> ReadPage:
    hocr, image = work / f"{number:06d}_ocr_hocr.hocr", work / f"{number:06d}_ocr.png"
    result = PageResult(number)
    if record is not None:
        result = PageResult(
            number, record.action, record.reason, record.dpi, record.new_dpi, record.scale, record.x_height, record.seconds,
            record=json.loads(record.to_json()),
        )  # fmt: skip
    if not image.exists():
        result.action = result.action or "not-read"
        return ReadPage(result, None, None, None)
    result.words, result.confidence = _words(hocr)
    ink = not result.words and _has_ink(image)
    if ink:
        result.findings.append("ink but no words")
    if record is not None and record.action == "failed":
        result.findings.append("could not be enlarged")
    size = record.size if record is not None else None
    if size is None:
        with Image.open(image) as original:
            size = original.size
    return ReadPage(result, hocr if hocr.exists() else None, image, size)


def _words(hocr: Path) -> tuple[int, float | None]:
    """Number of words in *hocr* and their mean confidence in [0, 1]."""
    if not hocr.exists() or hocr.stat().st_size == 0:
        return 0, None
    try:
        words = Reading(hocr).words
    except ImageError:
        return 0, None
    return len(words), (sum(word.confidence for word in words) / len(words) / 100.0 if words else None)


def _has_ink(image: Path) -> bool:
    with Image.open(image) as original:
        found = measure_text_height(to_luma(measured_part(original)))
    return found.lines > 0 or found.ink > LEAST_INK
