# SPDX-License-Identifier: MPL-2.0
"""What the plugin kept of each page (``--superres-keep``): the reading, the image that was read, and the record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ocrmypdf_superres.archive.tasks import PageResult
from ocrmypdf_superres.errors import ImageError
from ocrmypdf_superres.ocr.kept_pages import PageFiles
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
        hocr: the file with the reading, None for a page that was not read.
        page_hocr: the same laid back onto the page; the same file where the image that was read lies as the page does.
        image: the file with what OCR was given, None likewise.
        size: (width, height) in pixels of the original page, before it was enlarged; of a page without record, of *image*.
    """

    result: PageResult
    hocr: Path | None
    page_hocr: Path | None
    image: Path | None
    size: tuple[int, int] | None

    @property
    def number(self) -> int:
        """Number of the page in its file, from 1."""
        return self.result.page


def gather(kept: Path, pages: int, relative: str) -> list[ReadPage]:
    """Return the pages of a file, those that were not read included.

    Args:
        kept: the folder of ``--superres-keep``.
        pages: how many the file has.
        relative: the input's name, for the records.
    """
    return [_page(PageFiles(kept, number), relative) for number in range(1, pages + 1)]


def _page(kept: PageFiles, relative: str) -> ReadPage:
    result, record = PageResult(kept.number), None
    if (values := kept.record()) is not None:
        record = PageRecord.from_json(json.dumps({**values, "file": relative}))
        result = PageResult(
            kept.number, record.action, record.reason, record.dpi, record.new_dpi, record.scale, record.x_height, record.seconds,
            # Without the causes, which differ from page to page, so that reports can count them; the record has them.
            findings=[fault.partition(": ")[0] for fault in record.faults], record=json.loads(record.to_json()),
        )  # fmt: skip
    if not kept.image.exists():
        result.action = result.action or "not-read"
        return ReadPage(result, None, None, None, None)
    result.words, result.confidence = _words(kept)
    if not result.words and _has_ink(kept.image):
        result.findings.append("ink but no words")
    if record is not None and record.action == "failed":
        result.findings.append("could not be enlarged")
    size = record.size if record is not None else None
    if size is None:
        with Image.open(kept.image) as original:
            size = original.size
    hocr = kept.hocr if kept.hocr.exists() else None
    return ReadPage(result, hocr, kept.page_hocr if kept.page_hocr.exists() else hocr, kept.image, size)


def _words(kept: PageFiles) -> tuple[int, float | None]:
    """Return the number of words that were read and their mean confidence in [0, 1]."""
    try:
        found = kept.hypothesis()
    except ImageError:
        return 0, None
    words = found.words if found is not None else []
    return len(words), (sum(word.confidence for word in words) / len(words) / 100.0 if words else None)


def _has_ink(image: Path) -> bool:
    with Image.open(image) as original:
        found = measure_text_height(to_luma(measured_part(original)))
    return found.lines > 0 or found.ink > LEAST_INK
