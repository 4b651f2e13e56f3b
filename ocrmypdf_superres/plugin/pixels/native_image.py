# SPDX-License-Identifier: MPL-2.0
"""The scan's own pixels, where a page is one image.

Rasterizing resamples a scan whose pixels do not fall on whole pixels of the page, which blurs 4-pixel letters for good.
Where the page is one full-page, axis-aligned, unmasked image, its pixels are taken from the file. They are compared with the
raster, to be sure that the page shows them and how they are turned. Marks that the page shows over them are laid over them again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pikepdf
from ocrmypdf.helpers import Resolution
from ocrmypdf.pluginspec import GhostscriptRasterDevice
from PIL import Image, ImageChops, ImageFilter

from ocrmypdf_superres.page.image import to_grey

log = logging.getLogger("ocrmypdf.superres")

#: Pixels per side that one pixel of the compared thumbnails stands for: resampling shifts edges by up to one.
THUMBNAIL_CELL = 8
#: Largest mean and largest single difference of the thumbnails, in levels of 255.
LARGEST_MEAN, LARGEST_SINGLE = 4.0, 56.0
#: How far the image may fall short of the page, or its pixels be from square.
FULL_PAGE, SQUARE = 0.02, 0.02
#: Difference from which a cell of a page that has vectors, text or notes is taken for one of these, and the largest share
#: of such cells.
MARK, MARKED = 16.0, 0.15
#: Cells, in pixels of the scan, in which the page shows no more than FLAT levels of 255 where the scan has more than SEEN, are
#: covered, as by a white box over pale text, which hardly changes a thumbnail.
COVER_CELL, FLAT, SEEN = 5, 2, 10
#: Images that cover less of the page than this, all together, are logos or stamps, and do not give its resolution.
COVERED = 0.2
#: Where images cover less of the page than FILLED, and more than OTHERS of the cells with a range of levels above DETAIL are
#: sharper than the images, the text is not in them.
FILLED, OTHERS, DETAIL = 0.8, 0.6, 64
#: A raster that is this many times finer than the images is reduced to their resolution.
FINER = 1.2
#: Cells of the raster, in pixels, and the mean difference that shows something sharper than the images in them.
MARK_CELL, SHARPER = 16, 10.0
_TURNS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


@dataclass(frozen=True)
class Marks:
    """What a page shows over its scan: a Bates number, a stamp, ruled lines.

    Attributes:
        mask: mode ``L``, 255 where the page differs from the scan; of any size.
        raster: the rasterized page.
    """

    mask: Image.Image
    raster: Image.Image

    def over(self, image: Image.Image) -> Image.Image:
        """Return *image* of the scan in grey, at any size, with the marks laid over it; its ``info['dpi']`` is kept."""
        mask = self.mask.resize(image.size, Image.Resampling.NEAREST)
        marks = to_grey(self.raster).resize(image.size, Image.Resampling.LANCZOS)
        result = Image.composite(marks, to_grey(image), mask)
        if "dpi" in image.info:
            result.info["dpi"] = image.info["dpi"]
        return result


@dataclass(frozen=True)
class ScanPixels:
    """The pixels of the scan on a page, turned as the raster is, and what the page shows over them."""

    image: Image.Image
    marks: Marks | None = None


def native_pixels(pdf_path: Path, pageinfo: Any, raster: Image.Image) -> ScanPixels | None:
    """Return the page's embedded image, turned as *raster* is, or None where the raster must be used.

    Args:
        pdf_path: the PDF that OCRmyPDF works on.
        pageinfo: OCRmyPDF's information on the page.
        raster: the rasterized page that OCR would see.

    Returns None for pages that are anything else than one full-page image with a few marks, and for images that look
    different from the raster (masked, turned by an angle, decoded in another way).
    """
    info = _only_image(pageinfo)
    if info is None:
        return None
    found = _extract(pdf_path, pageinfo.pageno, info.name)
    if found is None:
        return None
    image, noted = found
    # OCRmyPDF before 17.13 does not tell visible text from an OCR layer.
    text = getattr(pageinfo, "has_visible_text", pageinfo.has_text)
    return _like(image, raster, bool(pageinfo.has_vector or text or noted))


def scan_resolution(pageinfo: Any, raster: Image.Image) -> ScanPixels | None:
    """Return *raster* reduced to the resolution of the page's images and image masks; None where it is no finer than they are.

    Vectors beside a scan, and scans that are nothing but a mask, make OCRmyPDF rasterize at 400 dpi, which adds nothing to
    them. None also where much of the page is sharper than its images could be.
    """
    finest = _finest(pageinfo, pageinfo.images)
    if finest is None:
        return None
    # Short side to short side, since the raster may be turned.
    sides = sorted((float(pageinfo.width_inches), float(pageinfo.height_inches)))
    ratio = max(finest * inches / pixels for inches, pixels in zip(sides, sorted(raster.size), strict=True))
    if ratio > 1 / FINER:
        return None
    size = (max(1, round(raster.width * ratio)), max(1, round(raster.height * ratio)))
    grey = to_grey(raster)
    small = grey.resize(size, Image.Resampling.BOX)
    cells = (max(1, raster.width // MARK_CELL), max(1, raster.height // MARK_CELL))
    # A rasterizer either repeats the pixels of an image, or interpolates between them.
    enlarged = (small.resize(grey.size, method) for method in (Image.Resampling.NEAREST, Image.Resampling.BICUBIC))
    differences = [thumbnail(ImageChops.difference(grey, again), cells) for again in enlarged]
    marked = np.minimum(*differences) > SHARPER
    if marked.mean() > MARKED:
        return None
    # Pages that images fill, which are most, need no second look at all pixels.
    filled = _covered_share(pageinfo, pageinfo.images) >= FILLED
    if not filled and marked.sum() > OTHERS * (_ranges(grey, cells, 0) > DETAIL).sum():
        return None
    label_like(small, raster)
    return ScanPixels(small, Marks(_mask(marked), raster) if marked.any() else None)


def finer_raster(page: Any, raster: Image.Image, target_dpi: float) -> ScanPixels | None:
    """Return *page* rasterized at the resolution of its image masks, up to *target_dpi*; None where *raster* shows them well.

    Compact scans have their text in masks over a coarse image of the paper, and OCRmyPDF rasterizes them at the image's
    resolution.
    """
    finest = _finest(page.pageinfo, [info for info in page.pageinfo.images if info.type_ == "stencil"])
    if finest is None:
        return None
    unit = float(page.pageinfo.userunit) or 1.0
    dpi = min(finest, target_dpi * unit)
    sides = float(page.pageinfo.width_inches) / unit, float(page.pageinfo.height_inches) / unit
    if dpi * max(sides) < FINER * max(raster.size):
        return None
    path = page.get_path("superres_masks.png")
    page.plugin_manager.rasterize_pdf_page(
        input_file=page.origin,
        output_file=path,
        raster_device=GhostscriptRasterDevice.PNGGRAY,
        raster_dpi=Resolution(dpi, dpi),
        pageno=page.pageno + 1,
        page_dpi=Resolution(dpi / unit, dpi / unit),
        rotation=0,
        filter_vector=False,
        stop_on_soft_error=False,
        options=page.options,
        use_cropbox=False,
    )
    with Image.open(path) as opened:
        image = to_grey(opened)
    path.unlink()
    # Turned as OCRmyPDF turned its raster, and with the text covered that --redo-ocr covers there.
    return _like(image, raster, bool(page.pageinfo.has_vector or page.pageinfo.has_text))


def _drawn(images: Sequence[Any]) -> list[Any]:
    """Return those of *images* and image masks whose dpi is known."""
    return [info for info in images if info.dpi.is_finite and min(info.dpi.x, info.dpi.y) > 0]


def _covered_share(pageinfo: Any, images: Sequence[Any]) -> float:
    """Return the share of the page that *images* cover, more than 1 where they overlap."""
    area = float(pageinfo.width_inches) * float(pageinfo.height_inches)
    covered = sum(info.width / info.dpi.x * (info.height / info.dpi.y) for info in _drawn(images))
    return float(covered / area) if area > 0 else 0.0


def _finest(pageinfo: Any, images: Sequence[Any]) -> float | None:
    """Return the largest dpi of *images*; None where they cover only a small part of the page."""
    if _covered_share(pageinfo, images) < COVERED:
        return None
    return float(max(max(info.dpi.x, info.dpi.y) for info in _drawn(images)))


def is_oversampled(pageinfo: Any, raster: Image.Image) -> bool:
    """Whether *raster* has clearly more pixels than the page's largest image."""
    largest = max((info.width * info.height for info in pageinfo.images), default=0)
    return largest > 0 and raster.width * raster.height > 1.2 * largest


