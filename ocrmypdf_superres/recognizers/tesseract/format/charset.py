# SPDX-License-Identifier: MPL-2.0
"""The characters of a Tesseract network: unicharset, recoder, text to codes and back."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.metrics.text import DASHES, QUOTES
from ocrmypdf_superres.recognizers.tesseract.format.bidi import visual_order
from ocrmypdf_superres.recognizers.tesseract.format.binary import ByteReader

_MOST_CHARACTERS = 1 << 17
_MOST_CODES = 9
_SPECIAL = frozenset({"Joined", "|Broken|0|1"})

# Ligatures that the unicharset keeps in the private use area, and how Tesseract prints them.
PRIVATE_LIGATURES = {"\ue003": "ct", "\ue006": "ſh", "\ue007": "ſi", "\ue008": "ſl", "\ue009": "ſſ"}

# What Tesseract's own training does to a truth before it is encoded.
_CLEAN = {"\u0640": "", "ﬁ": "fi", "ﬂ": "fl"}

# Substitutes for a typographic sign that a charset lacks, best first.
_FALLBACKS = {
    "'": "’‘", '"': "”“", "-": "—–", "–": "—-", "—": "–-", "‐": "-", "‑": "-", "‒": "–-", "―": "—-", "−": "-–",
    "‘": "'’", "’": "'‘", "‚": ",'", "“": '"”', "”": '"“', "„": '"”', "…": "...", "ſ": "s", "´": "'’", "`": "'‘",
    "ﬀ": "ff", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "‹": "<", "›": ">", "«": '"', "»": '"',
}  # fmt: skip
_SPACES = re.compile(r"\s+")


@dataclass
class Charset:
    """Codec of one network.

    Attributes:
        source: name of the file, for messages.
        unichars: text of each unichar id; ids that are never printed have an empty text.
        codes: codes of each unichar id.
        blank: the CTC blank.
        right_to_left: whether the script runs from right to left, so that codes are in visual order.
    """

    source: str
    unichars: list[str]
    codes: list[tuple[int, ...]]
    blank: int
    right_to_left: bool = False
    _by_text: dict[str, tuple[int, ...]] = field(init=False, repr=False)
    _by_codes: dict[tuple[int, ...], str] = field(init=False, repr=False)
    _starts: frozenset[tuple[int, ...]] = field(init=False, repr=False)
    _first: frozenset[int] = field(init=False, repr=False)
    _longest: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._by_text = {}
        self._by_codes = {}
        for text, codes in zip(self.unichars, self.codes, strict=False):
            if text and codes and codes != (self.blank,):
                self._by_text.setdefault(text, codes)
                # Several ids may share codes: the last one is what Tesseract prints.
                self._by_codes[codes] = text
        self._starts = frozenset(codes[:end] for codes in self._by_codes for end in range(1, len(codes)))
        self._first = frozenset(codes[0] for codes in self._by_codes)
        self._longest = max(map(len, self._by_text), default=1)

    def encode(self, text: str) -> list[int]:
        """Return the codes of *text* (logical order, white space as single spaces), by greedy longest match.

        Signs that the charset lacks are replaced by their nearest equal (quotes, dashes, ligatures, long s).

        Raises:
            RecognizerError: characters that cannot be encoded, all of them listed.
        """
        text = self.clean(text)
        codes: list[int] = []
        unknown: list[str] = []
        at = 0
        while at < len(text):
            for length in range(min(self._longest, len(text) - at), 0, -1):
                found = self._by_text.get(text[at : at + length])
                if found is not None:
                    codes.extend(found)
                    at += length
                    break
            else:
                replaced = self._replace(text[at])
                if replaced is None:
                    unknown.append(text[at])
                else:
                    codes.extend(replaced)
                at += 1
        if unknown:
            listed = " ".join(f"{sign!r} (U+{ord(sign):04X})" for sign in dict.fromkeys(unknown))
            raise RecognizerError(
                f"The text {_shorten(text)!r} has characters that {self.source} cannot write: {listed}; "
                f"leave this line out or use a recognizer that knows them."
            )
        return codes

    def equal_codes(self) -> list[list[int]]:
        """Return groups of codes whose signs differ in typographic style only: single quotes, double quotes, dashes.

        A ground truth seldom has the style that the network was trained with, so a loss may sum over each group.
        """
        groups: list[list[int]] = []
        for ascii_, styles in (("'", QUOTES), ('"', QUOTES), ("-", DASHES)):
            signs = [ascii_, *(sign for sign, folded in styles.items() if folded == ascii_)]
            found = [self._by_text[sign] for sign in signs if sign in self._by_text]
            group = list(dict.fromkeys(codes[0] for codes in found if len(codes) == 1))
            if len(group) > 1:
                groups.append(group)
        return groups

    def is_character(self, codes: tuple[int, ...]) -> bool:
        """Return whether *codes* are all codes of a character."""
        return codes in self._by_codes

    def is_start(self, codes: tuple[int, ...]) -> bool:
        """Return whether *codes* are the first, but not all, codes of a character."""
        return codes in self._starts

    def clean(self, text: str) -> str:
        """Return *text* as it is encoded: NFC, single spaces, Tesseract's own clean-up, visual order."""
        text = _SPACES.sub(" ", unicodedata.normalize("NFC", text)).strip()
        text = "".join(_CLEAN.get(sign, sign) for sign in text)
        return visual_order(text) if self.right_to_left else text

    def _replace(self, sign: str) -> tuple[int, ...] | None:
        options = _FALLBACKS.get(sign, "")
        if len(options) > 1 and options in ("...", "ff", "ffi", "ffl", "st"):
            parts = [self._by_text.get(part) for part in options]
            return None if None in parts else tuple(code for part in parts if part for code in part)
        for option in options:
            if option in self._by_text:
                return self._by_text[option]
        return None

    def split(self, codes: Sequence[int]) -> list[str]:
        """Return the unichars of *codes* from left to right; codes that form no unichar are left out, as Tesseract does."""
        texts: list[str] = []
        prefix: tuple[int, ...] = ()
        for index, code in enumerate(codes):
            prefix = (*prefix, int(code))
            following = codes[index + 1] if index + 1 < len(codes) else None
            known = self._by_codes.get(prefix)
            if known is not None and (following is None or following in self._first):
                texts.append(known)
                prefix = ()
            elif known is None and prefix not in self._starts:
                prefix = ()
        return texts

    def decode(self, codes: Sequence[int]) -> str:
        """Return the text of *codes* in logical order, as Tesseract prints it."""
        text = "".join(PRIVATE_LIGATURES.get(part, part) for part in self.split(codes))
        text = _SPACES.sub(" ", text).strip()
        return visual_order(text) if self.right_to_left else text


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


