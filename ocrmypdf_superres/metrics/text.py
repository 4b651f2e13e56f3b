# SPDX-License-Identifier: MPL-2.0
"""Metrics of recognised text, on folded text, with their definitions.

Character and word error rates are Levenshtein distances (insertions, deletions and substitutions cost 1) divided by the
length of the truth, so they depend on the reading order and may exceed 1. Recall and precision take the words as multisets
(bags): a word counts as often as it is in both texts, in any place, so that columns read in another order do not count
as errors. Bare words are what is between white space, punctuation and symbols, so that a truth that sets apart what the page
prints in one, as in "312/ 426 - 8000", counts as read; they leave the question whether letters and digits are right, as the
word accuracy of Rice, Jenkins and Nartker, The fifth annual test of OCR accuracy, 1996, does. S_LCS and S_LD are the scores
of Fu et al., Cascaded detail-preserving networks for super-resolution of document images, ICDAR 2019. White space separates
words, after folding, punctuation included, and case unless it is ignored. Over several pages the counts are summed before they
are divided (pooled), so a long page weighs more than a short one.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rapidfuzz.distance import LCSseq, Levenshtein

__all__ = [
    "TextScore",
    "WordAccuracy",
    "align",
    "bare_words",
    "cer",
    "edit_distance",
    "fold",
    "s_lcs",
    "s_ld",
    "score",
    "word_accuracy",
]

QUOTES = {
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4`", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"'),
}
"""Typographic single and double quotes, primes and accents used as quotes, and the ASCII quote of each."""
DASHES = dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u00ad", "-")
"""Hyphens, dashes, the minus sign and the soft hyphen, and the ASCII hyphen of each."""
LETTERS_AND_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
"""What the benchmarks of text-line systems compare: digits and letters without case."""
_LIGATURES = {"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl", "\ufb05": "st", "\ufb06": "st"}
_FOLD = str.maketrans({"\u017f": "s", "\u00ab": '"', "\u00bb": '"', **QUOTES, **DASHES, **_LIGATURES})


def fold(text: str, ignore_case: bool = False) -> str:
    """Return *text* as it is compared: NFC, long s as s, plain quotes and dashes, ligatures as letters, single blanks.

    *ignore_case* also folds case as Unicode does in full (The Unicode Standard, section 3.13), so that the sharp s is ss.
    """
    if ignore_case:
        text = text.casefold()
    return " ".join(unicodedata.normalize("NFC", text.translate(_FOLD)).split())


@dataclass(frozen=True)
class TextScore:
    """Counts of one page, or the sum over several; the rates follow from them.

    Attributes:
        edits: Levenshtein distance of the folded texts, in characters.
        characters: length of the folded truth.
        words: words of the truth; found: of them, those in the recognised text (as multisets, order aside).
        recognised: words of the recognised text.
        word_edits: Levenshtein distance of the folded texts, in words.
        bare_words: bare words of the truth; bare_found: of them, those in the recognised text.
    """

    edits: int = 0
    characters: int = 0
    found: int = 0
    words: int = 0
    recognised: int = 0
    word_edits: int = 0
    bare_words: int = 0
    bare_found: int = 0

    def __add__(self, other: TextScore) -> TextScore:
        return TextScore(
            self.edits + other.edits,
            self.characters + other.characters,
            self.found + other.found,
            self.words + other.words,
            self.recognised + other.recognised,
            self.word_edits + other.word_edits,
            self.bare_words + other.bare_words,
            self.bare_found + other.bare_found,
        )

    @property
    def cer(self) -> float:
        """Character error rate: edits / characters; with an empty truth 0 for an empty text, else 1."""
        if self.characters == 0:
            return 1.0 if self.edits else 0.0
        return self.edits / self.characters

    @property
    def wer(self) -> float:
        """Word error rate: word edits / words; with an empty truth 0 for an empty text, else 1."""
        if self.words == 0:
            return 1.0 if self.word_edits else 0.0
        return self.word_edits / self.words

    @property
    def recall(self) -> float:
        """Share of the truth's words that were found; 1 where the truth has none."""
        return self.found / self.words if self.words else 1.0

    @property
    def bare_recall(self) -> float:
        """Share of the truth's bare words that were found; 1 where the truth has none."""
        return self.bare_found / self.bare_words if self.bare_words else 1.0

    @property
    def precision(self) -> float:
        """Share of the recognised words that are in the truth; 1 where none was recognised."""
        return self.found / self.recognised if self.recognised else 1.0


