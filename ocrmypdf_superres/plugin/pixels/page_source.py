# SPDX-License-Identifier: MPL-2.0
"""Which pixels of a page are planned for and read: the raster, the scan's own, or the raster at the scan's resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image

from ocrmypdf_superres.page.coloured_ink import colour_contrast
from ocrmypdf_superres.page.image import flatten, grey_info
from ocrmypdf_superres.page.plan import Plan, PlanSettings, plan_image
from ocrmypdf_superres.page.shading import UNEVEN
from ocrmypdf_superres.plugin.pixels.native_image import (
    Marks,
    ScanPixels,
    finer_raster,
    is_oversampled,
    label_like,
    native_pixels,
    scan_resolution,
)
from ocrmypdf_superres.plugin.record import PageRecord

#: A scan with this many times the raster's pixels per side is read instead of it, even where it is not enlarged.
SHARPER_THAN_RASTER = 1.3
#: A raster of at most this many pixels will probably be enlarged, so the scan's own pixels are extracted in any case.
SMALL = 4_000_000


@dataclass(frozen=True)
class PageSource:
    """The pixels of a page and the plan for them.

    Attributes:
        image: the pixels; the raster itself where nothing better is known.
        plan: for them.
        marks: what the page shows over its scan, None without any.
        coarse_raster: whether the raster has clearly fewer pixels.
        coloured: whether the pixels are a mixture of channels in which coloured ink stands out.
    """

    image: Image.Image
    plan: Plan
    marks: Marks | None = None
    coarse_raster: bool = False
    coloured: bool = False

    @property
    def evened_out(self) -> bool:
        """Whether there is text on paper so uneven that it is evened out before the net, or for OCR where the page is left."""
        text = self.plan.text
        return text is not None and text.x_height is not None and text.uneven > UNEVEN


def page_source(page: Any, raster: Image.Image, settings: PlanSettings, record: PageRecord) -> PageSource:
    """Return the scan's own pixels where they can be extracted and *raster* is unprocessed, else the raster; with the plan.

    Ink that differs from its paper in colour only is measured, and read, in a mixture of the channels of the raster. A large
    raster whose text is large enough settles the matter without opening the PDF, unless it is finer or coarser than the page's
    images. *record* notes source and plan.
    """
    found = _source(page, raster, settings, record)
    if found.evened_out:
        record.reason += "; uneven paper evened out"
    return found


def _source(page: Any, raster: Image.Image, settings: PlanSettings, record: PageRecord) -> PageSource:
    if (grey := colour_contrast(raster)) is not None:
        grey.info = grey_info(raster)
        plan = make_plan(grey, settings, record)
        record.reason += "; ink that differs in colour only"
        return PageSource(grey, plan, coloured=True)
    options = page.options
    if options.deskew or options.clean or options.remove_background or options.remove_vectors:
        return PageSource(raster, make_plan(raster, settings, record))
    small = raster.width * raster.height <= SMALL
    native = native_pixels(page.origin, page.pageinfo, raster) if small else None
    if native is not None and native.marks is None and native.image.size == raster.size:
        plan = make_plan(native.image, settings, record)
        if plan.action == "leave":
            return PageSource(raster, plan)
        record.source, record.size = "native", raster.size
        return PageSource(native.image, plan)
    plan = make_plan(raster, settings, record)
    if plan.action == "leave" and not (is_oversampled(page.pageinfo, raster) or _is_coarse(page.pageinfo, raster)):
        return PageSource(raster, plan)
    if not small:
        native = native_pixels(page.origin, page.pageinfo, raster)
    found = native or scan_resolution(page.pageinfo, raster) or finer_raster(page, raster, settings.target_dpi)
    if found is None:
        return PageSource(raster, plan)
    return _scan_or_raster(found, "native" if native is not None else "raster", raster, settings, record)


def _scan_or_raster(
    found: ScanPixels, source: Literal["native", "raster"], raster: Image.Image, settings: PlanSettings, record: PageRecord
) -> PageSource:
    """Return the pixels *found*, or *raster* where they are left as they are and hardly more; *source* is for the record."""
    image = _within_limits(found.image if found.marks is None else found.marks.over(found.image), settings)
    plan = make_plan(image, settings, record)
    record.size = found.image.size
    coarse = max(image.size) > SHARPER_THAN_RASTER * max(raster.size)
    if plan.action == "leave" and not coarse:
        return PageSource(raster, plan)
    record.source = source
    if source == "raster":
        record.reason += ", at the resolution of the page's images"
    if found.marks is not None:
        record.reason += ", with marks laid over"
    return PageSource(image, plan, found.marks, coarse)


def _is_coarse(pageinfo: Any, raster: Image.Image) -> bool:
    """Whether the page's largest image has clearly more pixels than *raster*, as with a large user unit."""
    largest = max((max(info.width, info.height) for info in pageinfo.images), default=0)
    return bool(largest > SHARPER_THAN_RASTER * max(raster.size))


def _within_limits(image: Image.Image, settings: PlanSettings) -> Image.Image:
    """Return *image*, reduced where OCR must not be given so much: Tesseract refuses it, or the user asked for less."""
    size = settings.within_limits(image.size)
    if size == image.size:
        return image
    small = flatten(image).resize(size, Image.Resampling.LANCZOS)
    label_like(small, image)
    return small


def make_plan(image: Image.Image, settings: PlanSettings, record: PageRecord) -> Plan:
    """Return the plan for *image*, noted in *record*."""
    dpi = image.info.get("dpi", (0.0, 0.0))
    plan = plan_image(image, (float(dpi[0]), float(dpi[1])), settings)
    record.reason = plan.reason
    record.dpi = plan.dpi[0] or None
    if plan.text is not None:
        record.x_height, record.lines, record.ink = plan.text.x_height, plan.text.lines, plan.text.ink
        record.extra["height_sure"] = plan.text.sure
        record.extra["sideways"] = plan.text.sideways
    return plan
