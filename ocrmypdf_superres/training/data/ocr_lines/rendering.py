# SPDX-License-Identifier: MPL-2.0
"""A line of text drawn as print, typewriter, dot matrix or small capitals make it, with its neighbours and rules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.page.image import FloatImage
from ocrmypdf_superres.training.data.fonts import FontFile, installed_fonts, open_font
from ocrmypdf_superres.training.data.ocr_lines.templates import GAP

_TYPEWRITER = re.compile(r"typewriter|courier|cour|typo|mono|3270|inconsolata|ocr", re.I)
_DISPLAY = re.compile(
    r"blankenburg|initials|outline|shadow|Z003|electrum|ornament|chancery|script|decorative|lmtcsc|engrav", re.I
)
_STYLED = re.compile(r"bold|italic|oblique|black|heavy|-bd|-it|thin|hairline|light|demi", re.I)
_PROBE_SIZE = 200
#: Rows above and below the baseline that a strip has, in x-heights.
ABOVE, BELOW = 3.4, 2.0


@dataclass(frozen=True)
class Strip:
    """A line on its strip of paper, in pixels of the strip, which may be fractions.

    Attributes:
        image: float32 (H, W) in [0, 1], 1 being white.
        text: what the line says, with single spaces.
        baseline, x_height: of the line.
        left, top, right, bottom: edges of the line's own ink.
    """

    image: FloatImage
    text: str
    baseline: float
    x_height: float
    left: float
    top: float
    right: float
    bottom: float


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


class Faces:
    """The faces of this machine that lines are drawn in.

    Raises:
        OptionError: fontconfig lists no text fonts.
    """

    def __init__(self) -> None:
        # Some families are installed in three formats, of which one is enough.
        found = {(PurePath(font.path).stem, font.index): font for font in reversed(installed_fonts())}
        ordered = sorted(found.values(), key=lambda font: (font.path, font.index))
        fonts = [font for font in ordered if not _DISPLAY.search(font.path) and is_plain(font)]
        self.mono = [font for font in fonts if font.mono or _TYPEWRITER.search(font.path)]
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


def render(text: str, font: FontFile, x_height: float, neighbours: Sequence[str], rng: np.random.Generator) -> Strip | None:
    """Return *text* in *font* with an x-height of about *x_height* pixels; None where it leaves no ink.

    Args:
        text: the line; a tab is a wide gap.
        font: a face that has its characters.
        x_height: in pixels of the strip, at least 8.
        neighbours: texts of the lines above and below, as far as they are drawn.
        rng: chooses the style, gaps and rules.
    """
    size = max(8, round(x_height / x_height_share(font)))
    real = x_height_share(font) * size
    mono = bool(font.mono or _TYPEWRITER.search(font.path))
    style = _Style.sample(rng, mono, size)
    said = text.upper() if style.small_caps or has_small_capitals(font) else text
    if style.small_caps:
        text = said
    margin = round(real * rng.uniform(1.2, 3.0))
    baseline = round(ABOVE * real)
    places, width = _layout(text, font, size, style, rng)
    canvas = (round(width) + 2 * margin, round((ABOVE + BELOW) * real))
    ink = _draw(places, canvas, (margin, baseline), font, size, style, rng)
    rows, columns = np.flatnonzero(ink.max(axis=1) > 0.3), np.flatnonzero(ink.max(axis=0) > 0.3)
    if not len(rows) or not len(columns):
        return None
    box = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
    pitch = real * rng.uniform(1.9, 3.6)
    for sign, other in zip((-1, 1), neighbours, strict=False):
        if font.draws(other.replace(GAP, " ")) and rng.random() < 0.8:
            others, _ = _layout(other, font, size, style, rng)
            start = margin - rng.uniform(0, 8) * real
            np.maximum(ink, _draw(others, canvas, (start, baseline + sign * pitch), font, size, style, rng), out=ink)
    _rules(ink, box, real, baseline, rng)
    image = _paper(_wear(ink, real, rng), real, rng)
    return Strip(image, " ".join(said.split()), float(baseline), real, *box)


@dataclass(frozen=True)
class _Style:
    """How letters are set.

    Attributes:
        tracking: pixels between letters.
        jump: standard deviation of the height of key strokes, in pixels.
        faint: least share of the ink that a key stroke has; 1 for print.
        small_caps: whether small letters are drawn as smaller capitals.
        dots: whether a needle printer made the line.
    """

    tracking: float
    jump: float
    faint: float
    small_caps: bool
    dots: bool

    @staticmethod
    def sample(rng: np.random.Generator, mono: bool, size: int) -> _Style:
        uneven = mono and rng.random() < 0.55
        kind = rng.random()
        tracking = size * float(rng.uniform(0.03, 0.18)) if kind < 0.06 else 0.0
        return _Style(
            tracking=tracking,
            jump=size * float(rng.uniform(0.0, 0.035)) if uneven else 0.0,
            faint=float(rng.uniform(0.5, 1.0)) if uneven else 1.0,
            small_caps=not mono and 0.06 <= kind < 0.075,
            dots=mono and not uneven and rng.random() < 0.2,
        )


Place = tuple[float, str, bool]


def _layout(text: str, font: FontFile, size: int, style: _Style, rng: np.random.Generator) -> tuple[list[Place], float]:
    """Return the pieces to draw, each (x, text, whether small), and the width of all."""
    face = open_font(font.path, font.index, size)
    single = style.tracking > 0 or style.jump > 0 or style.small_caps or style.faint < 1
    places: list[Place] = []
    x = 0.0
    for number, cell in enumerate(text.split(GAP)):
        if number:
            x += size * float(rng.uniform(0.7, 4.0))
        if not single:
            places.append((x, cell, False))
            x += face.getlength(cell)
            continue
        for place, sign in enumerate(cell):
            small = style.small_caps and place > 0 and cell[place - 1] != " "
            used = open_font(font.path, font.index, round(size * 0.8)) if small else face
            places.append((x, sign, small))
            x += used.getlength(sign) + style.tracking
    return places, x


def _draw(
    places: Sequence[Place], canvas: tuple[int, int], origin: tuple[float, float], font: FontFile, size: int, style: _Style,
    rng: np.random.Generator,
) -> FloatImage:  # fmt: skip
    layer = Image.new("L", canvas, 0)
    pen = ImageDraw.Draw(layer)
    for x, text, small in places:
        face = open_font(font.path, font.index, round(size * 0.8) if small else size)
        drop = float(rng.normal(0, style.jump)) if style.jump else 0.0
        shade = int(255 * rng.uniform(style.faint, 1.0)) if style.faint < 1 else 255
        pen.text((origin[0] + x, origin[1] + drop), text, fill=shade, font=face, anchor="ls")
    ink = np.asarray(layer, dtype=np.float32) / np.float32(255)
    return _dotted(ink, size) if style.dots else np.array(ink)


def _dotted(ink: FloatImage, size: int) -> FloatImage:
    """Return *ink* in the dots of a needle printer, about nine to the height of a capital."""
    period = max(2.0, size * 0.085)
    rows = np.cos(np.arange(ink.shape[0]) * (2 * np.pi / period))[:, None]
    columns = np.cos(np.arange(ink.shape[1]) * (2 * np.pi / period))[None, :]
    dots = np.clip(1.1 + 0.9 * (rows + columns), 0, 1)
    # A needle is as thick as a stroke.
    thick = ndimage.maximum_filter(ink, max(1, round(period * 0.6)))
    return np.asarray(thick * dots, dtype=np.float32)


def _rules(
    ink: FloatImage, box: tuple[float, float, float, float], x_height: float, baseline: float, rng: np.random.Generator
) -> None:
    """Sometimes add an underline or a table's rules, near the text or touching it."""
    thick = max(1, round(x_height * rng.uniform(0.05, 0.14)))
    shade = float(rng.uniform(0.5, 1.0))
    if rng.random() < 0.09:
        y = round(baseline + x_height * rng.uniform(0.12, 1.1))
        ink[y : y + thick] = np.maximum(ink[y : y + thick], shade)
    if rng.random() < 0.05:
        y = round(max(0.0, box[1] - x_height * rng.uniform(0.05, 0.9)))
        ink[y : y + thick] = np.maximum(ink[y : y + thick], shade)
    if rng.random() < 0.05:
        gap = x_height * rng.uniform(0.15, 1.0)
        x = round(box[0] - gap) if rng.random() < 0.5 else round(box[2] + gap)
        x = min(max(x, 0), ink.shape[1] - 1)
        ink[:, x : x + thick] = np.maximum(ink[:, x : x + thick], shade)


