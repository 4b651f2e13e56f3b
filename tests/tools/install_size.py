# SPDX-License-Identifier: MPL-2.0
"""Print what installing the package without extras brings, and how large each package is: install_size.py [--markdown].

Builds the wheel, downloads it and what it requires, installs that into an empty virtual environment and sums the files of
each distribution, compiled bytecode included. Needs ``build`` and ``hatchling`` (the extra ``test``) and a package index.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TOOLS = {"pip", "setuptools", "wheel"}
"""What a virtual environment has before anything is installed into it."""

# Runs in the new environment, which has "packaging" because OCRmyPDF requires it.
_MEASURE = """
import json
from importlib.metadata import distributions
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
found = {canonicalize_name(d.metadata["Name"]): d for d in distributions()}
seen, waiting = set(), [("ocrmypdf", "")]
while waiting:
    name, extra = waiting.pop()
    if name not in found or (name, extra) in seen:
        continue
    seen.add((name, extra))
    for need in map(Requirement, found[name].requires or ()):
        if need.marker is None or need.marker.evaluate({"extra": extra}):
            waiting += [(canonicalize_name(need.name), chosen) for chosen in ("", *need.extras)]
of_ocrmypdf = {name for name, _ in seen}
rows = []
for name, distribution in found.items():
    paths = [distribution.locate_file(file) for file in distribution.files or ()]
    rows.append((name, sum(path.stat().st_size for path in paths if path.is_file()), name in of_ocrmypdf))
print(json.dumps(rows))
"""


@dataclass(frozen=True)
class Installed:
    """A distribution: its name, the bytes of its files, and whether OCRmyPDF by itself brings it too."""

    name: str
    size: int
    of_ocrmypdf: bool


def plain_environment() -> dict[str, str]:
    """Return the environment without what would let a new virtual environment see this repository."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def call(*command: str | Path) -> str:
    """Run *command* and return what it printed.

    Raises:
        RuntimeError: it failed; the message has what it wrote on standard error.
    """
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, env=plain_environment())
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this repository into *folder* and return its path."""
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def download(wheel: Path, folder: Path, *versions: str) -> int:
    """Download what *wheel* requires into *folder*, with a copy of it; return the bytes of all files.

    *versions* are further requirements, which fix versions.

    Raises:
        RuntimeError: nothing can be downloaded, or the versions do not go together.
    """
    call(sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "-d", folder, wheel, *versions)
    return sum(path.stat().st_size for path in folder.iterdir())


def new_environment(folder: Path, downloads: Path) -> Path:
    """Make a virtual environment in *folder* with the package from *downloads* in it; return its Python."""
    call(sys.executable, "-m", "venv", folder)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = (python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index", "--find-links", downloads)
    call(*pip, "ocrmypdf-superres")
    return python


def sizes_of(python: Path) -> list[Installed]:
    """Return what is installed in *python*'s environment, the largest first, without :data:`TOOLS`."""
    found = (Installed(*row) for row in json.loads(call(python, "-c", _MEASURE)))
    return sorted((f for f in found if f.name not in TOOLS), key=lambda f: -f.size)


def table(found: list[Installed], downloaded: int) -> str:
    """Return *found* as the Markdown table of docs/benchmarks.md; packages below 5 MB share a row."""
    rows = ["| package | MB | |", "|---|---|---|"]
    for mine in (True, False):
        group = [f for f in found if f.of_ocrmypdf is not mine]
        why = "" if mine else "OCRmyPDF's"
        rows += [f"| {f.name} | {f.size / 1e6:.1f} | {why} |" for f in group if f.size >= 5e6]
        small = [f for f in group if f.size < 5e6]
        rows.append(f"| {', '.join(f.name for f in small)} | {sum(f.size for f in small) / 1e6:.1f} | {why} |")
        whose = "what this package adds" if mine else "what OCRmyPDF brings by itself"
        rows.append(f"| **{whose}** | **{sum(f.size for f in group) / 1e6:.0f}** | |")
    total = sum(f.size for f in found)
    return "\n".join([*rows, f"| **together** | **{total / 1e6:.0f}** | {downloaded / 1e6:.0f} MB to download |"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="print the table of docs/benchmarks.md, not lines")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        downloaded = download(build_wheel(folder / "wheel"), folder / "downloads")
        found = sizes_of(new_environment(folder / "venv", folder / "downloads"))
    if arguments.markdown:
        print(table(found, downloaded))
        return
    for one in found:
        print(f"{one.name:28}{one.size / 1e6:8.1f} MB{'' if one.of_ocrmypdf else '   not with OCRmyPDF alone'}")
    added = sum(one.size for one in found if not one.of_ocrmypdf)
    print(f"{'together':28}{sum(one.size for one in found) / 1e6:8.1f} MB, {added / 1e6:.1f} MB more than OCRmyPDF alone")
    print(f"{'downloaded':28}{downloaded / 1e6:8.1f} MB")


if __name__ == "__main__":
    main()
