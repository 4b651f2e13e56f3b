# SPDX-License-Identifier: MPL-2.0
"""OCR engines that give a second opinion: a page image in, a tree of OCRmyPDF's ``OcrElement`` out.

The engine that reads first is the one that OCRmyPDF runs (Tesseract, or another plugin's); it is not among these.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from ocrmypdf.hocrtransform import OcrElement
from PIL import Image

from ocrmypdf_superres.entry_points import Registry
from ocrmypdf_superres.processes import fork_safe_lock

__all__ = ["ENGINES", "Engine", "LineEngine", "Quad", "TunedEngine", "shared_engine"]

Quad = NDArray[np.float64]
"""The corners of a line, float64 (4, 2): x and y in pixels, clockwise from where its text begins above."""

ENGINES = Registry(
    "ocrmypdf_superres.ocr_engines",
    "OCR engine",
    {
        "rapidocr": "ocrmypdf_superres.ocr.engines.rapidocr:RapidOcrEngine",
        "rapidocr-tuned": "ocrmypdf_superres.ocr.engines.rapidocr:TunedRapidOcrEngine",
        "easyocr": "ocrmypdf_superres.ocr.engines.easyocr:EasyOcrEngine",
    },
)
"""Engines by name; another package adds one by an entry point whose object is a class that can be called without arguments."""


@runtime_checkable
class Engine(Protocol):
    """Reads pages.

    Engines are made once a process and may be called by several threads at the same time.

    Attributes:
        name: the name it is registered under.
    """

    name: str

    def missing(self) -> str | None:
        """Return what must be installed before the engine can read, in one clause; None where nothing is missing."""

    def version(self) -> str:
        """Return the engine's name and version, and that of its models, in one line."""

    def knows(self, languages: Sequence[str]) -> bool:
        """Whether the engine reads all of *languages*, in Tesseract's codes such as ``eng`` or ``script/Latin``."""

    def read(self, image: Image.Image, languages: Sequence[str], dpi: float) -> OcrElement:
        """Return the words of a page with boxes and confidences.

        Args:
            image: the page, in mode ``L`` or ``RGB``.
            languages: in Tesseract's codes.
            dpi: the resolution of *image*.

        Returns:
            A page (``ocr_page``) of paragraphs, lines and words in reading order. Boxes are in pixels of *image*,
            confidences from 0 to 1, text in logical order. A page without text has no children.

        Raises:
            RecognizerError: the engine failed.
            MissingDependencyError: see :meth:`missing`.
        """


@runtime_checkable
class LineEngine(Engine, Protocol):
    """An engine that finds lines and reads them in two steps: lines found on one image may be read on another.

    Recognizers gain from super-resolved lines, while detectors find as much on the original page, and take less time there.
    """

    def detect(self, image: Image.Image) -> list[Quad]:
        """Return the corners of the lines on *image*, in reading order.

        Raises:
            RecognizerError, MissingDependencyError: as :meth:`Engine.read`.
        """

    def recognize(self, image: Image.Image, lines: Sequence[Quad], languages: Sequence[str], dpi: float) -> OcrElement:
        """Return a page of the words in *lines* of *image*; other arguments and errors are those of :meth:`Engine.read`."""


@runtime_checkable
class TunedEngine(Engine, Protocol):
    """An engine with a network that was tuned for this plugin.

    Attributes:
        tuned_from: the name of the engine with the network as it was, which need not be asked beside it.
    """

    tuned_from: str


def read_enlarged(
    engine: LineEngine, image: Image.Image, enlarged: Image.Image, languages: Sequence[str], dpi: float
) -> OcrElement:
    """Return the words of the lines that *engine* finds on *image*, read on *enlarged*, the same page with *dpi*.

    Raises:
        RecognizerError, MissingDependencyError: as :meth:`Engine.read`.
    """
    scale = np.array(enlarged.size) / np.array(image.size)
    return engine.recognize(enlarged, [corners * scale for corners in engine.detect(image)], languages, dpi)


_lock = fork_safe_lock()


def shared_engine(name: str) -> Engine:
    """Return the engine *name*, made once in a process: its networks are loaded once and shared by all threads.

    Raises:
        SuperresError: there is no such engine, or its module cannot be imported.
    """
    with _lock:  # else threads that come first at the same time each make one
        return _engine(name)


@lru_cache(maxsize=8)
def _engine(name: str) -> Engine:
    engine: Engine = ENGINES.load(name)()
    return engine
