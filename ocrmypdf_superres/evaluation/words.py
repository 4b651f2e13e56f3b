# SPDX-License-Identifier: MPL-2.0
"""The words that Tesseract reads on an image, with boxes and confidences, and which of them are correct."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from PIL import Image

from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.metrics.text import bare_words, fold
from ocrmypdf_superres.tesseract import Word, parse_tsv, read_page, version


def read_words(image: Image.Image, dpi: float, languages: str, segmentation: int | None = None) -> list[Word]:
    """Return the words that the Tesseract program finds in *image*, in its reading order.

    *dpi* is the resolution that Tesseract is told, *segmentation* its page segmentation mode (None: its default).

    Raises:
        SuperresError: Tesseract is not installed or fails.
    """
    return [word for line in parse_tsv(read_page(image, languages, dpi=dpi, psm=segmentation, output=["tsv"])) for word in line]


def cached_words(
    image: Image.Image, dpi: float, languages: str, cache: Path | None, segmentation: int | None = None
) -> list[Word]:
    """Return the words as :func:`read_words` does, from the folder *cache* if they are there; None: read always.

    Raises:
        SuperresError: as :func:`read_words`.
    """
    if cache is None:
        return read_words(image, dpi, languages, segmentation)
    decides = f"words 1/{image.mode}/{image.size}/{round(dpi)}/{languages}/{segmentation}/{version()}"
    path = cache / f"{hashlib.sha256(image.tobytes() + decides.encode()).hexdigest()[:32]}.words.json"
    try:
        return [Word(w["text"], w["confidence"], tuple(w["box"])) for w in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, KeyError, TypeError):
        words = read_words(image, dpi, languages, segmentation)
        cache.mkdir(parents=True, exist_ok=True)
        atomic_write_text(path, json.dumps([{"text": w.text, "confidence": w.confidence, "box": w.box} for w in words]))
        return words


class HasText(Protocol):
    """A word that some engine read."""

    @property
    def text(self) -> str:
        """The word, with its punctuation."""


def correct_words(words: Sequence[HasText], truth: str) -> list[bool]:
    """Return for each word whether it is in *truth*, both folded; each word of *truth* counts for one of *words*."""
    return _matched([[fold(word.text)] for word in words], fold(truth).split())


def correct_letters(words: Sequence[HasText], truth: str) -> list[bool]:
    """Return the same as :func:`correct_words`, but ignore punctuation and where words are split by it."""
    return _matched([bare_words(word.text) for word in words], bare_words(truth))


def _matched(parts: Sequence[list[str]], truth: list[str]) -> list[bool]:
    """Return for each word whether all of its *parts* are in *truth*; a part of *truth* is matched once."""
    unmatched = Counter(truth)
    correct = []
    for own in map(Counter, parts):
        correct.append(own <= unmatched)
        unmatched -= own
    return correct
