# SPDX-License-Identifier: MPL-2.0
"""Differentiable readers of text lines, and how they are found by name.

``load("tesseract:eng")`` gives the network of the installed ``eng.traineddata``. Other packages add kinds of
recognizers by an entry point in the group ``ocrmypdf_superres.recognizers`` whose name is the part before the
colon and whose object is called as ``loader(rest_of_name, folder)``.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocrmypdf_superres.errors import RecognizerError

if TYPE_CHECKING:
    from ocrmypdf_superres.recognizers.base import Recognizer

GROUP = "ocrmypdf_superres.recognizers"

_OWN = {
    "tesseract": "ocrmypdf_superres.recognizers.tesseract:load_recognizer",
    "reader": "ocrmypdf_superres.recognizers.folder:load_recognizer",
}


def kinds() -> list[str]:
    """Names of the kinds of recognizers that can be loaded: our own, then those of other packages."""
    others = sorted({point.name for point in entry_points(group=GROUP)} - set(_OWN))
    return [*_OWN, *others]


def load(name: str, tessdata: str | Path | None = None) -> Recognizer:
    """Load the frozen recognizer called *name*, written ``kind:which``, for example ``tesseract:eng``.

    Args:
        name: ``tesseract:eng``, ``tesseract:script/Latin``, ``tesseract:/path/to/file.traineddata``, ``reader:FOLDER``, or
            ``kind:which`` of an entry point.
        tessdata: folder to look in instead of the installed ones.

    Raises:
        RecognizerError: the kind or the file is not there, or the file is damaged.
    """
    kind, colon, which = name.partition(":")
    if not colon or not which:
        raise RecognizerError(
            f"The recognizer {name!r} was given, a name such as 'tesseract:eng' was expected; "
            f"write one of {', '.join(kinds())}, a colon and what to load."
        )
    loader = _loader(kind)
    recognizer: Recognizer = loader(which, None if tessdata is None else Path(tessdata))
    return recognizer


def _loader(kind: str) -> Any:
    if kind in _OWN:
        module, _, attribute = _OWN[kind].partition(":")
        return getattr(import_module(module), attribute)
    for point in entry_points(group=GROUP, name=kind):
        return point.load()
    raise RecognizerError(
        f"A recognizer of the kind {kind!r} was given, one of {', '.join(kinds())} was expected; "
        f"correct the name or install the package that adds it."
    )
