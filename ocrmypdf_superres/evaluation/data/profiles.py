# SPDX-License-Identifier: MPL-2.0
"""Named degradations with fixed seeds, so that a figure can be repeated anywhere."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.page.image import FloatImage


@dataclass(frozen=True)
class Profile:
    """The degradation that follows the reduction by area averaging.

    Attributes:
        blur: sigma of a Gaussian in lr pixels. contrast: factor towards white paper. noise: sigma of white
            noise, of 255. jpeg: quality, 0 for none. bilevel: threshold to one bit at the middle of the levels.
        grain: sigma of noise that is smoothed over about a pixel, of 255. shade: how much darker the page's darkest
            corner is, a share. scratches: bright vertical scratches an inch of width. skew: degrees that the page is turned by,
            to either side. curl: how much lower the lines are at one edge, as of an open book, in inches; it is a third of that
            a fifth of the width further in.
    """

    blur: float = 0.0
    contrast: float = 1.0
    noise: float = 0.0
    jpeg: int = 0
    bilevel: bool = False
    grain: float = 0.0
    shade: float = 0.0
    scratches: float = 0.0
    skew: float = 0.0
    curl: float = 0.0


PROFILES: dict[str, Profile] = {
    "clean": Profile(),
    "scan": Profile(blur=0.6, noise=4, jpeg=70),
    "hard": Profile(blur=1.0, contrast=0.7, noise=8, jpeg=40),
    "jpeg": Profile(jpeg=30),
    "1-bit": Profile(bilevel=True),
    "fax": Profile(blur=0.4, noise=6, bilevel=True),
    "microfilm": Profile(blur=0.8, contrast=0.8, noise=3, grain=9, shade=0.15, scratches=0.5),
    "phone": Profile(blur=0.7, contrast=0.9, noise=5, jpeg=60, shade=0.35),
    "skewed": Profile(blur=0.6, noise=4, jpeg=70, skew=2.0),
    "curled": Profile(blur=0.6, noise=4, jpeg=70, curl=0.25),
}


DEFAULT_CONDITIONS = ("60-clean", "72-clean", "72-scan", "100-scan", "100-1-bit", "150-clean")
"""What pages of high resolution are reduced to unless a user says otherwise: dpi and profile."""


def _moved(small: FloatImage, settings: Profile, new_dpi: float, generator: np.random.Generator) -> FloatImage:
    """Return *small* skewed, and with the lines of an open book's page; what comes in from outside is as white as the paper."""
    side = float(generator.choice((-1.0, 1.0)))
    paper = float(np.percentile(small, 80))
    if settings.skew:
        turned = Image.fromarray(small).rotate(side * settings.skew, Image.Resampling.BICUBIC, fillcolor=paper)
        small = np.asarray(turned, dtype=np.float32)
    if settings.curl:
        height, width = small.shape
        inwards = np.arange(width) if side > 0 else np.arange(width)[::-1]
        down = settings.curl * new_dpi * np.exp(-np.log(3) * inwards / (0.2 * width))
        room = int(np.ceil(down.max())) + 1
        padded = np.pad(small, ((room, 1), (0, 0)), constant_values=paper)
        rows = np.arange(height)[:, None] + room - down[None, :]
        above, part, columns = rows.astype(np.intp), (rows % 1).astype(np.float32), np.arange(width)[None, :]
        small = padded[above, columns] * (1 - part) + padded[above + 1, columns] * part
    return np.asarray(np.clip(small, 0, 1), dtype=np.float32)  # bicubic interpolation overshoots