def untouched(image: Image.Image) -> Image.Image:
    """Return the file of *image* opened once more, to read pixels from, or *image* itself where its pixels are in memory.

    OCRmyPDF hands the file of a page that nobody decoded to OCR as it is. Else it compresses the page again, which takes longer
    than measuring it.
    """
    file = getattr(image, "filename", "")
    if not file or not getattr(image, "tile", None):  # which decoding empties
        return image
    try:
        again = Image.open(file)
    except OSError:
        return image
    again.info = dict(image.info)
    return again


def _only_image(pageinfo: Any) -> Any | None:
    if len(pageinfo.images) != 1:
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


def _extract(pdf_path: Path, pageno: int, name: str) -> tuple[Image.Image, bool] | None:
    """Return the image called *name*, and whether notes or stamps are drawn over the page."""
    try:
        with pikepdf.open(pdf_path) as pdf:
            noted = any(note.get("/Subtype") != "/Link" for note in pdf.pages[pageno].get("/Annots", []))
            xobjects: Any = pdf.pages[pageno].resources.get("/XObject", {})
            stream: Any = xobjects.get(name)
            if stream is None or any(key in stream for key in ("/SMask", "/Mask", "/SMaskInData")):
                return None
            if stream.get("/ImageMask", False):
                return None
            image = pikepdf.PdfImage(stream).as_pil_image()
            image.load()
            return image, noted
    # Damaged and exotic streams raise errors of pikepdf, Pillow and the decoders, which have no common base class; the
    # rasterizer coped with the page, so its raster is used.
    except Exception:
        log.debug("superres: the embedded image cannot be decoded, the raster is used", exc_info=True)
    return None


