# SPDX-License-Identifier: MPL-2.0
"""OCR of one file, in any process on any machine: from the input to finished outputs in the staging folder.

The input is copied to the scratch folder while it is hashed. So the bytes that were hashed are the bytes that are read, and
other programs never open the original or handle its name (which may hold any bytes). Nothing is written anywhere else than
into the task's staging folder, its log, and a scratch folder that is removed afterwards.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
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
from ocrmypdf_superres.archive.store.output_names import page_name, pdf_name, text_name
from ocrmypdf_superres.archive.tasks import FileResult, FileTask, Kind, State
from ocrmypdf_superres.archive.worker import outcomes, products
from ocrmypdf_superres.archive.worker.gather import gather
from ocrmypdf_superres.archive.worker.images import claims_no_dpi, names_a_lost_frame, page_layout, prepare, why_no_page
from ocrmypdf_superres.errors import ImageError
from ocrmypdf_superres.page.pdf import open_pdf

log = logging.getLogger("ocrmypdf.superres")

MAX_WARNINGS = 100
"""Warnings that are kept for a file; a book may repeat one on each of its pages."""

# The folder for temporary files and the log handlers are those of the whole process.
_one_at_a_time = threading.Lock()


def ocr_file(task: FileTask) -> FileResult:
    """Process one file; whatever is wrong with it, return a result.

    If the result is ``STAGED``, its outputs are complete and synced to the disk in the task's staging folder; else that
    folder is removed. The log at :attr:`~ocrmypdf_superres.archive.tasks.FileTask.log` is left to the run.
    """
    began = time.monotonic()
    result = FileResult(task.number, State.STAGED, "ok", worker=f"{socket.gethostname()}/{os.getpid()}")
    with _one_at_a_time:
        scratch = scratch_folder(task)
        try:
            with _logged(task, result.warnings), _temporary(scratch):
                _process(task, scratch, result)
        except Exception as error:  # noqa: BLE001 - one bad file must not stop a run
            outcome = outcomes.outcome_of(error, (Path(task.staging), scratch, Path(task.staging).parent))
            result.state, result.code, result.transient = outcome.state, outcome.code, outcome.transient
            result.reason = outcome.reason.replace(f"{scratch}{os.sep}", "")
            result.outputs, result.pages = [], []
            _append_to_log(task, error)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            if result.state is not State.STAGED:
                shutil.rmtree(task.staging, ignore_errors=True)
    result.seconds = time.monotonic() - began
    return result


def scratch_folder(task: FileTask) -> Path:
    """Return the task's folder for temporary files on this machine; always the same, so that a killed worker's can be found."""
    return Path(task.scratch or tempfile.gettempdir()) / f"{scratch_prefix(Path(task.staging).parent)}-{Path(task.staging).name}"


def scratch_prefix(staging: Path) -> str:
    """Return the beginning of the names of all scratch folders of the run with the folder *staging*."""
    return f"ocrmypdf-superres-{hashlib.sha256(os.fsencode(staging)).hexdigest()[:16]}"


def _process(task: FileTask, scratch: Path, result: FileResult) -> None:
    if task.conflict and not task.known:
        raise outcomes.failed("exists", task.conflict)
    if (most := task.ocr.get("max_image_mpixels")) is not None:
        # OCRmyPDF sets it, too, but only after the input was prepared.
        Image.MAX_IMAGE_PIXELS = int(most * 1e6) or None
    source = _take_input(task, scratch, result)
    if result.code == "unchanged":
        return
    staging = Path(task.staging)
    shutil.rmtree(staging, ignore_errors=True)
    pages = _count_image_pages(source) if task.kind is Kind.IMAGE else _count_pdf_pages(source, result)
    name = pdf_name(task.relative, task.kind)
    _check_name(task, name)
    # Under plain names, since not every library supports names whose bytes are not text.
    pdf, text, kept = scratch / "made.pdf", scratch / "made.txt", scratch / "kept"
    arguments: dict[str, Any] = {**_dpi(task, source), **task.ocr, "superres_keep": os.fspath(kept)}
    if "text" in task.outputs:
        arguments["sidecar"] = text
    _ocr(source, pdf, arguments)
    read = gather(kept, pages, task.relative)
    result.pages = [page.result for page in read]
    with pikepdf.open(pdf) as made:
        if len(made.pages) != pages:
            result.findings.append(f"the input has {pages} pages, the output {len(made.pages)}")
    empty = [page.page for page in result.pages if "ink but no words" in page.findings]
    if empty:
        result.findings.append(f"ink but no words on {len(empty)} of {pages} pages, the first is page {empty[0]}")
    (staging / name).parent.mkdir(parents=True, exist_ok=True)
    products.make(task, read, name)
    if "text" in task.outputs:
        shutil.move(text, staging / text_name(name))
    if "pdf" in task.outputs:
        result.findings += products.add_provenance(task, read, pdf, source)
        shutil.move(pdf, staging / name)
    result.outputs = products.synced_outputs(task)


def _check_name(task: FileTask, name: str) -> None:
    """Refuse an input whose outputs, of which the PDF is called *name*, would have names that are too long, before hours of work.

    Raises:
        OutcomeError: a name is too long.
    """
    side = [page_name(name, output, 1) for output in task.outputs if output not in ("pdf", "text")]
    for part in {part for made in (name, text_name(name), *side) for part in made.split("/")}:
        try:
            # In a folder that exists, since the length is checked only there.
            (Path(task.staging).parent / part).lstat()
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                reason = "The name of an output, which extends that of the input, is too long; shorten the input's name."
                raise outcomes.failed("name-too-long", reason) from error


def _take_input(task: FileTask, scratch: Path, result: FileResult) -> Path:
    """Copy the input to *scratch*, hash it, and return the file for OCRmyPDF; the result's code may become ``unchanged``.

    The hash of a METS document is over its own bytes and then the hashes of its images, in order.
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
    if task.conflict:
        raise outcomes.failed("exists", task.conflict)
    if task.kind is Kind.METS and not images:
        raise outcomes.failed("damaged", "The METS document names no images.")
    _prepare(images if task.kind is Kind.METS else [copy] if task.kind is Kind.IMAGE else [], task.image_dpi, result)
    if task.kind is not Kind.METS:
        return copy
    if not task.image_dpi and any(claims_no_dpi(image) for image in images):
        raise ocrmypdf.exceptions.DpiError()
    joined = scratch / "input.pdf"
    try:
        with joined.open("wb") as stream:
            img2pdf.convert(
                [os.fspath(p) for p in images],
                outputstream=stream,
                layout_fun=page_layout(task.image_dpi),
                rotation=img2pdf.Rotation.ifvalid,
            )
    except (img2pdf.ImageOpenError, img2pdf.AlphaChannelError) as error:
        raise ocrmypdf.exceptions.UnsupportedImageFormatError(str(error)) from error
    return joined


