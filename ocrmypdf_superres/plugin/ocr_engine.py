# SPDX-License-Identifier: MPL-2.0
"""The OCR engine: OCRmyPDF's own Tesseract engine, asked once or more a page.

The image that OCRmyPDF hands over is the chosen model's.  Where the page was enlarged, the plugin left the
image as it came beside it; from that the other forms are made.  ``auto`` reads another form only where the
readings so far leave doubt.  Every reading may take the whole of ``--tesseract-timeout``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ocrmypdf.builtin_plugins.tesseract_ocr import TesseractOcrEngine

from ocrmypdf_superres.plugin.page_readings import PageReadings


class CheckedEngine(TesseractOcrEngine):
    """Tesseract as OCRmyPDF runs it; languages, timeouts and ``--tesseract-*`` options work as ever."""

    def __str__(self) -> str:
        return f"{super().__str__()}, checked by super-resolution"

    @staticmethod
    def generate_hocr(input_file: Path, output_hocr: Path, output_text: Path, options: Any) -> None:
        """Read the page's forms and write one hOCR, in the pixels of *input_file*, and its text."""
        page = PageReadings(input_file, options)

        def read(image: Path, target: Path) -> None:
            TesseractOcrEngine.generate_hocr(image, target, target.with_suffix(".txt"), options)

        page.read_all(read, ".hocr")
        page.finish_merged(Path(output_hocr), Path(output_text))

    @staticmethod
    def generate_pdf(input_file: Path, output_pdf: Path, output_text: Path, options: Any) -> None:
        """Read the page's forms and hand over the better one's text PDF: Tesseract draws it, so lines are not mixed."""
        page = PageReadings(input_file, options)
        with_hocr = _also_hocr(options)

        def read(image: Path, target: Path) -> None:
            TesseractOcrEngine.generate_pdf(image, target, target.with_suffix(".txt"), with_hocr)

        page.read_all(read, ".pdf")
        page.finish_whole(Path(output_pdf), Path(output_text))


def _also_hocr(options: Any) -> Any:
    """*options* with Tesseract asked for hOCR beside the PDF, in one run."""
    tesseract = options.tesseract.model_copy(update={"config": [*options.tesseract.config, "hocr"]})
    return _Replaced(options, tesseract)


class _Replaced:
    """Options seen through, but for ``tesseract``; OCRmyPDF's own object is shared with other threads."""

    def __init__(self, options: Any, tesseract: Any) -> None:
        self._options = options
        self.tesseract = tesseract

    def __getattr__(self, name: str) -> Any:
        return getattr(self._options, name)
