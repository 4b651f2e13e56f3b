# SPDX-License-Identifier: MPL-2.0
"""Doubtful lines of a page, read again by OCRmyPDF's Tesseract in one run of the program."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ocrmypdf.exceptions import SubprocessOutputError
from ocrmypdf.hocrtransform import OcrElement
from ocrmypdf.pluginspec import OcrEngine
from PIL import Image

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.metrics.boxes import Box
from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.hocr import parse_pages
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.lines.crops import read_crops
from ocrmypdf_superres.ocr.lines.doubt import DoubtfulLine, doubtful_lines, spend
from ocrmypdf_superres.ocr.variants import BLEND
from ocrmypdf_superres.plugin.networks import Replaced
from ocrmypdf_superres.plugin.reading import interruptible, is_own_tesseract

LINE_VARIANTS = (BLEND,)
"""The variants that lines are read from.

On 20 training pages lines of the blend found as much as the whole page of it for 70 % of its time; Lanczos' beside them
found no more.
"""
ONE_LINE = 7
"""Tesseract's page segmentation mode for an image of one line; 13 reads cut lines much worse."""
ONE_BLOCK = 6
"""The mode for lines of one column. With ONE_LINE Tesseract looks for the best row of an image, and ends with a floating-point
exception where two of a row's words have no letters, as between the rules of a table: each has the lowest certainty that a float
can hold, and it adds them up (seen with 5.3)."""
MOST_UNREAD = 30
"""Ink without words is read as far as its lines are together at most this many times as wide as the page."""
TESSERACT_LOG = "ocrmypdf._exec.tesseract"
"""OCRmyPDF's logger for the output of the program."""
PAGE_MODES = (None, 1, 3)
"""Page segmentation modes of a whole page: with any other one the user says how the page is to be read."""


class _WarningsOfThread(logging.Filter):
    """Drops what one thread logs below a warning."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether *record* continues."""
        return record.levelno >= logging.WARNING or record.thread != self._thread


@contextmanager
def warnings_only() -> Iterator[None]:
    """Suppress Tesseract's message for each image of a list, each of which is a line of a page here."""
    messages, quiet = logging.getLogger(TESSERACT_LOG), _WarningsOfThread()
    messages.addFilter(quiet)
    try:
        yield
    finally:
        messages.removeFilter(quiet)


def can_read_lines(engine: OcrEngine, options: Any) -> bool:
    """Whether *engine* is OCRmyPDF's Tesseract, which reads a list of images, and may divide the page as it sees fit."""
    return is_own_tesseract(engine, options) and options.tesseract.pagesegmode in PAGE_MODES


def lines_in_doubt(reading: Hypothesis, calibration: Calibration, variant: str, seams: Sequence[Box] = ()) -> list[DoubtfulLine]:
    """Return the doubtful lines of *reading*, of *variant*.

    Args:
        reading: the reading whose layout stands.
        calibration: says how sure it is.
        variant: the variant that was read.
        seams: the boxes of lines that were cut in two, perhaps in the middle of a word: they are in doubt.
    """
    lines = doubtful_lines(reading, calibration, variant)
    # A word at the seam is wrong, and its halves look sure.
    cut = [line for line in reading.lines if line.box in seams and all(line.box != known.box for known in lines)]
    return lines + [DoubtfulLine(line.box, 0.5 * len(line.text)) for line in cut]


def lines_within(
    doubtful: Sequence[DoubtfulLine], unread: Sequence[DoubtfulLine], reading: Hypothesis, budget: float
) -> list[DoubtfulLine]:
    """Return the most *doubtful* lines that cost at most *budget*, in multiples of the first reading, and *unread* ones.

    A line costs its width as a share of the width of all lines of *reading*. What the reading missed cost it nothing, so lines of
    ink without words are taken beside the budget, as far as MOST_UNREAD goes.
    """
    total = sum(line.box[2] - line.box[0] for line in reading.lines)
    return spend(doubtful, max(budget, 0.0) * total) + spend(unread, MOST_UNREAD * reading.size[0])


def read_lines(
    engine: OcrEngine, options: Any, image: Image.Image, lines: Sequence[DoubtfulLine], target: Path, dpi: tuple[float, float]
) -> Hypothesis:
    """Return what *engine* reads in *lines* of *image*, in its pixels.

    Args:
        engine: OCRmyPDF's Tesseract (see :func:`can_read_lines`).
        options: OCRmyPDF's, for the engine.
        image: a variant of the page.
        lines: where the lines are.
        target: a name for working files, which are removed again.
        dpi: the resolution of *image*.

    Raises:
        RecognizerError: it took too long.
        ImageError: it wrote something else than hOCR.
        ExitCodeException, OSError: it failed.
    """
    hocr, text = target.with_suffix(".hocr"), target.with_suffix(".txt")

    def ask(listing: Path, mode: int) -> None:
        asked: Any = Replaced(options, tesseract=options.tesseract.model_copy(update={"pagesegmode": mode}))
        with warnings_only(), interruptible():
            engine.generate_hocr(input_file=listing, output_hocr=hocr, output_text=text, options=asked)

    def read(listing: Path) -> list[OcrElement]:
        try:
            try:
                ask(listing, ONE_LINE)
            except SubprocessOutputError:
                ask(listing, ONE_BLOCK)
            written = hocr.read_bytes()
        finally:
            hocr.unlink(missing_ok=True)
            text.unlink(missing_ok=True)
        if not written:
            raise RecognizerError("reading its doubtful lines took longer than --tesseract-timeout; they stay as they are")
        return parse_pages(written)

    target.mkdir(exist_ok=True)
    try:
        return read_crops(image, [line.box for line in lines], float(dpi[0]), target, read)
    finally:
        target.rmdir()