def _prepare(images: list[Path], image_dpi: int, result: FileResult) -> None:
    """Prepare the copied *images* for the conversion to PDF; what follows reports a damaged one.

    Raises:
        OutcomeError: one cannot become a page as it is.
    """
    transparent = 0
    for number, image in enumerate(images, start=1):
        with contextlib.suppress(ImageError):
            if reason := why_no_page(image, image_dpi):
                raise outcomes.failed("unsupported", f"Page {number}: {reason}" if len(images) > 1 else reason)
            transparent += prepare(image)
    if transparent:
        result.findings.append(f"transparent parts on {transparent} pages became white")


def _mets_pages(task: FileTask) -> list[MetsPage]:
    try:
        return read_mets(Path(task.source), task.root).pages
    except ImageError as error:
        raise outcomes.failed("damaged", str(error)) from error


def _copy(source: str, target: Path) -> Any:
    """Copy a file and return its SHA-256 object.

    Raises:
        OutcomeError: it changed while it was read.
        OSError: it cannot be read, or the copy cannot be written.
    """
    digest = hashlib.sha256()
    with Path(source).open("rb") as stream, target.open("wb") as copy:
        before = os.fstat(stream.fileno())
        size = 0
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
            size += copy.write(chunk)
        after = Path(source).stat()
    if (before.st_size, before.st_mtime_ns, before.st_ino) != (size, after.st_mtime_ns, after.st_ino):
        raise outcomes.failed("changing", "It changed while it was read.", transient=True)
    return digest


