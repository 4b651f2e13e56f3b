# SPDX-License-Identifier: MPL-2.0
"""Second opinions: what further OCR engines read on a doubtful page."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ocrmypdf.exceptions import BadArgsError, MissingDependencyError
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.log_once import log_once
from ocrmypdf_superres.metrics.boxes import touches
from ocrmypdf_superres.ocr.engines.base import Engine, LineEngine, shared_engine
from ocrmypdf_superres.ocr.engines.calibration import calibrated_engines, read_rows, row_name, with_engines
from ocrmypdf_superres.ocr.hypothesis import Hypothesis, Word

if TYPE_CHECKING:
    from PIL import Image

    from ocrmypdf_superres.ocr.calibration import Calibration
    from ocrmypdf_superres.plugin.options import SuperresOptions

log = logging.getLogger("ocrmypdf.superres")

AUTO, NONE = "auto", "none"


def check_engines(options: Any) -> None:
    """Refuse engines that are not known or not installed, where they were asked for by name.

    Raises:
        BadArgsError: there is no such engine.
        MissingDependencyError: it is not installed.
    """
    ours: SuperresOptions = options.superres
    for name in ours.named_engines():
        try:
            missing = shared_engine(name).missing()
        except SuperresError as error:
            raise BadArgsError(f"--superres-engines was given {ours.engines}: {error}") from error
        if missing:
            raise MissingDependencyError(f"--superres-engines was given {name}, but {missing}")


def engines_for(options: Any) -> dict[str, Engine]:
    """Return the further engines that may be asked about the pages of a job, by name.

    With ``auto`` these are the ones that are installed and calibrated; an engine that does not know the languages is not
    asked. Which ones are asked, and why others are not, is logged once in a process.
    """
    ours: SuperresOptions = options.superres
    if ours.verify == "off" or ours.engines == NONE:
        return {}
    names = ours.named_engines() or calibrated_engines()
    languages = tuple(options.languages)
    found = {}
    for name in names:
        if shared_engine(name).knows(languages):
            found[name] = shared_engine(name)
            log_once(log, logging.INFO, f"superres: doubtful pages are also read by {shared_engine(name).version()}")
        else:
            log_once(log, logging.INFO, f"superres: the engine {name} does not know {'+'.join(languages)} and is not asked")
    return found


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


def calibrated(calibration: Calibration, engines: dict[str, Engine], enlarged: bool) -> Calibration:
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
    engine: Engine, image: Image.Image, enlarged: Image.Image | None, first: Hypothesis | None, options: Any, dpi: float
) -> Opinion:
    """Return what *engine* reads on a page.

    Args:
        engine: the engine to ask.
        image: the original page.
        enlarged: the page enlarged by the net, where it was: an engine that reads lines reads them there.
        first: what was read before, in the pixels of *enlarged*; None for nothing.
        options: OCRmyPDF's, with the languages.
        dpi: the resolution of the image that the first reading was of.

    Raises:
        SuperresError: the engine failed.
    """
    languages = options.languages
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
