# SPDX-License-Identifier: MPL-2.0
"""The reading of one image by an engine, and the result for a page."""

from __future__ import annotations

import signal
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any
from weakref import WeakKeyDictionary

from ocrmypdf.exceptions import ExitCodeException
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement
from ocrmypdf.pluginspec import OcrEngine

from ocrmypdf_superres.ocr.hocr import read_hocr, write_hocr
from ocrmypdf_superres.ocr.hypothesis import Hypothesis

_names: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def engine_name(engine: OcrEngine) -> str:
    """Return the name and version of *engine*, asked for once: OCRmyPDF's Tesseract starts the program to tell.

    Of that engine OCRmyPDF makes one for each page, so engines without attributes are told by their class. One that cannot be a
    key, as a plain dataclass, is asked each time.
    """
    known = engine if getattr(engine, "__dict__", True) else type(engine)
    if not isinstance(known, Hashable):
        return str(engine)
    if known not in _names:
        _names[known] = str(engine)
    return _names[known]


def is_own_tesseract(engine: OcrEngine, options: Any) -> bool:
    """Whether *engine* is OCRmyPDF's Tesseract, which *options* have settings for, and not one that returns trees."""
    known = getattr(options, "tesseract", None) is not None and engine_name(engine).startswith("Tesseract OCR")
    return known and not engine.supports_generate_ocr()


@dataclass(frozen=True)
class Reading:
    """The output of an engine for one image.

    Attributes:
        text: the page's text, as the engine has it.
        tree: its tree, from an engine that returns trees.
        hocr: the hOCR file that it wrote, None where it left none or an empty one.
        file: the file that was asked for (hOCR or PDF), likewise.
    """

    text: str
    tree: OcrElement | None = None
    hocr: Path | None = None
    file: Path | None = None

    @classmethod
    def of_files(cls, target: Path, file: Path) -> Reading:
        """Return the reading in *file* and in the hOCR and text files called *target*.

        After a timeout, and for a page that it finds empty, OCRmyPDF's Tesseract leaves empty files or none.
        """
        hocr, text = target.with_suffix(".hocr"), target.with_suffix(".txt")
        return cls(
            text.read_bytes().decode("utf-8", "replace") if text.exists() else "",
            hocr=hocr if hocr.exists() and hocr.stat().st_size else None,
            file=file if file.exists() and file.stat().st_size else None,
        )

    def hypothesis(self, size: tuple[int, int], dpi: float) -> Hypothesis | None:
        """Return the lines and words, in the pixels of an image of *size* = (width, height) and *dpi*.

        None where nothing was read, and for an engine that returns neither.

        Raises:
            ImageError: the hOCR is damaged.
        """
        tree = self.tree
        if tree is None and self.hocr is not None:
            tree = read_hocr(self.hocr)
        if tree is None:
            return None
        found = Hypothesis(tree)
        if found.size == size:
            return found
        return found.scaled(size[0] / found.size[0], size[1] / found.size[1], round(dpi))


ReadImage = Callable[[Path, Path, Any], Reading]
"""Reads an image (its path, a name for the engine's files, the options for the engine)."""


@dataclass(frozen=True)
class Result:
    """The result for a page.

    Attributes:
        text: the page's text.
        tree: the tree in the pixels of the image that was given, as the engine wrote it; None for no reading.
        file: the engine's own file where it holds the same; None for a merged reading and for an engine without files.
        hocr: the engine's own hOCR, likewise.
    """

    text: str
    tree: OcrElement | None
    file: Path | None
    hocr: Path | None

    def as_hocr(self, size: tuple[int, int], dpi: float) -> bytes:
        """Return what was read as hOCR of an image of *size* and *dpi*: the engine's own where it holds the same.

        Empty where the engine wrote only a PDF.

        Raises:
            OSError: the engine's file cannot be read.
        """
        if self.hocr is not None:
            return self.hocr.read_bytes()
        if self.tree is None and self.file is not None:
            return b""
        blank = OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, *size), dpi=dpi)
        return write_hocr(self.tree or blank).encode("utf-8")


@contextmanager
def interruptible() -> Iterator[None]:
    """Run the body of a ``with`` statement, a call of an engine, whose program Ctrl-C in a terminal ends, too.

    In a thread nothing else tells of that, and to read the page in another way instead would delay the end of the job.

    Raises:
        KeyboardInterrupt: the body failed because an interrupt ended the engine's program.
    """
    try:
        yield
    except (ExitCodeException, CalledProcessError) as error:
        cause = error.__cause__ if isinstance(error, ExitCodeException) else error
        if isinstance(cause, CalledProcessError) and cause.returncode == -signal.SIGINT:
            raise KeyboardInterrupt from error
        raise


def read_tree(engine: OcrEngine, image: Path, target: Path, options: Any, page_number: int) -> Reading:
    """Read *image* as a tree where *engine* can, else as hOCR into files called *target*."""
    if engine.supports_generate_ocr():
        with interruptible():
            tree, text = engine.generate_ocr(input_file=image, options=options, page_number=page_number)
        return Reading(text, tree)
    hocr, text_file = target.with_suffix(".hocr"), target.with_suffix(".txt")
    with interruptible():
        engine.generate_hocr(input_file=image, output_hocr=hocr, output_text=text_file, options=options)
    return Reading.of_files(target, hocr)
