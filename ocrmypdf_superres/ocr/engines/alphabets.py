# SPDX-License-Identifier: MPL-2.0
"""The letters of languages, by Tesseract's codes: what a recognizer has to know to be asked.

From the orthographies of the languages. A language that is not here is not known.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_EVERYWHERE = {"LATIN", "GREEK"}
"""Scripts whose letters stand on pages of any language: names, units, formulas."""
_OF_NO_SCRIPT = {"IDEOGRAPHIC", "KATAKANA-HIRAGANA", "MODIFIER"}
"""Beginnings of the names of marks that count as letters: signs of repetition, of length, apostrophes."""
_LATIN = "abcdefghijklmnopqrstuvwxyz"

# Small letters beyond a to z.
_LATIN_LANGUAGES = {
    "afr": "áéíóúêëîïôöûü", "cat": "àçèéíïòóúü·", "ces": "áčďéěíňóřšťúůýž", "cym": "âêîôûŵŷ", "dan": "æøåé", "deu": "äöüß",
    "eng": "", "epo": "ĉĝĥĵŝŭ", "est": "äöõüšž", "eus": "ñç", "fin": "äöåšž", "fra": "àâæçèéêëîïôœùûüÿ", "gle": "áéíóú",
    "glg": "áéíñóúü", "hrv": "čćđšž", "hun": "áéíóöőúüű", "ind": "", "isl": "áðéíóúýþæö", "ita": "àèéìîòù", "lat": "",
    "lav": "āčēģīķļņšūž", "lit": "ąčęėįšųūž", "ltz": "äéë", "mlt": "ċġħż", "msa": "", "nld": "áäéëíïóöúü", "nor": "æøåéòô",
    "oci": "áàçéèíïóòúü", "pol": "ąćęłńóśźż", "por": "àáâãçéêíóôõú", "ron": "ăâîșț", "slk": "áäčďéíĺľňóôŕšťúýž",
    "slv": "čšž", "spa": "áéíñóúü", "sqi": "çë", "swa": "", "swe": "åäöé", "tgl": "ñ", "tur": "çğıöşüâîû",
    "latin": "àáâãäåæçèéêëìíîïñòóôõöøùúûüýÿßœšžčćęąłńśźżőű",
}  # fmt: skip

# All small letters, or of scripts with thousands of characters some of the most frequent ones.
_OTHER_LANGUAGES = {
    "ara": "ابتثجحخدذرزسشصضطظعغفقكلمنهويءةىأإآؤئ",
    "bel": "абвгдеёжзійклмнопрстуўфхцчшыьэюя",
    "bul": "абвгдежзийклмнопрстуфхцчшщъьюя",
    "chi_sim": "的一是不了人我在有他这中大来上国",
    "chi_tra": "的一是不了人我在有他這中大來上國",
    "ell": "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",
    "heb": "אבגדהוזחטיכךלמםנןסעפףצץקרשת",
    "jpn": "のにはをたがでてと日本人大一国あアイウ",
    "kor": "가나다라마바사아자차카타파하한국",
    "rus": "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
    "ukr": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
}


@lru_cache(maxsize=256)
def letters_of(language: str) -> frozenset[str]:
    """Return the letters, small and capital, that texts in *language* are written with; an empty set where it is not known.

    Args:
        language: Tesseract's code, such as ``deu``, ``script/Latin`` or ``Latin``.
    """
    name = language.rpartition("/")[2]
    name = name.lower() if name == "Latin" else name
    small = _LATIN_LANGUAGES.get(name)
    small = small + _LATIN if small is not None else _OTHER_LANGUAGES.get(name, "")
    # The capital of ß is two letters.
    return frozenset(small + "".join(letter.upper() for letter in small if len(letter.upper()) == 1))


def have_letters_of(known: Iterable[str], languages: Iterable[str]) -> bool:
    """Whether the languages *known* have every letter of *languages*; False for none, or where one is not known here."""
    letters = frozenset[str]().union(*map(letters_of, known))
    wanted = [letters_of(language) for language in languages]
    return bool(wanted) and all(own and own <= letters for own in wanted)


@lru_cache(maxsize=4096)
def _script_of(letter: str) -> str:
    """Return the first word of the letter's name in Unicode, which for nearly all letters is that of its script.

    Ordinals and wide letters have the script of the letter that they stand for.
    """
    plain = unicodedata.normalize("NFKC", letter)[:1] or letter
    return unicodedata.name(plain, "").partition(" ")[0]


@lru_cache(maxsize=256)
def _scripts_of(language: str) -> frozenset[str]:
    return frozenset(map(_script_of, letters_of(language)))


def is_foreign(word: str, languages: Iterable[str]) -> bool:
    """Whether *word* has letters, and none of a script that a text in *languages* may have.

    A recognizer that knows many scripts reads a row of asterisks as ideographs.
    """
    letters = {_script_of(c) for c in word if c.isalpha()} - _OF_NO_SCRIPT
    return bool(letters) and letters.isdisjoint(_EVERYWHERE.union(*map(_scripts_of, languages)))
