# SPDX-License-Identifier: MPL-2.0
"""Second opinions: what further OCR engines read on a doubtful page."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ocrmypdf.exceptions import BadArgsError, MissingDependencyError

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.ocr.engines.base import ENGINES, Engine, LineEngine, read_enlarged, shared_engine
from ocrmypdf_superres.ocr.engines.calibration import read_rows, row_name, with_engines
from ocrmypdf_superres.ocr.hypothesis import Hypothesis

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

    With ``auto`` these are the ones that are installed; an engine that does not know the languages is not asked. Which
    ones are asked, and why others are not, is logged once in a process.
    """
    ours: SuperresOptions = options.superres
    if ours.verify == "off" or ours.engines == NONE:
        return {}
    names = ours.named_engines() or [name for name in ENGINES.names() if shared_engine(name).missing() is None]
    languages = tuple(options.languages)
    found = {}
    for name in names:
        if shared_engine(name).knows(languages):
            found[name] = shared_engine(name)
            _say_once(f"superres: doubtful pages are also read by {shared_engine(name).version()}")
        else:
            _say_once(f"superres: the engine {name} does not know {'+'.join(languages)} and is not asked")
    return found


def calibrated(calibration: Calibration, engines: dict[str, Engine], enlarged: bool) -> Calibration:
    """Return *calibration* with the rows of *engines*, for pages that were *enlarged* or not.

    Raises:
        SuperresError: the package's table is damaged.
    """
    rows = read_rows()
    known = {name: rows[row] for name, engine in engines.items() if (row := row_name(name, engine, enlarged)) in rows}
    return with_engines(calibration, {name: engine.version() for name, engine in engines.items()}, known)


def ask(engine: Engine, image: Image.Image, enlarged: Image.Image | None, options: Any, dpi: float) -> Hypothesis:
    """Return what *engine* reads on a page.

    Args:
        engine: the engine to ask.
        image: the original page.
        enlarged: the page enlarged by the net, where it was: an engine that reads lines reads them there.
        options: OCRmyPDF's, with the languages.
        dpi: the resolution of the image that the first reading was of.

    Returns:
        The reading, in the pixels of *enlarged*, or else of *image*.

    Raises:
        SuperresError: the engine failed.
    """
    if enlarged is not None and isinstance(engine, LineEngine):
        return Hypothesis(read_enlarged(engine, image, enlarged, options.languages, dpi))
    found = Hypothesis(engine.read(image, options.languages, float(image.info.get("dpi", (dpi, dpi))[0])))
    if enlarged is None or enlarged.size == image.size:
        return found
    return found.scaled(enlarged.width / image.width, enlarged.height / image.height, round(dpi))


@lru_cache(maxsize=32)
def _say_once(message: str) -> None:
    log.info("%s", message)