def _shaded(small: FloatImage, settings: Profile, new_dpi: float, generator: np.random.Generator) -> FloatImage:
    """Return *small* under light that falls off towards one corner, with the film's grain and scratches."""
    height, width = small.shape
    if settings.shade:
        far_x, far_y = generator.integers(0, 2, 2)
        x, y = np.linspace(0, 1, width, dtype=np.float32), np.linspace(0, 1, height, dtype=np.float32)
        distance = (np.square(x if far_x else 1 - x)[None] + np.square(y if far_y else 1 - y)[:, None]) / 2
        small = np.asarray(small * (1 - np.float32(settings.shade) * distance), dtype=np.float32)
    if settings.grain:
        levels = generator.standard_normal(small.shape, dtype=np.float32)
        # The mean of a pixel and its neighbours to the right and below: grain is larger than a pixel.
        padded = np.pad(levels, ((0, 1), (0, 1)), mode="edge")
        smooth = (levels + padded[:-1, 1:] + padded[1:, :-1] + padded[1:, 1:]) / 2
        small = np.asarray(small + smooth * np.float32(settings.grain / 255), dtype=np.float32)
    for column in generator.integers(0, width, round(settings.scratches * width / new_dpi)):
        small[:, column] = np.maximum(small[:, column], 0.9)
    return small


def reduce_page(luma: FloatImage, dpi: float, new_dpi: float, profile: str, page: str) -> FloatImage:
    """Return *luma*, float32 (H, W) in [0, 1] at *dpi*, as a scan at *new_dpi*; *page* (its name) seeds the noise.

    Raises:
        OptionError: the profile is not known, or *new_dpi* is not below *dpi*.
    """
    if profile not in PROFILES:
        raise OptionError(f"The profile {profile!r} is not known; give one of {', '.join(PROFILES)}.")
    if new_dpi >= dpi:
        raise OptionError(f"A page of {dpi:.0f} dpi cannot be reduced to {new_dpi:.0f}; give a lower --dpi.")
    settings = PROFILES[profile]
    seed = int.from_bytes(hashlib.sha256(f"{page}/{new_dpi:g}/{profile}".encode()).digest()[:8], "big")
    generator = np.random.default_rng(seed)
    height, width = luma.shape
    size = (max(1, round(width * new_dpi / dpi)), max(1, round(height * new_dpi / dpi)))
    small = np.asarray(Image.fromarray(luma).resize(size, Image.Resampling.BOX), dtype=np.float32)
    if settings.skew or settings.curl:
        small = _moved(small, settings, new_dpi, generator)
    if settings.blur:
        # Pillow's Gaussian works on 8 bits; sixteen times the levels would change no reading.
        levels = Image.fromarray((small * 255 + 0.5).astype(np.uint8))
        small = np.asarray(levels.filter(ImageFilter.GaussianBlur(settings.blur)), dtype=np.float32) / np.float32(255)
    small = 1 - (1 - small) * np.float32(settings.contrast)
    small = _shaded(small, settings, new_dpi, generator)
    if settings.noise:
        small = small + generator.standard_normal(small.shape, dtype=np.float32) * np.float32(settings.noise / 255)
    if settings.bilevel:
        low, high = np.quantile(small, (0.01, 0.9))
        small = (small > (low + high) / 2).astype(np.float32)
    small = np.clip(small, 0, 1)
    if settings.jpeg:
        buffer = io.BytesIO()
        Image.fromarray((small * 255 + 0.5).astype(np.uint8)).save(buffer, "JPEG", quality=settings.jpeg)
        small = np.asarray(Image.open(buffer), dtype=np.float32) / np.float32(255)
    return np.ascontiguousarray(small, dtype=np.float32)


def parse_condition(text: str) -> tuple[float, str]:
    """Return (dpi, profile) of a condition such as ``72-scan``.

    Raises:
        OptionError: it is not of this form, or the profile is not known.
    """
    dpi, _, profile = text.partition("-")
    if not dpi.isdigit() or not 20 <= int(dpi) <= 600 or profile not in PROFILES:
        known = ", ".join(PROFILES)
        raise OptionError(f"The condition {text!r} is not known; give DPI-PROFILE such as 72-scan, with one of {known}.")
    return float(dpi), profile
