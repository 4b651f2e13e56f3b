# SPDX-License-Identifier: MPL-2.0
"""What an exception means for the file: its end, a code for machines, a sentence for people, and whether it may pass."""

from __future__ import annotations

import errno
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pikepdf
from ocrmypdf import exceptions as ocr
from PIL import Image

from ocrmypdf_superres.archive.tasks import State
from ocrmypdf_superres.errors import SuperresError

DISK_FULL = "disk-full"
"""The code that stops a run: no other file would fare better."""

LEAST_FREE = 8 * 1024**2
"""Bytes; a disk with less is full, whatever a program that failed on it says."""

_FULL = {errno.ENOSPC, errno.EDQUOT}
_GONE = {errno.ENOENT, errno.ENOTDIR}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENAMETOOLONG, errno.EROFS}


@dataclass(frozen=True)
class Outcome:
    """How a file ends that has no outputs."""

    state: State
    code: str
    reason: str
    transient: bool = False


def _failed(code: str, reason: str, transient: bool = False) -> Outcome:
    return Outcome(State.FAILED, code, reason, transient)


class OutcomeError(Exception):
    """Raised by the work on a file to end it."""

    def __init__(self, end: Outcome) -> None:
        super().__init__(end.reason)
        self.end = end


def failed(code: str, reason: str, transient: bool = False) -> OutcomeError:
    """Return the exception that ends a file as failed."""
    return OutcomeError(_failed(code, reason, transient))


# The first class that fits counts, so subclasses stand before their bases.
_MEANINGS: tuple[tuple[type[BaseException], Outcome], ...] = (
    (ocr.PriorOcrFoundError, Outcome(State.SKIPPED, "has-text", "It has text already; the mode skip, redo or force of OCRmyPDF would take it on.")),
    (ocr.TaggedPDFError, Outcome(State.SKIPPED, "has-text", "It is a tagged PDF, made by an office program; mode skip, redo or force would take it on.")),
    (ocr.DigitalSignatureError, Outcome(State.SKIPPED, "signed", "It is digitally signed, and OCR would break the signature; invalidate_digital_signatures allows that.")),
    (ocr.NonEmbeddedFontsError, _failed("fonts", "It has fonts that are not embedded, which PDF/A forbids; output_type pdf keeps its text, mode force makes it anew.")),
    (ocr.EncryptedPdfError, _failed("encrypted", "It is encrypted; remove the encryption (qpdf --decrypt) and run again.")),
    (pikepdf.PasswordError, _failed("encrypted", "It is encrypted; remove the encryption (qpdf --decrypt) and run again.")),
    (ocr.DpiError, _failed("no-dpi", "The image claims no resolution, or one that cannot be true; the setting image_dpi gives one to such images.")),
    (Image.DecompressionBombError, _failed("too-large", "An image has more pixels than max_image_mpixels of OCRmyPDF allows.")),
    (ocr.PdfaConversionFailedError, _failed("pdfa", "It could not be made PDF/A; output_type pdf makes a plain PDF.")),
    (ocr.ColorConversionNeededError, _failed("pdfa", "Its colours cannot be kept in PDF/A; color_conversion_strategy RGB or output_type pdf helps.")),
    (ocr.UnsupportedImageFormatError, _failed("unsupported", "The image is damaged or of a kind that OCRmyPDF does not take")),
    (ocr.InputFileError, _failed("damaged", "The PDF is damaged or of a kind that OCRmyPDF does not take")),
    (pikepdf.PdfError, _failed("damaged", "The PDF is damaged or of a kind that OCRmyPDF does not take")),
    (ocr.BadArgsError, _failed("settings", "OCRmyPDF refuses the options")),
    (ocr.MissingDependencyError, _failed("settings", "Something that OCRmyPDF needs is missing on the machine that worked")),
    (ocr.TesseractConfigError, _failed("settings", "Tesseract refuses its configuration file")),
    (MemoryError, _failed("memory", "The memory did not suffice.", transient=True)),
)  # fmt: skip


def outcome_of(error: BaseException, places: tuple[str, ...]) -> Outcome:
    """Return what *error*, raised by the work on a file, means for it.

    Args:
        error: any exception.
        places: folders that were written to.
    """
    chain = list(_chain(error))
    if _disk_is_full(chain, places):
        return _failed(DISK_FULL, "The disk is full.", transient=True)
    for kind, end in _MEANINGS:
        if isinstance(error, kind):
            said = _first_line(chain)
            return end if end.reason.endswith(".") else Outcome(end.state, end.code, f"{end.reason}{': ' + said if said else ''}.", end.transient)
    if isinstance(error, OutcomeError):
        return error.end
    if isinstance(error, OSError):
        return _outcome_of_os(error)
    killed = any(isinstance(e, subprocess.CalledProcessError) and e.returncode < 0 for e in chain)
    said = _first_line(chain)
    if isinstance(error, ocr.SubprocessOutputError):
        return _failed("child", f"A program that OCRmyPDF runs {'was killed' if killed else 'failed'}: {said}.", transient=killed)
    if isinstance(error, (SuperresError, ocr.ExitCodeException)):
        return _failed("failed", said if said.endswith(".") else f"{said}.", transient=killed)
    return _failed("error", f"{type(error).__name__}: {said}.", transient=killed)


def _outcome_of_os(error: OSError) -> Outcome:
    said = f"{error.strerror or error}"
    if error.errno is None:  # Pillow's
        return _failed("damaged", f"An image in it is damaged: {' '.join(said.split()).rstrip('.')}.")
    if error.errno in _GONE:
        return _failed("gone", f"A file of it is missing: {said}.")
    if error.errno in _REFUSED:
        return _failed("unreadable", f"A file of it cannot be read: {said}.")
    return _failed("io", f"Reading or writing failed: {said}.", transient=True)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _first_line(chain: list[BaseException]) -> str:
    """The first thing that is said, in one line, without the full stop."""
    for error in chain:
        text = " ".join(str(error).split())
        if text:
            return text[:300].rstrip(".")
    return type(chain[0]).__name__


def _disk_is_full(chain: list[BaseException], places: tuple[str, ...]) -> bool:
    if any(isinstance(error, OSError) and error.errno in _FULL for error in chain):
        return True
    # Programs that OCRmyPDF runs say it in their own words, or only stop.
    return any(shutil.disk_usage(place).free < LEAST_FREE for place in places if Path(place).is_dir())
