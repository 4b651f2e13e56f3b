# SPDX-License-Identifier: MPL-2.0
"""The hooks of OCRmyPDF that this plugin implements, and nothing else."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocrmypdf import hookimpl
from ocrmypdf.pluginspec import GhostscriptRasterDevice

from ocrmypdf_superres.plugin import options as superres_options
from ocrmypdf_superres.plugin import worker as pagework

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
    superres_options.check_all(options)


@hookimpl
def validate(pdfinfo: PdfInfo, options: Any) -> None:
    """Share the cores among the workers. Runs in the main process, so no net is loaded here."""
    superres_options.check_report(options.superres.report, options)
    options.extra_attrs[pagework.THREADS_KEY] = pagework.plan_threads(len(pdfinfo), options.jobs)


@hookimpl(wrapper=True)
def rasterize_pdf_page(
    output_file: Path, raster_device: str, pageno: int, options: Any
) -> Generator[None, Path | None, Path | None]:
    """Enlarge what --rotate-pages looks at; with ``--superres-apply page`` the page itself. Runs in a worker.

    The preview (a JPEG, never shown) is enlarged because Tesseract finds the orientation of small text badly.
    """
    result = yield
    if result is None or options is None or options.superres.trigger == "off":
        return result
    if raster_device == GhostscriptRasterDevice.JPEGGRAY:
        pagework.enlarge_preview(Path(output_file))
    elif pagework.enlarges_raster(options):
        pagework.page_raster(Path(output_file), pageno, options)
    return result


@hookimpl(wrapper=True)
def filter_ocr_image(page: Any, image: Image.Image) -> Generator[None, Image.Image | None, Image.Image | None]:
    """Give OCR the enlarged page. Runs in a worker.

    A wrapper, so that the filters of Tesseract and of other plugins still run: theirs is the image that
    is planned for. A page that is left comes back as the very object that came, which OCRmyPDF then needs
    not encode anew.
    """
    filtered = yield
    if page.options.superres.trigger == "off":
        return filtered
    return pagework.ocr_image(page, image if filtered is None else filtered)


@hookimpl(wrapper=True)
def get_ocr_engine(options: Any) -> Generator[None, OcrEngine | None, OcrEngine | None]:
    """With ``--superres-check``, Tesseract reads several forms of a page; another plugin's engine is left alone."""
    engine = yield
    if options is None or options.superres.check == "off" or options.superres.trigger == "off":
        return engine
    from ocrmypdf_superres.plugin.checking import checked

    return checked(engine)
