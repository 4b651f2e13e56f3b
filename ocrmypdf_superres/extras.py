# SPDX-License-Identifier: MPL-2.0
"""The extras of this package: what each is for, and which packages it brings."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

EXTRAS = {
    "gpu": ("a GPU, and models without ONNX files", ("torch", "safetensors")),
    "train": ("training", ("onnx", "scipy", "tomli-w", "tensorboard", "lightning-fabric", "lmdb")),
    "eval": ("evaluation and reports", ("img2pdf", "jinja2", "matplotlib", "scikit-image", "scipy", "tomli-w")),
    "archive": ("archives", ("dask", "img2pdf", "jinja2", "lxml", "psutil", "tomli-w", "watchdog")),
    "completion": ("completion in shells", ("shtab",)),
}
"""Extra -> what it is for, and its packages besides those of the extras that it includes."""
_IMPORTED_AS = {"skimage": "scikit-image", "distributed": "dask"}


def install_line(*extras: str) -> str:
    """Return the line to type that installs *extras*."""
    return f"pip install 'ocrmypdf-superres[{','.join(extras)}]'"


def missing_packages(extra: str) -> list[str]:
    """Return which packages of *extra* are not installed."""
    return [name for name in EXTRAS[extra][1] if version_of(name) is None]


def extras_with(module: str, among: Sequence[str]) -> list[str]:
    """Return those of *among* that bring the module *module*, all of *among* where none is known to."""
    package = _IMPORTED_AS.get(module, module.replace("_", "-"))
    return [extra for extra in among if package in EXTRAS[extra][1]] or list(among)


def version_of(package: str) -> str | None:
    """Return the version of an installed *package*, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