def read_unicharset(data: bytes, source: str) -> tuple[list[str], list[str]]:
    """Texts and script names of the unichar ids in component 21 or its like; never printed ids get ``""``."""

    def fail(given: str, expected: str) -> RecognizerError:
        return RecognizerError(
            f"{source} has {given} in the unicharset, {expected} was expected; the file is damaged, so install it again."
        )

    try:
        rows = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise fail("bytes that are not UTF-8", "text") from error
    try:
        count = int(rows[0].strip() or "x")
    except ValueError as error:
        raise fail(f"the first line {_shorten(rows[0])!r}", "the number of characters") from error
    if not 1 <= count <= min(_MOST_CHARACTERS, len(rows) - 1):
        raise fail(f"the count {count} before {len(rows) - 1} lines", "a count that fits")
    texts: list[str] = []
    scripts: list[str] = []
    for number, row in enumerate(rows[1 : count + 1]):
        words = row.split("\t")[0].split(" ")
        text = words[0]
        if not text:
            raise fail(f"an empty line for character {number}", "a character")
        if number < 3 and text in _SPECIAL:
            text = ""
        texts.append(" " if text == "NULL" else text)
        scripts.append(next((word for word in words[2:] if word.isalpha() and word[0].isupper() and len(word) > 2), ""))
    return texts, scripts


def read_recoder(reader: ByteReader, characters: int) -> list[tuple[int, ...]]:
    """Codes of each unichar id in component 22."""
    count = reader.u32("recoder count")
    if not characters <= count <= characters + 1:
        raise reader.fail("recoder count", str(count), f"{characters} or {characters + 1}")
    codes: list[tuple[int, ...]] = []
    for _ in range(count):
        reader.i8("recoder self-normalised")
        length = reader.i32("recoder length")
        if not 0 <= length <= _MOST_CODES:
            raise reader.fail("recoder length", str(length), f"a number from 0 to {_MOST_CODES}")
        sequence = tuple(int(code) for code in reader.array(length, "int32", "recoder codes"))
        if any(code < 0 for code in sequence):
            raise reader.fail("recoder codes", "a negative code", "codes from 0")
        codes.append(sequence)
    reader.end()
    return codes


def is_right_to_left(texts: Iterable[str]) -> bool:
    """Whether most letters among *texts* are of scripts that run from right to left."""
    strong = [unicodedata.bidirectional(text[0]) for text in texts if text]
    rtl = sum(kind in ("R", "AL") for kind in strong)
    # Hebrew and Arabic sets may hold Latin letters as well; a Latin set holds no Hebrew ones.
    return rtl > 10 and rtl * 4 > sum(kind == "L" for kind in strong)
