# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres doctor``: the installation, the device, and one test tile."""

from __future__ import annotations

import argparse
import contextlib
import platform
import shutil
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from ocrmypdf_superres import __version__, tesseract
from ocrmypdf_superres.commands.shared.output import show
from ocrmypdf_superres.commands.shared.parsing import add_device, add_json, add_model
from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.extras import EXTRAS, install_line, missing_packages, version_of
from ocrmypdf_superres.modelstore.networks import installed_networks
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.ocr.engines.base import ENGINES, shared_engine
from ocrmypdf_superres.recognizers.tesseract.networks.language_file import open_language_file
from ocrmypdf_superres.upscaling.loading import load_upscaler
from ocrmypdf_superres.upscaling.speed import seconds_a_megapixel

PACKAGES = ("ocrmypdf", "onnxruntime", "pikepdf", "pypdfium2", "pillow", "numpy", "pluggy", "pydantic", "rapidfuzz", "rich")
"""What the plugin needs on a CPU."""
PROGRAMS = ("gs", "unpaper", "pngquant")
"""Programs that OCRmyPDF uses for some of its options."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``doctor``."""
    add_model(parser, "name or folder of the model to try")
    add_device(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print what is found; return 1 where something that the plugin needs is missing, else 0."""
    found = _Findings()
    found.add("Python", platform.python_version())
    found.add("ocrmypdf-superres", __version__)
    good = all([_add_packages(found), _add_tesseract(found), _add_model(found, args.model, args.device)])
    _add_engines(found)
    for program in PROGRAMS:
        found.add(program, shutil.which(program) or "missing")
    for extra, (purpose, _) in EXTRAS.items():
        missing = missing_packages(extra)
        state = f"{', '.join(missing)} missing" if missing else "complete"
        found.add(f"extra [{extra}]", state, f"for {purpose}" + (f": {install_line(extra)}" if missing else ""))
    show(found.table(), args.json, {"good": good, "found": found.rows})
    return 0 if good else 1


class _Findings:
    """What was found, a row each."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []

    def add(self, what: str, found: str, note: str = "") -> None:
        self.rows.append({"what": what, "found": found, "note": note})

    def table(self) -> Table:
        table = Table("what", "found", "")
        for row in self.rows:
            table.add_row(*map(escape, row.values()))
        return table


def _add_packages(findings: _Findings) -> bool:
    good = True
    for name in PACKAGES:
        found = version_of(name)
        findings.add(name, found or "missing", "" if found else f"needed: pip install {name}")
        good = good and found is not None
    return good


def _add_tesseract(findings: _Findings) -> bool:
    try:
        findings.add("tesseract", tesseract.version(), "")
        languages = tesseract.languages()
        problem = _problem_of(languages)
        findings.add("languages", " ".join(languages) or "none", problem)
        findings.add("tuned networks", *_networks_that_fit())
    except SuperresError as error:
        findings.add("tesseract", "missing", str(error))
        return False
    return not problem


def _add_engines(findings: _Findings) -> None:
    """Add the engines that give second opinions, which the plugin works without."""
    for name in ENGINES.names():
        try:
            engine = shared_engine(name)
            missing = engine.missing()
            findings.add(f"engine {name}", "missing" if missing else engine.version(), missing or "")
        except SuperresError as error:
            findings.add(f"engine {name}", "cannot be used", str(error))


def _problem_of(languages: Sequence[str]) -> str:
    """Return what is wrong with Tesseract's language files, in a sentence; empty where nothing is."""
    if not languages:
        return "Tesseract finds no language; install one, such as tesseract-ocr-eng, or correct TESSDATA_PREFIX."
    damaged = []
    for language in languages:
        try:
            open_language_file(tesseract.find_traineddata(language))
        except SuperresError:
            damaged.append(language)
    return f"The files of these languages are damaged: {' '.join(damaged)}; install them again." if damaged else ""


def _networks_that_fit() -> tuple[str, str]:
    """Return the languages with a tuned network that fits the installed file, and those whose file is another one."""
    fitting: list[str] = []
    other: list[str] = []
    for network in installed_networks():
        with contextlib.suppress(SuperresError, OSError):  # a language that is not installed
            installed = open_language_file(tesseract.find_traineddata(network.card.language))
            (fitting if installed.fits(network.card.base) else other).append(network.card.language)
    return " ".join(fitting) or "none", f"the installed file is not that of tessdata_fast: {' '.join(other)}" if other else ""


def _add_model(findings: _Findings, name: str, device: str) -> bool:
    what = "model"
    try:
        model = find_model(name)
        model.verify()
        findings.add("model", model.card.name, "files as in the card")
        what = "device"
        upscaler = load_upscaler(name, device)
        scale = upscaler.scales[0]
        speed = 1 / seconds_a_megapixel(upscaler, scale)
        findings.add("device", upscaler.device, f"x{scale}: {speed:.2f} lr megapixels a second")
    except SuperresError as error:
        findings.add(what, "cannot be used", str(error))
        return False
    return True
