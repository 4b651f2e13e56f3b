# SPDX-License-Identifier: MPL-2.0
"""The work on one page inside an OCRmyPDF worker, before OCR: pixels, plan, net, record."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from ocrmypdf_superres.files import atomic_write
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.ocr.kept_pages import PageFiles
from ocrmypdf_superres.ocr.variants import AS_IS, enlarge, has_dark_ground, make_variant
from ocrmypdf_superres.page.image import flatten, inverted, to_grey
from ocrmypdf_superres.page.plan import HOPELESS, TESSERACT_MAX_SIDE, Plan, PlanSettings
from ocrmypdf_superres.page.shading import EVEN, UNEVEN, even_out
from ocrmypdf_superres.plugin import handover, summary
from ocrmypdf_superres.plugin.geometry.straightening import level_lines, turn_upright
from ocrmypdf_superres.plugin.guard import guard
from ocrmypdf_superres.plugin.handover import PageState
from ocrmypdf_superres.plugin.options import MOST_THREADS, SuperresOptions
from ocrmypdf_superres.plugin.pixels.finishing import labelled, unruled, without_leaders
from ocrmypdf_superres.plugin.pixels.native_image import untouched
from ocrmypdf_superres.plugin.pixels.page_source import make_plan, page_source
from ocrmypdf_superres.plugin.record import PageRecord, emit
from ocrmypdf_superres.processes import available_cores

if TYPE_CHECKING:
    from ocrmypdf_superres.upscaling.upscaler import Upscaler

#: A preview whose longest side has fewer pixels is enlarged to PREVIEW_SIDE, at most PREVIEW_FACTOR times.
PREVIEW_LEAST, PREVIEW_SIDE, PREVIEW_FACTOR = 1500, 2200, 4.0

NOT_ENLARGED = "could not be enlarged"


def plan_threads(pages: int, jobs: int | None) -> int:
    """Return the threads for each worker: the cores of this process shared among the workers that OCRmyPDF starts for *pages*."""
    cores = available_cores()
    return min(MOST_THREADS, max(1, cores // max(1, min(pages, jobs or cores))))


def load(ours: SuperresOptions) -> Upscaler:
    """Return the worker's upscaler; loaded on the first page, then shared."""
    from ocrmypdf_superres.upscaling.loading import load_upscaler

    return load_upscaler(ours.model, ours.device, threads=ours.threads or 1, tile=ours.tile)


def reads(options: Any) -> bool:
    """Whether the job asks for any OCR."""
    if options.ocr_engine == "none":
        return False
    tesseract = getattr(options, "tesseract", None)
    return tesseract is None or tesseract.timeout is None or tesseract.timeout > 0


def enlarges_raster(options: Any) -> bool:
    """Whether the enlarged page is made when the page is rasterized (``--superres-use-for page``).

    --redo-ocr with --clean is the exception: OCRmyPDF labels the cleaned page with the dpi of the scan,
    and hides visible text from OCR by that label.
    """
    ours: SuperresOptions = options.superres
    return ours.trigger != "off" and ours.use_for == "page" and not (options.redo_ocr and options.clean)


def plan_settings(options: Any) -> PlanSettings:
    """Return the planner's settings out of OCRmyPDF's *options*: ours, and the limits that the user set for OCR."""
    ours: SuperresOptions = options.superres
    pixels = ours.max_mpixels * 1e6
    if getattr(options, "max_ocr_image_mpixels", None):
        pixels = min(pixels, options.max_ocr_image_mpixels * 1e6)
    if Image.MAX_IMAGE_PIXELS:
        pixels = min(pixels, 2.0 * Image.MAX_IMAGE_PIXELS)  # Pillow opens no larger ones again
    side = TESSERACT_MAX_SIDE
    tesseract = getattr(options, "tesseract", None)
    if tesseract is not None and tesseract.downsample_large_images:
        side = min(side, tesseract.downsample_above)
    return PlanSettings(
        trigger=ours.trigger,
        below_dpi=ours.below_dpi,
        target_x_height=ours.target_x_height,
        target_dpi=ours.target_dpi,
        scales=_scales(ours.model),
        max_pixels=pixels,
        max_side=side,
        languages=tuple(options.languages or ()),
    )


