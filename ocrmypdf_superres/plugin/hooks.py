# SPDX-License-Identifier: MPL-2.0
"""The hooks of OCRmyPDF that this plugin implements, and nothing else."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocrmypdf import hookimpl
from ocrmypdf.exceptions import InputFileError
from ocrmypdf.pluginspec import GhostscriptRasterDevice

from ocrmypdf_superres.plugin import option_checks, worker
from ocrmypdf_superres.plugin import options as superres_options
from ocrmypdf_superres.plugin import summary as superres_summary
from ocrmypdf_superres.plugin.geometry.raster_rotation import turn_as_asked
from ocrmypdf_superres.plugin.guard import guard

if TYPE_CHECKING:
    from ocrmypdf.pdfinfo import PdfInfo
    from ocrmypdf.pluginspec import OcrEngine
    from PIL import Image
    from pydantic import BaseModel


@hookimpl
def register_options() -> dict[str, type[BaseModel]]:
    """Register the option model: ``options.superres``."""
    return {superres_options.NAMESPACE: superres_options.SuperresOptions}


@hookimpl
def add_options(parser: ArgumentParser) -> None:
    """Add the ``--superres-*`` arguments."""
    superres_options.add_arguments(parser)


@hookimpl
def check_options(options: Any) -> None:
    """Refuse what cannot work before any file is touched: options, model files, device."""
    option_checks.check_all(options)


@hookimpl
def validate(pdfinfo: PdfInfo, options: Any) -> None:
    """Check the files to write, and share the cores among the workers. Runs in the main process; no net is loaded here.

    ``superres_threads=0`` becomes a number in the options themselves, which travel to the workers: only the main process
    knows how many pages there are.
    """
    check_pages(pdfinfo)
    ours: superres_options.SuperresOptions = options.superres
    option_checks.check_report(ours.report, options)
    option_checks.make_keep_folder(ours.keep)
    if not ours.threads:
        # Numbers from 0, once OCRmyPDF has read what --pages was given.
        asked = {number for number in options.pages if number < len(pdfinfo)} if isinstance(options.pages, set) else set()
        ours.threads = worker.plan_threads(len(asked) or len(pdfinfo), options.jobs)
        options.extra_attrs[f"{superres_options.NAMESPACE}_threads"] = ours.threads


def check_pages(pdfinfo: PdfInfo) -> None:
    """Refuse a PDF without pages, on which OCRmyPDF itself fails.

    Raises:
        InputFileError: there is no page.
    """
    if not len(pdfinfo):
        raise InputFileError("The PDF has no pages, at least one was expected; give another file.")


@hookimpl(wrapper=True)
def rasterize_pdf_page(
    output_file: Path, raster_device: str, pageno: int, rotation: int | None, options: Any
) -> Generator[None, Path | None, Path | None]:
    """Enlarge the preview for --rotate-pages; with ``--superres-use-for page`` the page itself. Runs in a worker.

    The preview (OCRmyPDF rasterizes it alone as a grey JPEG, and never shows it) is enlarged because Tesseract finds the
    orientation of small text badly.
    """
    result = yield
    if result is not None:
        after_rasterizing(Path(output_file), raster_device, (pageno, rotation or 0), options, worker.page_raster)
    return result


def after_rasterizing(
    raster: Path, device: str, page: tuple[int, int], options: Any, on_page: Callable[[Path, int, Any], None]
) -> None:
    """Enlarge *raster* where it is a preview; call *on_page* with it where the page itself is enlarged here.

    A raster that was turned by another angle than OCRmyPDF asked for is turned first.

    Args:
        raster: the file that OCRmyPDF rasterized a page into.
        device: the Ghostscript device that it asked for.
        page: number of the page, from 1, and the degrees counter-clockwise by which it was to be turned.
        options: OCRmyPDF's options, None outside of a job.
        on_page: called with *raster*, the number of the page, and *options*.
    """
    if options is None or options.superres.trigger == "off":
        return
    pageno, rotation = page
    if device == GhostscriptRasterDevice.JPEGGRAY:
        worker.enlarge_preview(raster, pageno, options.superres)
        return
    with guard("could not be turned as --rotate-pages asks", pageno, options.superres.on_error):
        turn_as_asked(raster, rotation)
    if worker.enlarges_raster(options):
        on_page(raster, pageno, options)


@hookimpl(wrapper=True)
def filter_ocr_image(page: Any, image: Image.Image) -> Generator[None, Image.Image | None, Image.Image | None]:
    """Give OCR the enlarged page. Runs in a worker.

    A wrapper, so that the filters of Tesseract and of other plugins still run: the image that they return is the one
    that is planned for. A page that is left is returned as the same object, which OCRmyPDF then need not encode
    again.
    """
    filtered = yield
    if not superres_options.is_active(page.options):
        return filtered
    return worker.ocr_image(page, image if filtered is None else filtered)


@hookimpl(wrapper=True)
def optimize_pdf(context: Any) -> Generator[None, Any, Any]:
    """Log what was done to the pages. Runs in the main process, after the last page; the optimizer itself is not touched."""
    result = yield
    superres_summary.log_summary(context.get_path("."))
    return result


@hookimpl(wrapper=True)
def get_ocr_engine(options: Any) -> Generator[None, OcrEngine | None, OcrEngine | None]:
    """Wrap whichever engine the other plugins chose, so that doubtful pages are read in several variants."""
    engine = yield
    if engine is None or options is None or not superres_options.is_active(options) or not worker.reads(options):
        return engine
    from ocrmypdf_superres.plugin.ocr_engine import VerifyingEngine

    return VerifyingEngine(engine)
