# SPDX-License-Identifier: MPL-2.0
"""Strips cut from a folder of scanned pages, with the text that Tesseract or the ground truth gives.

A folder holds page images, each with its ground truth beside it or without (plain text in ``NAME.gt.txt``, PAGE-XML or ALTO),
multi-page TIFFs and PDFs, or an ``index.json``: a list of objects with ``image``, ``text`` (the ground truth; may be empty) and
``languages``.  Lines are found by Tesseract once and kept in a cache; where there is ground truth, a line's text is
corrected by the passage of it that matches best.  Strips are cut around lines only, so that none is without ink.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rapidfuzz import fuzz

from ocrmypdf_superres.errors import ImageError, OptionError, RecognizerError
from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.metrics.ground_truth import read_truth
from ocrmypdf_superres.page.image import DECODING_ERRORS, to_luma
from ocrmypdf_superres.tesseract import Word, parse_tsv, run_tesseract
from ocrmypdf_superres.training.data.files import SHARE, find_scans, page_image, part_of, spread
from ocrmypdf_superres.training.data.sample import LINE_PAD, STRIP_HEIGHT, STRIP_WIDTH, Sample
from ocrmypdf_superres.training.protocols import SourceKind
from ocrmypdf_superres.training.recipe import Source

log = logging.getLogger(__name__)

LOWEST, HIGHEST = 12, 140
"""Pixels between which lines of text are used."""
LARGEST_FACTOR = 1.25
"""By how much hr may be enlarged at most to bring a line to a height."""
ADVICE = "; a source of the kind patches takes crops of any image as they are"
MINIMUM_MATCH = 80.0
"""Similarity (0 to 100) that a passage of the ground truth must have with a line to replace its text."""


@dataclass
class Page:
    """A page: its image's path, Tesseract languages, and lines of words."""

    image: str
    languages: str
    lines: list[list[Word]]


def list_pages(
    folder: Path, languages: str, cache: Path, limit: int = 0, part: str = "", share: float = SHARE
) -> list[tuple[Path, Path | None, str]]:
    """Return (image, ground truth or None, languages) of the pages under *folder*.

    Pages of PDFs and multi-page TIFFs become images in *cache*.  With a *limit* at most this many pages are
    returned, spread evenly; unreadable files are left out with a warning. *part* and *share*: see
    :func:`~ocrmypdf_superres.training.data.files.part_of`.

    Raises:
        OptionError: the folder is missing or holds no images, or none of the part, or its index is damaged.
    """
    if not folder.is_dir():
        raise OptionError(f"The scan folder {folder} is missing or is not a folder; give a folder of page images with --data.")
    index = folder / "index.json"
    if index.is_file():
        try:
            rows = json.loads(index.read_text(encoding="utf-8"))
            if part:
                kept = set(part_of(sorted({folder / row["image"] for row in rows}), folder, part, share))
                rows = [row for row in rows if folder / row["image"] in kept]
            rows = spread(rows, limit)
            return [(folder / r["image"], folder / r["text"] if r.get("text") else None, str(r["languages"])) for r in rows]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise OptionError(
                f"The index {index} cannot be used ({error!r}); give a list of objects with image, text and languages."
            ) from error
    scans, unreadable = find_scans(folder)
    if part:
        kept = set(part_of(sorted({scan.path for scan in scans}), folder, part, share))
        scans = [scan for scan in scans if scan.path in kept]
    found = []
    for scan in spread(scans, limit):
        try:
            found.append((page_image(scan, cache), scan.truth, languages))
        except ImageError as error:
            unreadable.append(str(error))
    if unreadable:
        log.warning("%d files or pages under %s cannot be read and are left out: %s", len(unreadable), folder, unreadable[0])
    return found


