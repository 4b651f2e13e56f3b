# SPDX-License-Identifier: MPL-2.0
"""Reading a page by local thresholds, as ``--tesseract-thresholding sauvola`` does."""

from __future__ import annotations

from typing import Any

from ocrmypdf.pluginspec import OcrEngine

from ocrmypdf_superres.ocr.variants import SAUVOLA
from ocrmypdf_superres.plugin.networks import Replaced
from ocrmypdf_superres.plugin.reading import engine_name, is_own_tesseract

_AUTO, _SAUVOLA = 0, 2
"""Tesseract's numbers of thresholding methods; OCRmyPDF's names for them are not part of its public API."""


def has_local_thresholds(engine: OcrEngine, options: Any) -> bool:
    """Whether *engine* is OCRmyPDF's Tesseract, 5 or later, and *options* leave the choice of a thresholding method to it."""
    if not is_own_tesseract(engine, options) or engine_name(engine).startswith("Tesseract OCR 4"):
        return False
    return bool(options.tesseract.thresholding == _AUTO)


def asked_for(variant: str, options: Any) -> Any:
    """Return OCRmyPDF's *options* for reading *variant*, with local thresholds for Sauvola's where the engine has them."""
    if variant != SAUVOLA:
        return options
    method = type(options.tesseract.thresholding)(_SAUVOLA)
    return Replaced(options, tesseract=options.tesseract.model_copy(update={"thresholding": method}))
