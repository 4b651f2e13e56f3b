# SPDX-License-Identifier: MPL-2.0
"""The work on one file, in whichever process or on whichever machine: from the input to finished outputs in staging.

The input is copied to the scratch folder while it is hashed, so what is hashed is what is read, other programs never open
the master, and its name (which may hold anything) is never theirs to handle.  Nothing is written elsewhere than into the
task's staging folder, its log, and a scratch folder that is gone afterwards.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import shutil
import socket
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import img2pdf
import ocrmypdf
import pikepdf
from ocrmypdf.exceptions import ExitCode
from PIL import Image

from ocrmypdf_superres.archive.formats.mets import MetsPage, read_mets
from ocrmypdf_superres.archive.store.output_names import pdf_name, text_name
from ocrmypdf_superres.archive.tasks import FileResult, FileTask, Kind, State
from ocrmypdf_superres.archive.worker import outcomes, products
from ocrmypdf_superres.archive.worker.gather import gather
from ocrmypdf_superres.archive.worker.images import claims_no_dpi, page_layout, remove_alpha
from ocrmypdf_superres.errors import ImageError

log = logging.getLogger("ocrmypdf.superres")

MOST_WARNINGS = 100
"""So many of a file's warnings are remembered; a book may repeat one on each of its pages."""

# Where files are staged and temporary files lie is set for the whole process.
_one_at_a_time = threading.Lock()


def ocr_file(task: FileTask) -> FileResult:
    """Digitise one file; whatever is wrong with it, a result comes back.

    When the result is ``STAGED``, its outputs lie complete and synced to the disk in the task's staging folder; else that
    folder is gone.  The log at :attr:`~ocrmypdf_superres.archive.tasks.FileTask.log` is left to the run.
    """
    began = time.monotonic()
    result = FileResult(task.number, State.STAGED, "ok", worker=f"{socket.gethostname()}/{os.getpid()}")
    with _one_at_a_time:
        scratch = scratch_folder(task)
        try:
            with _logged(task, result.warnings), _temporary(scratch):
                _ocr_file(task, scratch, result)
        except Exception as error:  # one bad file must not stop a run
            end = outcomes.outcome_of(error, (task.staging, os.fspath(scratch), os.path.dirname(task.staging)))
            result.state, result.code, result.transient = end.state, end.code, end.transient
            result.reason = end.reason.replace(f"{scratch}{os.sep}", "")
            result.outputs = []
            _append_to_log(task, error)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            if result.state is not State.STAGED:
                shutil.rmtree(task.staging, ignore_errors=True)
    result.seconds = time.monotonic() - began
    return result


def scratch_folder(task: FileTask) -> Path:
    """The task's folder for temporary files on this machine; the same at every call, so that what a killed worker left can be found."""
    return Path(task.scratch or tempfile.gettempdir()) / f"{scratch_prefix(Path(task.staging).parent)}-{Path(task.staging).name}"


def scratch_prefix(staging: Path) -> str:
    """What the names of the scratch folders of all tasks of a run begin with."""
    return f"ocrmypdf-superres-{hashlib.sha256(os.fsencode(staging)).hexdigest()[:16]}"


def _ocr_file(task: FileTask, scratch: Path, result: FileResult) -> None:
    source = _take_input(task, scratch, result)
    if result.code == "unchanged":
        return
    staging = Path(task.staging)
    shutil.rmtree(staging, ignore_errors=True)
    pages = _count_pages(source, task.kind)
    name = pdf_name(task.relative, task.kind)
    # Made under plain names, since not every library takes a name whose bytes are no text.
    pdf, text, report = scratch / "made.pdf", scratch / "made.txt", scratch / "report.jsonl"
    arguments: dict[str, Any] = {**_dpi(task, source), **task.ocr, "superres_report": os.fspath(report)}
    if "text" in task.outputs:
        arguments["sidecar"] = text
    done = _ocr(source, pdf, arguments)
    if done is ExitCode.pdfa_conversion_failed:
        raise outcomes.failed("pdfa", "It could not be made PDF/A; output_type pdf makes a plain PDF.")
    if done is not ExitCode.ok:
        raise outcomes.failed("invalid", f"OCRmyPDF made a PDF that is not in order (its exit code is {int(done)}).")
    read = gather(scratch, report, pages, task.relative)
    result.pages = [page.result for page in read]
    with pikepdf.open(pdf) as made:
        if len(made.pages) != pages:
            result.findings.append(f"{pages} pages came and {len(made.pages)} were made")
    empty = [page.page for page in result.pages if "ink but no words" in page.findings]
    if empty:
        result.findings.append(f"ink but no words on {len(empty)} of {pages} pages, the first is page {empty[0]}")
    (staging / name).parent.mkdir(parents=True, exist_ok=True)
    products.make(task, read, name)
    if "text" in task.outputs:
        shutil.move(text, staging / text_name(name))
    if "pdf" in task.outputs:
        products.add_provenance(task, read, pdf, source)
        shutil.move(pdf, staging / name)
    result.outputs = products.sealed(task)


