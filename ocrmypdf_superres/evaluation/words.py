# SPDX-License-Identifier: MPL-2.0
"""Reading the words of an image with Tesseract, and matching words with the ground truth."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from PIL import Image

from ocrmypdf_superres.evaluation.language_files import reading_versions
from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.metrics.text import bare_words, fold
from ocrmypdf_superres.tesseract import Word, parse_tsv, read_page


def read_words(image: Image.Image, dpi: float, languages: str, segmentation: int | None = None) -> list[Word]:
    """Return the words that the Tesseract program reads in *image*, in its reading order.

    Args:
        image: the page, in a mode that PNG can hold.
        dpi: the resolution to tell Tesseract.
        languages: Tesseract's names, joined by ``+``.
        segmentation: page segmentation mode; None for Tesseract's default.

    Raises:
        SuperresError: Tesseract is not installed or fails.
    """
    return [word for line in parse_tsv(read_page(image, languages, dpi=dpi, psm=segmentation, output=["tsv"])) for word in line]


def cached_words(
    image: Image.Image, dpi: float, languages: str, cache: Path | None, segmentation: int | None = None
) -> list[Word]:
    """Return :func:`read_words` of the arguments, from the folder *cache* if they are there; without a cache, always read.

    Raises:
        SuperresError: as :func:`read_words`.
    """
    if cache is None:
        return read_words(image, dpi, languages, segmentation)
    decides = f"words 1/{image.mode}/{image.size}/{round(dpi)}/{languages}/{segmentation}/{reading_versions(languages)}"
    path = cache / f"{hashlib.sha256(image.tobytes() + decides.encode()).hexdigest()[:32]}.words.json"
    try:
        return [Word(w["text"], w["confidence"], tuple(w["box"])) for w in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, KeyError, TypeError):
        words = read_words(image, dpi, languages, segmentation)
        cache.mkdir(parents=True, exist_ok=True)
        atomic_write_text(path, json.dumps([{"text": w.text, "confidence": w.confidence, "box": w.box} for w in words]))
        return words


class RecognisedWord(Protocol):
    """A word that an engine read."""

    @property
    def text(self) -> str:
        """The word, with its punctuation."""


def correct_words(words: Sequence[RecognisedWord], truth: str, ignore_case: bool = False) -> list[bool]:
    """Return for each word whether it is in *truth*, both folded; a word of *truth* is matched with one of *words* at most."""
    return _matched([[fold(word.text, ignore_case)] for word in words], fold(truth, ignore_case).split())


def correct_bare_words(words: Sequence[RecognisedWord], truth: str, ignore_case: bool = False) -> list[bool]:
    """Return for each word whether its letters and digits are in *truth*, wherever punctuation divides words."""
    return _matched([bare_words(word.text, ignore_case) for word in words], bare_words(truth, ignore_case))


def _matched(parts: Sequence[list[str]], truth: list[str]) -> list[bool]:
    """Return for each word whether all of its *parts* are among those of *truth*, each of which is matched once at most."""
    unmatched = Counter(truth)
    correct = []
    for own in map(Counter, parts):
        correct.append(own <= unmatched)
        unmatched -= own
    return correct
