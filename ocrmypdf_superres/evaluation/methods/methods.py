# SPDX-License-Identifier: MPL-2.0
"""The methods that are compared: each reads one page and says what it cost.

as-is, lanczos, bicubic, native, peers and nets by themselves give the image to Tesseract directly (as-is through OCRmyPDF reads the same text, which a
test holds); oversample, plugin and plugin-checked are real OCRmyPDF runs on a PDF made of the image, whose sidecar text
is scored.  All seconds are CPU seconds of one thread: Tesseract's from the child processes' accounts, super-resolution's
from the clock of the worker's thread, loading the net (once a process) included.
"""

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

import numpy as np
from PIL import Image

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.evaluation.data.pages import Case
from ocrmypdf_superres.evaluation.data.profiles import reduce_page
from ocrmypdf_superres.evaluation.methods import stopwatch
from ocrmypdf_superres.evaluation.methods.peers import Peer, enlarge_by
from ocrmypdf_superres.evaluation.methods.stopwatch import children_seconds
from ocrmypdf_superres.page.image import from_luma, to_luma
from ocrmypdf_superres.tesseract import read_page

METHODS = ("as-is", "lanczos", "oversample", "plugin", "plugin-checked", "native")
"""What is compared unless a user says otherwise; bicubic, peers and nets by themselves are further ones."""
FURTHER = ("bicubic", "plugin-once")
CHECKS = {"plugin-once": "off", "plugin-checked": "always"}
TARGET_DPI = 300.0
STOPWATCH = stopwatch.__name__


@dataclass
class Reading:
    """What a method made of a page: the text, CPU seconds of Tesseract and of super-resolution, the plugin's record."""

    text: str
    tesseract_seconds: float
    superres_seconds: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)


def lr_image(case: Case) -> tuple[Image.Image, float]:
    """Return the image that the methods are given, and its dpi.

    A reduced page is grey; a page under no condition keeps its mode, but for transparency, which PDF makers refuse.
    """
    with Image.open(case.page.image) as opened:
        if not case.profile:
            image = opened.convert("RGB") if opened.mode in ("RGBA", "LA", "P") else opened.copy()
            return image, case.page.dpi
        luma = to_luma(opened)
    return from_luma(reduce_page(luma, case.page.dpi, case.dpi, case.profile, case.page.name)), case.dpi


def tesseract_text(image: Image.Image, dpi: float, languages: str, segmentation: int | None = None) -> Reading:
    """Read *image* with the Tesseract program at its defaults, but for a page segmentation mode where one is given.

    Raises:
        SuperresError: Tesseract is not installed or fails.
    """
    before = children_seconds()
    text = read_page(image, languages, dpi=dpi, psm=segmentation)
    return Reading(text, children_seconds() - before)


def resampled(image: Image.Image, dpi: float, kind: Image.Resampling) -> Image.Image:
    """Return *image*, which has *dpi*, in grey and resampled to 300 dpi."""
    luma = to_luma(image)
    factor = TARGET_DPI / dpi
    size = (max(1, round(luma.shape[1] * factor)), max(1, round(luma.shape[0] * factor)))
    large = Image.fromarray(np.ascontiguousarray(luma, dtype=np.float32)).resize(size, kind)
    return from_luma(np.asarray(large, dtype=np.float32))


def lanczos_image(image: Image.Image, dpi: float) -> Image.Image:
    """Return *image*, which has *dpi*, in grey and resampled to 300 dpi with Lanczos-3."""
    return resampled(image, dpi, Image.Resampling.LANCZOS)


def peer_image(image: Image.Image, dpi: float, peer: Peer, line: bool = False) -> Image.Image:
    """Return *image*, which has *dpi*, enlarged by *peer* and from there resampled to 300 dpi with Lanczos-3.

    *line* says that the image is a single line of text.

    Raises:
        SuperresError: the peer fails.
    """
    large = enlarge_by(peer, image, dpi, line)
    return resampled(large, dpi * large.width / image.width, Image.Resampling.LANCZOS)


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
        if len(plugins) > 1:
            options["superres_report"] = str(report)
        lap = stopwatch.start()
        try:
            with _one_thread():
                code = ocrmypdf.ocr(
                    folder / "page.pdf", folder / "out.pdf", language=languages.split("+"), sidecar=sidecar, jobs=1,
                    use_threads=True, optimize=0, output_type="pdf", progress_bar=False, plugins=plugins, **options,
                )  # fmt: skip
        except ocrmypdf.exceptions.ExitCodeException as error:
            raise SuperresError(f"OCRmyPDF ended with {type(error).__name__}: {error}") from error
        if code != 0:
            raise SuperresError(f"OCRmyPDF ended with exit code {int(code)}.")
        read_from = lap.children_before_reading
        tesseract = children_seconds() - read_from if read_from is not None else 0.0
        details = json.loads(report.read_text(encoding="utf-8").splitlines()[0]) if report.is_file() else {}
        text = sidecar.read_text(encoding="utf-8", errors="replace").replace("\f", "\n")
        return Reading(text, tesseract, lap.filters if details else 0.0, details)


#: Tesseract's page segmentation mode for images of single lines (raw line).
LINE_MODE = 13


def _peer_text(original: Image.Image, dpi: float, languages: str, peer: Peer, line: bool) -> Reading:
    children, thread = children_seconds(), time.thread_time()
    image = peer_image(original, dpi, peer, line)
    seconds = children_seconds() - children + time.thread_time() - thread
    reading = tesseract_text(image, TARGET_DPI, languages, LINE_MODE if line else None)
    return Reading(reading.text, reading.tesseract_seconds, seconds)


def read(case: Case, method: str, model: str, peer: Peer | None = None) -> Reading:
    """Return what *method* reads on *case*; *peer* is what the method stands for, where it is none of ours.

    Raises:
        SuperresError: the page or the method's program fails.
    """
    languages = case.page.languages
    mode = LINE_MODE if case.page.line else None
    if method == "native":
        with Image.open(case.page.image) as opened:
            luma = to_luma(opened)
        return tesseract_text(from_luma(luma), case.page.dpi, languages, mode)
    image, dpi = lr_image(case)
    if peer is not None:
        return _peer_text(image, dpi, languages, peer, case.page.line)
    if method == "as-is":
        return tesseract_text(image, dpi, languages, mode)
    if method == "lanczos":
        return tesseract_text(lanczos_image(image, dpi), TARGET_DPI, languages, mode)
    if method == "bicubic":
        return tesseract_text(resampled(image, dpi, Image.Resampling.BICUBIC), TARGET_DPI, languages, mode)
    # A single line is too little to measure the height of text by.
    line: dict[str, Any] = {"tesseract_pagesegmode": LINE_MODE} if case.page.line else {}
    if method == "oversample":
        return ocrmypdf_text(image, dpi, languages, oversample=int(TARGET_DPI), **line)
    # The plugin alone reads as its defaults say.
    check = {"superres_verify": CHECKS[method]} if method in CHECKS else {}
    trigger = {"superres_trigger": "always"} if case.page.line else {}
    return ocrmypdf_text(
        image, dpi, languages, plugins=["ocrmypdf_superres"], superres_model=model, superres_device="cpu",
        superres_threads=1, **check, **line, **trigger,
    )  # fmt: skip
