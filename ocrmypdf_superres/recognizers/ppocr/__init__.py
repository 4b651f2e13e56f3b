# SPDX-License-Identifier: MPL-2.0
"""PP-OCR's recognizer in PyTorch, made from its ONNX file, to be a loss or to be tuned and written back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ocrmypdf_superres.recognizers.ppocr.recognizer import PPOCRRecognizer

INSTALLED = "installed"


def load_recognizer(which: str, folder: Path | None = None) -> PPOCRRecognizer:
    """Return the frozen recognizer *which*: ``installed`` for that of the package rapidocr, or the path of an ONNX file.

    Args:
        which: see above.
        folder: where the file is, if given.

    Raises:
        RecognizerError: there is no such file, or it is not one of a PP-OCR recognizer.
        MissingDependencyError: RapidOCR is not installed.
    """
    from ocrmypdf_superres.modelstore.rapidocr_networks import installed_model
    from ocrmypdf_superres.recognizers.ppocr.onnx_file import read_model
    from ocrmypdf_superres.recognizers.ppocr.recognizer import PPOCRRecognizer

    path = installed_model() if which == INSTALLED else (folder or Path()) / which
    return PPOCRRecognizer(read_model(path), f"ppocr:{which}")
