# SPDX-License-Identifier: MPL-2.0
"""PDF files, read by pdfium."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pypdfium2

from ocrmypdf_superres.errors import ImageError


def pages_without_text(path: Path, numbers: Iterable[int]) -> list[int]:
    """Return those of the pages *numbers* (from 1) of a PDF that have no text.

    Raises:
        ImageError: the file cannot be opened as a PDF, or a page cannot be read.
        OSError: it cannot be read.
    """
    try:
        # By a stream, since pdfium does not support names whose bytes are not text.
        with path.open("rb") as stream, pypdfium2.PdfDocument(stream) as pdf:
            return [number for number in numbers if pdf[number - 1].get_textpage().count_chars() == 0]
    except pypdfium2.PdfiumError as error:
        raise ImageError(f"The PDF {path} cannot be read by pdfium ({error}); repair it, for example with qpdf.") from error