def _correct(lines: list[list[Word]], truth: str) -> list[list[Word]]:
    """Replace the words of each line by those of the passage of *truth* that matches, where counts agree."""
    flat = " ".join(truth.split())
    kept = []
    for words in lines:
        text = " ".join(w.text for w in words)
        match = fuzz.partial_ratio_alignment(text, flat, score_cutoff=MINIMUM_MATCH)
        if match is None or len(text) < 5:
            continue
        start, end = match.dest_start, match.dest_end
        while start > 0 and flat[start - 1] != " ":
            start -= 1
        while end < len(flat) and flat[end] != " ":
            end += 1
        passage = flat[start:end].split()
        if len(passage) != len(words) or fuzz.ratio(text, " ".join(passage)) < MINIMUM_MATCH:
            continue
        kept.append([replace(word, text=text) for word, text in zip(words, passage, strict=True)])
    return kept


def read_lines(image: Path, languages: str, cache: Path) -> list[list[Word]]:
    """Return all lines that Tesseract finds on a page, from *cache* where it was read before.

    Raises:
        OptionError: Tesseract refuses the page or the language.
    """
    key = hashlib.sha256(image.read_bytes() + languages.encode()).hexdigest()[:24]
    stored = cache / f"{key}.tsv"
    if not stored.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        # The dpi of the file counts: the page is handed over as it is.
        try:
            tsv = run_tesseract([str(image), "-", "-l", languages, "--psm", "3", "tsv"])
        except RecognizerError as error:
            raise OptionError(f"Tesseract could not read {image.name} with -l {languages}: {error}") from error
        atomic_write_text(stored, tsv)
    return parse_tsv(stored.read_text(encoding="utf-8"))


def index_page(image: Path, truth: Path | None, languages: str, cache: Path, confidence: float = 55.0) -> Page:
    """Return the lines of one page that can be used as text: those that match *truth*, or read with *confidence*.

    Raises:
        OptionError: Tesseract refuses the page or the language, or *truth* cannot be read.
    """
    lines = read_lines(image, languages, cache)
    if truth is not None:
        return Page(str(image), languages, _correct(lines, read_truth(truth).text.strip()))
    good = [line for line in lines if float(np.mean([w.confidence for w in line])) >= confidence]
    return Page(str(image), languages, good)