def ocr_image(page: Any, image: Image.Image) -> Image.Image:
    """Return the image of *page* for OCR: enlarged, or *image* itself where the page is left.

    The page's state is stored for the OCR engine; a page that is not read is finished here.

    Raises:
        SuperresPageError: something failed and the user asked to end the job then.
    """
    seen = untouched(image)
    result, fallback = seen, PageRecord("", page.pageno + 1)
    with guard("could not be prepared for OCR", fallback.page, page.options.superres.on_error, fallback):
        result = _prepared(page, seen)
    if result is seen:
        result = image
    if fallback.faults:
        fallback.fail()
        _hand_over(PageState(fallback, image.size), page.options.superres)
    if result is not image:
        # OCRmyPDF saves it for OCR alone, with zlib's usual effort: as many seconds as the net takes, to save a tenth of a file
        # that is deleted in the end.
        result.save = partial(result.save, compress_level=1)  # type: ignore[method-assign]
    return result


def _prepared(page: Any, image: Image.Image) -> Image.Image:
    options = page.options
    ours: SuperresOptions = options.superres
    number = page.pageno + 1
    if enlarges_raster(options):
        state, result = _enlarged_before(page, image)
    else:
        state, result = PageState(new_record(options, number, image), image.size), image
        if ours.trigger == "off":
            state.record.reason = "switched off"
        elif not reads(options):
            state.record.reason = "no OCR is asked for"
        else:
            result = _enlarge_for_ocr(page, image, state)
    state.size = result.size
    if result is not image:
        state.untouched = image
    if reads(options):
        _hand_over(state, ours)
    else:
        finish(state.record, ours)
    return result


def page_raster(raster: Path, pageno: int, options: Any) -> None:
    """Replace the rasterized page in the file *raster* by the enlarged one, in its colours.

    Raises:
        SuperresPageError: as for :func:`ocr_image`.
    """
    ours: SuperresOptions = options.superres
    with guard(NOT_ENLARGED, pageno, ours.on_error), Image.open(raster) as image:
        record = new_record(options, pageno, image)
        state = PageState(record, image.size)
        started = time.monotonic()
        with guard(NOT_ENLARGED, pageno, ours.on_error, record):
            plan = make_plan(image, plan_settings(options), record)
            if plan.action == "enlarge":
                large = _carry_out(image, plan, load(ours), state, colour=True)
                with atomic_write(raster) as part:
                    large.save(part, dpi=large.info["dpi"])
        if record.faults:
            _undo(state)
        record.seconds = time.monotonic() - started
        _hand_over(state, ours)


def enlarge_preview(preview: Path, pageno: int, ours: SuperresOptions) -> None:
    """Enlarge the preview for --rotate-pages where it is too small for finding the orientation.

    Lanczos is enough here. No text height is measured: the page may lie on its side.

    Raises:
        SuperresPageError: as for :func:`ocr_image`.
    """
    with guard("could not be enlarged for finding its orientation", pageno, ours.on_error):
        with Image.open(preview) as image:
            if max(image.size) >= PREVIEW_LEAST:
                return
            large = _larger_preview(image)
        with atomic_write(preview) as part:
            large.save(part, quality=90, dpi=large.info["dpi"])


def finish(
    record: PageRecord, ours: SuperresOptions, image: Path | None = None, hocr: bytes = b"", page_hocr: bytes = b""
) -> None:
    """Log and write the page's record; keep the page where the user asked for that, see :meth:`PageFiles.write`.

    Raises:
        SuperresPageError: as for :func:`ocr_image`.
    """
    if ours.keep is not None:
        with guard("could not be kept", record.page, ours.on_error, record):
            PageFiles(Path(ours.keep), record.page).write(record.to_json(), image, hocr, page_hocr)
    if ours.trigger != "off" or record.faults:
        emit(record, ours.report, ours.on_error)
        if image is not None:
            with guard("could not be noted for the summary", record.page, ours.on_error):
                summary.note(record, image.parent)


@lru_cache(maxsize=16)
def _scales(model: str) -> tuple[int, ...]:
    """Return the scales on the card of *model*, read once in a process; published models do not change."""
    return tuple(find_model(model).card.scales)


def _larger_preview(image: Image.Image) -> Image.Image:
    factor = min(PREVIEW_SIDE / max(image.size), PREVIEW_FACTOR)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    large = image.resize(size, Image.Resampling.LANCZOS)
    large.info["dpi"] = tuple(round(float(claimed) * factor) for claimed in image.info.get("dpi", (72.0, 72.0)))
    return large


