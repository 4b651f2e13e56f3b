# SPDX-License-Identifier: MPL-2.0
"""Second opinions: which further OCR engines are asked about doubtful pages."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ocrmypdf.exceptions import BadArgsError, MissingDependencyError

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.log_once import log_once
from ocrmypdf_superres.ocr.engines.base import Engine, shared_engine
from ocrmypdf_superres.ocr.engines.calibration import calibrated_engines

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
