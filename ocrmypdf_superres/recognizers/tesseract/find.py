# SPDX-License-Identifier: MPL-2.0
"""Where installed ``.traineddata`` files lie."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from ocrmypdf_superres.errors import RecognizerError

_SUFFIX = ".traineddata"
_LISTED = re.compile(r'"([^"]+)"')
_PACKAGED = (
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tesseract-ocr/4.00/tessdata",
    "/usr/share/tessdata",
    "/usr/share/tesseract/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
)


def tessdata_folders() -> list[Path]:
    """Folders to look in: ``$TESSDATA_PREFIX`` (or its ``tessdata``), the installed binary's own, usual places."""
    folders: list[Path] = []
    prefix = os.environ.get("TESSDATA_PREFIX")
    if prefix:
        folders += [Path(prefix), Path(prefix) / "tessdata"]
    binary = shutil.which("tesseract")
    if binary:
        folders += _binary_folders(binary)
    folders += [Path(folder) for folder in _PACKAGED]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def _binary_folders(binary: str) -> list[Path]:
    """The folder that ``tesseract --list-langs`` names in its first line."""
    try:
        answer = subprocess.run([binary, "--list-langs"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []  # A binary that cannot be run names no folder; the usual places remain.
    return [Path(name) for name in _LISTED.findall(answer.stdout + answer.stderr)[:1]]


def find_traineddata(language: str, tessdata: Path | None = None) -> Path:
    """Path of the file of *language* in *tessdata* or the installed folders, or *language* itself if it is a file.

    ``script/Latin`` is also found as ``Latin``, and the other way round, as distributions differ.

    Raises:
        RecognizerError: there is none; the message lists the folders.
    """
    if language.endswith(_SUFFIX):
        path = Path(language)
        if path.is_file():
            return path
        raise RecognizerError(
            f"The file {language} was given, an existing traineddata file was expected; correct the path."
        )
    parts = language.split("/")
    if not all(re.fullmatch(r"[A-Za-z0-9_-]+", part) for part in parts) or len(parts) > 2:
        raise RecognizerError(
            f"The language {language!r} was given, a name such as 'eng' or 'script/Latin' was expected; correct it."
        )
    folders = [tessdata] if tessdata is not None else tessdata_folders()
    for folder in folders:
        for name in (language, parts[-1], f"script/{parts[-1]}"):
            path = folder / f"{name}{_SUFFIX}"
            if path.is_file():
                return path
    listed = ", ".join(map(str, folders)) or "no folder at all"
    raise RecognizerError(
        f"The language {language!r} was given, a file {parts[-1]}{_SUFFIX} was expected in {listed}; "
        f"install this language of Tesseract or set TESSDATA_PREFIX."
    )
