# SPDX-License-Identifier: MPL-2.0
"""What would fail for every file fails before the first."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ocrmypdf.api import check_options, create_options, get_parser, setup_plugin_infrastructure
from ocrmypdf.builtin_plugins.tesseract_ocr import TesseractOcrEngine
from ocrmypdf.exceptions import ExitCodeException

from ocrmypdf_superres.archive.settings import Settings
from ocrmypdf_superres.errors import ArchiveError

PACKAGES = ("ocrmypdf-superres", "ocrmypdf", "pikepdf", "pypdfium2", "onnxruntime", "numpy", "pillow")


def check_settings(settings: Settings) -> None:
    """Have OCRmyPDF and the plugin check their options, languages, programs and model on this machine.

    Raises:
        ArchiveError: something is missing or cannot be.
    """
    arguments = settings.ocr_arguments()
    try:
        manager = setup_plugin_infrastructure(["ocrmypdf_superres"])
        options = create_options(input_file=os.devnull, output_file=os.devnull, parser=get_parser(), **arguments)
        check_options(options, manager)
    except (ExitCodeException, TypeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise ArchiveError(f"The settings cannot be worked with: {said}") from error
    if settings.scratch and not (os.path.isdir(settings.scratch) and os.access(settings.scratch, os.W_OK)):
        raise ArchiveError(f"The setting scratch is {settings.scratch!r}, which is no folder that can be written to; make it first.")


def check_folders(source: Path, out: Path) -> None:
    """Refuse folders whose inputs and outputs would mix.

    Raises:
        ArchiveError: *source* is no folder, or is *out* or inside it.
    """
    if not source.is_dir():
        raise ArchiveError(f"The input {source} is no folder; give the folder whose files are to be digitised.")
    inside, outside = os.path.realpath(source), os.path.realpath(out)
    if os.path.commonpath([inside, outside]) == outside:
        raise ArchiveError(f"The input {source} lies in the output folder {out}, so outputs would become inputs; give another OUT.")


def software() -> dict[str, str]:
    """Versions of what the outputs depend on."""
    found = {"python": platform.python_version(), "tesseract": TesseractOcrEngine.version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
