# SPDX-License-Identifier: MPL-2.0
"""Outcomes of failed work: for each exception a state, a code for machines, a sentence, and whether another try may help."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pikepdf
from ocrmypdf import exceptions as ocr
from PIL import Image

from ocrmypdf_superres.archive.store.name_encoding import printable, printable_path
from ocrmypdf_superres.archive.tasks import State
from ocrmypdf_superres.archive.worker.images import MAX_UNTRUE_DPI
from ocrmypdf_superres.errors import SuperresError

DISK_FULL = "disk-full"
"""The code that stops a run, since every other file would fail too."""

NO_PDFA = "It could not be converted to PDF/A; set output_type to pdf to get a plain PDF."

MIN_FREE = 8 * 1024**2
"""Bytes; a disk with less counts as full, whatever a program that failed on it reports."""

FULL = {errno.ENOSPC, errno.EDQUOT}
"""Errors of a full disk."""

_GONE = {errno.ENOENT, errno.ENOTDIR}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENAMETOOLONG, errno.EROFS}


@dataclass(frozen=True)
class Outcome:
    """How a file without outputs ends; the attributes are those of :class:`~ocrmypdf_superres.archive.tasks.FileResult`."""

    state: State
    code: str
    reason: str
    transient: bool = False


def _failed(code: str, reason: str, transient: bool = False) -> Outcome:
    return Outcome(State.FAILED, code, reason, transient)


class OutcomeError(Exception):
    """Ends the work on a file with an outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


def failed(code: str, reason: str, transient: bool = False) -> OutcomeError:
    """Return the exception that ends a file as failed."""
    return OutcomeError(_failed(code, reason, transient))


_ANYWAY = "set OCRmyPDF's mode to skip, redo or force to process it."

# Code, reason, errors. The first row that fits counts, so subclasses come before their bases; a reason without a full stop gets
# the error's message.
_OUTCOMES: tuple[tuple[str, str, tuple[type[BaseException], ...]], ...] = (
    ("has-text", f"It already has text; {_ANYWAY}", (ocr.PriorOcrFoundError,)),
    ("has-text", f"It is a tagged PDF, made by an office program; {_ANYWAY}", (ocr.TaggedPDFError,)),
    ("signed", "OCR would break its digital signature; set invalidate_digital_signatures to allow that.",
     (ocr.DigitalSignatureError,)),
    ("fonts", "PDF/A forbids its fonts, which are not embedded; set output_type to pdf to keep its text, or mode to force.",
     (ocr.NonEmbeddedFontsError,)),
    ("encrypted", "It is encrypted; remove the encryption (qpdf --decrypt) and run again.",
     (ocr.EncryptedPdfError, pikepdf.PasswordError)),
    ("no-dpi",
     f"The image claims no resolution above {MAX_UNTRUE_DPI} dpi, and less is often untrue; give the true one as image_dpi.",
     (ocr.DpiError,)),
    ("too-large", "An image has more pixels than max_image_mpixels of OCRmyPDF allows; increase that.",
     (Image.DecompressionBombError,)),
    ("pdfa", NO_PDFA, (ocr.PdfaConversionFailedError,)),
    ("pdfa", "PDF/A cannot keep its colours; set color_conversion_strategy to RGB or output_type to pdf.",
     (ocr.ColorConversionNeededError,)),
    ("unsupported", "The image is damaged or of a kind that OCRmyPDF does not support", (ocr.UnsupportedImageFormatError,)),
    ("damaged", "The PDF is damaged or of a kind that OCRmyPDF does not support", (ocr.InputFileError, pikepdf.PdfError)),
    ("settings", "OCRmyPDF rejects the options", (ocr.BadArgsError,)),
    ("settings", "A program that OCRmyPDF needs is missing on the worker's machine", (ocr.MissingDependencyError,)),
    ("settings", "Tesseract rejects its configuration file", (ocr.TesseractConfigError,)),
    ("memory", "Memory ran out.", (MemoryError,)),
)  # fmt: skip
_SKIPPED, _TRANSIENT = {"has-text", "signed"}, {"memory"}


def outcome_of(error: BaseException, folders: tuple[Path, ...]) -> Outcome:
    """Return the outcome of a file whose processing raised *error*.

    Args:
        error: any exception.
        folders: folders that were written to.
    """
    chain = list(_chain(error))
    if full := _full_disk(chain, folders):
        return _failed(DISK_FULL, f"The disk of {printable_path(full.parent)} is full.", transient=True)
    for code, reason, kinds in _OUTCOMES:
        if isinstance(error, kinds):
            reason = reason if reason.endswith(".") else f"{reason}: {_first_line(chain)}."
            return Outcome(State.SKIPPED if code in _SKIPPED else State.FAILED, code, reason, code in _TRANSIENT)
    if isinstance(error, OutcomeError):
        return error.outcome
    if isinstance(error, OSError):
        return _outcome_of_os(error, folders)
    killed = any(isinstance(e, subprocess.CalledProcessError) and e.returncode < 0 for e in chain)
    message = _first_line(chain)
    if isinstance(error, ocr.SubprocessOutputError):
        end = "was killed" if killed else "failed"
        return _failed("child", f"A program that OCRmyPDF runs {end}: {message}.", transient=killed)
    if isinstance(error, (SuperresError, ocr.ExitCodeException)):
        return _failed("failed", f"{message}.", transient=killed)
    return _failed("error", f"{type(error).__name__}: {message}.", transient=killed)


def _outcome_of_os(error: OSError, folders: tuple[Path, ...]) -> Outcome:
    message = str(error.strerror or error)
    if error.errno is None:  # Pillow's
        return _failed("damaged", f"An image in it is damaged: {' '.join(message.split()).rstrip('.')}.")
    if isinstance(error.filename, (str, bytes)):
        message = f"{printable(os.fsdecode(error.filename))}: {message}"
    # Something may have cleared the folder for temporary files, or mounted its disk read-only; the input is still there.
    own = any(_is_below(error.filename, folder) for folder in folders)
    if error.errno in _GONE and not own:
        return _failed("gone", f"A file of it is missing: {message}.")
    if error.errno in _REFUSED and not own:
        return _failed("unreadable", f"A file of it cannot be read: {message}.")
    return _failed("io", f"Reading or writing failed: {message}.", transient=True)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _first_line(chain: list[BaseException]) -> str:
    """Return the first message in the chain, in one line and without the full stop; the name of the error if there is none."""
    for error in chain:
        text = " ".join(str(error).split())
        if text:
            return text[:300].rstrip(".")
    return type(chain[0]).__name__


def _full_disk(chain: list[BaseException], folders: tuple[Path, ...]) -> Path | None:
    """Return which of *folders* is on a full disk, None if none is."""
    there = [(shutil.disk_usage(folder).free, folder) for folder in folders if folder.is_dir()]
    for error in chain:
        if isinstance(error, OSError) and error.errno in FULL:
            # Errors while writing to an open file do not name it.
            own = [folder for folder in folders if _is_below(error.filename, folder)]
            return (own or [folder for _, folder in sorted(there)] or list(folders))[0]
    # Programs that OCRmyPDF runs report it in words of their own, or just stop.
    return next((folder for free, folder in there if free < MIN_FREE), None)


def _is_below(name: object, folder: Path) -> bool:
    return isinstance(name, str) and Path(name).is_relative_to(folder)
