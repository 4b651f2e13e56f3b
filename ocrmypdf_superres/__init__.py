# SPDX-License-Identifier: MPL-2.0
"""OCRmyPDF plugin that enlarges low-resolution pages with a neural net before OCR.

Use it with ``ocrmypdf --plugin ocrmypdf_superres in.pdf out.pdf``. Importing this package loads neither
torch nor onnxruntime: the net is loaded in the worker that meets the first page which needs it.
"""

from __future__ import annotations

from ocrmypdf_superres.plugin.hooks import (
    add_options,
    check_options,
    filter_ocr_image,
    get_ocr_engine,
    optimize_pdf,
    rasterize_pdf_page,
    register_options,
    validate,
)

__version__ = "0.1.0"

__all__ = [
    "add_options",
    "check_options",
    "filter_ocr_image",
    "get_ocr_engine",
    "optimize_pdf",
    "rasterize_pdf_page",
    "register_options",
    "validate",
]
