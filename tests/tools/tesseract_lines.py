# SPDX-License-Identifier: MPL-2.0
"""Lines of a page as Tesseract's layout analysis finds them, cut out as Tesseract cuts them for its network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from PIL import Image

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.tesseract import run_tesseract

# Tesseract pads the box of a line by this many pixels of the page on all sides.
PADDING = 4

_LINE_CLASSES = ("ocr_line", "ocr_header", "ocr_caption", "ocr_textfloat")


@dataclass(frozen=True)
class Line:
    """A line of text on a page.

    Attributes:
        box: left, top, right, bottom of its ink in pixels, right and bottom exclusive.
        text: what Tesseract read, words with single spaces.
        confidence: mean word confidence, 0..100; 0 without words.
        baseline: height in pixels from the page's top of the baseline at the middle of the box, or None.
        rise: pixels from the baseline up to the ascenders' top.
        drop: pixels from it down to the descenders' end.
    """

    box: tuple[int, int, int, int]
    text: str
    confidence: float
    baseline: float | None = None
    rise: float = 0.0
    drop: float = 0.0

    def padded(self, width: int, height: int, padding: int = PADDING) -> tuple[int, int, int, int]:
        """Return the box that Tesseract gives to its network on a page of *width* x *height* pixels.

        It reaches at least from the descenders to the ascenders of the line, plus *padding* on all sides, within the
        page.
        """
        left, top, right, bottom = self.box
        if self.baseline is not None:
            top = min(top, int(self.baseline - self.rise))
            bottom = max(bottom, int(self.baseline + self.drop + 0.999))
        return max(0, left - padding), max(0, top - padding), min(width, right + padding), min(height, bottom + padding)

    def cut(self, page: Image.Image, padding: int = PADDING) -> Image.Image:
        """Return the image of the line, cut from *page*."""
        return page.crop(self.padded(page.width, page.height, padding))


def lines_from_hocr(hocr: str) -> list[Line]:
    """Return the lines with their baselines in *hocr*, Tesseract's hOCR, in reading order; lines without words are left out.

    Read here, since neither OCRmyPDF's parser nor the package's keeps the sizes that Tesseract cuts lines by.

    Raises:
        RecognizerError: a line has no box.
    """
    lines = []
    for element in ElementTree.fromstring(hocr).iter():
        if element.get("class") not in _LINE_CLASSES:
            continue
        box, base = _numbers(element, "bbox", 4), _numbers(element, "baseline", 2)
        if not box:
            raise RecognizerError(
                f"A line of the hOCR file has the title {element.get('title', '')[:80]!r}, one with a bbox was expected; "
                f"write the file with tesseract's hocr output."
            )
        left, top, right, bottom = (int(value) for value in box)
        words = [word for word in element.iter() if word.get("class") == "ocrx_word" and "".join(word.itertext()).strip()]
        if not words or right <= left or bottom <= top:
            continue
        text = " ".join("".join(word.itertext()).strip() for word in words)
        confidence = sum(sum(_numbers(word, "x_wconf", 1)) for word in words) / len(words)
        size, drop = _numbers(element, "x_size", 1), _numbers(element, "x_descenders", 1)
        if not (base and size and drop):
            lines.append(Line((left, top, right, bottom), text, confidence))
            continue
        baseline = bottom + base[1] + base[0] * (right - left) / 2.0
        rise = max(0.0, size[0] - drop[0])
        lines.append(Line((left, top, right, bottom), text, confidence, baseline, rise, max(0.0, drop[0])))
    return lines


def _numbers(element: ElementTree.Element, name: str, count: int) -> list[float]:
    """Return the *count* numbers after *name* in the title of *element*; none where it has no such property."""
    found = re.search(rf"\b{name}" + r" (-?\d+(?:\.\d+)?)" * count, element.get("title", ""))
    return [float(value) for value in found.groups()] if found else []


def find_lines(page: Image.Image, language: str, psm: int = 3, tessdata: Path | None = None) -> list[Line]:
    """Return the lines that the installed Tesseract finds on *page*.

    Raises:
        RecognizerError, MissingDependencyError: Tesseract fails, or is not installed.
    """
    with TemporaryDirectory(prefix="superres-") as folder:
        path = Path(folder) / "page.png"
        page.save(path)
        dpi = page.info.get("dpi", (0, 0))[0]
        arguments = [str(path), "stdout", "-l", language, "--psm", str(psm)]
        arguments += [] if dpi and dpi >= 70 else ["--dpi", "300"]
        arguments += [] if tessdata is None else ["--tessdata-dir", str(tessdata)]
        return lines_from_hocr(run_tesseract([*arguments, "hocr"]))