def _wear(ink: FloatImage, x_height: float, rng: np.random.Generator) -> FloatImage:
    """Thicken, thin or round the strokes, turn the line a little."""
    kind = rng.random()
    if kind < 0.4:
        soft = ndimage.gaussian_filter(ink, x_height * float(rng.uniform(0.02, 0.06)))
        gain = float(rng.uniform(1.5, 3.5))
        ink = np.clip((soft - float(rng.uniform(0.35, 0.62))) * gain + 0.5, 0, 1)
    if rng.random() < 0.25:
        angle = float(rng.normal(0, 0.35))
        ink = np.asarray(Image.fromarray(ink).rotate(angle, Image.Resampling.BICUBIC), dtype=np.float32)
    return np.clip(ink, 0, 1).astype(np.float32)


def _field(shape: tuple[int, int], cell: float, rng: np.random.Generator) -> FloatImage:
    """Return a smooth random field in about [0, 1] with bumps of *cell* pixels."""
    coarse = rng.random((max(2, round(shape[0] / cell)), max(2, round(shape[1] / cell))), dtype=np.float32)
    return np.asarray(Image.fromarray(coarse).resize((shape[1], shape[0]), Image.Resampling.BILINEAR), dtype=np.float32)


def _paper(ink: FloatImage, x_height: float, rng: np.random.Generator) -> FloatImage:
    """Return *ink* on paper of some tone, with stains, show-through and uneven ink."""
    paper, black = float(rng.uniform(0.72, 1.0)), float(rng.uniform(0.0, 0.3))
    kind = rng.random()
    if kind < 0.3:
        paper, black = 1.0, 0.0
    elif kind < 0.42:
        black = min(paper - 0.25, float(rng.uniform(0.3, 0.6)))
    image: FloatImage = paper + (black - paper) * ink
    if rng.random() < 0.3:
        image += (_field(ink.shape, 12 * x_height, rng) - 0.5) * float(rng.uniform(0.02, 0.16))
    if rng.random() < 0.2:
        image += (_field(ink.shape, max(2.0, 0.3 * x_height), rng) - 0.5) * float(rng.uniform(0.02, 0.1))
    if rng.random() < 0.25:
        image += ink * (_field(ink.shape, 0.8 * x_height, rng) - 0.3) * float(rng.uniform(0.05, 0.4)) * (paper - black)
    if rng.random() < 0.08:
        show_through = np.roll(ink[:, ::-1], int(rng.integers(-20, 20)), axis=0)
        image -= ndimage.gaussian_filter(show_through, x_height * 0.15) * float(rng.uniform(0.04, 0.18)) * (1 - ink)
    return np.asarray(np.clip(image, 0, 1), dtype=np.float32)
