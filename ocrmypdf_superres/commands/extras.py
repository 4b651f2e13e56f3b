# SPDX-License-Identifier: MPL-2.0
"""The extras of this package: what each is for, and which packages it brings."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

EXTRAS = {
    "gpu": ("the GPU, and models in few bits", ("torch", "safetensors")),
    "train": ("training", ("torch", "safetensors", "onnx", "scipy", "tomli_w", "tensorboard", "lightning_fabric", "lmdb")),
    "eval": ("evaluation and its reports", ("img2pdf", "jinja2", "matplotlib", "scipy", "skimage", "tomli_w")),
    "archive": (
        "runs over many files",
        ("dask", "distributed", "img2pdf", "jinja2", "lxml", "matplotlib", "psutil", "tomli_w", "watchdog"),
    ),
}
"""Extra -> what it is for, and the names by which its packages are imported."""


def install_line(*extras: str) -> str:
    """Return the line to type that installs *extras*."""
    return f"pip install 'ocrmypdf-superres[{','.join(extras)}]'"


def missing_packages(extra: str) -> list[str]:
    """Return which packages of *extra* are not installed; none of them is imported."""
    return [name for name in EXTRAS[extra][1] if not _is_installed(name)]


def extras_with(package: str, among: Sequence[str]) -> list[str]:
    """Return those of *among* that bring *package*, all of *among* where none is known to."""
    return [extra for extra in among if package in EXTRAS[extra][1]] or list(among)


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # blocked or half-removed installations
        return False
