# SPDX-License-Identifier: MPL-2.0
"""The work on one page inside an OCRmyPDF worker: pixels, plan, net, record."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocrmypdf.exceptions import ExitCode, ExitCodeException
from ocrmypdf.helpers import available_cpu_count
from PIL import Image

from ocrmypdf_superres.page.image import flatten
from ocrmypdf_superres.page.plan import TESSERACT_MAX_SIDE, Plan, PlanSettings, enlarge, plan_image
from ocrmypdf_superres.plugin.native_image import is_oversampled, native_pixels, untouched
from ocrmypdf_superres.plugin.options import SuperresOptions
from ocrmypdf_superres.plugin.record import PageRecord, emit, stash, unstash

if TYPE_CHECKING:
    from ocrmypdf_superres.upscaling.upscaler import Upscaler

log = logging.getLogger("ocrmypdf.superres")

#: Where the threads per worker stand in OCRmyPDF's extra attributes, which travel to worker processes.
THREADS_KEY = "_superres_threads"

#: A preview whose longest side has fewer pixels is enlarged to PREVIEW_SIDE, at most PREVIEW_FACTOR times.
PREVIEW_LEAST, PREVIEW_SIDE, PREVIEW_FACTOR = 1500, 2200, 4.0


class SuperresPageError(ExitCodeException):
    """A page could not be enlarged and ``--superres-on-error fail`` was given."""

    exit_code = ExitCode.other_error


def plan_threads(pages: int, jobs: int | None) -> int:
    """Threads per worker: the cores that this process may use, shared among the workers OCRmyPDF starts."""
    cores = available_cpu_count()
    return max(1, cores // max(1, min(pages, jobs or cores)))


def load(options: Any) -> Upscaler:
    """The worker's upscaler; loaded on the first page, then shared."""
    from ocrmypdf_superres.upscaling.loading import load_upscaler

    ours: SuperresOptions = options.superres
    threads = ours.threads or int(options.extra_attrs.get(THREADS_KEY, 1))
    return load_upscaler(ours.model, ours.device, threads=threads, tile=ours.tile)


def plan_settings(options: Any) -> PlanSettings:
    """The planner's settings out of OCRmyPDF's *options*: ours, and the limits that the user set for OCR."""
    from ocrmypdf_superres.modelstore.store import find_model

    ours: SuperresOptions = options.superres
    pixels = ours.max_mpixels * 1e6
    if getattr(options, "max_ocr_image_mpixels", None):
        pixels = min(pixels, options.max_ocr_image_mpixels * 1e6)
    side = TESSERACT_MAX_SIDE
    tesseract = getattr(options, "tesseract", None)
    if tesseract is not None and tesseract.downsample_large_images:
        side = min(side, tesseract.downsample_above)
    return PlanSettings(
        trigger=ours.trigger,
        below_dpi=ours.below_dpi,
        target_x_height=ours.target_x_height,
        target_dpi=ours.target_dpi,
        scales=tuple(find_model(ours.model).card.scales),
        max_pixels=pixels,
        max_side=side,
    )


def ocr_image(page: Any, image: Image.Image) -> Image.Image:
    """What OCR shall see of *page*: an enlarged image, or *image* itself where it is left.

    Raises:
        SuperresPageError: the page could not be enlarged and the user asked to fail then.
    """
    options = page.options
    ours: SuperresOptions = options.superres
    kept = page.get_path("superres.json")
    if enlarges_raster(options):
        record = unstash(kept)
        if record is not None:
            emit(record, ours.report)
        return _true_dpi(page, image)
    record = _new_record(options, page.pageno + 1, image)
    started = time.monotonic()
    result = image
    try:
        if not _reads(options):
            record.reason = "no OCR is asked for"
        else:
            source, plan = _source_and_plan(page, image, record)
            if plan.action == "enlarge":
                result = _carry_out(source, plan, load(options), record, colour=False)
                if _is_checked(page):
                    flatten(source).convert("L").save(page.get_path("superres_input.png"), dpi=plan.dpi, compress_level=1)
    except Exception as error:  # one page must not end a job of thousands
        _failed(error, record, ours)
        result = image
    record.seconds = time.monotonic() - started
    if _is_checked(page):
        stash(record, kept)
    else:
        emit(record, ours.report)
    return result


def enlarges_raster(options: Any) -> bool:
    """Whether the enlarged page is made when the page is rasterized (``--superres-apply page``).

    --redo-ocr with --clean is the exception: OCRmyPDF labels the cleaned page with the dpi of the scan,
    and hides visible text from OCR by that label.
    """
    return options.superres.apply == "page" and not (options.redo_ocr and options.clean)