def score(text: str, truth: str, ignore_case: bool = False) -> TextScore:
    """Return the counts for *text* against *truth*; both are folded first, with *ignore_case* also their case."""
    text, truth = fold(text, ignore_case), fold(truth, ignore_case)
    wanted, got = Counter(truth.split()), Counter(text.split())
    word_edits = Levenshtein.distance(text.split(), truth.split())
    bare = Counter(bare_words(truth))
    return TextScore(
        edits=Levenshtein.distance(text, truth),
        characters=len(truth),
        found=sum((wanted & got).values()),
        words=sum(wanted.values()),
        recognised=sum(got.values()),
        word_edits=word_edits,
        bare_words=sum(bare.values()),
        bare_found=sum((bare & Counter(bare_words(text))).values()),
    )


def bare_words(text: str, ignore_case: bool = False) -> list[str]:
    """Return the runs of letters, digits and their combining marks in *text* as :func:`fold` returns it."""
    return "".join(c if unicodedata.category(c)[0] in "LNM" else " " for c in fold(text, ignore_case)).split()


def cer(text: str, truth: str) -> float:
    """Return the character error rate of *text* against *truth* (see :attr:`TextScore.cer`)."""
    return score(text, truth).cer


def s_lcs(text: str, truth: str, ignore_case: bool = False) -> float:
    """Return S_LCS = LCS length(s, t) / max(len(s), len(t)) in [0, 1] of the folded texts; 1 where both are empty.

    Fu et al., ICDAR 2019, section IV; the longest common subsequence is that of characters.
    """
    text, truth = fold(text, ignore_case), fold(truth, ignore_case)
    longest = max(len(text), len(truth))
    return LCSseq.similarity(text, truth) / longest if longest else 1.0


def s_ld(text: str, truth: str, ignore_case: bool = False) -> float:
    """Return S_LD = 1 - Levenshtein distance(s, t) / max(len(s), len(t)) in [0, 1] of the folded texts; 1 where both are empty.

    Fu et al., ICDAR 2019, section IV.
    """
    text, truth = fold(text, ignore_case), fold(truth, ignore_case)
    longest = max(len(text), len(truth))
    return 1.0 - Levenshtein.distance(text, truth) / longest if longest else 1.0


def letters_and_digits(text: str) -> str:
    """Return *text* in lower case without anything but a to z and 0 to 9, as TextZoom and other benchmarks compare words."""
    return "".join(c for c in text.lower() if c in LETTERS_AND_DIGITS)


def right_by_textzoom(text: str, truth: str) -> bool:
    """Whether a word image counts as read right: equal after :func:`letters_and_digits`, whole words, no partial credit.

    The rules of Wang et al., Scene text image super-resolution in the wild (TextZoom), ECCV 2020.
    """
    return letters_and_digits(text) == letters_and_digits(truth)


def right_by_letters(text: str, truth: str) -> bool:
    """Whether *text* has the letters and digits of *truth*, of any script and without case; white space and punctuation aside.

    The rule of :func:`right_by_textzoom` for lines in any language: that one takes nothing for "Привет".
    """
    return "".join(bare_words(text, ignore_case=True)) == "".join(bare_words(truth, ignore_case=True))


def edit_distance(first: str, second: str) -> int:
    """Return the least number of insertions, deletions and substitutions that turn *first* into *second* (Levenshtein, 1966)."""
    return Levenshtein.distance(first, second)


def align(first: str, second: str) -> list[tuple[str, str]]:
    """Return *first* and *second* side by side with the fewest edits: pairs of characters, one empty where the other has none."""
    pairs: list[tuple[str, str]] = []
    for step in Levenshtein.opcodes(first, second):
        left, right = first[step.src_start : step.src_end], second[step.dest_start : step.dest_end]
        pairs += zip_longest(left, right, fillvalue="")
    return pairs


@dataclass(frozen=True)
class WordAccuracy:
    """Shares of word images read right: over all images, and the mean of the subsets' shares.

    TextZoom's subsets (easy, medium, hard) differ in size, and papers quote either average.
    """

    by_subset: dict[str, float]
    by_image: float
    by_subsets_mean: float


def word_accuracy(readings: Sequence[tuple[str, bool]]) -> WordAccuracy:
    """Return the word accuracy of *readings*: of each image its subset and whether it was read right.

    Raises:
        ValueError: there is no reading.
    """
    if not readings:
        raise ValueError("No reading was given; give at least one.")
    subsets: dict[str, list[bool]] = {}
    for subset, is_right in readings:
        subsets.setdefault(subset, []).append(is_right)
    shares = {name: sum(right) / len(right) for name, right in subsets.items()}
    every = [value for right in subsets.values() for value in right]
    return WordAccuracy(shares, sum(every) / len(every), sum(shares.values()) / len(shares))
