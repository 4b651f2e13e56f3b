# SPDX-License-Identifier: MPL-2.0
"""Second opinions: which further OCR engines are asked about doubtful pages."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from ocrmypdf.exceptions import BadArgsError, MissingDependencyError
from PIL import Image

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.log_once import log_once
from ocrmypdf_superres.modelstore.networks import STOCK
from ocrmypdf_superres.ocr.engines.base import Engine, TunedEngine, shared_engine
from ocrmypdf_superres.ocr.engines.calibration import calibrated_engines
from ocrmypdf_superres.ocr.engines.opinion import ask, ask_beside
from ocrmypdf_superres.plugin.readings.gathered import Gathered

if TYPE_CHECKING:
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
    asked, nor one beside the same with a tuned network, which ``--superres-networks stock`` leaves out. Which ones are asked, and
    why others are not, is logged once in a process.
    """
    ours: SuperresOptions = options.superres
    if ours.verify == "off" or ours.engines == NONE:
        return {}
    named = ours.named_engines()
    languages = tuple(options.languages)
    found: dict[str, Engine] = {}
    for name in named or calibrated_engines():
        if shared_engine(name).knows(languages):
            found[name] = shared_engine(name)
        else:
            log_once(log, logging.INFO, f"superres: the engine {name} does not know {'+'.join(languages)} and is not asked")
    found = found if named else _one_of_each(found, tuned=ours.networks != STOCK)
    for engine in found.values():
        log_once(log, logging.INFO, f"superres: doubtful pages are also read by {engine.version()}")
    return found


def _one_of_each(engines: Mapping[str, Engine], tuned: bool) -> dict[str, Engine]:
    """Return *engines* without those that others were *tuned* from, or without the tuned ones."""
    from_others = {name: engine.tuned_from for name, engine in engines.items() if isinstance(engine, TunedEngine)}
    left_out = set(from_others.values()) if tuned else set(from_others)
    return {name: engine for name, engine in engines.items() if name not in left_out}


def ask_all(
    found: Gathered,
    engines: Mapping[str, Engine],
    page: tuple[Image.Image, Image.Image | None],
    languages: Sequence[str],
    frame: tuple[tuple[int, int], float],
    guard: Callable[[str], AbstractContextManager[None]],
) -> None:
    """Ask *engines* about a page, and add what they read to *found*.

    Args:
        found: what was read so far, with a calibration.
        engines: by name.
        page: the original page, and the same enlarged; None where it was read as it is.
        languages: of the page.
        frame: (width, height) and dpi of the image that the readings are in the pixels of: the enlarged page, or the original one
            where that was enlarged only after a first reading.
        guard: gives a context that turns a fault of one engine into a warning, from what could not be done.
    """
    (original, enlarged), (size, dpi) = page, frame
    kept = found.whole.get(found.layout() or "")
    for name, engine in engines.items():
        began = time.monotonic()
        with guard(f"could not be read by {name}"):
            if enlarged is not None and enlarged.size != size:
                opinion = ask_beside(engine, original, enlarged, kept, languages, dpi)
            else:
                opinion = ask(engine, original, enlarged, kept, languages, dpi)
            found.opinions[name] = opinion.whole
            if opinion.doubtful is not None:
                found.opinion_lines[name] = opinion.doubtful
        found.opinion_seconds[name] = time.monotonic() - began
