# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres doctor``: what is installed, which device is taken, one test tile."""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ocrmypdf_superres import tesseract
from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL, find_model
from ocrmypdf_superres.upscaling.upscaler import load_upscaler

PACKAGES = ("ocrmypdf-superres", "ocrmypdf", "onnxruntime", "torch", "pikepdf", "pillow", "numpy", "pluggy", "safetensors")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``doctor``."""
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--device", default="auto")


def run(args: argparse.Namespace) -> int:
    """Print the findings; 1 where something that the main job needs is missing."""
    table = Table("what", "found", "")
    good = True
    table.add_row("Python", platform.python_version(), "")
    for name in PACKAGES:
        try:
            table.add_row(name, version(name), "")
        except PackageNotFoundError:
            needed = name not in ("torch", "ocrmypdf-superres")
            table.add_row(name, "missing", "needed" if needed else "needed for a GPU and for training" if name == "torch" else "")
            good = good and not needed
    for program, needed in (("tesseract", True), ("gs", False), ("unpaper", False), ("pngquant", False)):
        found = shutil.which(program)
        table.add_row(program, _first_line(found) if found else "missing", "" if found or not needed else "needed")
        good = good and (found is not None or not needed)
    if shutil.which("tesseract"):
        table.add_row("languages", " ".join(tesseract.languages()) or "none", "")
    what = "model"
    try:
        model = find_model(args.model)
        model.verify()
        table.add_row("model", model.card.name, "files as in the card")
        what = "device"
        upscaler = load_upscaler(args.model, args.device)
        scale = upscaler.scales[0]
        tile = np.random.default_rng(0).random((192, 192), dtype=np.float32)
        upscaler.upscale(tile, scale)
        began = time.perf_counter()
        upscaler.upscale(tile, scale)
        seconds = time.perf_counter() - began
        table.add_row("device", upscaler.device, f"x{scale}: {tile.size / 1e6 / seconds:.2f} lr megapixels a second")
    except SuperresError as error:
        table.add_row(what, "cannot be used", escape(str(error)))
        good = False
    Console().print(table)
    return 0 if good else 1


def _first_line(program: str) -> str:
    result = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return (result.stdout.splitlines() or result.stderr.splitlines() or ["present"])[0]
