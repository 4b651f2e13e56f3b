# SPDX-License-Identifier: MPL-2.0
"""Lines of real scans with reliable transcriptions: Tesseract's line boxes, matched to the page's ground truth."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rapidfuzz import fuzz

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.metrics.boxes import bounding_box
from ocrmypdf_superres.metrics.text import fold
from ocrmypdf_superres.page.image import DECODING_ERRORS, to_luma
from ocrmypdf_superres.page.text_height import measure_text_height
from ocrmypdf_superres.tesseract import Word
from ocrmypdf_superres.training.data.files import document_of
from ocrmypdf_superres.training.data.ocr_lines.rendering import ABOVE, BELOW, Strip
from ocrmypdf_superres.training.data.ocr_lines.spelling import as_written
from ocrmypdf_superres.training.data.sources.scans import index_page, list_pages, read_lines

log = logging.getLogger(__name__)

#: Least similarity, 0 to 100, of the ground truth to what Tesseract read for a line to be used.
CERTAIN = 90.0
#: One document in HELD_EVERY by name is held out, beginning with the third: of a few, most are needed for training.
HELD_EVERY, HELD_FIRST = 8, 2
#: A scan is enlarged by at most this factor; more would show as blur.
_MOST_ENLARGED = 1.15
_FORBIDDEN = "validation"
D = TypeVar("D", str, tuple[str, str])


@dataclass(frozen=True)
class ScanLine:
    """A line on the page with index *page*: the bounding box (left, top, right, bottom) in pixels, and its transcription."""

    page: int
    box: tuple[int, int, int, int]
    text: str


class RealLines(ABC):
    """Lines of scans, cut out at the size that is asked for."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of lines."""

    @abstractmethod
    def keep(self, is_encodable: Callable[[str], bool]) -> None:
        """Remove the lines whose text is not *is_encodable*, such as those in another language of the page."""

    @abstractmethod
    def own_x_height(self, index: int) -> float:
        """Return the x-height of line *index* in pixels of the scan; 0 if it is not known."""

    @abstractmethod
    def cut(self, index: int, factor: float) -> Strip:
        """Return the strip of line *index*, enlarged by *factor*."""

    def strip(self, rng: np.random.Generator, x_height: float, scale: int) -> tuple[int, Strip | None]:
        """Return (scale, strip) of a random line, its x-height being about *x_height* times that scale.

        The scale is *scale*, or a smaller one if the scan has too few pixels; the strip is None if even 2 is too large.
        """
        index = int(rng.integers(len(self)))
        own = self.own_x_height(index)
        while scale > 2 and x_height * scale > own * _MOST_ENLARGED:
            scale -= 1
        if not own or x_height * scale > own * _MOST_ENLARGED:
            return scale, None
        return scale, self.cut(index, x_height * scale / own)

    def native(self, rng: np.random.Generator, largest: float = np.inf) -> Strip | None:
        """Return the strip of a random line at the scan's own size, or with an x-height of *largest* pixels if that is less."""
        index = int(rng.integers(len(self)))
        own = self.own_x_height(index)
        return self.cut(index, min(1.0, largest / own)) if own else None


