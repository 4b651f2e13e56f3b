# SPDX-License-Identifier: MPL-2.0
"""The installed ``tesseract`` program: where it and its language files are, running it, and its TSV output.

The only place of this package that starts the program. OCRmyPDF's own engine, which the plugin delegates to, runs
it by itself. Imports neither torch nor OCRmyPDF.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image

from ocrmypdf_superres.errors import MissingDependencyError, RecognizerError

RAW_LINE = 13
"""The page segmentation mode for an image of one line, without any layout analysis."""

_SUFFIX = ".traineddata"
_QUOTED = re.compile(r'"([^"]+)"')
_USUAL_FOLDERS = (
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tesseract-ocr/4.00/tessdata",
    "/usr/share/tessdata",
    "/usr/share/tesseract/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
)


@dataclass(frozen=True)
class Word:
    """A word that Tesseract read.

    Attributes:
        text: the word.
        confidence: Tesseract's own, 0 to 100.
        box: left, top, right, bottom in pixels, right and bottom exclusive.
    """

    text: str
    confidence: float
    box: tuple[int, int, int, int]


def program() -> str:
    """Return the path of the program.

    Raises:
        MissingDependencyError: it is not installed.
    """
    found = shutil.which("tesseract")
    if found is None:
        raise MissingDependencyError(
            "The program tesseract was not found, Tesseract 4 or later was expected; install tesseract-ocr."
        )
    return found


def run_tesseract(arguments: Sequence[str], *, stdin: bytes | None = None, timeout: float = 600.0) -> str:
    """Return the standard output of ``tesseract`` with *arguments*, decoded as UTF-8.

    Args:
        arguments: as on a command line.
        stdin: bytes for its standard input.
        timeout: seconds after which it is killed.

    Raises:
        MissingDependencyError: it is not installed.
        RecognizerError: it failed or took too long; the message has its last line of output.
    """
    command = [program(), *arguments]
    # One thread: OpenMP makes Tesseract slower on a busy machine, and never much faster.
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    shown = f"tesseract {' '.join(arguments)}"
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout, check=False, env=environment)
    except subprocess.TimeoutExpired as error:
        raise RecognizerError(f"{shown} took longer than {timeout:.0f} seconds; give it smaller images.") from error
    except OSError as error:
        raise RecognizerError(
            f"{shown} could not be started ({error.strerror}); check the installation of tesseract-ocr."
        ) from error
    if done.returncode != 0:
        message = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise RecognizerError(
            f"{shown} failed with {message[-1] if message else done.returncode!r}; check the languages and the images."
        )
    return done.stdout.decode("utf-8", "replace")


def version() -> str:
    """Return the program's first line about itself, such as ``tesseract 5.3.0``; raises as :func:`run_tesseract`."""
    lines = run_tesseract(["--version"], timeout=30).splitlines()
    return lines[0] if lines else "tesseract (unknown version)"


def languages() -> list[str]:
    """Return the installed languages and scripts, sorted; raises as :func:`run_tesseract`."""
    return sorted(line.strip() for line in run_tesseract(["--list-langs"], timeout=30).splitlines()[1:] if line.strip())


def check_loading(languages: Sequence[str]) -> None:
    """Let the program load each of *languages*; of several, it would leave out those that it cannot load, and read without them.

    Raises:
        MissingDependencyError: it is not installed.
        RecognizerError: it cannot load one of them.
    """
    for language in languages:
        try:
            read_page(Image.new("L", (64, 64), 255), language, dpi=70)
        except RecognizerError as error:
            raise RecognizerError(
                f"Tesseract cannot load its language {language!r}, whose file is missing or damaged; install the language again."
            ) from error


def read_page(
    image: Image.Image,
    languages: str,
    *,
    dpi: float,
    psm: int | None = None,
    output: Sequence[str] = (),
    tessdata: Path | None = None,
) -> str:
    """Return what the program writes about a page image: its text, or another output such as ``["tsv"]``.

    Args:
        image: the page, in a mode that PNG can hold.
        languages: as for ``-l``, such as ``eng+deu``.
        dpi: the resolution to tell the program.
        psm: page segmentation mode; None for the program's default.
        output: configuration names after the output, such as ``["tsv"]`` or ``["hocr"]``.
        tessdata: the folder of the languages' files, of which the LSTM networks are used; None for the installed one.

    Raises:
        MissingDependencyError, RecognizerError: as :func:`run_tesseract`.
    """
    buffer = io.BytesIO()
    image.save(buffer, "PNG", dpi=(dpi, dpi), compress_level=1)
    mode = [] if psm is None else ["--psm", str(psm)]
    mode += _from_folder(tessdata)
    return run_tesseract(["-", "-", "-l", languages, "--dpi", str(round(dpi)), *mode, *output], stdin=buffer.getvalue())


def _from_folder(tessdata: Path | None) -> list[str]:
    # Files that also have the legacy engine's data would be read by both engines.
    return [] if tessdata is None else ["--tessdata-dir", str(tessdata), "--oem", "1"]


