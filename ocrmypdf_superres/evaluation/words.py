# SPDX-License-Identifier: MPL-2.0
"""The words that Tesseract reads on an image, with boxes and confidences, and which of them are right."""

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

    *segmentation* is Tesseract's page segmentation mode; None for its default.

    Raises:
        SuperresError: Tesseract is not installed or fails.
    """
    return [word for line in parse_tsv(read_page(image, languages, dpi=dpi, psm=segmentation, output=["tsv"])) for word in line]


def cached_words(
    image: Image.Image, dpi: float, languages: str, cache: Path | None, segmentation: int | None = None
) -> list[Word]:
    """:func:`read_words`, kept in the folder *cache* under the hash of all that decides it.

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
        """The word."""


def right_words(words: Sequence[HasText], truth: str) -> list[bool]:
    """Return for each word whether *truth* still has one like it: both folded, the words as a multiset."""
    return _taken([[fold(word.text)] for word in words], fold(truth).split())


def right_letters(words: Sequence[HasText], truth: str) -> list[bool]:
    """Return for each word whether *truth* still has its bare words, punctuation and spaces aside, as a multiset."""
    return _taken([bare_words(word.text) for word in words], bare_words(truth))


def _taken(parts: Sequence[list[str]], truth: list[str]) -> list[bool]:
    """Return for the *parts* of each word whether all of them are left in *truth*, from which they are then taken."""
    left = Counter(truth)
    verdicts = []
    for own in map(Counter, parts):
        verdicts.append(own <= left)
        left -= own
    return verdicts
