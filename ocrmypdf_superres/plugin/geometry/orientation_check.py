# SPDX-License-Identifier: MPL-2.0
"""Pages that --rotate-pages would turn on little evidence: reading tells first whether they would be upside down.

A lower ``--rotate-pages-threshold`` is needed for small text, of which Tesseract's own detection is seldom sure. It is then
also wrong at times, and what OCRmyPDF turns is the page that people see.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from ocrmypdf.pluginspec import OrientationConfidence
from PIL import Image

from ocrmypdf_superres.ocr.turning import is_upside_down, upright
from ocrmypdf_superres.plugin.guard import guard

log = logging.getLogger("ocrmypdf.superres")

SURE = 14.0
"""From this confidence on the detection is believed: OCRmyPDF's own threshold."""


def check_orientation(found: OrientationConfidence, preview: Path, options: Any) -> OrientationConfidence:
    """Return *found*, with a confidence of 0 where the page in the file *preview*, turned so, reads as upside down.

    Raises:
        SuperresPageError: the page cannot be read, and ``--superres-on-error fail`` was given.
    """
    degrees = found.angle % 360
    unsure = options.rotate_pages_threshold <= found.confidence < SURE
    if options.superres.trigger == "off" or degrees not in (90, 180, 270) or not unsure:
        return found
    number = preview.name.partition("_")[0]
    page = int(number) if number.isdigit() else 1
    with guard("could not be read for checking its orientation", page, options.superres.on_error):
        with Image.open(preview) as image:
            # OCRmyPDF turns the page back counter-clockwise by the angle.
            wrong = is_upside_down(upright(image, -degrees // 90), options.languages)
        if wrong:
            log.info(
                "superres: page %d is not turned by %d degrees (confidence %.2f): it would be upside down",
                page, degrees, found.confidence,
            )  # fmt: skip
            return OrientationConfidence(found.angle, 0.0)
    return found
