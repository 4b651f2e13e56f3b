# SPDX-License-Identifier: MPL-2.0
"""German as printed in blackletter: the long s, umlauts with a small e above, and spellings from before the reform of 1901."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import numpy as np

LONG_S = "\u017f"
COMBINING_E = "\u0364"
"""COMBINING LATIN SMALL LETTER E: older prints have an e above a vowel instead of two dots."""

# Prefixes that end in a round s whatever follows.
_PREFIXES = re.compile(
    r"\b(?:[Aa]us|[Hh]eraus|[Hh]inaus|[Vv]oraus|[Dd]urchaus)(?=[aeiouäöütps])|\b(?:[Dd]as|[Dd]es|[Bb]is)(?=[aeiou])"
)
# No syllable begins with a long s and one of these, so an s before them ends a part of a compound.
_AFTER_ROUND_S = frozenset("bdfghklmnrvwxzBDFGHKLMNRVWXZ")
# In a diminutive the s before -chen ends the stem; it is not part of sch.
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
#: What is written for signs that a charset lacks, the first that it has; ``\u2e17`` and ``\u00ac`` are hyphens in transcriptions.
_PLAIN = {
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2e17\u00ac", "-"),
    **dict.fromkeys("\u2018\u2019\u201a\u201b", "'"),
    "\u201d": '\u201c"', "\u201c": '"', "\u201e": '"', LONG_S: "s", "\ua75b": "r",
}  # fmt: skip
#: In blackletter a hyphen is a double stroke, and I and J are one letter.
_HYPHEN = re.compile(r"(?<=[^\W\d_])(?:=(?=[^\W\d_]|$)|\u2014$)")
_I_AS_J = re.compile(r"J(?=[bcdfghklmnpqrs\u017ftvwxz])")
_CAPITALS = re.compile(r"[A-ZÄÖÜ]{4,}")
_VOWELS = {"ä": "a", "ö": "o", "ü": "u"}


def with_long_s(text: str) -> str:
    """Return German *text* with the long s.

    By the rules in use until 1941, s is round at the end of a word and of each part of a compound, and long everywhere else;
    ``ß`` stays. Without a dictionary some ends of parts are missed.
    """
    marked = _PREFIXES.sub(lambda match: f"{match.group(0)[:-1]}\0", text)
    marked = _SMALL.sub("\0", marked)
    characters = list(marked)
    for index, character in enumerate(characters[:-1]):
        following = characters[index + 1]
        if character == "s" and following.isalpha() and following not in _AFTER_ROUND_S:
            characters[index] = LONG_S
    return "".join(characters).replace("\0", "s")


def with_old_spelling(text: str) -> str:
    """Return German *text* with nineteenth-century spellings of the words in a short list."""
    return _OLD_WORDS.sub(lambda match: _OLD[match.group(0)], text)


def with_combining_e(text: str) -> str:
    """Return *text* with each lowercase umlaut as its vowel and :data:`COMBINING_E`."""
    return "".join(f"{_VOWELS[letter]}{COMBINING_E}" if letter in _VOWELS else letter for letter in text)


def as_printed(text: str, rng: np.random.Generator) -> str:
    """Return German *text* with the spelling and the letters of a blackletter print; *rng* chooses among those in use."""
    # Blackletter capitals are illegible in a row, so printers did not set words in them.
    text = _CAPITALS.sub(lambda match: match.group(0).capitalize(), text)
    if rng.random() < 0.5:
        text = with_old_spelling(text)
    text = with_long_s(text)
    return with_combining_e(text) if rng.random() < 0.25 else text


def as_written(text: str) -> str:
    """Return *text* with umlauts instead of vowels and :data:`COMBINING_E`, as in charsets; the long s stays."""
    for umlaut, vowel in _VOWELS.items():
        text = text.replace(f"{vowel}{COMBINING_E}", umlaut).replace(f"{vowel.upper()}{COMBINING_E}", umlaut.upper())
    return text


def as_charset_writes(text: str, is_encodable: Callable[[str], bool]) -> str:
    """Return the transcription *text* on one line, with what a charset has, as *is_encodable* tells, for signs that it lacks.

    Dashes, quotes and ligatures become plain ones. If the charset has a long s, it is one of blackletter: there J before a
    consonant is written I, as in the language's spelling, and ``=`` within a word, or a dash after the line's last letter, as a
    hyphen.
    """
    text = as_written(unicodedata.normalize("NFC", " ".join(text.split())))
    if is_encodable(LONG_S):
        text = _I_AS_J.sub("I", _HYPHEN.sub("-", text))
    return "".join(char if is_encodable(char) else _plain(char, is_encodable) for char in text)


def _plain(char: str, is_encodable: Callable[[str], bool]) -> str:
    if "\ufb00" <= char <= "\ufb06":
        return unicodedata.normalize("NFKC", char)
    return next(filter(is_encodable, _PLAIN.get(char, "")), char)