def new_record(options: Any, page: int, image: Image.Image) -> PageRecord:
    """Return the record of page number *page*, with what *image* alone tells."""
    given = options.input_file
    name = os.fsdecode(given) if isinstance(given, str | bytes | os.PathLike) else "stream"
    dpi = image.info.get("dpi")
    return PageRecord(file=name, page=page, size=image.size, dpi=float(dpi[0]) if dpi else None)


def _hand_over(state: PageState, ours: SuperresOptions) -> None:
    """Store *state* for the next hook of the page; finish an earlier page whose state was never taken."""
    left = handover.put(state)
    if left is not None and left.record.page != state.record.page:
        handover.warn_once("superres: another OCR engine was put over this plugin's, so pages are not verified")
        finish(left.record, ours)


def _enlarge_for_ocr(page: Any, image: Image.Image, state: PageState) -> Image.Image:
    """Return the enlarged page, or *image* itself; note in *state* what happened, and keep the original for variants."""
    ours: SuperresOptions = page.options.superres
    record, result, plan = state.record, image, None
    started = time.monotonic()
    with guard(NOT_ENLARGED, record.page, ours.on_error, record):
        result, plan = _result_for_ocr(page, image, state)
    if record.faults or plan is None:
        _undo(state)
        result = image
    else:
        with guard("could not be freed of dot leaders", record.page, ours.on_error, record):
            result = without_leaders(result, plan, state)
        with guard("could not be turned upright", record.page, ours.on_error, record):
            result = turn_upright(result, plan, state, page.options)
        with guard("could not be given level lines", record.page, ours.on_error, record):
            result = level_lines(result, plan, state, page.options)
    record.seconds = time.monotonic() - started
    return result


def _result_for_ocr(page: Any, image: Image.Image, state: PageState) -> tuple[Image.Image, Plan]:
    ours: SuperresOptions = page.options.superres
    found = page_source(page, image, plan_settings(page.options), state.record)
    source, plan = found.image, found.plan
    if plan.text is not None:
        state.uneven = EVEN < plan.text.uneven <= UNEVEN
        state.hopeless = plan.text.x_height is not None and plan.text.x_height < HOPELESS
    if plan.action == "enlarge":
        if found.evened_out:
            source = even_out(source)
        state.evened = found.evened_out
        source = unruled(source, plan, state)
        result = _carry_out(source, plan, load(ours), state, colour=False)
        if found.marks is not None:
            marks = found.marks if not found.evened_out else replace(found.marks, raster=even_out(found.marks.raster))
            result = marks.over(result)
        if ours.verify != "off":
            state.original = make_variant(AS_IS, source, result)
            state.original.info["dpi"] = plan.dpi
        if has_dark_ground(to_grey(source)):
            # Tesseract reads dark letters better, too.
            result, state.original = inverted(result), state.original and inverted(state.original)
    elif found.coarse_raster or found.coloured:
        result = flatten(source)
    else:
        result = image
    if found.evened_out and plan.action != "enlarge":
        result = even_out(result)
    return labelled(result, plan, state), plan


def _enlarged_before(page: Any, image: Image.Image) -> tuple[PageState, Image.Image]:
    """Return the state that rasterizing left, and *image* labelled with its true dpi."""
    ours: SuperresOptions = page.options.superres
    number = page.pageno + 1
    state = handover.take(number)
    if state is None:
        state = PageState(new_record(page.options, number, image), image.size)
    result = image
    with guard("could not be labelled with its dpi", number, ours.on_error, state.record):
        result = _true_dpi(page, image)
    return state, result


def _carry_out(image: Image.Image, plan: Plan, upscaler: Upscaler, state: PageState, colour: bool) -> Image.Image:
    record, card = state.record, upscaler.model.card
    large = enlarge(image, plan, upscaler, colour, ink_only=not colour)
    record.action = "enlarged"
    record.new_size, record.new_dpi, record.scale = large.size, float(large.info["dpi"][0]), plan.scale
    record.model, record.device = card.name, upscaler.device
    state.model_sha256 = card.calibration_sha256
    return large


def _undo(state: PageState) -> None:
    """Note that the page is left unchanged."""
    state.record.fail()
    state.original = state.model_sha256 = state.dpi = None


def _true_dpi(page: Any, image: Image.Image) -> Image.Image:
    """Return *image* labelled with the dpi that its size and the size of the page give.

    After rasterizing an enlarged page, OCRmyPDF's deskew and clean label their result with the dpi of the scan.
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
