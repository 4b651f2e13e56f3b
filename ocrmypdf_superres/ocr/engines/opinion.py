# SPDX-License-Identifier: MPL-2.0
"""A further engine's reading of a page that Tesseract has read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement
from PIL import Image

from ocrmypdf_superres.metrics.boxes import touches
from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.engines.base import Engine, LineEngine
from ocrmypdf_superres.ocr.engines.calibration import read_rows, row_name, with_engines
from ocrmypdf_superres.ocr.hypothesis import Hypothesis, Word


@dataclass(frozen=True)
class Opinion:
    """What an engine read on a page, in the pixels of the image that the first reading was of.

    Attributes:
        whole: all lines that it found.
        doubtful: those that it reads otherwise than the first reading, read once more on the original page; None for an
            engine that does not read lines, and for a page that was not enlarged.
    """

    whole: Hypothesis
    doubtful: Hypothesis | None = None


def on_original(name: str) -> str:
    """Return the name of what the engine *name* read on the original page of doubtful lines."""
    return f"{name}:original"


def calibrated(calibration: Calibration, engines: Mapping[str, Engine], enlarged: bool) -> Calibration:
    """Return *calibration* with the rows of *engines*, for pages that were *enlarged* or not.

    Raises:
        SuperresError: the package's table is damaged.
    """
    rows, versions, known = read_rows(), {}, {}
    for name, engine in engines.items():
        for used, row in ((name, row_name(name, engine, enlarged)), (on_original(name), name)):
            versions[used] = engine.version()
            if row in rows:
                known[used] = rows[row]
    return with_engines(calibration, versions, known)


def ask(
    engine: Engine,
    image: Image.Image,
    enlarged: Image.Image | None,
    first: Hypothesis | None,
    languages: Sequence[str],
    dpi: float,
) -> Opinion:
    """Return what *engine* reads on a page.

    Args:
        engine: the engine to ask.
        image: the original page.
        enlarged: the page enlarged by the net, where it was: an engine that reads lines reads them there.
        first: what was read before, in the pixels of *enlarged*; None where nothing was read.
        languages: of the page, as Tesseract names them.
        dpi: the resolution of the image that the first reading was of.

    Raises:
        SuperresError: the engine failed.
    """
    if enlarged is None or not isinstance(engine, LineEngine):
        found = Hypothesis(engine.read(image, languages, float(image.info.get("dpi", (dpi, dpi))[0])))
        return Opinion(found if enlarged is None else _enlarged(found, image, enlarged, dpi))
    scale = np.array(enlarged.size) / np.array(image.size)
    page = OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, *enlarged.size), dpi=dpi)
    doubtful = []
    known = first.words if first is not None else []
    for corners in engine.detect(image):
        lines = engine.recognize(enlarged, [corners * scale], languages, dpi).children
        page.children += lines
        if not all(_agrees(word, known) for word in Hypothesis(_page_of(page, lines)).words):
            doubtful.append(corners)
    again = Hypothesis(engine.recognize(image, doubtful, languages, dpi * image.width / enlarged.width))
    return Opinion(Hypothesis(page), _enlarged(again, image, enlarged, dpi))


def ask_beside(
    engine: Engine, image: Image.Image, enlarged: Image.Image, first: Hypothesis | None, languages: Sequence[str], dpi: float
) -> Opinion:
    """Return the same as :func:`ask`, in the pixels of *image*, which has *dpi*, and which *first* is in.

    Raises:
        SuperresError: the engine failed.
    """
    x, y = enlarged.width / image.width, enlarged.height / image.height
    known = first.scaled(x, y, dpi * x) if first is not None else None
    opinion = ask(engine, image, enlarged, known, languages, dpi * x)
    doubtful = opinion.doubtful.scaled(1 / x, 1 / y, dpi) if opinion.doubtful is not None else None
    return Opinion(opinion.whole.scaled(1 / x, 1 / y, dpi), doubtful)


def _page_of(page: OcrElement, lines: list[OcrElement]) -> OcrElement:
    return OcrElement(OcrClass.PAGE, bbox=page.bbox, dpi=page.dpi, children=lines)


def _agrees(word: Word, known: Sequence[Word]) -> bool:
    """Whether the first reading has the same word in the same place."""
    return any(word.text == other.text and touches(word.box, other.box) for other in known)


def _enlarged(found: Hypothesis, image: Image.Image, enlarged: Image.Image, dpi: float) -> Hypothesis:
    """Return what was *found* on *image* in the pixels of *enlarged*."""
    if image.size == enlarged.size:
        return found
    return found.scaled(enlarged.width / image.width, enlarged.height / image.height, round(dpi))
