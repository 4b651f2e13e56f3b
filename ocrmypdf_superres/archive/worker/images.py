# SPDX-License-Identifier: MPL-2.0
"""Image files on their way to OCRmyPDF: the resolution that they claim, and transparency, which no page has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import img2pdf
from PIL import Image, ImageSequence
from PIL.TiffImagePlugin import ICCPROFILE, X_RESOLUTION, AppendingTiffWriter

from ocrmypdf_superres.page.image import flatten

LEAST_DPI = 96
"""Images that claim this or less claim nothing, as OCRmyPDF has it."""

_KEPT = {"dpi": X_RESOLUTION, "icc_profile": ICCPROFILE}


def claims_no_dpi(image: Path) -> bool:
    """Whether *image* says nothing of its resolution, or nothing that can be true."""
    try:
        with Image.open(image) as original:
            return min(original.info.get("dpi", (0, 0))) <= LEAST_DPI
    except (OSError, SyntaxError):
        return False  # whoever converts it says what is wrong


def page_layout(image_dpi: int) -> Any:
    """How large a page img2pdf makes of an image: by the image's own claim where it has one."""
    given = img2pdf.get_fixed_dpi_layout_fun((image_dpi, image_dpi))
    return lambda width, height, dpi: (given if min(dpi) <= LEAST_DPI else img2pdf.default_layout_fun)(width, height, dpi)


def remove_alpha(image: Path) -> int:
    """Write the file *image* anew without alpha channels, where it has some; neither OCRmyPDF nor img2pdf takes those.

    Nothing is lost where all is opaque and of 8 bits; else transparent parts become white paper. Each frame keeps its
    resolution and colour profile.

    Returns:
        The number of frames with transparent parts.

    Raises:
        OSError, SyntaxError: the image is damaged. PIL.Image.DecompressionBombError: it is too large.
    """
    with Image.open(image) as original:
        frames, transparent = [], 0
        if not any(frame.has_transparency_data for frame in ImageSequence.Iterator(original)):
            return 0
        for frame in ImageSequence.Iterator(original):
            tags = getattr(frame, "tag_v2", _KEPT.values())  # a TIFF's info may be of the frames before
            kept = {key: frame.info[key] for key, tag in _KEPT.items() if key in frame.info and tag in tags}
            if frame.has_transparency_data:
                lowest, _ = frame.convert("RGBA").getchannel("A").getextrema()
                transparent += lowest < 255
            # The frame is read anew at the next turn, so a copy is kept.
            frames.append((flatten(frame).copy() if frame.has_transparency_data else frame.copy(), kept))
    if len(frames) == 1:
        frames[0][0].save(image, "PNG", **frames[0][1])
        return transparent
    with AppendingTiffWriter(str(image), True) as tiff:  # whatever it was: PNG would keep the first frame alone
        for flat, kept in frames:
            flat.save(tiff, "TIFF", compression="tiff_lzw", **kept)
            tiff.newFrame()
    return transparent
