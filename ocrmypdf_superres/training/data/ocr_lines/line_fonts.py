# SPDX-License-Identifier: MPL-2.0
"""The installed fonts that lines are rendered in: for print, typewriter and blackletter."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import PurePath

import numpy as np
from PIL import ImageFont

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.data.fonts import FontFile, installed_fonts, open_font
from ocrmypdf_superres.training.data.ocr_lines.spelling import COMBINING_E, LONG_S
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
def relative_x_height(font: FontFile) -> float:
    """Return the x-height of *font* as a fraction of its em, at least 0.2."""
    _, top, _, _ = open_font(font.path, font.index, _PROBE_SIZE).getbbox("x", anchor="ls")
    return max(0.2, -top / _PROBE_SIZE)


@lru_cache(maxsize=2048)
def is_plain(font: FontFile) -> bool:
    """Return whether letters are plain ink on paper: not boxed, underlined, struck out or white on black."""
    face = open_font(font.path, font.index, 60)
    # Underlining and boxes leave ink in a space, white-on-black letters fill most of their box.
    blank_space = face.getmask(" ").getbbox() is None
    density = np.asarray(face.getmask("n"), dtype=np.float32).mean() / 255 if face.getmask("n").getbbox() else 1.0
    return blank_space and bool(density < 0.75)


@lru_cache(maxsize=2048)
def has_small_capitals(font: FontFile) -> bool:
    """Return whether the lowercase letters are small capitals: then a ``d`` is no taller than an ``x``."""
    face = open_font(font.path, font.index, _PROBE_SIZE)
    return bool(face.getbbox("d", anchor="ls")[1] >= 1.08 * face.getbbox("x", anchor="ls")[1])


@lru_cache(maxsize=2048)
def is_blackletter(font: FontFile) -> bool:
    """Return whether this is a blackletter font with a long s."""
    return bool(_BLACKLETTER.search(font.path)) and font.covers(LONG_S)


@lru_cache(maxsize=2048)
def _has_umlauts(font: FontFile) -> bool:
    """Return whether capital umlauts have dots; some blackletter fonts have the vowel and an e instead."""
    face = open_font(font.path, font.index, _PROBE_SIZE)
    return font.covers("Ä") and bool(face.getlength("Ä") < 1.2 * face.getlength("A"))


def open_line_font(font: FontFile, size: int) -> ImageFont.FreeTypeFont:
    """Return *font* at *size* pixels per em, in blackletter with the ligatures ch, ck and tz, which letterspacing keeps."""
    return open_font(font.path, font.index, size, is_blackletter(font))


def is_typewriter(font: FontFile) -> bool:
    """Return whether this is a typewriter or line printer font."""
    return bool(font.mono or _TYPEWRITER.search(font.path))


class LineFonts:
    """The installed fonts that lines are rendered in.

    Attributes:
        mono: typewriter fonts.
        print: proportional fonts, as in books and office documents; the typewriter fonts if there are no others.
        blackletter: blackletter fonts with a long s.

    Raises:
        OptionError: fontconfig lists no text fonts.
    """

    def __init__(self) -> None:
        # Some families are installed in three formats; one is enough.
        found = {(PurePath(font.path).stem, font.index): font for font in reversed(installed_fonts())}
        ordered = sorted(found.values(), key=lambda font: (font.path, font.index))
        plain = [font for font in ordered if not _DISPLAY.search(font.path) and is_plain(font)]
        self.blackletter = [font for font in plain if is_blackletter(font)]
        fonts = [font for font in plain if not _BLACKLETTER.search(font.path)]
        self.mono = [font for font in fonts if is_typewriter(font)]
        self.print = [font for font in fonts if font not in self.mono] or self.mono

    def choose(self, rng: np.random.Generator, text: str, monospaced: float) -> FontFile:
        """Return a random font that covers *text*, a typewriter font with probability *monospaced*.

        Raises:
            OptionError: no font that was tried covers it.
        """
        pool = self.mono if self.mono and rng.random() < monospaced else self.print
        plain = text.replace(GAP, " ")
        for _ in range(60):
            font = pool[int(rng.integers(len(pool)))]
            # Bold and italic are commoner among font files than in books.
            if _STYLED.search(font.path) and rng.random() < 0.6:
                continue
            if font.covers(plain):
                return font
        raise OptionError(f"No installed font covers {plain!r}; install more fonts.")

    def choose_blackletter(self, rng: np.random.Generator, text: str) -> FontFile:
        """Return a random blackletter font that covers *text*; a combining e need not be covered, see :func:`~.rendering.render`.

        Raises:
            OptionError: no installed font covers it.
        """
        plain = text.replace(GAP, " ").replace(COMBINING_E, "")
        fonts = [font for font in self.blackletter if font.covers(plain) and (_has_umlauts(font) or not _UMLAUTS & set(plain))]
        if not fonts:
            raise OptionError(f"No installed blackletter font covers {plain!r}; install some, such as fonts-blankenburg.")
        return fonts[int(rng.integers(len(fonts)))]
