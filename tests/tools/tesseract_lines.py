# SPDX-License-Identifier: MPL-2.0
"""Lines of a page as Tesseract's layout analysis finds them, cut out as Tesseract cuts them for its network."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.tesseract import run_tesseract

# Tesseract pads the box of a line by this many pixels of the page on all sides.
PADDING = 4

_LINE_CLASSES = ("ocr_line", "ocr_header", "ocr_caption", "ocr_textfloat")
_SPAN = re.compile(r"<span\s[^>]*?class=['\"](\w+)['\"][^>]*>", re.DOTALL)
_TITLE = re.compile(r"title=(\"[^\"]*\"|'[^']*')", re.DOTALL)
_TAGS = re.compile(r"<[^>]*>")
_NUMBER = r"(-?\d+(?:\.\d+)?)"


@dataclass(frozen=True)
class Line:
    """A line of text on a page.

    Attributes:
        box: left, top, right, bottom of its ink in pixels, right and bottom exclusive.
        text: what Tesseract read, words with single spaces.
        confidence: mean word confidence, 0..100; 0 without words.
        baseline: height in pixels from the page's top of the baseline at the middle of the box, or None.
        rise, drop: pixels from the baseline up to the ascenders' top and down to the descenders' end.
    """

    box: tuple[int, int, int, int]
    text: str
    confidence: float
    baseline: float | None = None
    rise: float = 0.0
    drop: float = 0.0

    def padded(self, width: int, height: int, padding: int = PADDING) -> tuple[int, int, int, int]:
        """The box that Tesseract gives to its network on a page of *width* x *height* pixels.

        It reaches at least from the descenders to the ascenders of the line, plus *padding* on all sides, within the
        page.
        """
        left, top, right, bottom = self.box
        if self.baseline is not None:
            top = min(top, int(self.baseline - self.rise))
            bottom = max(bottom, int(self.baseline + self.drop + 0.999))
        return max(0, left - padding), max(0, top - padding), min(width, right + padding), min(height, bottom + padding)

    def cut(self, page: Image.Image, padding: int = PADDING) -> Image.Image:
        """The image of the line, cut from *page*."""
        return page.crop(self.padded(page.width, page.height, padding))


def lines_from_hocr(hocr: str) -> list[Line]:
    """Lines with their baselines in *hocr*, Tesseract's hOCR output, in reading order; lines without words are out.

    Raises:
        RecognizerError: a line has no box.
    """
    lines = []
    for title, body in _hocr_lines(hocr):
        box = _numbers(title, rf"bbox {_NUMBER} {_NUMBER} {_NUMBER} {_NUMBER}")
        if box is None:
            raise RecognizerError(
                f"A line of the hOCR file has the title {title[:80]!r}, one with a bbox was expected; "
                f"write the file with tesseract's hocr output."
            )
        left, top, right, bottom = (int(value) for value in box)
        words, sure = _hocr_words(body)
        if not words or right <= left or bottom <= top:
            continue
        base = _numbers(title, rf"baseline {_NUMBER} {_NUMBER}")
        size = _numbers(title, rf"x_size {_NUMBER}")
        drop = _numbers(title, rf"x_descenders {_NUMBER}")
        if base is None or size is None or drop is None:
            lines.append(Line((left, top, right, bottom), " ".join(words), sure))
            continue
        baseline = bottom + base[1] + base[0] * (right - left) / 2.0
        rise = max(0.0, size[0] - drop[0])
        lines.append(Line((left, top, right, bottom), " ".join(words), sure, baseline, rise, max(0.0, drop[0])))
    return lines


def _hocr_lines(hocr: str) -> Iterator[tuple[str, str]]:
    starts = [match for match in _SPAN.finditer(hocr) if match.group(1) in _LINE_CLASSES]
    for index, match in enumerate(starts):
        end = starts[index + 1].start() if index + 1 < len(starts) else len(hocr)
        title = _TITLE.search(match.group(0))
        yield (html.unescape(title.group(1)) if title else ""), hocr[match.end() : end]


def _hocr_words(body: str) -> tuple[list[str], float]:
    words, sure = [], []
    for match in _SPAN.finditer(body):
        if match.group(1) != "ocrx_word":
            continue
        end = body.find("</span>", match.end())
        text = html.unescape(_TAGS.sub("", body[match.end() : end if end >= 0 else len(body)])).strip()
        if text:
            words.append(text)
            confidence = _numbers(match.group(0), rf"x_wconf {_NUMBER}")
            sure.append(confidence[0] if confidence else 0.0)
    return words, sum(sure) / len(sure) if sure else 0.0


def _numbers(title: str, pattern: str) -> list[float] | None:
    match = re.search(pattern, title)
    return None if match is None else [float(value) for value in match.groups()]


def lines_from_tsv(tsv: str) -> list[Line]:
    """Lines in *tsv*, Tesseract's TSV output, in reading order; a TSV file has no baselines.

    Raises:
        RecognizerError: a row does not have the twelve columns of Tesseract's TSV.
    """
    boxes: dict[tuple[str, ...], tuple[int, int, int, int]] = {}
    words: dict[tuple[str, ...], list[tuple[str, float]]] = {}
    for number, row in enumerate(tsv.splitlines()):
        cells = row.split("\t")
        if not row.strip() or cells[0] == "level":
            continue
        try:
            left, top, width, height = (int(cell) for cell in cells[6:10])
            confidence, text = float(cells[10]), cells[11].strip() if len(cells) > 11 else ""
        except (ValueError, IndexError) as error:
            raise RecognizerError(
                f"Line {number + 1} of the TSV file is {row[:60]!r}, Tesseract's twelve columns were expected; "
                f"write the file with tesseract's tsv output."
            ) from error
        key = tuple(cells[1:5])
        if cells[0] == "4":
            boxes[key] = (left, top, left + width, top + height)
        elif cells[0] == "5" and text:
            words.setdefault(key, []).append((text, confidence))
    lines = []
    for key, box in boxes.items():
        found = words.get(key, [])
        if found and box[2] > box[0] and box[3] > box[1]:
            mean = sum(sure for _, sure in found) / len(found)
            lines.append(Line(box, " ".join(text for text, _ in found), mean))
    return lines


def find_lines(page: Image.Image, language: str, psm: int = 3, tessdata: Path | None = None) -> list[Line]:
    """Lines that the installed Tesseract finds on *page*.

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
