# SPDX-License-Identifier: MPL-2.0
"""Rasters that --rotate-pages should have turned, and that are turned by another angle.

OCRmyPDF's pypdfium rasterizer (17.13) puts the correction in place of the page's own ``/Rotate``. The raster of a page that
has one then lies on its side or upside down, and neither its text nor a visible page that is made of it fits the page. The
preview, by which the correction was found, shows how the raster should look.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrmypdf_superres.files import atomic_write
from ocrmypdf_superres.ocr.turning import upright
from ocrmypdf_superres.page.image import to_grey
from ocrmypdf_superres.plugin.pixels.native_image import thumbnail

PREVIEW = "rasterize_preview.jpg"
"""OCRmyPDF's name for the preview of a page, after the page's number."""
SIDE = 64
"""Side in pixels of the thumbnails that are compared; their proportions do not matter."""
CLEARLY = 2.0
"""A raster is turned where it differs from the preview this many times as much as it does then ..."""
LEAST = 0.3
"""... and by at least this many levels of 255: blank pages look alike whichever way they lie."""


def turn_as_asked(raster: Path, rotation: int) -> int:
    """Turn the page in the file *raster* to what the preview beside it shows when it is turned by *rotation*.

    Args:
        raster: what OCRmyPDF rasterized a page into, in the folder of the preview.
        rotation: degrees counter-clockwise by which it asked the rasterizer to turn the page.

    Returns:
        The quarter turns clockwise that were missing; 0 where the raster is as it should be, or there is no preview.

    Raises:
        OSError: an image cannot be read or written; the raster is as it was.
    """
    preview = raster.with_name(f"{raster.name.partition('_')[0]}_{PREVIEW}")
    if rotation % 360 == 0 or not preview.is_file():
        return 0
    with Image.open(preview) as shown:
        wanted = np.rot90(_levels(shown), rotation // 90)
    with Image.open(raster) as image:
        levels = _levels(image)
        differences = [float(np.abs(np.rot90(levels, -turns) - wanted).mean()) for turns in range(4)]
        turns = int(np.argmin(differences))
        if differences[0] < LEAST or CLEARLY * differences[turns] > differences[0]:
            return 0
        turned = upright(image, turns)
    with atomic_write(raster) as part:
        turned.save(part, dpi=turned.info.get("dpi"))
    return turns


def _levels(image: Image.Image) -> NDArray[np.float32]:
    return thumbnail(to_grey(image), (SIDE, SIDE))