def _count_image_pages(source: Path) -> int:
    cut = outcomes.failed("damaged", "The image ends before its last frame; replace it by a whole copy.")
    try:
        if names_a_lost_frame(source):
            raise cut
        with Image.open(source) as image:
            # The conversion to PDF takes the first frame of a PNG, and all frames of others.
            return 1 if image.format == "PNG" else int(getattr(image, "n_frames", 1))
    except TypeError as error:  # Pillow's, where the head of a frame is missing
        raise cut from error
    except (OSError, SyntaxError) as error:
        raise ocrmypdf.exceptions.UnsupportedImageFormatError(f"{type(error).__name__}") from error


def _count_pdf_pages(source: Path, result: FileResult) -> int:
    """Count the pages, and see what qpdf, which OCRmyPDF reads PDFs with, leaves out of a damaged one.

    Raises:
        OutcomeError: there are no pages, or others than the PDF claims.
    """
    with pikepdf.open(source) as pdf:
        pages = len(pdf.pages)
        list(pdf.objects)  # qpdf sees damage where it reads
        repairs = [str(warning).replace(os.fspath(source), "").lstrip(": ") for warning in pdf.get_warnings()]
    if not pages:
        raise outcomes.failed("empty", "The PDF has no pages.")
    claimed = pages
    with contextlib.suppress(ImageError), open_pdf(source) as document:  # pdfium takes the number as it stands there
        claimed = len(document)
    if claimed != pages:
        reason = (
            f"The PDF claims {claimed} pages, but {pages} can be read; see which are missing, repair it (qpdf) and run again."
        )
        raise outcomes.failed("damaged", reason)
    if any("file is damaged" in repair for repair in repairs):
        result.findings.append(f"the input is damaged, so that parts of pages may be missing ({repairs[-1]})")
    return pages


def _dpi(task: FileTask, source: Path) -> dict[str, Any]:
    """Return OCRmyPDF's ``image_dpi`` for an image that claims no resolution; any other keeps its own."""
    return {"image_dpi": task.image_dpi} if task.kind is Kind.IMAGE and task.image_dpi and claims_no_dpi(source) else {}


def _ocr(source: Path, pdf: Path, arguments: dict[str, Any]) -> None:
    """Run OCRmyPDF in this process; the plugin keeps what was read for :func:`gather`.

    Raises:
        OutcomeError: the PDF is not valid, or not the PDF/A that was asked for.
    """
    plugins = ["ocrmypdf_superres"]
    if "pdfa_image_compression" not in arguments:
        plugins.append("ocrmypdf_superres.archive.worker.lossless")
    status = ocrmypdf.ocr(source, pdf, plugins=plugins, progress_bar=False, use_threads=True, **arguments)
    if status is ExitCode.pdfa_conversion_failed:
        raise outcomes.failed("pdfa", outcomes.NO_PDFA)
    if status is not ExitCode.ok:
        raise outcomes.failed(
            "invalid",
            f"OCRmyPDF made an invalid PDF (its exit code is {int(status)}), mostly of a damaged image; look at the input.",
        )


@contextlib.contextmanager
def _temporary(scratch: Path) -> Iterator[None]:
    """Put all temporary files of this process and of its children into *scratch*."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.parent.mkdir(parents=True, exist_ok=True)
    scratch.mkdir(0o700)
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
    """Keeps warnings and errors."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        """See :meth:`logging.Handler.emit`."""
        if len(self.messages) < MAX_WARNINGS:
            page = getattr(record, "pageno", None)
            self.messages.append(f"page {page}: {record.getMessage()}" if page else record.getMessage())


@contextlib.contextmanager
def _logged(task: FileTask, warnings: list[str]) -> Iterator[None]:
    """Write the messages of OCRmyPDF and the plugin to the task's log, and add the warnings to *warnings*."""
    Path(task.log).parent.mkdir(parents=True, exist_ok=True)
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
    with contextlib.suppress(OSError), Path(task.log).open("a", encoding="utf-8", errors="backslashreplace") as stream:
        traceback.print_exception(error, file=stream)