def _take_input(task: FileTask, scratch: Path, result: FileResult) -> Path:
    """Copy the input to *scratch*, hash it, and return what OCRmyPDF shall read; the result's code may become ``unchanged``.

    A METS document's hash is that of its own bytes and, after them, of the hashes of its images in their order.
    """
    copy = scratch / {Kind.PDF: "input.pdf", Kind.METS: "input.xml"}.get(task.kind, "input.image")
    digest = _copy(task.source, copy)
    images: list[Path] = []
    if task.kind is Kind.METS:
        for number, page in enumerate(_mets_pages(task)):
            images.append(scratch / f"page-{number:06d}")
            digest.update(_copy(os.fspath(page.path), images[-1]).digest())
    result.sha256 = digest.hexdigest()
    if task.known == result.sha256:
        result.state, result.code = State.SKIPPED, "unchanged"
        return copy
    if task.kind is Kind.METS and not images:
        raise outcomes.failed("damaged", "The METS document names no images.")
    _opaque(images if task.kind is Kind.METS else [copy] if task.kind is Kind.IMAGE else [], result)
    if task.kind is not Kind.METS:
        return copy
    if not task.image_dpi and any(claims_no_dpi(image) for image in images):
        raise ocrmypdf.exceptions.DpiError()
    joined = scratch / "input.pdf"
    try:
        with open(joined, "wb") as stream:
            img2pdf.convert(
                [os.fspath(p) for p in images], outputstream=stream, layout_fun=page_layout(task.image_dpi), rotation=img2pdf.Rotation.ifvalid
            )
    except (img2pdf.ImageOpenError, img2pdf.AlphaChannelError) as error:
        raise ocrmypdf.exceptions.UnsupportedImageFormatError(str(error)) from error
    return joined


def _opaque(images: list[Path], result: FileResult) -> None:
    """Take transparency out of the copied *images*; a damaged one is left for whoever converts it to say so."""
    transparent = 0
    for image in images:
        with contextlib.suppress(OSError, SyntaxError):
            transparent += remove_alpha(image)
    if transparent:
        result.findings.append(f"transparent parts on {transparent} pages were laid on white paper")


def _mets_pages(task: FileTask) -> list[MetsPage]:
    try:
        return read_mets(Path(task.source), task.root).pages
    except ImageError as error:
        raise outcomes.failed("damaged", str(error)) from error


def _copy(source: str, target: Path) -> Any:
    """Copy a file and return its SHA-256 object.

    Raises:
        OutcomeError: it changed while it was read.
        OSError: it cannot be read, or the copy not be written.
    """
    digest = hashlib.sha256()
    with open(source, "rb") as stream, open(target, "wb") as copy:
        before = os.fstat(stream.fileno())
        size = 0
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
            size += copy.write(chunk)
        after = os.stat(source)
    if (before.st_size, before.st_mtime_ns, before.st_ino) != (size, after.st_mtime_ns, after.st_ino):
        raise outcomes.failed("changing", "It changed while it was read.", transient=True)
    return digest


def _count_pages(source: Path, kind: Kind) -> int:
    if kind is Kind.IMAGE:
        try:
            with Image.open(source) as image:
                return int(getattr(image, "n_frames", 1))
        except (OSError, SyntaxError) as error:
            raise ocrmypdf.exceptions.UnsupportedImageFormatError(f"{type(error).__name__}") from error
    with pikepdf.open(source) as pdf:
        if not len(pdf.pages):
            raise outcomes.failed("empty", "The PDF has no pages.")
        return len(pdf.pages)


def _dpi(task: FileTask, source: Path) -> dict[str, Any]:
    """OCRmyPDF's ``image_dpi`` for an image that claims none; any other image's own claim stands."""
    return {"image_dpi": task.image_dpi} if task.kind is Kind.IMAGE and task.image_dpi and claims_no_dpi(source) else {}


def _ocr(source: Path, pdf: Path, arguments: dict[str, Any]) -> ExitCode:
    """Run OCRmyPDF in this process; it leaves its working folder behind for :func:`gather`."""
    # It prints where that folder is.
    with contextlib.redirect_stderr(io.StringIO()):
        return ocrmypdf.ocr(
            source, pdf, plugins=["ocrmypdf_superres"], keep_temporary_files=True, progress_bar=False, use_threads=True, **arguments
        )


@contextlib.contextmanager
def _temporary(scratch: Path) -> Iterator[None]:
    """Have all temporary files of this process and of those that it starts in *scratch*."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.parent.mkdir(parents=True, exist_ok=True)
    os.mkdir(scratch, 0o700)
    before, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    tempfile.tempdir = os.environ["TMPDIR"] = os.fspath(scratch)
    try:
        yield
    finally:
        tempfile.tempdir = before
        if variable is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = variable


class _Collector(logging.Handler):
    """Keeps the warnings and what is worse."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        if len(self.messages) < MOST_WARNINGS:
            page = getattr(record, "pageno", None)
            self.messages.append(f"page {page}: {record.getMessage()}" if page else record.getMessage())


@contextlib.contextmanager
def _logged(task: FileTask, warnings: list[str]) -> Iterator[None]:
    """Write what OCRmyPDF and the plugin say to the task's log; keep the warnings."""
    os.makedirs(os.path.dirname(task.log), exist_ok=True)
    logger = logging.getLogger("ocrmypdf")
    file = logging.FileHandler(task.log, mode="w", encoding="utf-8", errors="backslashreplace")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handlers = [file, _Collector(warnings)]
    level = logger.level
    logger.setLevel(logging.INFO)
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.setLevel(level)
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()


def _append_to_log(task: FileTask, error: BaseException) -> None:
    with contextlib.suppress(OSError), open(task.log, "a", encoding="utf-8", errors="backslashreplace") as stream:
        traceback.print_exception(error, file=stream)
