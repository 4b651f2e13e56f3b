# SPDX-License-Identifier: MPL-2.0
"""EasyOCR: CRAFT's detector and a CRNN on PyTorch, with models that the user downloaded.

It is a peer in benchmarks and may be named in ``--superres-engines``; without a calibrated row it is not asked by default.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement
from PIL import Image

from ocrmypdf_superres.errors import MissingDependencyError, RecognizerError
from ocrmypdf_superres.ocr.engines.lines import add_line, line_of_text

CODES = {
    "afr": "af", "ces": "cs", "cym": "cy", "dan": "da", "deu": "de", "eng": "en", "est": "et", "fra": "fr", "gle": "ga",
    "hrv": "hr", "hun": "hu", "ind": "id", "isl": "is", "ita": "it", "lat": "la", "lav": "lv", "lit": "lt", "nld": "nl",
    "nor": "no", "pol": "pl", "por": "pt", "ron": "ro", "slk": "sk", "slv": "sl", "spa": "es", "sqi": "sq", "swe": "sv",
    "tur": "tr", "vie": "vi", "rus": "ru", "ukr": "uk", "bel": "be", "bul": "bg",
}  # fmt: skip
"""EasyOCR's codes of Tesseract's languages that are written in Latin and Cyrillic letters."""
CYRILLIC = {"rus", "ukr", "bel", "bul"}
"""Of them, those that EasyOCR reads with its Cyrillic network, together with English only."""


class EasyOcrEngine:
    """EasyOCR on the CPU, one page at a time; networks for each set of languages are loaded by the first page that needs it."""

    name = "easyocr"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._networks: dict[tuple[str, ...], Any] = {}

    def missing(self) -> str | None:
        """Return the line to type where the package is not installed, else None."""
        if importlib.util.find_spec("easyocr") is None:
            return "the package easyocr is not installed; run: pip install easyocr"
        return None

    def version(self) -> str:
        """Return name and version of the package.

        Raises:
            MissingDependencyError: EasyOCR is not installed.
        """
        try:
            return f"easyocr {importlib.metadata.version('easyocr')}"
        except importlib.metadata.PackageNotFoundError as error:
            raise MissingDependencyError(f"The OCR engine easyocr cannot be used: {self.missing()}") from error

    def knows(self, languages: Sequence[str]) -> bool:
        """Whether one of EasyOCR's networks reads all of *languages*."""
        if self.missing() or not languages or not set(languages) <= set(CODES):
            return False
        return not set(languages) & CYRILLIC or set(languages) <= CYRILLIC | {"eng"}

    def read(self, image: Image.Image, languages: Sequence[str], dpi: float) -> OcrElement:
        """Return the words that EasyOCR finds on *image*; see :meth:`ocrmypdf_superres.ocr.engines.base.Engine.read`.

        It has no boxes of words: a line's box is divided by the number of characters.
        """
        page = OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, image.width, image.height), dpi=dpi)
        try:
            with self._lock:
                found = self._network(tuple(languages)).readtext(np.asarray(image.convert("L")))
        except (RuntimeError, ValueError, OSError, ArithmeticError, LookupError) as error:
            size = f"{image.width}x{image.height}"
            raise RecognizerError(f"EasyOCR could not read an image of {size} pixels ({error}); leave it out.") from error
        for corners, text, sure in found:
            add_line(page, line_of_text(str(text), float(sure), np.asarray(corners, dtype=np.float64), None, image.size))
        return page

    def _network(self, languages: tuple[str, ...]) -> Any:
        missing = self.missing()
        if missing:
            raise MissingDependencyError(f"The OCR engine easyocr cannot be used: {missing}")
        if languages not in self._networks:
            import easyocr

            codes = [CODES[one] for one in languages]
            try:
                # It would otherwise download missing models.
                self._networks[languages] = easyocr.Reader(codes, gpu=False, download_enabled=False, verbose=False)
            except FileNotFoundError as error:
                raise RecognizerError(
                    f"EasyOCR has no models of {'+'.join(codes)} on this machine; run once: "
                    f'python -c "import easyocr; easyocr.Reader({codes}, gpu=False)"'
                ) from error
        return self._networks[languages]
