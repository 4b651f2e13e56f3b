# SPDX-License-Identifier: MPL-2.0
"""The plan for a page: enlarge it or leave it, how much, and why.

Independent of OCRmyPDF, so that other programs that read pages can plan in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, sqrt
from typing import Literal

import numpy as np
from PIL import Image

from ocrmypdf_superres.page.height_network import KINDS
from ocrmypdf_superres.page.image import FloatImage, to_luma
from ocrmypdf_superres.page.text_height import IDEOGRAPHS, TextHeight, measure_text_height, measured_part

__all__ = ["Plan", "PlanSettings", "plan_image", "plan_page"]

#: Tesseract refuses images with a longer side.
TESSERACT_MAX_SIDE = 32767
#: Tesseract refuses images of more bytes (one byte a grey pixel).
TESSERACT_MAX_BYTES = 2**31 - 1
#: Below this factor enlarging brings nothing: measured on six collections, clean and noisy, text of 11 px
#: reads as well as the same text enlarged to 20 px, and text of 9 px reads worse.
MIN_FACTOR = 1.75
#: On noisy pages enlarging still helps text of 14 px.
MIN_FACTOR_NOISY = 1.3
#: Noise of the paper, in shares of the contrast, from which a page counts as noisy.
NOISY = 0.045
#: A page that claims a good dpi must need this factor by its text.
MIN_FACTOR_GOOD_DPI = 1.9
#: A net's scale is taken when it reaches this share of the factor that is needed.
SCALE_SLACK = 0.85
#: The net's own size is kept when it is this near to the planned one: reading hardly depends on it.
SIZE_SLACK = 0.15
#: Height in pixels that small print beside larger text should have at least, as a share of the target, and the most that the
#: larger text may have then: it is read as well at that height.
SMALL_PRINT, LARGE_PRINT = 0.65, 1.6
#: Factors above this are not asked for, however small the text seems.
MAX_FACTOR = 6.0
#: Letters below this height cannot be read well at any size, so that such a page is enlarged only by HOPELESS_FACTOR.
HOPELESS, HOPELESS_FACTOR = 4.0, 4.0
#: A page whose text is of unsure height is enlarged by its dpi, at most by this factor.
UNSURE_FACTOR = 3.0
#: The figures above, and the target, were found with heights of the bands of lines, which are this many times as high as the
#: letters (median of 188 scans).
BAND = 1.066
#: Ideographs must be this many times as high as a lower-case x to be read as well.
FULL_HEIGHT = 1.75
#: Probability from which letters that are taken for others may still be ideographs.
PERHAPS_IDEOGRAPHS = 0.25
#: Degrees from which a skew is reported: --deskew mends it.
SKEWED = 4.0
#: Letters of 20 pixels mean 300 dpi.
DPI_PER_PIXEL = 15.0
#: The dpi that Tesseract is told is changed only where it is off by this factor: nearer than that it hardly matters.
LABEL_SLACK = 1.6
LABELS = (70.0, 600.0)
#: Height of capitals and figures, in those of the letter x.
CAPITALS = 1.45
_IDEOGRAPHS = ("chi", "jpn", "kor", "Han", "Japanese", "Hangul")
#: Share of ink under which a page counts as blank.
BLANK_INK = 0.0002


@dataclass(frozen=True)
class PlanSettings:
    """Settings of :func:`plan_page`; see the options of the same names for their meaning.

    *languages* are Tesseract's names of those that are read; empty where they are not known.
    """

    trigger: Literal["auto", "dpi", "always", "off"] = "auto"
    below_dpi: float = 250.0
    target_x_height: float = 20.0
    target_dpi: float = 300.0
    scales: tuple[int, ...] = (2, 3, 4)
    max_pixels: float = 50e6
    max_side: int = TESSERACT_MAX_SIDE
    languages: tuple[str, ...] = ()

    def within_limits(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return *size* = (width, height), reduced where it is larger than an enlarged page may be."""
        room = min(1.0, _room(size, self))
        return max(1, floor(size[0] * room)), max(1, floor(size[1] * room))

    def target_for(self, text: TextHeight) -> float:
        """Return the height that letters such as *text* has should have: more for ideographs, or what may be such.

        The measurement says whether they are; where languages are known, it may say so only of those that write them. Figures and
        letters between rules may look like ideographs, and are then measured as high as these: as capitals are.
        """
        if self.languages and not any(name.rpartition("/")[2].startswith(_IDEOGRAPHS) for name in self.languages):
            return self.target_x_height * (CAPITALS if text.kind == KINDS[IDEOGRAPHS] else 1.0)
        if text.kind == KINDS[IDEOGRAPHS]:
            return self.target_x_height * FULL_HEIGHT
        # Where they may be, a target in between costs little and does not leave pages that need more.
        doubt = text.ideographs if text.ideographs >= PERHAPS_IDEOGRAPHS else 0.0
        return self.target_x_height * (1.0 + (FULL_HEIGHT - 1.0) * doubt)