class ScanLines(RealLines):
    """Lines of the pages in a folder, as far as those have ground truth.

    Args:
        folder: page images with their ground truth, or an ``index.json``, as ``training.data.sources.scans`` describes it.
        language: use only pages in this language, Tesseract's code; empty for all.
        cache: folder for Tesseract's readings.
        held: use the held-out documents instead of the others; None for all documents.
        without: leave out pages in these languages.

    Raises:
        OptionError: the folder is missing, or holds validation data.
    """

    def __init__(
        self, folder: Path, language: str, cache: Path, *, held: bool | None = False, without: Collection[str] = ()
    ) -> None:
        refuse_validation(folder)
        self.pixels: list[NDArray[np.uint8]] = []
        self.x_heights: list[float] = []
        self.lines: list[ScanLine] = []
        pages = [
            (image, truth, languages)
            for image, truth, languages in list_pages(folder, language or "eng", cache)
            if truth is not None
            and (not language or language in languages.split("+"))
            and not {*without} & {*languages.split("+")}
        ]
        kept_apart = held_documents({document_of(image) for image, _, _ in pages})
        for image, truth, languages in pages:
            if held is not None and (document_of(image) in kept_apart) != held:
                continue
            try:
                self._add(image, truth, languages, cache)
            except (OptionError, *DECODING_ERRORS) as error:
                log.warning("%s is left out: %s", image.name, error)

    def __len__(self) -> int:
        """Return the number of lines that are certain."""
        return len(self.lines)

    def _add(self, image: Path, truth: Path, languages: str, cache: Path) -> None:
        with Image.open(image) as opened:
            luma = to_luma(opened)
        x_height = measure_text_height(luma).x_height
        if x_height is None:
            return
        read = {bounding_box(word.box for word in words): _text(words) for words in read_lines(image, languages, cache)}
        page = len(self.pixels)
        for words in index_page(image, truth, languages, cache).lines:
            box, text = bounding_box(word.box for word in words), as_written(_text(words))
            # A box much taller than the page's lines holds two of them, or a heading in larger letters.
            usual = 1.0 < (box[3] - box[1]) / x_height < 3.2
            if usual and box[2] - box[0] > 2 * x_height and fuzz.ratio(fold(read.get(box, "")), fold(text)) >= CERTAIN:
                self.lines.append(ScanLine(page, box, text))
        self.pixels.append((luma * 255.0 + 0.5).astype(np.uint8))
        self.x_heights.append(x_height)

    def keep(self, is_encodable: Callable[[str], bool]) -> None:
        """Remove the lines whose text is not *is_encodable*."""
        self.lines = [line for line in self.lines if is_encodable(line.text)]

    def own_x_height(self, index: int) -> float:
        """Return that of the page."""
        return self.x_heights[self.lines[index].page]

    def cut(self, index: int, factor: float) -> Strip:
        """Return the strip of line *index*, with some of the page around it."""
        line = self.lines[index]
        return _cut(self.pixels[line.page], line, self.x_heights[line.page], factor)


def refuse_validation(folder: Path) -> None:
    """Raise OptionError if *folder* holds validation data."""
    if _FORBIDDEN in folder.resolve().parts:
        raise OptionError(f"The folder {folder} holds validation data, training data was expected; give another folder.")


def held_documents(documents: Collection[D]) -> set[D]:
    """Return the held-out ones of *documents*: the second of two, none of one."""
    ordered = sorted(documents)
    return set(ordered[HELD_FIRST::HELD_EVERY] or ordered[1:])


def _cut(pixels: NDArray[np.uint8], line: ScanLine, x_height: float, factor: float) -> Strip:
    left, top, right, bottom = line.box
    # The baseline is estimated: descenders reach about a third of the x-height below it.
    descends = any(sign in "gjpqyçQ;,()[]" for sign in line.text)
    baseline = bottom - (0.3 * x_height if descends else 0.0)
    edges = np.array([left - 2 * x_height, baseline - ABOVE * x_height, right + 2 * x_height, baseline + BELOW * x_height])
    x0, y0, x1, y1 = (int(edge) for edge in np.clip(edges, 0, [pixels.shape[1], pixels.shape[0]] * 2))
    region = Image.fromarray(pixels[y0:y1, x0:x1].astype(np.float32) / np.float32(255))
    size = (max(8, round((x1 - x0) * factor)), max(8, round((y1 - y0) * factor)))
    image = np.clip(np.asarray(region.resize(size, Image.Resampling.BICUBIC), dtype=np.float32), 0, 1)
    return Strip(
        image, line.text, (baseline - y0) * factor, x_height * factor, (left - x0) * factor, (top - y0) * factor,
        (right - x0) * factor, (bottom - y0) * factor,
    )  # fmt: skip


def _text(words: list[Word]) -> str:
    return " ".join(word.text for word in words)
