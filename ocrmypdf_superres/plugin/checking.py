# SPDX-License-Identifier: MPL-2.0
"""Never worse: an OCR engine that reads more than one form of a page and keeps what reads better."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocrmypdf.pluginspec import OcrEngine

log = logging.getLogger("ocrmypdf.superres")

MODEL, BLEND, LANCZOS, AS_IS = "model", "blend", "lanczos", "as-is"
"""Forms of a page: enlarged by the net, enlarged by Lanczos to the same size, the mean of both, and as it came."""
OTHERS = (BLEND, LANCZOS, AS_IS)
"""The order in which the further forms are read."""


def checked(engine: OcrEngine | None) -> OcrEngine | None:
    """Return the checking engine in the place of OCRmyPDF's Tesseract engine; any other engine stays as it is."""
    from ocrmypdf.builtin_plugins.tesseract_ocr import TesseractOcrEngine

    from ocrmypdf_superres.plugin.ocr_engine import CheckedEngine

    if type(engine) is TesseractOcrEngine:
        return CheckedEngine()
    if engine is not None and not isinstance(engine, CheckedEngine):
        _say_aside(type(engine).__name__)
    return engine


def is_checked(page: Any) -> bool:
    """Whether the engine that will read *page* (OCRmyPDF's context of it) is the checking one, which writes its record."""
    from ocrmypdf_superres.plugin.ocr_engine import CheckedEngine

    return isinstance(page.plugin_manager.get_ocr_engine(options=page.options), CheckedEngine)


@lru_cache(maxsize=8)
def _say_aside(name: str) -> None:
    """Say it once a process: the engine is asked for many times a page."""
    log.warning("superres: pages are read once and not checked, since the OCR engine is %s and not Tesseract", name)
