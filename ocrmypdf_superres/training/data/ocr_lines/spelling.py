# SPDX-License-Identifier: MPL-2.0
"""German as it was printed in blackletter: the long s, umlauts with a small e, and spellings of before 1901."""

from __future__ import annotations

import re

import numpy as np

LONG_S = "\u017f"
SMALL_E = "\u0364"
"""The combining small e above a vowel, which older prints have in place of two dots."""

# A prefix that ends in a round s, whatever follows.
_PREFIXES = re.compile(
    r"\b(?:[Aa]us|[Hh]eraus|[Hh]inaus|[Vv]oraus|[Dd]urchaus)(?=[aeiouäöütps])|\b(?:[Dd]as|[Dd]es|[Bb]is)(?=[aeiou])"
)
# Where a word goes on after a compound's joint: no syllable begins with a long s and one of these.
_BEFORE = frozenset("bdfghklmnrvwxzBDFGHKLMNRVWXZ")
# Endings that begin with ch, whose s before is not that of sch.
_SMALL = re.compile(r"(?<=[aeiouäöü])s(?=chen\b|chens\b)")
_OLD = {
    "Teil": "Theil", "teil": "theil", "Tür": "Thür", "Tor": "Thor", "Tat": "That", "tat": "that", "tun": "thun", "Tal": "Thal",
    "Träne": "Thräne", "Rat": "Rath", "rot": "roth", "Not": "Noth", "Mut": "Muth", "mut": "muth", "Wert": "Werth",
    "wert": "werth", "Turm": "Thurm", "sein": "seyn", "bei": "bey", "zwei": "zwey", "drei": "drey", "frei": "frey",
    "gibt": "giebt", "ging": "gieng", "fing": "fieng", "Brot": "Brod", "Schwert": "Schwerdt", "Ernte": "Aernte",
    "Kapitän": "Capitain", "Konzert": "Concert", "Karl": "Carl", "Klasse": "Classe",
    "Publikum": "Publicum", "Doktor": "Doctor", "ieren": "iren",
    "Literatur": "Litteratur", "Hilfe": "Hülfe", "erwidern": "erwiedern",
}  # fmt: skip
_OLD_WORDS = re.compile("|".join(sorted(_OLD, key=len, reverse=True)))
_CAPITALS = re.compile(r"[A-ZÄÖÜ]{4,}")
_VOWELS = {"ä": "a", "ö": "o", "ü": "u"}


def with_long_s(text: str) -> str:
    """Return German *text* with the long s where print had it: not at the end of words and, as far as can be told, of parts.

    Rules of before 1941: round at the end of a word and of a part of a compound, long everywhere else, ``ß`` as it is.
    The joints of compounds are not known without a dictionary, so that some are missed.
    """
    marked = _PREFIXES.sub(lambda match: f"{match.group(0)[:-1]}\0", text)
    marked = _SMALL.sub("\0", marked)
    signs = list(marked)
    for place, sign in enumerate(signs[:-1]):
        following = signs[place + 1]
        if sign == "s" and following.isalpha() and following not in _BEFORE:
            signs[place] = LONG_S
    return "".join(signs).replace("\0", "s")


def with_old_spelling(text: str) -> str:
    """Return German *text* in spellings of the nineteenth century, of the words that are listed here."""
    return _OLD_WORDS.sub(lambda match: _OLD[match.group(0)], text)


def with_small_e(text: str) -> str:
    """Return *text* with small umlauts as vowels under a small e."""
    return "".join(f"{_VOWELS[sign]}{SMALL_E}" if sign in _VOWELS else sign for sign in text)


def as_printed(text: str, rng: np.random.Generator) -> str:
    """Return German *text* as a print in blackletter has it; which spellings it has is sampled."""
    # Nobody could read whole words in capitals of this kind.
    text = _CAPITALS.sub(lambda match: match.group(0).capitalize(), text)
    if rng.random() < 0.5:
        text = with_old_spelling(text)
    text = with_long_s(text)
    return with_small_e(text) if rng.random() < 0.25 else text


def as_written(text: str) -> str:
    """Return *text*, whose long s stays, with vowels under a small e as umlauts, which networks write."""
    for umlaut, vowel in _VOWELS.items():
        text = text.replace(f"{vowel}{SMALL_E}", umlaut).replace(f"{vowel.upper()}{SMALL_E}", umlaut.upper())
    return text
