# SPDX-License-Identifier: MPL-2.0
"""Line images with their text beside them, as training data of Tesseract and OCRopus has them, as lines of scans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.files import read_text
from ocrmypdf_superres.page.image import FloatImage, to_luma
from ocrmypdf_superres.page.text_height import measure_text_height
from ocrmypdf_superres.training.data.files import document_of, transcribed
from ocrmypdf_superres.training.data.ocr_lines.rendering import ABOVE, BELOW, Strip
from ocrmypdf_superres.training.data.ocr_lines.scan_lines import RealLines, held_documents, refuse_validation
from ocrmypdf_superres.training.data.ocr_lines.spelling import as_charset_writes
from ocrmypdf_superres.training.data.sources.words import open_line

#: The x-height is measured on lines of at most this height in pixels, and with so much paper around them.
_MEASURED, _PAPER = 48, 16
#: Brightness of ink, as a share of the way from the darkest pixel to the paper.
_INK = 0.5


@dataclass(frozen=True)
class LinePair:
    """A line image, its transcription, and the document that it is from."""

    image: Path
    text: str
    document: str

    @cached_property
    def x_height(self) -> float:
        """The x-height in pixels of the image; 0 if it cannot be measured."""
        with open_line(self.image) as image:
            shrink = min(1.0, _MEASURED / image.height)
            small = image.convert("L").resize((max(1, round(image.width * shrink)), max(1, round(image.height * shrink))))
        luma = to_luma(small)
        found = measure_text_height(np.pad(luma, _PAPER, constant_values=_paper(luma))).x_height
        return 0.0 if found is None else found / shrink


class LinePairs(RealLines):
    """The line images in a folder and its folders that have ``NAME.gt.txt`` beside them.

    A folder within the folder is a document. In the folder itself, names that differ only in a number at their end are.

    Args:
        folder: the folder.
        held: use the held-out documents instead of the others; None for all documents.

    Raises:
        OptionError: there are no such lines, or it is a folder of validation data.
    """

    def __init__(self, folder: Path, *, held: bool | None = False) -> None:
        refuse_validation(folder)
        found = transcribed(folder.rglob("*")) if folder.is_dir() else []
        documents = [str(i.parent.relative_to(folder)) if i.parent != folder else document_of(i)[0] or i.stem for i, _ in found]
        kept_apart = held_documents(set(documents))
        self.lines = [
            LinePair(image, read_text(text), document)
            for (image, text), document in zip(found, documents, strict=True)
            if held is None or (document in kept_apart) == held
        ]
        if not self.lines:
            raise OptionError(f"{folder} holds no line images with texts, such as 001.png and 001.gt.txt; give another folder.")

    def __len__(self) -> int:
        """Return the number of line images."""
        return len(self.lines)

    def keep(self, is_encodable: Callable[[str], bool]) -> None:
        """Write each text as the charset does, and remove the lines that still are not *is_encodable*."""
        written = [LinePair(line.image, as_charset_writes(line.text, is_encodable), line.document) for line in self.lines]
        self.lines = [line for line in written if is_encodable(line.text)]

    def own_x_height(self, index: int) -> float:
        """Return that of the line."""
        return self.lines[index].x_height

    def cut(self, index: int, factor: float) -> Strip:
        """Return the strip of line *index*, with paper around it."""
        line = self.lines[index]
        x_height = line.x_height * factor
        with open_line(line.image) as image:
            large = image.convert("L")
            size = (max(8, round(large.width * factor)), max(8, round(large.height * factor)))
            luma = to_luma(large.resize(size, Image.Resampling.BICUBIC))
        paper = _paper(luma)
        ink = luma < luma.min() + _INK * (paper - luma.min())
        baseline = _baseline(ink, x_height)
        above, below = (max(4, round(wanted)) for wanted in (ABOVE * x_height - baseline, BELOW * x_height + baseline - size[1]))
        beside = round(2 * x_height)
        rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
        return Strip(
            np.pad(luma, ((above, below), (beside, beside)), constant_values=paper), line.text, baseline + above, x_height,
            float(columns[0] + beside), float(rows[0] + above), float(columns[-1] + 1 + beside), float(rows[-1] + 1 + above),
        )  # fmt: skip


def _paper(luma: FloatImage) -> float:
    return float(np.quantile(luma, 0.9))


def _baseline(ink: np.ndarray[tuple[int, int], np.dtype[np.bool_]], x_height: float) -> float:
    """Return the row below the *x_height* rows that have the most ink."""
    rows = max(1, min(round(x_height), ink.shape[0]))
    inside = np.convolve(ink.sum(axis=1), np.ones(rows), "valid")
    return float(np.argmax(inside) + rows)
