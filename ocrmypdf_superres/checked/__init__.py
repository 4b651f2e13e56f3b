# SPDX-License-Identifier: MPL-2.0
"""Never worse: an OCR engine that reads more than one form of a page and keeps what reads better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocrmypdf.pluginspec import OcrEngine


def ocr_engine(options: Any) -> OcrEngine | None:
    """Return the checking engine, or None (with a log line at the first page) where another engine was chosen."""
    from ocrmypdf_superres.checked.engine import CheckedEngine, other_engine

    return None if other_engine(options) else CheckedEngine()
