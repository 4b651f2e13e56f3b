# SPDX-License-Identifier: MPL-2.0
"""Running the installed ``tesseract`` binary on pictures of lines and pages, to compare and to find lines."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ocrmypdf_superres.errors import MissingDependencyError, RecognizerError
from ocrmypdf_superres.recognizers.tesseract.container import LSTM, RECODER, UNICHARSET, join_container, read_container

_VERSION = 23
_RAW_LINE = 13


def run_tesseract(arguments: Sequence[str], timeout: float = 600.0) -> str:
    """Standard output of ``tesseract`` with *arguments*.

    Raises:
        MissingDependencyError: it is not installed. RecognizerError: it failed or took longer than *timeout* seconds.
    """
    binary = shutil.which("tesseract")
    if binary is None:
        raise MissingDependencyError(
            "The program tesseract was not found, Tesseract 4 or later was expected; install tesseract-ocr."
        )
    # One thread: OpenMP makes Tesseract slower on a busy machine, and never much faster.
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    try:
        done = subprocess.run(
            [binary, *arguments], capture_output=True, timeout=timeout, check=False, env=environment
        )
    except subprocess.TimeoutExpired as error:
        raise RecognizerError(
            f"tesseract {' '.join(arguments)} took longer than {timeout:.0f} seconds; give it smaller pictures."
        ) from error
    if done.returncode != 0:
        message = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise RecognizerError(
            f"tesseract {' '.join(arguments)} failed with {message[-1] if message else done.returncode!r}; "
            f"check the language and the pictures."
        )
    return done.stdout.decode("utf-8", "replace")


def read_pictures(
    pictures: Sequence[Image.Image], language: str, tessdata: Path | None = None, psm: int = _RAW_LINE
) -> list[str]:
    """Text of each of *pictures* as the binary reads it in one run, each without outer white space."""
    if not pictures:
        return []
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        names = []
        for index, picture in enumerate(pictures):
            name = Path(folder) / f"{index:05d}.png"
            picture.save(name)
            names.append(str(name))
        listing = Path(folder) / "list.txt"
        listing.write_text("\n".join(names) + "\n", encoding="utf-8")
        arguments = [str(listing), "stdout", "-l", language, "--psm", str(psm), "--dpi", "300"]
        if tessdata is not None:
            arguments += ["--tessdata-dir", str(tessdata)]
        pages = run_tesseract(arguments).split("\f")
    if len(pages) < len(pictures):
        raise RecognizerError(
            f"tesseract gave {len(pages)} texts for {len(pictures)} pictures, one each was expected; "
            f"check that it reads PNG files."
        )
    return [" ".join(page.split()) for page in pages[: len(pictures)]]


def without_dictionary(source: Path, folder: Path, name: str) -> Path:
    """Write *folder*/*name*.traineddata with the network of *source* and none of its dictionaries.

    This is the only way to switch the dictionaries of the LSTM engine off: its ``load_*_dawg`` parameters do nothing.
    """
    components = read_container(source)
    kept = {index: components[index] for index in (LSTM, UNICHARSET, RECODER, _VERSION) if index in components}
    path = folder / f"{name}.traineddata"
    path.write_bytes(join_container(kept))
    return path
