# SPDX-License-Identifier: MPL-2.0
"""Checks before the first file of everything that would make every file fail."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ocrmypdf.api import check_options, create_options, get_parser, setup_plugin_infrastructure
from ocrmypdf.exceptions import ExitCodeException

from ocrmypdf_superres import tesseract
from ocrmypdf_superres.archive.settings import Settings
from ocrmypdf_superres.errors import ArchiveError, RecognizerError

PACKAGES = ("ocrmypdf-superres", "ocrmypdf", "pikepdf", "pypdfium2", "onnxruntime", "numpy", "pillow")
"""Packages that the outputs depend on."""


def check_settings(settings: Settings) -> None:
    """Let OCRmyPDF and the plugin check their options, languages, programs and model on this machine.

    Raises:
        ArchiveError: something is missing or cannot be used.
    """
    try:
        manager = setup_plugin_infrastructure(["ocrmypdf_superres"])
        parser = get_parser()
        options = create_options(input_file=os.devnull, output_file=os.devnull, parser=parser, **settings.ocr_arguments())
        check_options(options, manager)
        tesseract.check_loading(settings.languages)
    except (ExitCodeException, RecognizerError, TypeError, ValueError) as error:
        raise ArchiveError(f"The settings cannot be used: {' '.join(str(error).split())}") from error
    if settings.scratch and not (Path(settings.scratch).is_dir() and os.access(settings.scratch, os.W_OK)):
        raise ArchiveError(
            f"The setting scratch is {settings.scratch!r}, which is not a writable folder; create it, or give another one."
        )


def check_folders(source: Path, out: Path) -> None:
    """Refuse folders whose inputs and outputs would mix.

    Raises:
        ArchiveError: *source* is not a folder, or is *out* or inside it.
    """
    if not source.is_dir():
        raise ArchiveError(f"The input {source} is not a folder; give the folder that holds the files.")
    if source.resolve().is_relative_to(out.resolve()):
        raise ArchiveError(
            f"The input {source} is inside the output folder {out}, so outputs would become inputs; give another OUT."
        )


def software() -> dict[str, str]:
    """Return name and version of the software that the outputs depend on.

    Raises:
        RecognizerError: Tesseract is missing or does not run.
    """
    found = {"python": platform.python_version(), "tesseract": tesseract.version().removeprefix("tesseract ")}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