def thumbnail(image: Image.Image, size: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return *image*, of mode ``L``, reduced to *size* = (width, height), float32 (height, width) in [0, 255]."""
    return np.asarray(image.resize(size, Image.Resampling.BOX), dtype=np.float32)


def _mask(marked: np.ndarray[Any, np.dtype[np.bool_]]) -> Image.Image:
    """Return cells that are *marked*, and their neighbours, as a mask."""
    return Image.fromarray(marked.astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(3))


def label_like(image: Image.Image, raster: Image.Image) -> None:
    """Give *image*, of the same page as *raster*, the dpi that the raster's dpi means at its size."""
    dpi = raster.info.get("dpi")
    if dpi is not None:
        image.info["dpi"] = tuple(
            float(claimed) * new / old for claimed, new, old in zip(dpi, image.size, raster.size, strict=True)
        )


def _like(image: Image.Image, raster: Image.Image, marks_expected: bool) -> ScanPixels | None:
    """Return *image* turned by the quarter turns that make it look like *raster*, or None if none does.

    Where *marks_expected*, a few cells may differ, which are the marks. Elsewhere what is covered was clipped away.
    """
    grey = to_grey(image)
    raster_grey = to_grey(raster)
    cell = THUMBNAIL_CELL * max(1.0, max(raster.size) / max(image.size))
    size = (max(1, round(raster.width / cell)), max(1, round(raster.height / cell)))
    reference = thumbnail(raster_grey, size)
    ratio = raster.width / raster.height
    best: tuple[float, Image.Transpose | None, np.ndarray[Any, np.dtype[np.bool_]]] | None = None
    for turn in _TURNS:
        turned = turn in (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)
        shape = (grey.height, grey.width) if turned else grey.size
        if abs(shape[0] / shape[1] / ratio - 1) > SQUARE:
            continue
        small = thumbnail(grey if turn is None else grey.transpose(turn), size)
        difference = np.abs(small - reference)
        marked = difference > (MARK if marks_expected else LARGEST_SINGLE)
        mean = float(difference[~marked].mean()) if not marked.all() else 255.0
        alike = mean <= LARGEST_MEAN and marked.mean() <= (MARKED if marks_expected else 0.0)
        if alike and (best is None or mean < best[0]):
            best = (mean, turn, marked)
    if best is None:
        return None
    image.info.pop("dpi", None)
    result = image if best[1] is None else image.transpose(best[1])
    label_like(result, raster)
    mask = _mask(best[2]) if best[2].any() else None
    covered = _covered(grey if best[1] is None else grey.transpose(best[1]), raster_grey)
    if covered.mean() > (MARKED if marks_expected else 0.0):
        return None
    if covered.any():
        cover = _mask(covered)
        mask = cover if mask is None else ImageChops.lighter(cover, mask.resize(cover.size, Image.Resampling.NEAREST))
    return ScanPixels(result, Marks(mask, raster) if mask is not None else None)


def _covered(scan: Image.Image, raster: Image.Image) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return the cells of *scan*, of mode ``L``, whose pixels *raster* does not show: it is flat there."""
    if scan.width > raster.width:
        # The noise of a scan that was reduced is flatter, too.
        scan = scan.resize(raster.size, Image.Resampling.BOX)
    cells = (max(1, scan.width // COVER_CELL), max(1, scan.height // COVER_CELL))
    # Without their edges, since the two may be a pixel apart.
    return (_ranges(scan, cells, 1) > SEEN) & (_ranges(raster, cells, 0) <= FLAT)


def _ranges(image: Image.Image, cells: tuple[int, int], margin: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the range of levels in each of *cells* = (columns, rows) of *image*, without *margin* pixels at their edges."""
    low = high = np.asarray(image)
    for axis, count in ((0, cells[1]), (1, cells[0])):
        edges = np.linspace(0, low.shape[axis], count + 1).astype(int)
        starts = np.minimum(edges[:-1] + margin, edges[1:] - 1)
        spans = np.stack([starts, np.maximum(edges[1:] - margin, starts + 1)], axis=1).ravel()
        spans = np.minimum(spans, low.shape[axis] - 1)
        every_second = (slice(None),) * axis + (slice(None, None, 2),)
        low, high = np.minimum.reduceat(low, spans, axis)[every_second], np.maximum.reduceat(high, spans, axis)[every_second]
    return np.asarray(high - low)
