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
from ocrmypdf_superres.upscaling.loading import load_upscaler

PACKAGES = (
    "ocrmypdf", "onnxruntime", "pikepdf", "pypdfium2", "pillow", "numpy", "pluggy", "pydantic", "rapidfuzz", "rich",
)  # fmt: skip
"""What the plugin needs on a CPU."""
EXTRAS = {
    "gpu": ("a GPU, and models without ONNX files", ("torch", "safetensors")),
    "train": ("training", ("onnx", "scipy", "tomli-w", "tensorboard", "lightning-fabric", "lmdb")),
    "eval": ("evaluation and reports", ("img2pdf", "jinja2", "matplotlib", "scikit-image", "scipy", "tomli-w")),
    "archive": ("archives", ("dask", "img2pdf", "jinja2", "lxml", "psutil", "tomli-w", "watchdog")),
}
"""What each extra is for, and its packages beside those of other extras."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``doctor``."""
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--device", default="auto")


def run(args: argparse.Namespace) -> int:
    """Print the findings; return 1 where something that the main job needs is missing."""
    table = Table("what", "found", "")
    good = True
    table.add_row("Python", platform.python_version(), "")
    table.add_row("ocrmypdf-superres", _version("ocrmypdf-superres") or "not installed, run from its folder", "")
    for name in PACKAGES:
        found = _version(name)
        table.add_row(name, found or "missing", "" if found else "needed")
        good = good and found is not None
    for extra, (purpose, names) in EXTRAS.items():
        versions = {name: _version(name) for name in names}
        missing = [name for name, found in versions.items() if found is None]
        state = f"missing: {', '.join(missing)}" if missing else ", ".join(f"{name} {found}" for name, found in versions.items())
        advice = f"for {purpose}: pip install 'ocrmypdf-superres[{extra}]'" if missing else f"for {purpose}"
        table.add_row(escape(f"[{extra}]"), state, escape(advice))
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


def _version(package: str) -> str | None:
    """Return the version of an installed *package*, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _first_line(program: str) -> str:
    result = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return (result.stdout.splitlines() or result.stderr.splitlines() or ["present"])[0]
