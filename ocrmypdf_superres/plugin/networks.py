# SPDX-License-Identifier: MPL-2.0
"""Tesseract's networks that are tuned on low-resolution lines, for one reading at a time.

A tuned network is joined with the user's installed language file into a file of a cache, which is named to the program by a
path relative to its own folder of language files (``-l ../../home/.../eng``). So nothing else changes: configurations,
further languages, orientation detection and user words are found where they are, and no other thread of the process
notices. Where anything fails, the page is read with the installed network.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ocrmypdf.exceptions import BadArgsError
from ocrmypdf.hocrtransform import OcrElement
from ocrmypdf.pluginspec import OcrEngine

from ocrmypdf_superres.errors import MissingDependencyError, RecognizerError
from ocrmypdf_superres.log_once import log_once
from ocrmypdf_superres.modelstore.networks import AUTO, STOCK, networks_in
from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.hypothesis import all_elements
from ocrmypdf_superres.ocr.network_calibration import network_calibration
from ocrmypdf_superres.plugin.reading import engine_name
from ocrmypdf_superres.recognizers.tesseract.networks.choice import Tuned, Untuned, choose_network
from ocrmypdf_superres.tesseract import data_folder

log = logging.getLogger("ocrmypdf.superres")

_ENGINE = "Tesseract OCR"
_LEGACY_MODES = (0, 2)


class NetworkChoice:
    """The choice of the network that reads each language of one page.

    Pages that were not enlarged gain too: networks that were tuned on clean lines beside small ones read both better.

    Args:
        options: OCRmyPDF's, with ``superres``.
        engine: the engine that reads.
    """

    def __init__(self, options: Any, engine: OcrEngine) -> None:
        self._options = options
        self._languages = choose(options, engine)
        for language in self._languages:
            if isinstance(language, Untuned) and language.reason:
                log_once(log, logging.WARNING if language.fault else logging.INFO, f"superres: {language.reason}")

    @property
    def tuned(self) -> list[Tuned]:
        """The languages that are read with a tuned network; none where the installed ones read everything."""
        return [language for language in self._languages if isinstance(language, Tuned)]

    @property
    def as_calibrated(self) -> bool:
        """Whether words are as sure as they were in calibrating: with ``--tesseract-config`` the user may have changed that.

        With a whitelist of figures, which has no blank, Tesseract is not sure at all of lines that it reads without fault.
        """
        tesseract = getattr(self._options, "tesseract", None)
        return tesseract is None or not tesseract.config

    def used(self) -> dict[str, str]:
        """Return the name and hash of the network of each language that is read with a tuned one."""
        return {one.language: f"{one.network.card.name} {one.network.card.sha256[:12]}" for one in self.tuned}

    def calibration(self, engine: str, model_sha256: str | None) -> Calibration:
        """Return how far the words of *engine* can be trusted on a page that the model of *model_sha256* enlarged.

        Raises:
            SuperresError: the package's own table is damaged.
        """
        return network_calibration(self._languages if self.tuned else (), engine, model_sha256)

    def drop(self) -> None:
        """Read what follows with the installed networks."""
        self._languages = ()

    def options(self) -> Any:
        """Return the options for the engine, with the tuned networks among the languages."""
        if not self.tuned:
            return self._options
        names = [one.argument if isinstance(one, Tuned) else one.language for one in self._languages]
        return Replaced(self._options, languages=names)

    def restore(self, tree: OcrElement | None, hocr: Path | None) -> None:
        """Put the languages' own names back into what an engine made of :meth:`options`, a tree or an hOCR file.

        Raises:
            RecognizerError: a joined file is gone, so the engine may have left its language out.
            OSError: the hOCR file cannot be read or written.
        """
        for one in self.tuned:
            if not one.is_there():
                raise RecognizerError(f"the file {one.file} was changed or removed while the page was read")
        names = {one.argument: one.language for one in self.tuned}
        for element in all_elements(tree) if tree is not None else ():
            element.language = names.get(element.language or "", element.language)
        if hocr is not None:
            text = hocr.read_bytes()
            for argument, language in names.items():
                text = text.replace(b"lang='%b'" % os.fsencode(argument), b"lang='%b'" % language.encode())
            hocr.write_bytes(text)


class Replaced:
    """A view of OCRmyPDF's options with some values replaced; the object itself is shared with other threads."""

    def __init__(self, options: Any, **values: Any) -> None:
        self._options = options
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        if name == "_options":  # copy and pickle look at objects without attributes
            raise AttributeError(name)
        return getattr(self._options, name)


def check_networks(given: str) -> None:
    """Refuse a folder of ``--superres-networks`` that holds no network, or a damaged one.

    Raises:
        BadArgsError: with what is wrong.
    """
    if given in (AUTO, STOCK):
        return
    try:
        for network in networks_in(Path(given).expanduser()):
            network.data()
    except RecognizerError as error:
        raise BadArgsError(f"--superres-networks was given {given!r}: {error}") from error


def choose(options: Any, engine: OcrEngine) -> Sequence[Tuned | Untuned]:
    """Return what reads each language of a job, in the user's order; empty where no tuned network has a part in it."""
    given: str = options.superres.networks
    tesseract = getattr(options, "tesseract", None)
    if given == STOCK or options.superres.trigger == "off" or tesseract is None:
        return ()
    if not engine_name(engine).startswith(_ENGINE) or tesseract.oem in _LEGACY_MODES:
        return ()
    try:
        folder = data_folder()
    except (MissingDependencyError, RecognizerError) as error:
        return tuple(Untuned(language, str(error), True) for language in options.languages)
    if folder is None:
        reason = "tuned networks are not used: this Tesseract does not tell where its language files are; set TESSDATA_PREFIX"
        return tuple(Untuned(language, reason) for language in options.languages)
    chosen = tuple(choose_network(language, folder, given) for language in options.languages)
    return chosen if any(isinstance(one, Tuned) or one.reason for one in chosen) else ()
