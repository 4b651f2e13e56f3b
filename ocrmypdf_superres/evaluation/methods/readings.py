# SPDX-License-Identifier: MPL-2.0
"""Reading a page and measuring its cost: by Tesseract directly, or by a real OCRmyPDF run."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.evaluation.methods import stopwatch
from ocrmypdf_superres.evaluation.methods.stopwatch import children_seconds
from ocrmypdf_superres.metrics.boxes import Box
from ocrmypdf_superres.ocr.engines.base import shared_engine
from ocrmypdf_superres.ocr.engines.calibration import calibrated_engines
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.kept_pages import PageFiles
from ocrmypdf_superres.processes import standard_streams_kept
from ocrmypdf_superres.tesseract import read_page

STOPWATCH = stopwatch.__name__


@dataclass
class Reading:
    """What a method made of a page.

    Attributes:
        text: the text.
        tesseract_seconds: CPU seconds of Tesseract; superres_seconds: of super-resolution.
        details: the plugin's record.
        words: what the plugin put into the text layer: text, confidence (0 to 100) and box of each word.
        size: width and height of the image that the boxes are in the pixels of.
        run_seconds: CPU seconds of the whole OCRmyPDF run, further engines included; 0 where it was none.
    """

    text: str
    tesseract_seconds: float
    superres_seconds: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)
    words: list[tuple[str, float, Box]] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)
    run_seconds: float = 0.0


def tesseract_text(
    image: Image.Image, dpi: float, languages: str, segmentation: int | None = None, tessdata: Path | None = None
) -> Reading:
    """Read *image* with the Tesseract program at its defaults.

    Another page segmentation mode, and another folder of language files than the installed one, may be given.

    Raises:
        SuperresError: Tesseract is not installed or fails.
    """
    before = children_seconds()
    text = read_page(image, languages, dpi=dpi, psm=segmentation, tessdata=tessdata)
    return Reading(text, children_seconds() - before)


def engine_text(name: str, image: Image.Image, dpi: float, languages: str) -> Reading:
    """Read *image* by an OCR engine of the plugin by itself; its CPU seconds stand where Tesseract's do.

    Raises:
        SuperresError: the engine is not installed, does not know the languages, or fails.
    """
    engine = shared_engine(name)
    if not engine.knows(languages.split("+")):
        raise SuperresError(f"The engine {name} does not know {languages}; leave these pages out.")
    began = time.process_time()
    text = Hypothesis(engine.read(image, languages.split("+"), dpi)).text()
    return Reading(text, time.process_time() - began)


def engine_versions() -> list[str]:
    """Return the versions of the engines that the plugin asks by default, for the cache's key."""
    return [shared_engine(name).version() for name in calibrated_engines()]


@contextmanager
def _one_thread() -> Iterator[None]:
    previous = os.environ.get("OMP_THREAD_LIMIT")
    os.environ["OMP_THREAD_LIMIT"] = "1"
    try:
        yield
    finally:
        if previous is None:
            del os.environ["OMP_THREAD_LIMIT"]
        else:
            os.environ["OMP_THREAD_LIMIT"] = previous


def ocrmypdf_text(image: Image.Image, dpi: float, languages: str, **options: Any) -> Reading:
    """Read *image* by a real OCRmyPDF run, one worker, on a PDF that holds it losslessly.

    Raises:
        SuperresError: OCRmyPDF ends with an error.
    """
    import img2pdf
    import ocrmypdf

    plugins = [STOPWATCH, *options.pop("plugins", [])]
    with tempfile.TemporaryDirectory(prefix="superres-evaluate-") as temporary:
        folder = Path(temporary)
        image.save(folder / "page.png", dpi=(dpi, dpi))
        (folder / "page.pdf").write_bytes(img2pdf.convert(str(folder / "page.png")))
        sidecar, report = folder / "page.txt", folder / "report.jsonl"
        kept = PageFiles(folder / "kept", 1)
        if "ocrmypdf_superres" in plugins:
            options |= {"superres_report": str(report), "superres_keep": str(kept.folder)}
        lap_file = folder / "lap.json"
        began = time.process_time() + children_seconds()
        try:
            with _one_thread(), standard_streams_kept():
                code = ocrmypdf.ocr(
                    folder / "page.pdf", folder / "out.pdf", language=languages.split("+"), sidecar=sidecar, jobs=1,
                    use_threads=True, optimize=0, output_type="pdf", progress_bar=False, plugins=plugins,
                    stopwatch_file=str(lap_file), **options,
                )  # fmt: skip
        except ocrmypdf.exceptions.ExitCodeException as error:
            raise SuperresError(f"OCRmyPDF ended with {type(error).__name__}: {error}") from error
        if code != 0:
            raise SuperresError(f"OCRmyPDF ended with exit code {int(code)}.")
        ran = time.process_time() + children_seconds() - began
        lap = stopwatch.read_lap(lap_file)
        read_from = lap.children_before_reading
        tesseract = children_seconds() - read_from if read_from is not None else 0.0
        details = json.loads(report.read_text(encoding="utf-8").splitlines()[0]) if report.is_file() else {}
        text = sidecar.read_text(encoding="utf-8", errors="replace").replace("\f", "\n")
        return Reading(text, tesseract, lap.filters if details else 0.0, details, *_words(kept), ran)


def _words(kept: PageFiles) -> tuple[list[tuple[str, float, Box]], tuple[int, int]]:
    found = kept.hypothesis()
    return ([], (0, 0)) if found is None else ([(w.text, w.confidence, w.box) for w in found.words], found.size)


def ocrmypdf_version() -> str:
    """Return OCRmyPDF's version as a line for the cache's key."""
    import ocrmypdf

    return f"ocrmypdf {ocrmypdf.__version__}"
