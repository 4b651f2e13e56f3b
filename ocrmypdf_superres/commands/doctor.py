# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres doctor``: the installation, the device, and one test tile."""

from __future__ import annotations

import argparse
import contextlib
import platform
import shutil
import time

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ocrmypdf_superres import __version__, tesseract
from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.extras import EXTRAS, install_line, missing_packages, version_of
from ocrmypdf_superres.modelstore.networks import installed_networks
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL, find_model
from ocrmypdf_superres.recognizers.tesseract.networks.language_file import open_language_file
from ocrmypdf_superres.upscaling.loading import load_upscaler

PACKAGES = ("ocrmypdf", "onnxruntime", "pikepdf", "pypdfium2", "pillow", "numpy", "pluggy", "pydantic", "rapidfuzz", "rich")
"""What the plugin needs on a CPU."""
PROGRAMS = ("gs", "unpaper", "pngquant")
"""Programs that OCRmyPDF uses for some of its options."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``doctor``."""
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or folder of the model to try (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Print what is found; return 1 where something that the plugin needs is missing, else 0."""
    table = Table("what", "found", "")
    table.add_row("Python", platform.python_version(), "")
    table.add_row("ocrmypdf-superres", __version__, "")
    good = all([_add_packages(table), _add_tesseract(table), _add_model(table, args.model, args.device)])
    for program in PROGRAMS:
        table.add_row(program, shutil.which(program) or "missing", "")
    for extra, (purpose, _) in EXTRAS.items():
        missing = missing_packages(extra)
        found = f"{', '.join(missing)} missing" if missing else "complete"
        table.add_row(
            escape(f"extra [{extra}]"), found, escape(f"for {purpose}" + (f": {install_line(extra)}" if missing else ""))
        )
    Console().print(table)
    return 0 if good else 1


def _add_packages(table: Table) -> bool:
    good = True
    for name in PACKAGES:
        found = version_of(name)
        table.add_row(name, found or "missing", "" if found else f"needed: pip install {name}")
        good = good and found is not None
    return good


def _add_tesseract(table: Table) -> bool:
    try:
        table.add_row("tesseract", tesseract.version(), "")
        table.add_row("languages", " ".join(tesseract.languages()) or "none", "")
        table.add_row("tuned networks", *_networks_that_fit())
    except SuperresError as error:
        table.add_row("tesseract", "missing", escape(str(error)))
        return False
    return True


def _networks_that_fit() -> tuple[str, str]:
    """Return the languages with a tuned network that fits the installed file, and those whose file is another one."""
    fitting: list[str] = []
    other: list[str] = []
    for network in installed_networks():
        with contextlib.suppress(SuperresError, OSError):  # a language that is not installed
            installed = open_language_file(tesseract.find_traineddata(network.card.language))
            (fitting if installed.fits(network.card.base) else other).append(network.card.language)
    return " ".join(fitting) or "none", f"the installed file is not that of tessdata_fast: {' '.join(other)}" if other else ""


def _add_model(table: Table, name: str, device: str) -> bool:
    what = "model"
    try:
        model = find_model(name)
        model.verify()
        table.add_row("model", model.card.name, "files as in the card")
        what = "device"
        upscaler = load_upscaler(name, device)
        scale = upscaler.scales[0]
        tile = np.random.default_rng(0).random((192, 192), dtype=np.float32)
        upscaler.upscale(tile, scale)
        began = time.perf_counter()
        upscaler.upscale(tile, scale)
        seconds = time.perf_counter() - began
        table.add_row("device", upscaler.device, f"x{scale}: {tile.size / 1e6 / seconds:.2f} lr megapixels a second")
    except SuperresError as error:
        table.add_row(what, "cannot be used", escape(str(error)))
        return False
    return True
