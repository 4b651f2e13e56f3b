# SPDX-License-Identifier: MPL-2.0
"""Texts of lines: prose, dictionary words, the short texts of forms, receipts, tables and letters, and signs among words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.data.ocr_lines.templates import GAP, Templates, one_of

#: One of this many of a language's text files, sorted by name, is held out; of a single file, its last part.
HELD_EVERY = 6
_UNDERSCORES = re.compile(r"_")
#: Share of each kind of text among all lines.
KINDS = {"prose": 0.41, "words": 0.11, "field": 0.10, "receipt": 0.08, "row": 0.10, "letter": 0.10, "signs": 0.10}
#: Signs of web addresses, formulas, prices and lists; prose has few of them, and a network forgets what it does not see.
COMMON_SIGNS = "=+-<>@#&%*/\\_|~^$€£§°©®•–—[]{}()\"'"
_CLOSING = {
    "(": ")",
    "[": "]",
    "{": "}",
    "<": ">",
    "«": "»",
    "»": "«",
    "“": "”",
    "„": "“",
    "‘": "’",
    "‚": "‘",
    '"': '"',
    "'": "'",
}
#: A sign among two words or numbers, and how common each way is.
_SIGN_FORMS = {"{a} {s} {b}": 4, "{s}{a}": 3, "{a}{s}": 2, "{a}{s}{b}": 2, "{s} {a}": 1, "{a} {s}{b}": 1}
_ARROWS = ("->", "=>", "<-", ">=", "<=", "==", "!=", "...", "--", "//", "::", "||", "&&", "++", "**", "##")


def split_files(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the text files for training and the held-out ones: every :data:`HELD_EVERY`-th by name, at least one of two."""
    ordered = sorted(paths)
    held = ordered[HELD_EVERY - 1 :: HELD_EVERY] or ordered[1:][-1:]
    return [path for path in ordered if path not in held], held


class TextSource:
    """Texts of one language.

    Args:
        folder: a folder of text files (UTF-8, ``*.txt``).
        language: Tesseract's code, which chooses the templates.
        held: use the held-out files instead of the others.
        whole: hold nothing out.
        dictionary: words of the recognizer's own dictionary; if empty, the vocabulary of the files is used.
        signs: punctuation and symbols that the recognizer can write; if empty, :data:`COMMON_SIGNS`.

    Raises:
        OptionError: the folder holds no text, or there are no templates for the language.
    """

    def __init__(
        self,
        folder: Path,
        language: str,
        *,
        held: bool = False,
        dictionary: Sequence[str] = (),
        whole: bool = False,
        signs: Sequence[str] = (),
    ) -> None:
        paths = list(folder.glob("*.txt")) if folder.is_dir() else []
        files = split_files(paths)[int(held)] if len(paths) > 1 and not whole else paths
        text = " ".join(path.read_text(encoding="utf-8-sig", errors="replace") for path in files)
        self.words = _UNDERSCORES.sub("", text).split()
        if len(paths) == 1 and not whole:
            # The end of the only text is held out.
            end = len(self.words) * (HELD_EVERY - 1) // HELD_EVERY
            self.words = self.words[end:] if held else self.words[:end]
        if len(self.words) < 30:
            part = "held-out text" if held else "text"
            raise OptionError(f"{folder} holds too little {part}; give a folder of two or more .txt files.")
        vocabulary = sorted({word.strip(".,;:!?\"'()[]“”‘’«»—-") for word in self.words})
        self.dictionary = [word for word in (dictionary or vocabulary) if len(word) > 1]
        self.templates = Templates(language, [word for word in vocabulary if word])
        self.all_signs = list(signs or COMMON_SIGNS)
        self.common_signs = [sign for sign in self.all_signs if sign in COMMON_SIGNS] or self.all_signs
        self.kinds: dict[str, Callable[[np.random.Generator, int], str]] = {
            "prose": self._prose,
            "words": self._words,
            "field": lambda rng, length: self.templates.field(rng),
            "receipt": lambda rng, length: self.templates.receipt(rng),
            "row": lambda rng, length: self.templates.row(rng),
            "letter": lambda rng, length: self.templates.letter_head(rng),
            "signs": self._signs,
        }

    def line(self, rng: np.random.Generator, length: int) -> tuple[str, str]:
        """Return a text of at most *length* characters, and its kind; its cells are separated by :data:`~.templates.GAP`."""
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
        text = self.kinds[kind](rng, length)
        if len(text) > length:
            # Cut between words, since half a word at the edge of the image cannot be read.
            text = text[: length + 1].rpartition(" ")[0] or text[:length]
        return text.strip(f" {GAP}"), kind

    def _prose(self, rng: np.random.Generator, length: int) -> str:
        at = int(rng.integers(len(self.words)))
        words: list[str] = []
        while sum(map(len, words)) + len(words) < length:
            words.append(self.words[(at + len(words)) % len(self.words)])
        text = " ".join(words)
        if len(text) > length:
            text = _broken(words, length) if rng.random() < 0.12 else " ".join(words[:-1]) or words[0]
        style = rng.random()
        if style < 0.06:
            return text.upper()
        return text.title() if style < 0.09 and text.isascii() and "'" not in text else text

    def _words(self, rng: np.random.Generator, length: int) -> str:
        words: list[str] = []
        while sum(map(len, words)) + len(words) < length:
            words.append(one_of(self.dictionary, rng))
        text = " ".join(words[:-1] or words)
        return text.upper() if rng.random() < 0.2 else text

    def _signs(self, rng: np.random.Generator, length: int) -> str:
        parts: list[str] = []
        while sum(map(len, parts)) + len(parts) < length:
            kind = rng.random()
            if kind < 0.6:
                parts.append(self._with_sign(rng))
            elif kind < 0.75:
                parts.append(self.templates.fill("identifier", rng))
            else:
                parts.append(self._term(rng))
        return " ".join(parts)

    def _with_sign(self, rng: np.random.Generator) -> str:
        """Return one or two words or numbers with a sign before, between, after or around them."""
        signs = self.common_signs if rng.random() < 0.6 else self.all_signs
        sign = one_of(signs, rng)
        first, second = self._term(rng), self._term(rng)
        if _CLOSING.get(sign) in self.all_signs and rng.random() < 0.6:
            return f"{sign}{first}{_CLOSING[sign]}"
        if rng.random() < 0.1:
            sign = one_of(_ARROWS, rng)
        shares = np.array(list(_SIGN_FORMS.values()))
        form = str(rng.choice(list(_SIGN_FORMS), p=shares / shares.sum()))
        return form.replace("{s}", sign).replace("{a}", first).replace("{b}", second)

    def _term(self, rng: np.random.Generator) -> str:
        kind = rng.random()
        if kind < 0.25:
            return str(int(10 ** rng.uniform(0, 4)))
        if kind < 0.35:
            return self.templates.fields["money"](rng)
        return one_of(self.dictionary, rng)


def _broken(words: Sequence[str], length: int) -> str:
    """Return *words* with the last one hyphenated so that the line has *length* characters, or without it."""
    *whole, last = words
    room = length - sum(map(len, whole)) - len(whole) - 1
    # Where syllables end is not known; with three letters or more on either side a break is plausible.
    if last.isalpha() and room >= 3 and len(last) - room >= 3:
        return " ".join([*whole, f"{last[:room]}-"])
    return " ".join(whole) or last
