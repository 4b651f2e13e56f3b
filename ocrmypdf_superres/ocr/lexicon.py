# SPDX-License-Identifier: MPL-2.0
"""Evidence that a reading is a word: the word lists of the languages, the rest of the page, and unusual signs."""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass, field

from ocrmypdf_superres.metrics.text import fold
from ocrmypdf_superres.recognizers.tesseract.networks.word_list import word_lists

SHORTEST = 3
"""Shorter words are on every page, so finding one again proves nothing."""

_AROUND = re.compile(r"^[\W_]+|[\W_]+$")
_BETWEEN = re.compile(r"['’\-\s]")
_ODD = re.compile(r"[^\w\s•.,;:!?'\"()\[\]/&%$€£#@+=*°§-]|_")


@dataclass(frozen=True)
class Lexicon:
    """What is known of the words of a page before it is voted on.

    Attributes:
        lists: the word lists of the page's languages; without any, nothing is known of a word.
        seen: words that stand elsewhere on the page, as :func:`core` writes them.
    """

    lists: Sequence[Container[str]] = ()
    seen: Collection[str] = field(default_factory=frozenset)

    def known(self, text: str) -> float:
        """Return from -1 to 1 how much of *text* the word lists have: 1 for all words, -1 for none.

        Numbers count as 0, and letters beside digits in one word as not known.
        """
        words = [word for part in _BETWEEN.split(fold(text)) if (word := _AROUND.sub("", part))]
        if not words or not self.lists:
            return 0.0
        return sum(self._known(word) for word in words) / len(words)

    def _known(self, word: str) -> float:
        if not any(sign.isalpha() for sign in word):
            return 0.0
        if any(sign.isdigit() for sign in word):
            return -1.0
        return 1.0 if any(word in words or word.lower() in words for words in self.lists) else -1.0

    def elsewhere(self, text: str) -> float:
        """Return the share of the words of *text*, 0 to 1, that stand elsewhere on the page."""
        words = [word for part in text.split() if (word := core(part))]
        return sum(word in self.seen and len(word) >= SHORTEST for word in words) / max(1, len(words))


def lexicon_for(languages: Sequence[str]) -> Lexicon:
    """Return a lexicon with the word lists that are installed with Tesseract's *languages*."""
    return Lexicon(word_lists(languages))


def core(word: str) -> str:
    """Return *word* folded, in small letters, without signs around it."""
    return _AROUND.sub("", fold(word)).lower()


def has_odd_signs(text: str) -> bool:
    """Whether *text* has signs that words and numbers seldom have: bars, backslashes, and braces."""
    return _ODD.search(fold(text)) is not None
