# SPDX-License-Identifier: MPL-2.0
"""An OCRmyPDF plugin that keeps images as they are where Ghostscript has to make the PDF/A.

OCRmyPDF converts most files without Ghostscript. It leaves the others to Ghostscript, whose own choice is to store images as
JPEG. OCRmyPDF's option ``pdfa_image_compression="lossless"`` would prevent that, but would send every file to Ghostscript.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocrmypdf import hookimpl

if TYPE_CHECKING:
    from ocrmypdf import PdfContext


@hookimpl(tryfirst=True)
def generate_pdfa(context: PdfContext) -> None:
    """Leave the work to OCRmyPDF's own hook, with all images but JPEGs compressed without loss."""
    context.options.ghostscript.pdfa_image_compression = "lossless"