@dataclass(frozen=True)
class Plan:
    """What to do with a page.

    Attributes:
        action: ``enlarge`` or ``leave``.
        reason: one clause that a log line and a report can carry.
        scale: the net's scale; None when the page is left.
        factor: planned width divided by the width now; 1.0 when the page is left.
        target_size: planned (width, height) in pixels.
        dpi: (x, y) as claimed.
        text: the measured height of the text; None when it was not measured.
    """

    action: Literal["enlarge", "leave"]
    reason: str
    scale: int | None
    factor: float
    target_size: tuple[int, int]
    dpi: tuple[float, float]
    text: TextHeight | None = None


def plan_image(image: Image.Image, dpi: tuple[float, float], settings: PlanSettings) -> Plan:
    """Return :func:`plan_page` for an image of any mode; only the pixels that the plan needs are read."""
    hopeless = _no_room(image.size, settings)
    if settings.trigger == "off" or hopeless:
        return Plan("leave", hopeless or "switched off", None, 1.0, image.size, dpi)
    part = measured_part(image)
    plan = plan_page(to_luma(part), dpi, settings, image.size)
    if part is not image and plan.text is not None and plan.text.x_height is None:
        # The middle of a large page may be empty, as that of a short letter is.
        return plan_page(to_luma(measured_part(image, densest=True)), dpi, settings, image.size)
    return plan


def plan_page(luma: FloatImage, dpi: tuple[float, float], settings: PlanSettings, size: tuple[int, int] | None = None) -> Plan:
    """Return the plan for the page *luma*, float32 (H, W) in [0, 1], which claims *dpi*.

    *size* is the page's (width, height) where *luma* is only a part of it.
    """
    size = size or (luma.shape[1], luma.shape[0])

    def leave(reason: str, text: TextHeight | None = None) -> Plan:
        return Plan("leave", reason, None, 1.0, size, dpi, text)

    hopeless = _no_room(size, settings)
    if settings.trigger == "off" or hopeless:
        return leave(hopeless or "switched off")
    claimed = max(dpi)
    by_dpi = settings.target_dpi / claimed if claimed > 0 else 1.0
    if settings.trigger == "dpi":
        if claimed >= settings.below_dpi:
            return leave(f"{claimed:.0f} dpi is not below {settings.below_dpi:.0f}")
        return _enlarge(size, dpi, by_dpi, f"{claimed:.0f} dpi", settings, None)
    text = measure_text_height(luma)
    if text.x_height is None or text.ink < BLANK_INK:
        if settings.trigger == "always":
            return _enlarge(size, dpi, max(by_dpi, float(min(settings.scales))), "no text measured", settings, text)
        return leave("blank page" if text.ink < BLANK_INK else "no text found", text)
    described = _described(text, claimed)
    if not text.sure and settings.trigger == "auto":
        if not 0 < claimed < settings.below_dpi:
            return leave(f"{described}, which is not sure, and the dpi is good", text)
        return _enlarge(size, dpi, min(by_dpi, UNSURE_FACTOR), f"{described}, which is not sure, so by the dpi", settings, text)
    needed = needed_factor(text.x_height, settings.target_for(text))
    for_small = small_print_factor(text, settings.target_for(text))
    if for_small > needed:
        needed, described = for_small, f"{described}, with small print"
    if text.x_height < HOPELESS:
        described = f"{described}, hardly enough to be read"
    if settings.trigger == "always":
        return _enlarge(size, dpi, max(needed, float(min(settings.scales))), described, settings, text)
    if text.noise >= NOISY:
        least, described = MIN_FACTOR_NOISY, f"noisy {described}"
    else:
        least = MIN_FACTOR if claimed < settings.below_dpi else MIN_FACTOR_GOOD_DPI
    if needed < least:
        return leave(f"{described} is large enough", text)
    return _enlarge(size, dpi, needed, described, settings, text)


