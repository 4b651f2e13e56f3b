# SPDX-License-Identifier: MPL-2.0
"""The hooks of a dry run: pages come as they would come for OCR and are planned for as they would be, and end there."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocrmypdf import hookimpl
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement
from PIL import Image

from ocrmypdf_superres.files import append_line, atomic_write_text
from ocrmypdf_superres.plugin import worker
from ocrmypdf_superres.plugin.guard import guard
from ocrmypdf_superres.plugin.hooks import add_options, after_rasterizing, check_options, check_pages, register_options
from ocrmypdf_superres.plugin.ocr_engine import VerifyingEngine
from ocrmypdf_superres.plugin.pixels.native_image import untouched
from ocrmypdf_superres.plugin.pixels.page_source import make_plan, page_source

if TYPE_CHECKING:
    from ocrmypdf.pdfinfo import PdfInfo
    from ocrmypdf.pluginspec import OcrEngine

    from ocrmypdf_superres.page.plan import Plan
    from ocrmypdf_superres.plugin.record import PageRecord

__all__ = [
    "add_options",
    "check_options",
    "filter_ocr_image",
    "get_ocr_engine",
    "rasterize_pdf_page",
    "register_options",
    "validate",
]


def pages_file(report: str | Path) -> Path:
    """Return the file beside *report* with whether each page of the document has text and images."""
    return Path(f"{report}.pages")


@hookimpl
def validate(pdfinfo: PdfInfo, options: Any) -> None:
    """Note what the pages hold, for those that OCRmyPDF will not read. Runs in the main process."""
    check_pages(pdfinfo)
    found = [{"text": bool(page is not None and page.has_text), "images": bool(page and page.images)} for page in pdfinfo.pages]
    atomic_write_text(pages_file(options.superres.report), json.dumps(found))


@hookimpl(wrapper=True)
def rasterize_pdf_page(
    output_file: Path, raster_device: str, pageno: int, rotation: int | None, options: Any
) -> Generator[None, Path | None, Path | None]:
    """Enlarge the preview for --rotate-pages, as the plugin does; with ``--superres-use-for page`` plan here, as it does."""
    result = yield
    if result is not None:
        after_rasterizing(Path(output_file), raster_device, (pageno, rotation or 0), options, _plan_raster)
    return result


@hookimpl(wrapper=True)
def filter_ocr_image(page: Any, image: Image.Image) -> Generator[None, Image.Image | None, Image.Image | None]:
    """Plan for the image that OCR would be given; it is returned unchanged."""
    filtered = yield
    options = page.options
    if worker.enlarges_raster(options):
        return filtered
    shown = image if filtered is None else filtered
    record = worker.new_record(options, page.pageno + 1, shown)
    with guard("could not be planned for", record.page, "skip", record):
        _note(page_source(page, untouched(shown), worker.plan_settings(options), record).plan, record, options)
    _end(record, options)
    return filtered


@hookimpl(wrapper=True)
def get_ocr_engine(options: Any) -> Generator[None, OcrEngine | None, OcrEngine | None]:
    """Wrap whichever engine the other plugins chose, so that it finds orientations but reads nothing."""
    engine = yield
    return engine if engine is None else _Unread(engine)


def _plan_raster(raster: Path, pageno: int, options: Any) -> None:
    """Plan for a page that the plugin would enlarge once it is rasterized."""
    with Image.open(raster) as image:
        record = worker.new_record(options, pageno, image)
        with guard("could not be planned for", pageno, "skip", record):
            _note(make_plan(image, worker.plan_settings(options), record), record, options)
    _end(record, options)


def _note(plan: Plan, record: PageRecord, options: Any) -> None:
    record.action = plan.action
    if plan.action == "enlarge":
        record.scale, record.new_size, record.model = plan.scale, plan.target_size, options.superres.model
        record.new_dpi = plan.dpi[0] * plan.factor or None


def _end(record: PageRecord, options: Any) -> None:
    if record.faults:
        record.fail()
    append_line(Path(options.superres.report), record.to_json())


class _Unread(VerifyingEngine):
    """An engine that passes on languages, orientation and skew of the wrapped one, and finds no text."""

    def generate_ocr(self, input_file: Path, options: Any, page_number: int = 0) -> tuple[OcrElement, str]:  # type: ignore[override]
        """Return a page without text."""
        with Image.open(input_file) as image:
            box = BoundingBox(left=0, top=0, right=image.width, bottom=image.height)
        return OcrElement(ocr_class=OcrClass.PAGE, bbox=box, page_number=page_number), ""

    def generate_pdf(self, input_file: Path, output_pdf: Path, output_text: Path, options: Any) -> None:  # type: ignore[override]
        """Write empty files, as for a page without text: the ``sandwich`` renderer asks for files."""
        Path(output_pdf).write_bytes(b"")
        Path(output_text).write_bytes(b"")
