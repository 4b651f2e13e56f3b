# SPDX-License-Identifier: MPL-2.0
"""The scan's own pixels, where a page is one image.

Rasterizing resamples a scan whose pixels do not fall on whole pixels of the page, which blurs 4-pixel letters for good.
Where the page is one full-page, axis-aligned, unmasked image, its pixels are taken from the file; the raster is the
witness that they are what the page shows, the right way round.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pikepdf
from PIL import Image

from ocrmypdf_superres.page.image import flatten

log = logging.getLogger("ocrmypdf.superres")

#: Pixels per side that one pixel of the compared thumbnails stands for: resampling shifts edges by up to one.
WITNESS_CELL = 8
#: Largest mean and largest single difference of the thumbnails, in levels of 255.
WITNESS_MEAN, WITNESS_MAX = 4.0, 56.0
#: How far the image may fall short of the page, or its pixels be from square.
FULL_PAGE, SQUARE = 0.02, 0.02
_TURNS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


def native_pixels(pdf_path: Path, pageinfo: Any, raster: Image.Image) -> Image.Image | None:
    """Return the page's embedded image, turned as *raster* is, or None where the raster has to do.

    Args:
        pdf_path: the PDF that OCRmyPDF works on.
        pageinfo: OCRmyPDF's information on the page.
        raster: the rasterized page that OCR would see.

    Returns None for pages that are anything else than one full-page image, and for images that look
    different from the raster (masked, turned by an angle, decoded in another way, with notes over them).
    """
    info = _only_image(pageinfo)
    if info is None:
        return None
    image = _extract(pdf_path, pageinfo.pageno, info.name)
    if image is None:
        return None
    return _like(image, raster)


def is_oversampled(pageinfo: Any, raster: Image.Image) -> bool:
    """Whether *raster* has clearly more pixels than the page's largest image."""
    largest = max((info.width * info.height for info in pageinfo.images), default=0)
    return largest > 0 and raster.width * raster.height > 1.2 * largest


def untouched(image: Image.Image) -> Image.Image:
    """Return the same image as *image*, to read pixels from without decoding *image* itself.

    OCRmyPDF links the file of an image that nobody decoded instead of encoding it once more.
    """
    filename = getattr(image, "filename", "")
    if filename and getattr(image, "_im", image) is None:
        twin = Image.open(filename)
        twin.info.update(image.info)
        return twin
    return image


def _only_image(pageinfo: Any) -> Any | None:
    # OCRmyPDF before 17.13 does not tell visible text from an OCR layer: pages with either are rasterized there.
    text = getattr(pageinfo, "has_visible_text", pageinfo.has_text)
    if pageinfo.has_vector or text or len(pageinfo.images) != 1:
        return None
    info = pageinfo.images[0]
    if not info.renderable or not info.dpi.is_finite or info.dpi.x <= 0 or info.dpi.y <= 0:
        return None
    if abs(info.dpi.x / info.dpi.y - 1) > SQUARE:
        return None
    userunit = float(pageinfo.userunit) or 1.0
    page = sorted((float(pageinfo.width_inches), float(pageinfo.height_inches)))
    shown = sorted((info.width / info.dpi.x, info.height / info.dpi.y))
    # The image's dpi is told with the user unit in some versions and without it in others.
    for unit in {1.0, userunit}:
        if all(abs(a * unit / b - 1) <= FULL_PAGE for a, b in zip(shown, page, strict=True) if b):
            return info
    return None


def _extract(pdf_path: Path, pageno: int, name: str) -> Image.Image | None:
    try:
        with pikepdf.open(pdf_path) as pdf:
            if any(note.get("/Subtype") != "/Link" for note in pdf.pages[pageno].get("/Annots", [])):
                return None  # notes and stamps are drawn over the image
            xobjects: Any = pdf.pages[pageno].resources.get("/XObject", {})
            stream: Any = xobjects.get(name)
            if stream is None or any(key in stream for key in ("/SMask", "/Mask", "/SMaskInData")):
                return None
            if stream.get("/ImageMask", False):
                return None
            image = pikepdf.PdfImage(stream).as_pil_image()
            image.load()
            return image
    except (pikepdf.PdfError, pikepdf.DependencyError, pikepdf.UnsupportedImageTypeError) as error:
        log.debug("superres: the embedded image cannot be taken (%s), the raster is used", error)
    except (OSError, ValueError, NotImplementedError, KeyError, TypeError) as error:
        # Damaged or exotic streams: the rasterizer coped with them, so its raster is used.
        log.debug("superres: the embedded image cannot be decoded (%s), the raster is used", error)
    return None


def _thumbnail(image: Image.Image, size: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.asarray(image.resize(size, Image.Resampling.BOX), dtype=np.float32)


def _like(image: Image.Image, raster: Image.Image) -> Image.Image | None:
    """Return *image* turned by the quarter turns that make it look like *raster*, or None if none does."""
    grey = flatten(image).convert("L")
    witness_grey = flatten(raster).convert("L")
    cell = WITNESS_CELL * max(1.0, max(raster.size) / max(image.size))
    size = (max(1, round(raster.width / cell)), max(1, round(raster.height / cell)))
    witness = _thumbnail(witness_grey, size)
    ratio = raster.width / raster.height
    best: tuple[float, Image.Transpose | None] | None = None
    for turn in _TURNS:
        turned = turn in (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)
        shape = (grey.height, grey.width) if turned else grey.size
        if abs(shape[0] / shape[1] / ratio - 1) > SQUARE:
            continue
        small = _thumbnail(grey if turn is None else grey.transpose(turn), size)
        difference = np.abs(small - witness)
        mean = float(difference.mean())
        if mean <= WITNESS_MEAN and float(difference.max()) <= WITNESS_MAX and (best is None or mean < best[0]):
            best = (mean, turn)
    if best is None:
        return None
    image.info.pop("dpi", None)
    result = image if best[1] is None else image.transpose(best[1])
    dpi = raster.info.get("dpi")
    if dpi is not None:
        result.info["dpi"] = tuple(
            float(claimed) * new / old for claimed, new, old in zip(dpi, result.size, raster.size, strict=True)
        )
    return result
