# SPDX-License-Identifier: MPL-2.0
"""Second opinions: what further OCR engines read on a doubtful page."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ocrmypdf.exceptions import BadArgsError, MissingDependencyError

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.ocr.engines.base import ENGINES, Engine, shared_engine
from ocrmypdf_superres.ocr.engines.calibration import read_rows, with_engines
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


def calibrated(calibration: Calibration, engines: dict[str, Engine]) -> Calibration:
    """Return *calibration* with the rows of *engines*.

    Raises:
        SuperresError: the package's table is damaged.
    """
    return with_engines(calibration, {name: engine.version() for name, engine in engines.items()}, read_rows())


def ask(engine: Engine, image: Image.Image, options: Any, size: tuple[int, int], dpi: float) -> Hypothesis:
    """Return what *engine* reads on *image*, in the pixels of the same page with *size* = (width, height) and *dpi*.

    Raises:
        SuperresError: the engine failed.
    """
    claimed = float(image.info.get("dpi", (dpi, dpi))[0])
    found = Hypothesis(engine.read(image, options.languages, claimed))
    return found if image.size == size else found.scaled(size[0] / image.width, size[1] / image.height, round(dpi))


@lru_cache(maxsize=32)
def _say_once(message: str) -> None:
    log.info("%s", message)
