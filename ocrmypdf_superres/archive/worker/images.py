# SPDX-License-Identifier: MPL-2.0
"""Preparation of image files for OCRmyPDF: the resolution that they claim, transparency, and TIFFs that are turned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import img2pdf
import numpy as np
from PIL import ExifTags, Image, ImageSequence
from PIL.TiffImagePlugin import ICCPROFILE, X_RESOLUTION, AppendingTiffWriter

from ocrmypdf_superres.page.image import flatten

MAX_UNTRUE_DPI = 96
"""An image that claims this or less counts as claiming nothing, as in OCRmyPDF."""

_ON_ITS_SIDE = 5
"""This orientation and later ones exchange width and height."""

_KEPT = {"dpi": X_RESOLUTION, "icc_profile": ICCPROFILE}


def claims_no_dpi(image: Path) -> bool:
    """Return whether *image* claims no resolution, or none that can be true."""
    try:
        with Image.open(image) as original:
            return bool(min(original.info.get("dpi", (0, 0))) <= MAX_UNTRUE_DPI)
    except (OSError, SyntaxError):
        return False  # the conversion reports what is wrong


def page_layout(image_dpi: int) -> Any:
    """Return img2pdf's function for the size of a page: by the image's own resolution if it claims one, else by *image_dpi*."""
    fallback = img2pdf.get_fixed_dpi_layout_fun((image_dpi, image_dpi))
    return lambda width, height, dpi: (fallback if min(dpi) <= MAX_UNTRUE_DPI else img2pdf.default_layout_fun)(width, height, dpi)


def prepare(image: Path) -> int:
    """Rewrite the file *image* where the conversion to PDF would refuse or spoil it; leave any other as it is.

    Neither OCRmyPDF nor img2pdf supports alpha channels: transparent parts become white, and an opaque image of 8 bits loses
    nothing. A TIFF that is to be shown turned would be turned twice, or have width and height exchanged: its pixels are stored
    as they are shown. Each frame keeps its resolution and colour profile.

    Returns:
        The number of frames with transparent parts.

    Raises:
        OSError, SyntaxError, TypeError: the image is damaged.
        PIL.Image.DecompressionBombError: it is too large.
    """
    with Image.open(image) as original:
        # Pillow turns a frame, and forgets that, when it reads its pixels.
        orientations = [_orientation(frame) for frame in ImageSequence.Iterator(original)]
        if not any(frame.has_transparency_data for frame in ImageSequence.Iterator(original)) and set(orientations) == {1}:
            return 0
        is_tiff, frames, transparent = original.format == "TIFF", [], 0
        for frame, orientation in zip(ImageSequence.Iterator(original), orientations, strict=True):
            tags = getattr(frame, "tag_v2", _KEPT.values())  # the info of a TIFF may be that of earlier frames
            kept = {key: frame.info[key] for key, tag in _KEPT.items() if key in frame.info and tag in tags}
            if orientation >= _ON_ITS_SIDE and "dpi" in kept:
                kept["dpi"] = kept["dpi"][::-1]
            if frame.has_transparency_data:
                lowest = np.asarray(frame.convert("RGBA").getchannel("A")).min()
                transparent += int(lowest < 255)
            # The next step reuses the frame, so a copy is kept.
            frames.append((flatten(frame).copy() if frame.has_transparency_data else frame.copy(), kept))
    if len(frames) == 1 and not is_tiff:
        frames[0][0].save(image, "PNG", **frames[0][1])
        return transparent
    # Image.save() gives all frames the options of the first; this writer is documented in Pillow's reference.
    with AppendingTiffWriter(str(image), True) as tiff:
        for flat, kept in frames:
            flat.save(tiff, "TIFF", compression="group4" if flat.mode == "1" else "tiff_lzw", **kept)
            tiff.newFrame()
    return transparent


def _orientation(frame: Image.Image) -> int:
    """Return how a frame of a TIFF is to be turned or mirrored (1 to 8, as in Exif); 1, not at all, for other images."""
    found = int(getattr(frame, "tag_v2", {}).get(ExifTags.Base.Orientation, 1))
    return found if 1 <= found <= 8 else 1
