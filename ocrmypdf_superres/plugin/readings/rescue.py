# SPDX-License-Identifier: MPL-2.0
"""Other images of a page whose first reading is lost, or that was left although it reads badly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from ocrmypdf_superres.metrics.boxes import scaled
from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.lines.doubt import unread_lines
from ocrmypdf_superres.ocr.merge.order import page_winner
from ocrmypdf_superres.ocr.second_opinion import SURE, affordable, time_limit
from ocrmypdf_superres.ocr.variants import AS_IS, enlarge
from ocrmypdf_superres.page.contrast import even_ink
from ocrmypdf_superres.page.image import flatten, from_luma, to_luma
from ocrmypdf_superres.page.marks.fills import even_fills
from ocrmypdf_superres.page.plan import plan_image
from ocrmypdf_superres.page.text_height import measure_text_height
from ocrmypdf_superres.plugin.readings.gathered import Gathered
from ocrmypdf_superres.plugin.record import PageRecord
from ocrmypdf_superres.plugin.worker import load, plan_settings

CONTRAST, ENLARGED, FILLS = "contrast", "enlarged", "fills"
"""The page with its pale ink darkened, enlarged by Lanczos; a page that the plan left, enlarged by the net; and one whose filled
areas were made white, enlarged by the net."""
OTHER_PIXELS = (AS_IS, CONTRAST, ENLARGED, FILLS)
"""Variants whose images may have another size than the one that was handed over."""
TILE = 2.2
"""Side of the tiles that have a ground of their own, in x-heights."""
LEAST_FILL = 6.0
"""Three short lines of small letters take more than this many squares of the x-height."""
IN_FILLS = 3
"""A page is read again without its filled areas when at least this many lines in them were not read."""
FILLED = 0.65
"""A line is in a filled area when at least this share of its box is: beside the stems of large letters, as in the title of a
newspaper, it is not."""
FEW_WORDS = 12
"""A page of fewer words is searched for unread ink, however sure the words are."""
FEW_LINES = 0.7
"""So is one with fewer lines than this share of those that were measured."""
UNREAD_LINES, UNREAD_SHARE = 3, 0.5
"""A page is lost when at least this many lines of its ink were not read, and this share of all lines."""
LACKING_SHARE = 0.15
"""A page that was left lacks lines when at least UNREAD_LINES were not read, and this share of all lines. Of 22 training pages at
150 dpi that were left, two had as many: half a page that was not read, and an ornament."""
LARGEST_FACTOR = 4.0
LEAST_HEIGHT = 4.0
"""Lower text in pixels cannot be read at any size."""
ENOUGH_PIXELS = 12_000_000
"""A larger page is not enlarged for another reading: for line art of 400 dpi that took five times as long as the first one."""
CHECKED_PIXELS, READABLE = 5_000_000, 10.0
"""Ink is darkened, which takes a second for every 5 million pixels, on a page reduced to the first of these; and again at up to
ENOUGH_PIXELS where letters are lower there than the second, in pixels: higher ones are read as well from the reduced page."""


@dataclass(frozen=True)
class Doubts:
    """What is known of a page before it is read again.

    Attributes:
        lost: whether ink may have been lost: few words, fewer lines than were measured, or a reading in doubt.
        left: whether the plan left the page as it is, and may be overruled.
        x_height: of a page that was left although it could be enlarged, in pixels; None for others. Its lines are counted.
    """

    lost: bool
    left: bool
    x_height: float | None = None


def doubts_of(found: Gathered, record: PageRecord, size: tuple[int, int], left: bool, options: Any) -> Doubts:
    """Return what is doubtful about the page of *record*, which was *left* or not, after its first readings.

    *size* is the (width, height) of the image that was read.
    """
    lost = found.calibration is not None and may_have_lost_ink(found.whole, found.calibration, record.lines)
    x_height = record.x_height if left and size[0] * size[1] <= ENOUGH_PIXELS else None
    if x_height is not None and x_height >= options.superres.target_x_height:
        x_height = None
    return Doubts(lost, left, x_height)


def lacks_lines(
    page: Image.Image, reading: Hypothesis | None, size: tuple[int, int], share: float, x_height: float | None = None
) -> bool:
    """Whether at least UNREAD_LINES lines of ink on *page*, and that *share* of all lines, were not read.

    Args:
        page: where lines are found.
        reading: the best reading, in the pixels of an image of *size* = (width, height); None for none.
        size: see *reading*.
        share: of all lines.
        x_height: of the text on *page* in pixels, where it was measured before.
    """
    unread = len(unread_lines(page, reading, size, x_height))
    read = len(reading.lines) if reading is not None else 0
    return unread >= max(UNREAD_LINES, share * (read + unread))


def may_have_lost_ink(readings: Mapping[str, Hypothesis], calibration: Calibration, measured: int | None) -> bool:
    """Whether ink may have been lost: few words, fewer lines than were *measured*, or a reading in doubt."""
    if not readings:
        return True
    reading = readings[page_winner(readings, calibration)]
    if len(reading.words) < FEW_WORDS or len(reading.lines) < FEW_LINES * (measured or 0):
        return True
    return reads_badly(readings, calibration)


def reads_badly(readings: Mapping[str, Hypothesis], calibration: Calibration) -> bool:
    """Whether the page was read, and the best reading leaves doubt, as one without words does."""
    if not readings:
        return False
    best = page_winner(readings, calibration)
    return calibration.mean_probability(readings[best].words, best) < SURE


def rescued_images(
    found: Gathered,
    source: Image.Image,
    page: tuple[tuple[int, int], tuple[float, float]],
    doubts: Doubts,
    options: Any,
) -> Iterator[tuple[Image.Image, str]]:
    """Yield other images to read of a page that seems lost, or lost what is in filled areas, each with its variant's name.

    Args:
        found: what was read so far, with a calibration; what was read of one image counts before the next is yielded.
        source: the page before it was enlarged.
        page: (width, height) of the image that was read, and its dpi.
        doubts: what makes the page seem lost.
        options: OCRmyPDF's.

    Raises:
        ImageError, DeviceError, ModelError: from the net.
    """
    small = source.width * source.height <= ENOUGH_PIXELS
    image = unfilled_image(source, found.best_reading(), page, options) if small and source.size != page[0] else None
    if image is not None:
        yield image, FILLS
        return
    # Most pages that were left and read badly have text that is small after all, and few have pale ink as well.
    if doubts.left and small and _should_be_enlarged(found, source, page[0], doubts.x_height):
        image = enlarged_image(source, page[1], options)
        if image is not None:
            yield image, ENLARGED
            if not any(affordable([CONTRAST], found.seconds, time_limit(options), hopeless=False)):
                return
    elif not doubts.lost:
        return
    image = contrast_image(source, found.best_reading(), page[0], options, UNREAD_SHARE if doubts.lost else LACKING_SHARE)
    if image is not None:
        yield image, CONTRAST


def _should_be_enlarged(found: Gathered, page: Image.Image, size: tuple[int, int], x_height: float | None) -> bool:
    """Whether *page*, which was left and read as an image of *size*, reads badly, or lacks lines of *x_height* pixels."""
    if found.calibration is not None and reads_badly(found.whole, found.calibration):
        return True
    return x_height is not None and lacks_lines(page, found.best_reading(), size, LACKING_SHARE, x_height)


def contrast_image(
    source: Image.Image, reading: Hypothesis | None, size: tuple[int, int], options: Any, share: float = UNREAD_SHARE
) -> Image.Image | None:
    """Return *source* in grey with its pale ink darkened, at its best size; None where the reading did not lose it.

    Args:
        source: the page before it was enlarged.
        reading: the best reading, in the pixels of an image of *size*; None for none.
        size: (width, height) of the image that was read.
        options: OCRmyPDF's.
        share: of all lines, that must be unread for the ink to be lost.
    """
    settings, page = plan_settings(options), flatten(source)
    pixels = min(ENOUGH_PIXELS, settings.max_pixels)
    for enough in sorted({min(CHECKED_PIXELS, pixels), pixels}):
        fitting = replace(settings, max_pixels=enough).within_limits(page.size)
        seen = page if fitting == page.size else page.resize(fitting, Image.Resampling.BOX)
        luma = even_ink(to_luma(seen))
        even = from_luma(luma)
        if not lacks_lines(even, reading, size, share):
            return None
        height = measure_text_height(luma).x_height
        if seen is page or (height is not None and height >= READABLE):
            break
    if height is None or height < LEAST_HEIGHT:
        return None
    most = min(LARGEST_FACTOR, max(1.0, (pixels / luma.size) ** 0.5))
    factor = float(np.clip(options.superres.target_x_height / height, 1.0, most))
    size = settings.within_limits((round(even.width * factor), round(even.height * factor)))
    return even.resize(size, Image.Resampling.LANCZOS)


def unfilled_image(
    source: Image.Image, reading: Hypothesis | None, page: tuple[tuple[int, int], tuple[float, float]], options: Any
) -> Image.Image | None:
    """Return *source* with its filled areas made white, enlarged by the net; None where the reading did not lose text there.

    Args:
        source: the page before it was enlarged.
        reading: the best reading, in the pixels of the image that was read; None for none.
        page: (width, height) and dpi of that image.
        options: OCRmyPDF's.

    Raises:
        ImageError, DeviceError, ModelError: from the net.
    """
    size, dpi = page
    x, y = size[0] / source.width, size[1] / source.height
    x_height = options.superres.target_x_height / x
    luma, filled = even_fills(to_luma(flatten(source)), max(8, round(TILE * x_height)), round(LEAST_FILL * x_height**2) + 1)
    if luma is None:
        return None
    even = from_luma(luma)
    boxes = scaled((line.box for line in unread_lines(even, reading, size)), 1 / x, 1 / y)
    shares = (filled[top:bottom, left:right].mean() for left, top, right, bottom in boxes if bottom > top and right > left)
    if sum(bool(share >= FILLED) for share in shares) < IN_FILLS:
        return None
    return enlarged_image(even, (dpi[0] / x, dpi[1] / y), options)


def enlarged_image(source: Image.Image, dpi: tuple[float, float], options: Any) -> Image.Image | None:
    """Return *source*, which has *dpi* and was left by the plan, enlarged by the net; None where it, or its text, is too large.

    Raises:
        ImageError, DeviceError, ModelError: from the net.
    """
    settings = replace(plan_settings(options), trigger="always")
    plan = plan_image(source, dpi, settings)
    text = plan.text
    large = text is not None and text.sure and text.x_height is not None and text.x_height >= settings.target_for(text)
    if plan.action != "enlarge" or large:
        return None
    return enlarge(source, plan, load(options.superres), ink_only=True)
