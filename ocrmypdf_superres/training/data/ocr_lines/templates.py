# SPDX-License-Identifier: MPL-2.0
"""Dates, amounts, addresses, table cells and other short texts of forms and letters, made from templates by language.

A template is a text with fields in braces. A field names a list in ``phrases.toml``, one of whose entries is filled in
in turn, or is one of these:

========== =====================================================================
``n``      a number of one to three digits; small ones are commoner
``digit``  1 to 9
``#3``     three digits, and likewise for other counts
``d m``    day and month as numbers; ``dd mm`` with two digits
``y yy``   a year from 1830 to 2025; ``yy`` its last two digits
``hour minute`` an hour with one or two digits, a minute with two
``money``  an amount with two decimals in the language's style; ``whole`` has none
``roman``  a Roman numeral up to XXXIX
``A a``    an initial of the language's words, uppercase or lowercase
``word Word WORD`` a word of the language's prose, in lowercase, capitalized or in uppercase
========== =====================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.tables import did_you_mean, read_toml

#: Separates the cells of a row: a wide gap in the image, a space in the transcription.
GAP = "\t"
_FIELD = re.compile(r"\{([^{}]+)\}")
_MAX_DEPTH = 6


@lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    with resources.as_file(resources.files(__package__) / "phrases.toml") as path:
        return read_toml(path, "The list of phrases")


def languages() -> list[str]:
    """Return the languages that have templates, as Tesseract's codes, sorted."""
    return sorted(set(_tables()) - {"common"})


