# SPDX-License-Identifier: MPL-2.0
"""A line of text drawn as print, typewriter, dot matrix or small capitals make it, with its neighbours and rules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from ocrmypdf_superres.page.image import FloatImage
from ocrmypdf_superres.training.data.fonts import FontFile
from ocrmypdf_superres.training.data.ocr_lines.faces import (
    has_small_capitals,
    is_blackletter,
    is_typewriter,
    open_face,
    x_height_share,
)
from ocrmypdf_superres.training.data.ocr_lines.paper import add_columns, add_rules, put_on_paper, wear_letters
from ocrmypdf_superres.training.data.ocr_lines.spelling import SMALL_E
from ocrmypdf_superres.training.data.ocr_lines.templates import GAP

#: Rows above and below the baseline that a strip has, in x-heights.
ABOVE, BELOW = 3.4, 2.0
#: Share of the ink that wear must leave: of hairlines nothing is left to read.
_LEFT = 0.35


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
    mono = is_typewriter(font)
    style = _Style.sample(rng, mono, size)
    if is_blackletter(font):
        style = replace(style, small_caps=False)
    said = text.upper() if style.small_caps or has_small_capitals(font) else text
    if style.small_caps:
        text = said
    margin = round(real * rng.uniform(1.2, 3.0))
    baseline = round(ABOVE * real)
    places, gaps, width = _layout(text, font, size, style, rng)
    canvas = (round(width) + 2 * margin, round((ABOVE + BELOW) * real))
    ink = _draw(places, canvas, (margin, baseline), font, size, style, rng)
    rows, columns = np.flatnonzero(ink.max(axis=1) > 0.3), np.flatnonzero(ink.max(axis=0) > 0.3)
    if not len(rows) or not len(columns):
        return None
    box = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
    pitch = real * rng.uniform(1.9, 3.6)
    for sign, other in zip((-1, 1), neighbours, strict=False):
        if font.draws(other.replace(GAP, " ").replace(SMALL_E, "")) and rng.random() < 0.8:
            others, _, _ = _layout(other, font, size, style, rng)
            start = margin - rng.uniform(0, 8) * real
            np.maximum(ink, _draw(others, canvas, (start, baseline + sign * pitch), font, size, style, rng), out=ink)
    add_rules(ink, box, real, baseline, rng)
    if style.ruled:
        add_columns(ink, [margin + gap for gap in gaps], real, rng)
    worn = wear_letters(ink, real, rng)
    inside = (slice(round(box[1]), round(box[3])), slice(round(box[0]), round(box[2])))
    if float(worn[inside].sum()) < _LEFT * float(ink[inside].sum()):
        return None
    image = put_on_paper(worn, real, rng)
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
        ruled: whether there are rules between cells, which then are close to each other.
        thin: whether slashes are hairlines.
    """

    tracking: float
    jump: float
    faint: float
    small_caps: bool
    dots: bool
    ruled: bool
    thin: bool

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
            ruled=bool(rng.random() < 0.25),
            thin=bool(rng.random() < 0.15),
        )


Place = tuple[float, str, bool]


def _layout(
    text: str, font: FontFile, size: int, style: _Style, rng: np.random.Generator
) -> tuple[list[Place], list[float], float]:
    """Return the pieces to draw, each (x, text, whether small), the middle of each gap between cells, and the width of all."""
    face = open_face(font, size)
    single = style.tracking > 0 or style.jump > 0 or style.small_caps or style.faint < 1 or (style.thin and "/" in text)
    places: list[Place] = []
    gaps: list[float] = []
    x = 0.0
    for number, cell in enumerate(text.split(GAP)):
        if number:
            gap = size * float(rng.uniform(0.45, 1.2) if style.ruled else rng.uniform(0.7, 4.0))
            gaps.append(x + gap / 2)
            x += gap
        if not single:
            places.append((x, cell, False))
            x += face.getlength(cell.replace(SMALL_E, ""))
            continue
        for place, sign in enumerate(_signs(cell)):
            small = style.small_caps and place > 0 and cell[place - 1] != " "
            used = open_face(font, round(size * 0.8)) if small else face
            places.append((x, sign, small))
            x += used.getlength(sign.replace(SMALL_E, "")) + style.tracking
    return places, gaps, x


def _draw(
    places: Sequence[Place], canvas: tuple[int, int], origin: tuple[float, float], font: FontFile, size: int, style: _Style,
    rng: np.random.Generator,
) -> FloatImage:  # fmt: skip
    layer = Image.new("L", canvas, 0)
    pen = ImageDraw.Draw(layer)
    for x, text, small in places:
        face = open_face(font, round(size * 0.8) if small else size)
        drop = float(rng.normal(0, style.jump)) if style.jump else 0.0
        shade = int(255 * rng.uniform(style.faint, 1.0)) if style.faint < 1 else 255
        at = (origin[0] + x, origin[1] + drop)
        if style.thin and text == "/":
            ends = [
                (at[0] + 0.1 * face.getlength(text), at[1] + 0.05 * size),
                (at[0] + 0.9 * face.getlength(text), at[1] - 0.7 * size),
            ]
            pen.line(ends, fill=shade, width=max(1, round(0.03 * size)))
        else:
            _write(pen, at, text, shade, face, font)
    ink = np.asarray(layer, dtype=np.float32) / np.float32(255)
    return _dotted(ink, size) if style.dots else np.array(ink)


def _signs(text: str) -> list[str]:
    """Return the signs of *text*, each with the small e that may stand above it."""
    return re.findall(f".{SMALL_E}?", text)


def _write(
    pen: ImageDraw.ImageDraw, at: tuple[float, float], text: str, shade: int, face: ImageFont.FreeTypeFont, font: FontFile
) -> None:
    """Draw *text* at *at*, the left end of its baseline; a small e is drawn above its vowel, as hardly a face has it."""
    parts = text.split(SMALL_E)
    pen.text(at, "".join(parts), fill=shade, font=face, anchor="ls")
    small = open_face(font, max(4, round(face.size * 0.42)))
    for end in range(1, len(parts)):
        before = "".join(parts[:end])
        middle = (face.getlength(before[:-1]) + face.getlength(before)) / 2
        height = 1.12 * x_height_share(font) * face.size
        pen.text((at[0] + middle - small.getlength("e") / 2, at[1] - height), "e", fill=shade, font=small, anchor="ls")


def _dotted(ink: FloatImage, size: int) -> FloatImage:
    """Return *ink* in the dots of a needle printer, about nine to the height of a capital."""
    period = max(2.0, size * 0.085)
    rows = np.cos(np.arange(ink.shape[0]) * (2 * np.pi / period))[:, None]
    columns = np.cos(np.arange(ink.shape[1]) * (2 * np.pi / period))[None, :]
    dots = np.clip(1.1 + 0.9 * (rows + columns), 0, 1)
    # A needle is as thick as a stroke.
    thick = ndimage.maximum_filter(ink, max(1, round(period * 0.6)))
    return np.asarray(thick * dots, dtype=np.float32)
