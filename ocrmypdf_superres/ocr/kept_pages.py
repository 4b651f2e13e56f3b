# SPDX-License-Identifier: MPL-2.0
"""The folder of ``--superres-keep``: what OCR was given of each page, what was read, and the record.

Page 1 has ``page-0001.png`` (the image that OCR was given), ``page-0001.hocr`` (what was read, in the pixels of that
image; a page without words where nothing was found) and ``page-0001.json`` (the record). A page that was not read has
at most the record. Where lines were made level for OCR, or the page was turned upright, ``page-0001.page.hocr`` has the same
in the pixels of that image as the page lies.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocrmypdf_superres.files import atomic_write, atomic_write_bytes, atomic_write_text
from ocrmypdf_superres.ocr.hocr import read_hocr
from ocrmypdf_superres.ocr.hypothesis import Hypothesis


@dataclass(frozen=True)
class PageFiles:
    """One page in such a folder; the files may be missing."""

    folder: Path
    number: int

    @property
    def image(self) -> Path:
        """The image that OCR was given."""
        return self.folder / f"page-{self.number:04d}.png"

    @property
    def hocr(self) -> Path:
        """What was read."""
        return self.image.with_suffix(".hocr")

    @property
    def page_hocr(self) -> Path:
        """What was read, laid back onto the page, where the image was turned or its lines were made level."""
        return self.image.with_suffix(".page.hocr")

    @property
    def json(self) -> Path:
        """The record."""
        return self.image.with_suffix(".json")

    def write(self, record: str, image: Path | None = None, hocr: bytes = b"", page_hocr: bytes = b"") -> None:
        """Write the JSON *record*, a copy of the PNG file *image*, *hocr* and *page_hocr*, each where there is one.

        What an earlier job left of the page goes, so that its files are of one job.

        Raises:
            OSError: a file cannot be written.
        """
        if image is not None:
            with atomic_write(self.image) as part:
                shutil.copyfile(image, part)
        else:
            self.image.unlink(missing_ok=True)
        for path, content in ((self.hocr, hocr), (self.page_hocr, page_hocr)):
            if content:
                atomic_write_bytes(path, content)
            else:
                path.unlink(missing_ok=True)
        atomic_write_text(self.json, record + "\n")

    def record(self) -> dict[str, Any] | None:
        """Return the record, None where there is none."""
        if not self.json.is_file():
            return None
        values: dict[str, Any] = json.loads(self.json.read_text(encoding="utf-8"))
        return values

    def hypothesis(self) -> Hypothesis | None:
        """Return what was read, None for a page that was not read.

        Raises:
            ImageError: the hOCR is damaged.
        """
        return Hypothesis(read_hocr(self.hocr)) if self.hocr.is_file() else None


def kept_pages(folder: Path) -> list[PageFiles]:
    """Return the pages that *folder* has anything of, in order."""
    numbers = {
        int(found[1]) for path in folder.iterdir() if (found := re.fullmatch(r"page-(\d{4,})\.(png|hocr|json)", path.name))
    }
    return [PageFiles(folder, number) for number in sorted(numbers)]