def page_raster(raster: Path, pageno: int, options: Any) -> None:
    """Replace the rasterized page in the file *raster* by the enlarged one, in its colours.

    Raises:
        SuperresPageError: as for :func:`ocr_image`.
    """
    ours: SuperresOptions = options.superres
    with Image.open(raster) as image:
        record = _new_record(options, pageno, image)
        started = time.monotonic()
        try:
            plan = _plan(image, plan_settings(options), record)
            if plan.action == "enlarge":
                large = _carry_out(image, plan, load(options), record, colour=True)
                whole = raster.with_name(f"{raster.stem}_superres.png")
                large.save(whole, dpi=large.info["dpi"])
                os.replace(whole, raster)
        except Exception as error:  # one page must not end a job of thousands
            _failed(error, record, ours)
        record.seconds = time.monotonic() - started
    stash(record, raster.with_name(f"{pageno:06d}_superres.json"))


def enlarge_preview(preview: Path) -> None:
    """Enlarge the image that --rotate-pages looks at, where it is too small to tell up from down.

    Lanczos is enough here. No text height is measured: the page may lie on its side.
    """
    with Image.open(preview) as image:
        longest = max(image.size)
        if longest >= PREVIEW_LEAST:
            return
        factor = min(PREVIEW_SIDE / longest, PREVIEW_FACTOR)
        size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        dpi = tuple(round(float(claimed) * factor) for claimed in image.info.get("dpi", (72.0, 72.0)))
        large = image.resize(size, Image.Resampling.LANCZOS)
    whole = preview.with_name(f"{preview.stem}_superres.jpg")
    large.save(whole, quality=90, dpi=dpi)
    os.replace(whole, preview)


def _new_record(options: Any, page: int, image: Image.Image) -> PageRecord:
    given = options.input_file
    name = os.fsdecode(given) if isinstance(given, str | bytes | os.PathLike) else "stream"
    dpi = image.info.get("dpi")
    return PageRecord(file=name, page=page, size=image.size, dpi=float(dpi[0]) if dpi else None)


def _reads(options: Any) -> bool:
    if options.ocr_engine == "none":
        return False
    tesseract = getattr(options, "tesseract", None)
    return tesseract is None or tesseract.timeout is None or tesseract.timeout > 0


def _is_checked(page: Any) -> bool:
    """Whether the checking engine will read the page, and then tell of it."""
    if page.options.superres.check == "off" or not _reads(page.options):
        return False
    from ocrmypdf_superres.plugin.checking import is_checked

    return is_checked(page)


def _source_and_plan(page: Any, image: Image.Image, record: PageRecord) -> tuple[Image.Image, Plan]:
    """The scan's own pixels where they can be had and nothing was done to the raster, else the raster; the plan.

    A raster that is large enough as it is settles the matter without opening the PDF.
    """
    options = page.options
    settings = plan_settings(options)
    source = untouched(image)
    plan = _plan(source, settings, record)
    worked_on = options.deskew or options.clean or options.remove_background or options.remove_vectors
    if not worked_on and (plan.action == "enlarge" or is_oversampled(page.pageinfo, image)):
        native = native_pixels(page.origin, page.pageinfo, source)
        if native is not None:
            record.source, record.size = "native", native.size
            return native, _plan(native, settings, record)
    return source, plan


def _plan(image: Image.Image, settings: PlanSettings, record: PageRecord) -> Plan:
    dpi = image.info.get("dpi", (0.0, 0.0))
    plan = plan_image(image, (float(dpi[0]), float(dpi[1])), settings)
    record.reason = plan.reason
    record.dpi = plan.dpi[0] or None
    if plan.text is not None:
        record.x_height, record.lines, record.ink = plan.text.x_height, plan.text.lines, plan.text.ink
    return plan


def _carry_out(image: Image.Image, plan: Plan, upscaler: Upscaler, record: PageRecord, colour: bool) -> Image.Image:
    large = enlarge(image, plan, upscaler, colour=colour)
    record.action = "enlarged"
    record.new_size, record.new_dpi, record.scale = large.size, float(large.info["dpi"][0]), plan.scale
    record.model, record.device = upscaler.model.card.name, upscaler.device
    return large


def _failed(error: Exception, record: PageRecord, ours: SuperresOptions) -> None:
    """Note in *record* that the page goes on as it came, or end the job where the user asked for that."""
    if isinstance(error, ExitCodeException):
        raise error
    reason = str(error) or type(error).__name__
    if ours.on_error == "fail":
        raise SuperresPageError(
            f"Page {record.page} could not be enlarged: {reason}; with --superres-on-error skip it goes on as it came."
        ) from error
    log.debug("superres: enlarging failed", exc_info=error)
    record.action, record.reason = "failed", reason
    record.new_size = record.new_dpi = record.scale = None


def _true_dpi(page: Any, image: Image.Image) -> Image.Image:
    """*image* labelled with the dpi that its size and the page's size give.

    After rasterizing an enlarged page, OCRmyPDF's deskew and clean label their result with the scan's dpi.
    """
    info = page.pageinfo
    area = float(info.width_inches) * float(info.height_inches)
    if area <= 0:
        return image
    dpi = (image.width * image.height / area) ** 0.5
    claimed = image.info.get("dpi", (0.0, 0.0))
    if claimed[0] and abs(dpi / float(claimed[0]) - 1.0) < 0.02:
        return image
    labelled = image.copy()
    labelled.info["dpi"] = (dpi, dpi)
    return labelled
