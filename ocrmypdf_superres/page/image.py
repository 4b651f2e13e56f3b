# SPDX-License-Identifier: MPL-2.0
"""Images as arrays: Pillow images to float32 luma in [0, 1] and back, and resampling.

Everything here works on NumPy and Pillow alone, so that the CPU route needs no torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ocrmypdf_superres.errors import ImageError

FloatImage = NDArray[np.float32]

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jp2", ".j2k", ".jpx", ".tif", ".tiff", ".webp", ".bmp", ".gif"})
"""Suffixes, in lower case, of the files that are taken for images in folders."""

DECODING_ERRORS = (OSError, EOFError, ValueError, TypeError, KeyError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises on damaged images; on TIFF, all of these."""


DENSITY_SIDE = 1250
"""Longer side of the image on which :func:`densest_rows` looks."""
LEAST_DPI, MOST_DPI = 10.0, 4800.0
"""A resolution outside of these bounds is not that of a scan."""


def claimed_dpi(image: Image.Image, default: float) -> float:
    """Return the resolution across that *image* claims, or *default* where it claims none that can be true.

    Pillow says 1 dpi of a TIFF without a resolution.
    """
    claim = image.info.get("dpi")
    dpi = float(claim[0]) if isinstance(claim, tuple) and claim else 0.0
    return dpi if LEAST_DPI <= dpi <= MOST_DPI else default


def densest_rows(image: Image.Image, rows: int) -> int:
    """Return the first of the *rows* rows of *image* in which dark and light change most often; seen on a reduced image."""
    side = max(image.size)
    small = image.resize((max(1, image.width * DENSITY_SIDE // side), max(1, image.height * DENSITY_SIDE // side)))
    levels = np.asarray(to_grey(small), dtype=np.int16)
    changes = (np.abs(np.diff(levels, axis=1)) > 32).sum(axis=1)
    taken = min(len(levels), max(1, round(rows * len(levels) / image.height)))
    sums = np.concatenate(([0], np.cumsum(changes)))
    top = int(np.argmax(sums[taken:] - sums[:-taken]))
    return min(image.height - min(rows, image.height), round(top * image.height / len(levels)))


def flatten(image: Image.Image) -> Image.Image:
    """Return *image*, of any mode, as mode ``L`` or ``RGB``.

    Transparency is laid on white paper, 16-bit and float grey are scaled to 8 bits, palettes, CMYK,
    YCbCr and LAB are converted. An image in ``L`` or ``RGB`` comes back as the same object.

    Raises:
        ImageError: the image has no pixels.
    """
    if image.width < 1 or image.height < 1:
        raise ImageError(
            f"An image of {image.width}x{image.height} pixels was given, at least 1x1 was expected; leave this page out."
        )
    if image.mode in ("L", "RGB"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.asarray(image).astype(np.float32)
        # Integer modes from 16-bit files hold 0..65535; float ones have no fixed range.
        top = 65535.0 if image.mode != "F" or values.max(initial=0.0) > 255.0 else 255.0
        if image.mode == "F" and values.max(initial=0.0) <= 1.0:
            top = 1.0
        return Image.fromarray(np.clip(values * (255.0 / top) + 0.5, 0, 255).astype(np.uint8))
    if image.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        paper = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        flat = Image.alpha_composite(paper, rgba).convert("RGB")
        return flat.convert("L") if image.mode in ("LA", "La") else flat
    return image.convert("RGB")


def to_grey(image: Image.Image) -> Image.Image:
    """Return a copy of *image*, of any mode, in mode ``L``.

    A colour profile is left behind: libpng, and so Tesseract, warns of one in a grey image.

    Raises:
        ImageError: the image has no pixels.
    """
    flat = flatten(image)
    grey = flat.convert("L")
    if flat.mode != "L":
        grey.info = grey_info(flat)
    return grey


def grey_info(image: Image.Image) -> dict[Any, Any]:
    """Return the ``info`` of *image* for an image in grey made of it: all but its colour profile."""
    return {key: value for key, value in image.info.items() if key != "icc_profile"}


def page_count(image: Image.Image) -> int:
    """Return how many pages the open file *image* has; the frames of an animation are not pages, so only TIFF has several."""
    return int(getattr(image, "n_frames", 1)) if image.format == "TIFF" else 1


def to_luma(image: Image.Image) -> FloatImage:
    """Return the luma (Rec. 601) of *image* as float32 of shape (H, W) in [0, 1], 1 being white."""
    return np.asarray(to_grey(image), dtype=np.float32) / np.float32(255.0)


def from_luma(luma: FloatImage) -> Image.Image:
    """Return *luma*, float (H, W) in [0, 1], as a Pillow image of mode ``L``; values outside are clipped."""
    return Image.fromarray((np.clip(luma, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8))


def inverted(image: Image.Image) -> Image.Image:
    """Return a copy of *image*, of mode ``L``, with dark and light exchanged, and the same resolution."""
    result = ImageOps.invert(image)
    result.info.update(grey_info(image))
    return result


def merge_luma(colour: Image.Image, luma: FloatImage) -> Image.Image:
    """Return *colour* enlarged to the size of *luma*: chroma interpolated (bicubic), luma taken from *luma*.

    *luma* is float (H, W) in [0, 1]. A grey image gives a grey image.
    """
    flat = flatten(colour)
    grey = from_luma(luma)
    if flat.mode == "L":
        return grey
    _, cb, cr = flat.convert("YCbCr").split()
    size = grey.size
    return Image.merge(
        "YCbCr", (grey, cb.resize(size, Image.Resampling.BICUBIC), cr.resize(size, Image.Resampling.BICUBIC))
    ).convert("RGB")


def resize_luma(luma: FloatImage, size: tuple[int, int]) -> FloatImage:
    """Resample *luma*, float32 (H, W), to *size* = (width, height) with Lanczos-3 (area-aware when shrinking)."""
    image = Image.fromarray(np.ascontiguousarray(luma, dtype=np.float32))
    out = np.asarray(image.resize(size, Image.Resampling.LANCZOS), dtype=np.float32)
    return np.clip(out, 0.0, 1.0)


def percentile_of_tiles(values: FloatImage, rows: int, columns: int, percentile: float) -> FloatImage:
    """Return a percentile of each of *rows* x *columns* equal tiles of *values* (H, W): float32 (rows, columns).

    Rows and columns of *values* that exceed whole tiles are left out.
    """
    height, width = values.shape[0] // rows, values.shape[1] // columns
    tiles = values[: rows * height, : columns * width].reshape(rows, height, columns, width)
    return np.percentile(tiles, percentile, axis=(1, 3)).astype(np.float32)


def is_colour(image: Image.Image) -> bool:
    """Return whether any pixel's channels differ by more than two levels of 255."""
    flat = flatten(image)
    if flat.mode == "L":
        return False
    red, green, blue = (np.asarray(band, dtype=np.int16) for band in flat.split())
    return bool(max(np.abs(red - green).max(), np.abs(green - blue).max(), np.abs(red - blue).max()) > 2)
