# SPDX-License-Identifier: MPL-2.0
"""The faces of this machine that lines are rendered in, by what they are for."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import PurePath

import numpy as np
from PIL import ImageFont

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.data.fonts import FontFile, installed_fonts, open_font
from ocrmypdf_superres.training.data.ocr_lines.spelling import LONG_S, SMALL_E
from ocrmypdf_superres.training.data.ocr_lines.templates import GAP

_TYPEWRITER = re.compile(r"typewriter|courier|cour|typo|mono|3270|inconsolata|ocr", re.I)
_BLACKLETTER = re.compile(r"blankenburg|gamaliel|jessen|yfrak|yswab|ygoth|fraktur|schwabach|textura", re.I)
_DISPLAY = re.compile(
    r"gotico|cloistered|initials|outline|shadow|Z003|electrum|ornament|chancery|script|decorative|lmtcsc|engrav", re.I
)
_STYLED = re.compile(r"bold|italic|oblique|black|heavy|-bd|-it|thin|hairline|light|demi", re.I)
_UMLAUTS = frozenset("ÄÖÜ")
_PROBE_SIZE = 200


@lru_cache(maxsize=2048)
def x_height_share(font: FontFile) -> float:
    """Return the x-height of *font* in shares of its size."""
    _, top, _, _ = open_font(font.path, font.index, _PROBE_SIZE).getbbox("x", anchor="ls")
    return max(0.2, -top / _PROBE_SIZE)


@lru_cache(maxsize=2048)
def is_plain(font: FontFile) -> bool:
    """Return whether the face draws ink on paper: no boxes, no ruled or struck-out letters, whose spaces have ink too."""
    face = open_font(font.path, font.index, 60)
    space = face.getmask(" ").getbbox() is None
    letter = np.asarray(face.getmask("n"), dtype=np.float32).mean() / 255 if face.getmask("n").getbbox() else 1.0
    return space and bool(letter < 0.75)


@lru_cache(maxsize=2048)
def has_small_capitals(font: FontFile) -> bool:
    """Return whether the face has capitals in place of small letters: then a ``d`` is no higher than an ``x``."""
    face = open_font(font.path, font.index, _PROBE_SIZE)
    return bool(face.getbbox("d", anchor="ls")[1] >= 1.08 * face.getbbox("x", anchor="ls")[1])


@lru_cache(maxsize=2048)
def is_blackletter(font: FontFile) -> bool:
    """Return whether the face is one of blackletter with a long s."""
    return bool(_BLACKLETTER.search(font.path)) and font.draws(LONG_S)


@lru_cache(maxsize=2048)
def _has_umlauts(font: FontFile) -> bool:
    """Return whether large umlauts are drawn as such, not as the vowel and an e."""
    face = open_font(font.path, font.index, _PROBE_SIZE)
    return font.draws("Ä") and bool(face.getlength("Ä") < 1.2 * face.getlength("A"))


def open_face(font: FontFile, size: int) -> ImageFont.FreeTypeFont:
    """Return the font at *size*: ch, ck and tz of blackletter are ligatures even where letters are spaced."""
    return open_font(font.path, font.index, size, is_blackletter(font))


def is_typewriter(font: FontFile) -> bool:
    """Return whether the face is a typewriter's or a printer's."""
    return bool(font.mono or _TYPEWRITER.search(font.path))


class Faces:
    """The faces of this machine that lines are drawn in.

    Attributes:
        mono: typewriters'. print: of books and offices. blackletter: with a long s.

    Raises:
        OptionError: fontconfig lists no text fonts.
    """

    def __init__(self) -> None:
        # Some families are installed in three formats, of which one is enough.
        found = {(PurePath(font.path).stem, font.index): font for font in reversed(installed_fonts())}
        ordered = sorted(found.values(), key=lambda font: (font.path, font.index))
        plain = [font for font in ordered if not _DISPLAY.search(font.path) and is_plain(font)]
        self.blackletter = [font for font in plain if is_blackletter(font)]
        fonts = [font for font in plain if not _BLACKLETTER.search(font.path)]
        self.mono = [font for font in fonts if is_typewriter(font)]
        self.print = [font for font in fonts if font not in self.mono] or self.mono

    def choose(self, rng: np.random.Generator, text: str, monospaced: float) -> FontFile:
        """Return a face that has all characters of *text*, a typewriter's with the probability *monospaced*.

        Raises:
            OptionError: no face has them.
        """
        pool = self.mono if self.mono and rng.random() < monospaced else self.print
        plain = text.replace(GAP, " ")
        for _ in range(60):
            font = pool[int(rng.integers(len(pool)))]
            # Fonts' folders hold more bold and italic than books do.
            if _STYLED.search(font.path) and rng.random() < 0.6:
                continue
            if font.draws(plain):
                return font
        raise OptionError(f"No face of this machine has all characters of {plain!r}; install more fonts.")

    def choose_blackletter(self, rng: np.random.Generator, text: str) -> FontFile:
        """Return a face of blackletter that has all characters of *text*, vowels under a small e being drawn as two.

        Raises:
            OptionError: no face has them, or none is installed.
        """
        plain = text.replace(GAP, " ").replace(SMALL_E, "")
        fonts = [font for font in self.blackletter if font.draws(plain) and (_has_umlauts(font) or not _UMLAUTS & set(plain))]
        if not fonts:
            raise OptionError(f"No face of blackletter has all characters of {plain!r}; install some, such as fonts-blankenburg.")
        return fonts[int(rng.integers(len(fonts)))]