class ScanSource:
    """Strips around the lines of scanned pages.

    Args:
        folder: see the module's docstring.
        languages: Tesseract codes for pages that no index names.
        cache: where line boxes are kept.
        limit: at most this many pages, spread evenly over the folder's; 0 for all.
        confidence: mean word confidence (0 to 100) below which a line without ground truth is not used.
        part, share: see :func:`~ocrmypdf_superres.training.data.files.part_of`.

    Raises:
        OptionError: no page of the folder has a line that can be used, or all are smaller than a strip.
    """

    def __init__(
        self, folder: Path, cache: Path, languages: str = "eng", limit: int = 0, confidence: float = 55.0, part: str = "",
        share: float = SHARE,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.pages: list[Page] = []
        self.pixels: list[NDArray[np.uint8]] = []
        found = list_pages(folder, languages, cache, limit, part, share)
        small = low = total = 0
        failures: list[str] = []
        for image, truth, page_languages in found:
            try:
                page = index_page(image, truth, page_languages, cache, confidence)
                with Image.open(image) as opened:
                    luma = to_luma(opened)
            except (OptionError, *DECODING_ERRORS) as error:
                failures.append(f"{image.name}: {error}")
                log.debug("%s is left out: %s", image.name, error)
                continue
            if luma.shape[0] * LARGEST_FACTOR < STRIP_HEIGHT or luma.shape[1] * LARGEST_FACTOR < STRIP_WIDTH:
                small += 1  # the rest of every strip would be the page's edge, repeated
                continue
            heights = [_height(line) for line in page.lines]
            page.lines = [line for line, height in zip(page.lines, heights, strict=True) if LOWEST <= height <= HIGHEST]
            total, low = total + len(heights), low + sum(height < LOWEST for height in heights)
            if page.lines:
                self.pages.append(page)
                # 8 bits in memory: a hundred pages of floats would not fit a small machine.
                self.pixels.append((luma * 255.0 + 0.5).astype(np.uint8))
        if failures:
            log.warning(
                "%d of the %d page images under %s cannot be used and are left out; the first is %s",
                len(failures), len(found), folder, failures[0],
            )  # fmt: skip
        if small:
            log.warning(
                "%d of the %d images under %s are smaller than a strip and are left out%s.", small, len(found), folder, ADVICE
            )
        if low:
            log.warning("%d of %d lines under %s are below %d pixels and are left out%s.", low, total, folder, LOWEST, ADVICE)
        if not self.pages:
            reason = f" ({failures[0]})" if failures else ""
            if small or low:
                reason = f" ({small} images are smaller than a strip, {low} lines below {LOWEST} pixels{ADVICE})"
            raise OptionError(
                f"No page under {folder} has a line of text that can be used for training{reason}; give other pages."
            )

    def sample(self, rng: np.random.Generator, line_height: int, scale: int) -> Sample:
        """Return a strip whose line, with padding, is *line_height* hr pixels high (less where the scan is small).

        Raises:
            OptionError: none of many lines fits a strip.
        """
        for attempt in range(40):
            index = int(rng.integers(len(self.pages)))
            page = self.pages[index]
            line = page.lines[int(rng.integers(len(page.lines)))]
            # Where no line is high enough one stays lower than was asked for.
            sample = self._cut(self.pixels[index], page, line, rng, line_height, attempt >= 20)
            if sample is not None:
                return sample
        raise OptionError(f"40 lines under {self.folder} in a row are wider than a strip of {STRIP_WIDTH} pixels{ADVICE}.")

    @staticmethod
    def _cut(
        pixels: NDArray[np.uint8], page: Page, line: list[Word], rng: np.random.Generator, line_height: int, lower: bool = False
    ) -> Sample | None:
        top = min(w.box[1] for w in line)
        bottom = max(w.box[3] for w in line)
        height = bottom - top
        factor = (line_height - 2 * LINE_PAD) / height
        if factor > LARGEST_FACTOR and not lower:
            return None  # an enlarged hr scan is blurred, and the net would learn that
        factor = min(factor, LARGEST_FACTOR)
        width = STRIP_WIDTH / factor
        first = int(rng.integers(len(line)))
        last = first
        pad = (LINE_PAD + 2) / factor
        start = line[first].box[0]
        while last + 1 < len(line) and line[last + 1].box[2] - start + 2 * pad < width:
            last += 1
        end = line[last].box[2]
        if end - start + 2 * pad > width or end <= start:
            return None
        slack = width - (end - start) - 2 * pad
        x0 = start - pad - slack * float(rng.random())
        y0 = (top + bottom) / 2 - STRIP_HEIGHT / factor / 2
        strip = _crop(pixels, x0, y0, width, STRIP_HEIGHT / factor)
        left = max(0, round((start - x0) * factor) - LINE_PAD)
        right = min(STRIP_WIDTH, round((end - x0) * factor) + LINE_PAD)
        upper = (STRIP_HEIGHT - line_height) // 2
        text = " ".join(w.text for w in line[first : last + 1])
        return Sample(strip, strip, text, (left, upper, right, upper + line_height), page.languages)


def _height(line: list[Word]) -> int:
    return max(w.box[3] for w in line) - min(w.box[1] for w in line)


def _make(source: Source, data: Path, cache: Path, part: str = "", share: float = SHARE) -> ScanSource:
    return ScanSource(data / source.folder, cache, source.language, source.pages, source.confidence, part, share)


KIND = SourceKind(_make)


def _crop(pixels: NDArray[np.uint8], x0: float, y0: float, width: float, height: float) -> NDArray[np.float32]:
    """Return the region resampled to a strip; what lies outside the page repeats its edge."""
    left, upper = int(np.floor(x0)) - 4, int(np.floor(y0)) - 4
    right, lower = int(np.ceil(x0 + width)) + 4, int(np.ceil(y0 + height)) + 4
    rows = np.clip(np.arange(upper, lower), 0, pixels.shape[0] - 1)
    columns = np.clip(np.arange(left, right), 0, pixels.shape[1] - 1)
    region = Image.fromarray(pixels[rows][:, columns].astype(np.float32) / np.float32(255.0))
    box = (x0 - left, y0 - upper, x0 - left + width, y0 - upper + height)
    strip = region.resize((STRIP_WIDTH, STRIP_HEIGHT), Image.Resampling.BICUBIC, box=box)
    return np.clip(np.asarray(strip, dtype=np.float32), 0.0, 1.0)