def orientation(image: Image.Image, dpi: float) -> tuple[int, float]:
    """Return by how many degrees clockwise *image* must be turned to be upright (0, 90, 180 or 270), and Tesseract's confidence.

    The confidence is 0 and more: some 5 to 25 on a page of text, about 1 on one without.

    Raises:
        MissingDependencyError, RecognizerError: as :func:`run_tesseract`; also where there are too few letters to tell, and
            where the language ``osd`` is not installed.
    """
    buffer = io.BytesIO()
    image.convert("L").save(buffer, "PNG", compress_level=1)
    said = run_tesseract(["-", "-", "--psm", "0", "--dpi", str(round(max(dpi, 70.0)))], stdin=buffer.getvalue(), timeout=60)
    found = re.search(r"^Rotate: (\d+)", said, re.M)
    if found is None:
        raise RecognizerError(f"tesseract was asked for the orientation and said {said[:60]!r}; turn the page by hand.")
    sure = re.search(r"^Orientation confidence: ([\d.]+)", said, re.M)
    return int(found.group(1)) % 360, float(sure.group(1)) if sure is not None else 0.0


def read_lines(images: Sequence[Image.Image], language: str, tessdata: Path | None = None, psm: int = RAW_LINE) -> list[str]:
    """Return the text of each of *images*, each one line, read in one run; white space is single blanks.

    Raises:
        MissingDependencyError, RecognizerError: as :func:`run_tesseract`.
    """
    if not images:
        return []
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        names = []
        for index, image in enumerate(images):
            name = Path(folder) / f"{index:05d}.png"
            image.save(name)
            names.append(str(name))
        listing = Path(folder) / "list.txt"
        listing.write_text("\n".join(names) + "\n", encoding="utf-8")
        arguments = [str(listing), "stdout", "-l", language, "--psm", str(psm), "--dpi", "300"]
        pages = run_tesseract([*arguments, *_from_folder(tessdata)]).split("\f")
    if len(pages) < len(images):
        raise RecognizerError(
            f"tesseract gave {len(pages)} texts for {len(images)} images, one each was expected; check that it reads PNG files."
        )
    return [" ".join(page.split()) for page in pages[: len(images)]]


def parse_tsv(tsv: str) -> list[list[Word]]:
    """Return the words of Tesseract's TSV output by line, in its reading order; lines without words are left out.

    Raises:
        RecognizerError: a row of a word does not have the twelve columns of Tesseract's TSV.
    """
    lines: dict[tuple[str, ...], list[Word]] = {}
    for number, row in enumerate(tsv.splitlines(), start=1):
        cells = row.split("\t")
        if cells[0] != "5":
            continue
        try:
            left, top, width, height = (int(cell) for cell in cells[6:10])
            confidence, text = float(cells[10]), cells[11].strip()
        except (ValueError, IndexError) as error:
            raise RecognizerError(
                f"Line {number} of the TSV output is {row[:60]!r}, Tesseract's twelve columns were expected; "
                f"write it with tesseract's tsv configuration."
            ) from error
        if text:
            lines.setdefault(tuple(cells[1:5]), []).append(Word(text, confidence, (left, top, left + width, top + height)))
    return list(lines.values())


def data_folder() -> Path | None:
    """Return the folder that the program takes its language files from; None where it does not tell, as Tesseract 4 does.

    The program is asked once in a process, and again when ``$TESSDATA_PREFIX`` changes.

    Raises:
        MissingDependencyError, RecognizerError: as :func:`run_tesseract`.
    """
    prefix = os.environ.get("TESSDATA_PREFIX", "")
    named = _named_folder(program(), prefix)
    return Path(named or prefix) if named or prefix else None


@lru_cache(maxsize=8)
def _named_folder(_program: str, _prefix: str) -> str:
    # The first line names the folder in quotes.
    return next(iter(_QUOTED.findall(run_tesseract(["--list-langs"], timeout=30))), "")


def tessdata_folders() -> list[Path]:
    """Return the folders with language files: ``$TESSDATA_PREFIX`` (or its ``tessdata``), the program's own, usual places."""
    folders: list[Path] = []
    prefix = os.environ.get("TESSDATA_PREFIX")
    if prefix:
        folders += [Path(prefix), Path(prefix) / "tessdata"]
    # A program that cannot be run names no folder; the usual places remain.
    with contextlib.suppress(MissingDependencyError, RecognizerError):
        named = data_folder()
        folders += [named] if named is not None else []
    folders += [Path(folder) for folder in _USUAL_FOLDERS]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def find_traineddata(language: str, tessdata: Path | None = None) -> Path:
    """Return the path of *language*'s file in *tessdata* or the installed folders, or *language* itself if it is a file.

    ``script/Latin`` is also found as ``Latin``, and the other way round, as distributions differ.

    Raises:
        RecognizerError: there is none; the message lists the folders.
    """
    if language.endswith(_SUFFIX):
        path = Path(language)
        if path.is_file():
            return path
        raise RecognizerError(f"The file {language} was given, an existing traineddata file was expected; correct the path.")
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
