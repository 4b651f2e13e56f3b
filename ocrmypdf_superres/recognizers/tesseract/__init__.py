# SPDX-License-Identifier: MPL-2.0
"""The LSTM network of an installed ``.traineddata`` file as a frozen, differentiable recognizer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ocrmypdf_superres.recognizers.tesseract.recognizer import TesseractRecognizer


def load_recognizer(language: str, tessdata: Path | None = None) -> TesseractRecognizer:
    """Return the recognizer of *language*: ``eng``, ``Latin`` or ``script/Latin``, or the path of a ``.traineddata`` file.

    Raises:
        RecognizerError: no such file, or a damaged one.
    """
    from ocrmypdf_superres.recognizers.tesseract.format.traineddata import read_traineddata
    from ocrmypdf_superres.recognizers.tesseract.recognizer import TesseractRecognizer
    from ocrmypdf_superres.tesseract import find_traineddata

    path = find_traineddata(language, tessdata)
    return TesseractRecognizer(read_traineddata(path), name=f"tesseract:{language}")
