# SPDX-License-Identifier: MPL-2.0
"""Pages of PDFs as images, by pdfium."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pypdfium2
import pypdfium2.raw
from PIL import Image

from ocrmypdf_superres.errors import ImageError

PDF_SUFFIX = ".pdf"
_LARGE = 0.2
"""Images that cover less of a page than this are logos or stamps, and do not tell its resolution."""


@contextmanager
def open_pdf(path: Path) -> Iterator[pypdfium2.PdfDocument]:
    """Yield the document in the file *path*, whose pages are ``document[0]`` to ``document[len(document) - 1]``.

    Raises:
        ImageError: the file is damaged or encrypted; also where pdfium finds so in the block.
        OSError: the file cannot be read.
    """
    try:
        # By a stream, since pdfium does not support names whose bytes are not text.
        with path.open("rb") as stream, pypdfium2.PdfDocument(stream) as document:
            yield document
    except pypdfium2.PdfiumError as error:
        raise ImageError(f"{path.name} cannot be read as a PDF ({error}); repair it, or remove its encryption.") from error


def page_dpi(page: pypdfium2.PdfPage) -> float:
    """Return the dpi of the largest-resolution image that covers more than a fifth of *page*; 0.0 without such."""
    whole, dpi = page.get_width() * page.get_height(), 0.0
    for item in page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE]):
        left, bottom, right, top = item.get_bounds()
        area = max(0.0, right - left) * max(0.0, top - bottom)
        if isinstance(item, pypdfium2.PdfImage) and area > _LARGE * whole:
            width, height = item.get_px_size()
            # By areas, since pages may be turned.
            dpi = max(dpi, 72.0 * (width * height / area) ** 0.5)
    return dpi


def render_page(page: pypdfium2.PdfPage, dpi: float, *, grey: bool = False) -> Image.Image:
    """Return *page* at *dpi* as an image of mode ``RGB``, or ``L`` where *grey* is set."""
    # pdfium rounds sizes up; the hair less keeps 30.0000001 rows from becoming 31.
    image: Image.Image = page.render(scale=dpi / 72.0 * (1.0 - 1e-5), grayscale=grey).to_pil()
    return image.convert("L") if grey else image


def character_count(page: pypdfium2.PdfPage) -> int:
    """Return how many characters the text layer of *page* has."""
    return int(page.get_textpage().count_chars())