class Templates:
    """Fills templates of one language.

    Args:
        language: one of :func:`languages`.
        words: words of the language's prose; at least one must have three letters or more and nothing else.

    Raises:
        OptionError: there are no templates for the language, or no word fits.
    """

    def __init__(self, language: str, words: Sequence[str]) -> None:
        if language not in languages():
            raise OptionError(
                f"There are no templates for the language {language!r}{did_you_mean(language, languages())}; "
                f"give one of {', '.join(languages())}."
            )
        self.lists: dict[str, Any] = {**_tables()["common"], **_tables()[language]}
        self.words = [word for word in words if word.isalpha() and len(word) > 2]
        if not self.words:
            raise OptionError(f"The text of {language} has no word of three letters or more; give more text.")
        self.letters = sorted({word[0].lower() for word in self.words[:5000]})
        self.fields: dict[str, Callable[[np.random.Generator], str]] = {
            "n": lambda rng: str(int(10 ** rng.uniform(0, 2.7))),
            "digit": lambda rng: str(rng.integers(1, 10)),
            "d": lambda rng: str(rng.integers(1, 32)),
            "dd": lambda rng: f"{rng.integers(1, 32):02d}",
            "m": lambda rng: str(rng.integers(1, 13)),
            "mm": lambda rng: f"{rng.integers(1, 13):02d}",
            "y": lambda rng: str(rng.integers(1830, 2026)),
            "yy": lambda rng: f"{rng.integers(100):02d}",
            "hour": lambda rng: str(rng.integers(24)),
            "minute": lambda rng: f"{rng.integers(60):02d}",
            "money": lambda rng: f"{self._whole(rng)}{self.lists['decimal']}{rng.integers(100):02d}",
            "whole": self._whole,
            "roman": lambda rng: _roman(int(rng.integers(1, 40))),
            "A": lambda rng: self._letter(rng).upper(),
            "a": self._letter,
            "word": lambda rng: self._word(rng).lower(),
            "Word": lambda rng: self._word(rng).capitalize(),
            "WORD": lambda rng: self._word(rng).upper(),
        }

    def fill(self, name: str, rng: np.random.Generator) -> str:
        """Return one entry of the list *name*, all its fields filled.

        Raises:
            KeyError: there is no such list.
        """
        return self._filled(str(one_of(self.lists[name], rng)), rng, 0)

    def row(self, rng: np.random.Generator) -> str:
        """Return the cells of a table's row, joined by :data:`GAP`."""
        first = self.fill(one_of(("ware", "name", "label", "note"), rng), rng)
        cells = [first] if rng.random() < 0.8 else [str(rng.integers(1, 100)), first]
        kinds = ("amount", "amount", "code", "date", "percent", "measure", "fraction", "page", "name")
        cells += [self.fill(one_of(kinds, rng), rng) for _ in range(int(rng.integers(1, 4)))]
        return GAP.join(cells)

    def receipt(self, rng: np.random.Generator) -> str:
        """Return a line of a receipt: article, quantity and price, or a sum."""
        kind = rng.random()
        money = self.fields["money"](rng)
        if kind < 0.35:
            ware = self.fill("ware", rng)
            ware = ware.upper() if rng.random() < 0.5 else ware
            tail = f" {rng.choice(['S', 'SR', 'ZRL', 'T', 'A', 'B', '*'])}" if rng.random() < 0.3 else ""
            return f"{ware}{GAP}{money}{tail}"
        if kind < 0.6:
            times = one_of((" x ", " X ", " @ ", "x"), rng)
            return f"{rng.integers(1, 20)}{times}{money}{GAP}{self.fields['money'](rng)}"
        label = self.fill("label", rng)
        label = label.upper() if rng.random() < 0.4 else label
        separator = one_of((":", "", " :", f"{GAP}:"), rng)
        return f"{label}{separator}{GAP}{self.fill('amount', rng)}"

    def field(self, rng: np.random.Generator) -> str:
        """Return a form's label with a value, such as ``Date: 3/4/1987``, or the label alone."""
        label = self.fill("label", rng)
        label = label.upper() if rng.random() < 0.4 else label
        if rng.random() < 0.2:
            return f"{label}:"
        value = self.fill(one_of(("name", "date", "address", "phone", "code", "amount", "note", "city", "percent"), rng), rng)
        value = value.upper() if rng.random() < 0.2 else value
        mark = one_of((":", "", " -", "") if label.endswith(".") else (":", "", ".", " -"), rng)
        return f"{label}{mark}{one_of((' ', ' ', GAP), rng)}{value}"

    def letter_head(self, rng: np.random.Generator) -> str:
        """Return a date, address, telephone number or phrase of a letter, or two of them."""
        kinds = ("date", "address", "phone", "name", "note", "web", "time", "page", "measure", "fraction", "amount", "code")
        parts = [self.fill(one_of(kinds, rng), rng) for _ in range(1 + int(rng.random() < 0.45))]
        text = one_of((", ", " ", " - ", GAP, "; "), rng).join(parts)
        return text.upper() if rng.random() < 0.15 else text

    def _filled(self, template: str, rng: np.random.Generator, depth: int) -> str:
        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            if name.startswith("#"):
                return "".join(str(digit) for digit in rng.integers(10, size=int(name[1:])))
            if name in self.fields:
                return self.fields[name](rng)
            if depth >= _MAX_DEPTH:
                raise OptionError(f"The phrase {template!r} refers to itself; correct the list of phrases.")
            return self._filled(str(one_of(self.lists[name], rng)), rng, depth + 1)

        return _FIELD.sub(value, template)

    def _whole(self, rng: np.random.Generator) -> str:
        number = int(10 ** rng.uniform(0, 5))
        grouped = f"{number:,}" if rng.random() < 0.7 else str(number)
        return grouped.replace(",", self.lists["thousands"])

    def _word(self, rng: np.random.Generator) -> str:
        return one_of(self.words, rng)

    def _letter(self, rng: np.random.Generator) -> str:
        return one_of(self.letters, rng)


def one_of(options: Sequence[str], rng: np.random.Generator) -> str:
    """Return one of *options*, each with the same probability."""
    return options[int(rng.integers(len(options)))]


def _roman(number: int) -> str:
    tens, ones = divmod(number, 10)
    return "X" * tens + ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")[ones]
