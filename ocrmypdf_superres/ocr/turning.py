# SPDX-License-Identifier: MPL-2.0
"""Sideways and upside-down pages: they are read upright, and the reading is turned back to fit the page."""

from __future__ import annotations

from collections.abc import Sequence

from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement
from PIL import Image

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.page.image import densest_rows, to_grey
from ocrmypdf_superres.tesseract import orientation, parse_tsv, read_page

MOST_PIXELS = 2500
"""The longer side of the image on which Tesseract is asked for the orientation."""
STRIP, LEAST_STRIP = 0.2, 400
"""The strip that is read both ways: its share of the page's height, and its least height in pixels."""
FEWEST_LETTERS = 20
CLEARLY = 12.0
"""By so much, of 100, Tesseract must be surer of the words of a strip one way than the other: twice that on training pages."""
_BACK = (None, Image.Transpose.ROTATE_270, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_90)


def turns_of(image: Image.Image, least: float = 0.0) -> int:
    """Return the quarter turns counter-clockwise, 0 to 3, by which the text on *image* is turned.

    Tesseract is asked (its page segmentation mode 0); 0 where it cannot tell with a confidence of *least*, or is not there.
    """
    small = image.copy()
    small.thumbnail((MOST_PIXELS, MOST_PIXELS))
    try:
        degrees, sure = orientation(small, float(image.info.get("dpi", (300.0,))[0]) * small.width / image.width)
    except SuperresError:
        return 0
    return {90: 1, 180: 2, 270: 3}.get(degrees, 0) if sure >= least else 0


def is_upside_down(image: Image.Image, languages: Sequence[str]) -> bool | None:
    """Return whether the text on *image*, whose lines are level, is upside down; None where that does not show.

    The strip with most letters is read by Tesseract in both ways. Of small letters its own detection of the orientation is
    often unsure or wrong, but its words are not.
    """
    strip = _densest_strip(image)
    try:
        upright_sure, letters = _sureness(strip, languages)
        turned_sure, turned_letters = _sureness(strip.transpose(Image.Transpose.ROTATE_180), languages)
    except SuperresError:
        return None
    if max(letters, turned_letters) < FEWEST_LETTERS or abs(turned_sure - upright_sure) < CLEARLY:
        return None
    return turned_sure > upright_sure


def _sureness(strip: Image.Image, languages: Sequence[str]) -> tuple[float, int]:
    """Return the mean confidence of the letters that Tesseract reads on *strip*, 0 to 100, and their number."""
    dpi = float(strip.info.get("dpi", (300.0,))[0])
    read = read_page(strip, "+".join(languages) or "eng", dpi=max(dpi, 70.0), psm=6, output=["tsv"])
    words = [word for line in parse_tsv(read) for word in line]
    letters = sum(len(word.text) for word in words)
    return sum(word.confidence * len(word.text) for word in words) / max(1, letters), letters


def _densest_strip(image: Image.Image) -> Image.Image:
    """Return the strip of *image* in which dark and light change most often, in grey; ``info['dpi']`` is kept."""
    rows = min(image.height, max(round(STRIP * image.height), LEAST_STRIP))
    top = densest_rows(image, rows)
    strip = to_grey(image.crop((0, top, image.width, top + rows)))
    strip.info["dpi"] = image.info.get("dpi", (300.0, 300.0))
    return strip


def upright(image: Image.Image, turns: int) -> Image.Image:
    """Return *image*, whose text is turned by *turns* quarter turns counter-clockwise, turned upright; ``info`` is kept."""
    how = _BACK[turns % 4]
    if how is None:
        return image
    result = image.transpose(how)
    result.info.update(image.info)
    if turns % 2 and "dpi" in image.info:
        result.info["dpi"] = tuple(reversed(image.info["dpi"]))
    return result


def turn_back(element: OcrElement, turns: int, size: tuple[int, int]) -> None:
    """Turn the boxes under *element*, read upright on an image of *size* = (width, height), by *turns* as the page is.

    Lines get the angle that they run at; their baselines, which hold for level lines only, go.
    """
    width, height = size
    box = element.bbox
    if box is not None and turns % 4:
        # A quarter turn counter-clockwise takes (x, y) to (y, width - x).
        corners = (
            (box.top, width - box.right, box.bottom, width - box.left),
            (width - box.right, height - box.bottom, width - box.left, height - box.top),
            (height - box.bottom, box.left, height - box.top, box.right),
        )[turns % 4 - 1]
        element.bbox = BoundingBox(*corners)
    if element.ocr_class in OcrClass.LINE_TYPES and turns % 4:
        element.textangle = float((90, 180, -90)[turns % 4 - 1]) + (element.textangle or 0.0)
        element.baseline = None
    for child in element.children:
        turn_back(child, turns, size)
