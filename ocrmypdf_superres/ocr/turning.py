# SPDX-License-Identifier: MPL-2.0
"""Sideways and upside-down pages: they are read upright, and the reading is turned back to fit the page."""

from __future__ import annotations

from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement
from PIL import Image

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.tesseract import orientation

MOST_PIXELS = 2500
"""The longer side of the image on which Tesseract is asked for the orientation."""
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
