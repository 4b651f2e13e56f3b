# SPDX-License-Identifier: MPL-2.0
"""How far a reading can be trusted: silent substitutions, consistency with the scan, invented text.

A silent substitution is a word that a person would believe: its letters and digits are not in the truth, but its engine is
sure (:data:`~ocrmypdf_superres.reporting.page_comparison.SURE` or more) and Tesseract's dictionary has the word. Consistency
is the PSNR between the enlarged image, reduced again by area averaging, and the original: a net must not contradict the scan
where the scan can tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from PIL import Image

from ocrmypdf_superres.evaluation.words import correct_bare_words
from ocrmypdf_superres.metrics.image import decibels, mean_squared_error
from ocrmypdf_superres.metrics.statistics import interval
from ocrmypdf_superres.ocr.lexicon import lexicon_for
from ocrmypdf_superres.page.image import FloatImage, to_luma
from ocrmypdf_superres.reporting.page_comparison import SURE


@dataclass(frozen=True)
class Trust:
    """One page under one method; a measure that does not apply is None.

    Attributes:
        words: words read; silent: of them, silent substitutions.
        inconsistency: squared error of the image reduced again; None for a page that was not enlarged.
        psnr, ssim: in dB and in [-1, 1], against the hr scan resized to the image's size; only of reduced pages.
        lpips: likewise, where its weights were given.
        iou: area of the words' boxes against that of the truth's boxes, where the truth has such.
    """

    group: str
    page: str
    method: str
    words: int
    silent: int
    inconsistency: float | None
    psnr: float | None = None
    ssim: float | None = None
    lpips: float | None = None
    iou: float | None = None


W = TypeVar("W", bound="SureText")


class SureText(Protocol):
    """A word that some engine read, and how sure it was, 0 to 100."""

    @property
    def text(self) -> str:
        """The word."""

    @property
    def confidence(self) -> float:
        """How sure."""


def silent_substitutions(words: Sequence[W], truth: str, language: str, ignore_case: bool = False) -> list[W]:
    """Return the words of *words* that are wrong although their engine is confident and the word list of *language* has them."""
    lexicon = lexicon_for(language.split("+"))
    verdicts = correct_bare_words(words, truth, ignore_case)
    return [
        word
        for word, right in zip(words, verdicts, strict=True)
        if not right and word.confidence >= SURE and lexicon.known(word.text) == 1.0
    ]


def reduce_again(large: Image.Image, size: tuple[int, int]) -> FloatImage:
    """Return *large* as float32 (H, W), resized to *size* = (width, height) by area averaging."""
    luma = to_luma(large)
    return np.asarray(Image.fromarray(luma).resize(size, Image.Resampling.BOX), dtype=np.float32)


def inconsistency(large: Image.Image, original: Image.Image) -> float:
    """Return the mean squared error of *large*, reduced to the size of *original*, against *original*, of levels in [0, 1]."""
    return mean_squared_error(reduce_again(large, original.size), to_luma(original))


def trust_table(found: Sequence[Trust]) -> str:
    """Return a Markdown table by group: silent substitutions in 1,000 words read, with 95 % bootstrap intervals over pages."""
    methods = list(dict.fromkeys(t.method for t in found))
    lines = ["| silent substitutions in 1,000 words | " + " | ".join(methods) + " |", "|---" * (len(methods) + 1) + "|"]
    for group in sorted({t.group for t in found}):
        cells = []
        for method in methods:
            pages = [t for t in found if (t.group, t.method) == (group, method)]
            if not sum(t.words for t in pages):
                cells.append("-")
                continue
            rate = interval([t.silent for t in pages], [t.words for t in pages])
            cells.append(rate.format(1000, digits=1))
        count = max(sum((t.group, t.method) == (group, method) for t in found) for method in methods)
        lines.append(f"| {group} ({count}) | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def summarize(found: Sequence[Trust], invented: Sequence[tuple[str, str, int]] = ()) -> dict[str, Any]:
    """Return what a run keeps: every page's measures, words read on pages without any, and sentences and a table that sum up."""
    methods = dict.fromkeys(t.method for t in found)
    sentences = [text for method in methods if (text := _sentence(method, [t for t in found if t.method == method]))]
    for method in dict.fromkeys(name for _, name, _ in invented):
        counts = {kind: count for kind, name, count in invented if name == method}
        listed = ", ".join(f"{kind} {count}" for kind, count in counts.items())
        sentences.append(f"{method}: words read on pages that have none: {listed}.")
    pages_without = [{"kind": kind, "method": method, "words": count} for kind, method, count in invented]
    every = [asdict(t) for t in found]
    return {"sentences": sentences, "table": trust_table(found), "pages": every, "invented": pages_without}


def _sentence(method: str, pages: Sequence[Trust]) -> str:
    """Return what is to be said of *method* on *pages*; empty where it read no word."""
    # Over scans, each with all of its conditions, which depend on each other.
    scans = [[t for t in pages if t.page == page] for page in dict.fromkeys(t.page for t in pages)]
    read = [sum(t.words for t in scan) for scan in scans]
    if not sum(read):
        return ""
    rate = interval([sum(t.silent for t in scan) for scan in scans], read)
    text = (
        f"{method}: {1000 * rate.value:.1f} of 1,000 words are silent substitutions (95 % interval {1000 * rate.low:.1f} to "
        f"{1000 * rate.high:.1f}): wrong, but read with a confidence of {SURE:.0f} or more and in Tesseract's dictionary"
    )
    if (error := _mean(t.inconsistency for t in pages)) is not None:
        text += f"; reduced again, its images are {decibels(error, least=1e-12):.1f} dB from the originals"
    psnr, ssim = _mean(t.psnr for t in pages), _mean(t.ssim for t in pages)
    if psnr is not None and ssim is not None:
        text += f"; against the hr scan they have a PSNR of {psnr:.1f} dB and an SSIM of {ssim:.3f}"
    if (distance := _mean(t.lpips for t in pages)) is not None:
        text += f" and an LPIPS of {distance:.3f}"
    if (overlap := _mean(t.iou for t in pages)) is not None:
        text += f"; the area of its words overlaps the truth's by {overlap:.2f} (IoU)"
    return text + "."


def _mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of *values* without those that are None; None where none is left."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
