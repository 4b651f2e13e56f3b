# SPDX-License-Identifier: MPL-2.0
"""The LSTM network of an installed ``.traineddata`` file as a frozen, differentiable recognizer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ocrmypdf_superres.errors import RecognizerError

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


def load_tuned(language: str, tessdata: Path | None = None) -> TesseractRecognizer:
    """Return the tuned network that fits the installed file of *language*, with which the plugin reads enlarged pages.

    Raises:
        RecognizerError: the language is not installed, no tuned network fits its file, or a file is damaged.
    """
    from ocrmypdf_superres.recognizers.tesseract.format.traineddata import read_traineddata
    from ocrmypdf_superres.recognizers.tesseract.networks.choice import Tuned, choose_network
    from ocrmypdf_superres.recognizers.tesseract.recognizer import TesseractRecognizer
    from ocrmypdf_superres.tesseract import find_traineddata

    path = find_traineddata(language, tessdata)
    folder = path.parent.parent if path.parent.name == "script" else path.parent
    chosen = choose_network(path.relative_to(folder).with_suffix("").as_posix(), folder)
    if not isinstance(chosen, Tuned):
        raise RecognizerError(
            f"The recognizer tuned:{language} was given, but no tuned network fits the installed file "
            f"({chosen.reason or 'there is none for this language'}); give tesseract:{language}."
        )
    return TesseractRecognizer(read_traineddata(chosen.file), name=f"tuned:{language}")