def label_for(text: TextHeight | None, factor: float, dpi: float) -> float | None:
    """Return the dpi to tell Tesseract of a page enlarged by *factor*, where *dpi* is far from what its text says.

    Tesseract's layout analysis goes by the resolution that it is told. None where that is good enough, and where the height of
    the text is not sure.
    """
    if text is None or text.x_height is None or not text.sure or text.kind == KINDS[IDEOGRAPHS]:
        return None
    fitting = float(np.clip(text.x_height * factor * DPI_PER_PIXEL, *LABELS))
    return None if 1 / LABEL_SLACK < fitting / max(dpi, 1.0) < LABEL_SLACK else fitting


def _described(text: TextHeight, claimed: float) -> str:
    turned = " on its side" if text.sideways else ""
    if abs(text.skew) > SKEWED:
        turned += f" turned by {abs(text.skew):.0f} degrees"
    return f"text{turned} {text.x_height:.1f} px high at {claimed:.0f} dpi"


def _room(size: tuple[int, int], settings: PlanSettings) -> float:
    """Return the largest factor that the limits allow."""
    area = size[0] * size[1]
    return min(sqrt(settings.max_pixels / area), sqrt(TESSERACT_MAX_BYTES / area), settings.max_side / max(size))


def _no_room(size: tuple[int, int], settings: PlanSettings) -> str | None:
    if not settings.scales:
        return "the model has no scale"
    if min(size) < 1 or _room(size, settings) >= MIN_FACTOR_NOISY:
        return None
    return f"{size[0]}x{size[1]} pixels leave no room to enlarge"


def _enlarge(
    size: tuple[int, int],
    dpi: tuple[float, float],
    needed: float,
    described: str,
    settings: PlanSettings,
    text: TextHeight | None,
) -> Plan:
    width, height = size
    limit = _room(size, settings)
    factor = min(needed, MAX_FACTOR)
    limited = factor > limit
    factor = min(factor, limit)
    if factor < MIN_FACTOR_NOISY and settings.trigger != "always":
        return Plan("leave", f"{described} is large enough", None, 1.0, size, dpi, text)
    scale = net_scale(settings.scales, factor)
    if abs(scale / factor - 1.0) <= SIZE_SLACK and scale <= limit:
        factor = float(scale)
    target = (max(1, _round(width * factor, limited)), max(1, _round(height * factor, limited)))
    reason = described + (", enlarged less for the size limit" if limited else "")
    return Plan("enlarge", reason, scale, factor, target, dpi, text)


def needed_factor(x_height: float, target: float) -> float:
    """Return the factor that letters of *x_height* pixels need to become *target* pixels high, less where it is hopeless."""
    needed = target / (x_height * BAND)
    return min(needed, HOPELESS_FACTOR) if x_height < HOPELESS else needed


def small_print_factor(text: TextHeight, target: float) -> float:
    """Return the factor that the small print of a page needs, where its larger text needs less; 0 where there is none.

    Charts and tables hold small figures under large headings, and the height of the larger text alone would leave them
    too small to be read.
    """
    if text.small is None or text.x_height is None or text.x_height < HOPELESS or not text.sure:
        return 0.0
    return min(SMALL_PRINT * target / text.small, LARGE_PRINT * target / text.x_height)


def net_scale(scales: Sequence[int], factor: float) -> int:
    """Return the smallest of a net's *scales* that reaches :data:`SCALE_SLACK` of *factor*, else the largest."""
    return min((scale for scale in scales if scale >= SCALE_SLACK * factor), default=max(scales))


def _round(value: float, down: bool) -> int:
    return floor(value) if down else round(value)
