# SPDX-License-Identifier: MPL-2.0
"""Differentiable recognizers of text lines, and how they are found by name.

``load("tesseract:eng")`` gives the network of the installed ``eng.traineddata``, ``load("tuned:eng")`` the one that the
plugin reads enlarged pages with. Other packages add kinds of recognizers by an entry point in the group
``ocrmypdf_superres.recognizers`` whose name is the part before the colon and whose object is called as
``loader(rest_of_name, folder)``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ocrmypdf_superres.entry_points import Registry
from ocrmypdf_superres.errors import RecognizerError

if TYPE_CHECKING:
    from ocrmypdf_superres.recognizers.base import Recognizer

__all__ = ["load"]

REGISTRY = Registry(
    "ocrmypdf_superres.recognizers",
    "kind of recognizer",
    {
        "tesseract": "ocrmypdf_superres.recognizers.tesseract:load_recognizer",
        "tuned": "ocrmypdf_superres.recognizers.tesseract:load_tuned",
        "folder": "ocrmypdf_superres.recognizers.folder:load_recognizer",
        "ppocr": "ocrmypdf_superres.recognizers.ppocr:load_recognizer",
    },
    RecognizerError,
)


def load(name: str, tessdata: str | Path | None = None) -> Recognizer:
    """Return the frozen recognizer called *name*, written ``kind:which``, for example ``tesseract:eng``.

    Args:
        name: ``tesseract:eng``, ``tesseract:script/Latin``, ``tesseract:/path/to/file.traineddata``, ``tuned:eng``,
            ``folder:FOLDER``, ``ppocr:installed`` or ``ppocr:FILE.onnx``, or ``kind:which`` of an entry point.
        tessdata: folder to look in instead of the installed ones.

    Raises:
        RecognizerError: the kind or the file is not there, or the file is damaged.
    """
    kind, colon, which = name.partition(":")
    if not colon or not which:
        raise RecognizerError(
            f"The recognizer {name!r} was given, a name such as 'tesseract:eng' was expected; "
            f"write one of {', '.join(REGISTRY.names())}, a colon and what to load."
        )
    recognizer: Recognizer = REGISTRY.load(kind)(which, None if tessdata is None else Path(tessdata))
    return recognizer
