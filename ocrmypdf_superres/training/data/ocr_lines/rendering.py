# SPDX-License-Identifier: MPL-2.0
"""A line of text rendered as print, typewriting, dot-matrix print or small capitals, with the lines and rules around it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from ocrmypdf_superres.page.image import FloatImage
from ocrmypdf_superres.training.data.fonts import FontFile
from ocrmypdf_superres.training.data.ocr_lines.line_fonts import (
    has_small_capitals,
    is_blackletter,
    is_typewriter,
    open_line_font,
    relative_x_height,
)
from ocrmypdf_superres.training.data.ocr_lines.paper import add_blank, add_columns, add_rules, put_on_paper, wear_letters
from ocrmypdf_superres.training.data.ocr_lines.spelling import COMBINING_E
from ocrmypdf_superres.training.data.ocr_lines.templates import GAP

#: Height of a strip above and below the baseline, in x-heights.
ABOVE, BELOW = 3.4, 2.0
#: Fraction of the ink that must survive wear; worn hairlines can no longer be read.
_LEAST_INK = 0.35
#: Share of the lines with a form's blank beside the text.
_BLANKS = 0.06


@dataclass(frozen=True)
class Strip:
    """A line on a strip of paper; positions and lengths are in pixels of the strip and need not be whole.

    Attributes:
        image: float32 (H, W) in [0, 1], 1 is white.
        text: transcription of the line, with single spaces.
        baseline: row of the line's baseline.
        x_height: of the line.
        left, top, right, bottom: bounding box of the line's ink and of a blank beside it, without neighbouring lines and other
            rules.
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
    """Return *text* in *font* with an x-height of about *x_height* pixels; None if too little ink is left.

    Args:
        text: the line; a tab stands for a wide gap.
        font: a font that covers it. A combining e need not be covered: a small e is set above the vowel.
        x_height: in pixels of the strip, at least 8.
        neighbours: texts of the lines above and below; one that the font does not cover is left out.
        rng: chooses the style, gaps and rules.
    """
    size = max(8, round(x_height / relative_x_height(font)))
    # A font size is whole pixels, so the x-height is not exactly the one that was asked for.
    x_height = relative_x_height(font) * size
    mono = is_typewriter(font)
    style = _Style.sample(rng, mono, size)
    if is_blackletter(font):
        style = replace(style, small_caps=False)
    transcription = text.upper() if style.small_caps or has_small_capitals(font) else text
    if style.small_caps:
        text = transcription
    margin = round(x_height * rng.uniform(1.2, 3.0))
    baseline = round(ABOVE * x_height)
    runs, gaps, width = _layout(text, font, size, style, rng)
    canvas = (round(width) + 2 * margin, round((ABOVE + BELOW) * x_height))
    ink = _render_runs(runs, canvas, (margin, baseline), font, size, style, rng)
    rows, columns = np.flatnonzero(ink.max(axis=1) > 0.3), np.flatnonzero(ink.max(axis=0) > 0.3)
    if not len(rows) or not len(columns):
        return None
    box = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
    pitch = x_height * rng.uniform(1.9, 3.6)
    for sign, other in zip((-1, 1), neighbours, strict=False):
        if font.covers(other.replace(GAP, " ").replace(COMBINING_E, "")) and rng.random() < 0.8:
            others, _, _ = _layout(other, font, size, style, rng)
            start = margin - rng.uniform(0, 8) * x_height
            np.maximum(ink, _render_runs(others, canvas, (start, baseline + sign * pitch), font, size, style, rng), out=ink)
    add_rules(ink, box, x_height, baseline, rng)
    whole = box
    if rng.random() < _BLANKS:
        whole = add_blank(ink, box, x_height, baseline, rng)
    if style.ruled:
        add_columns(ink, [margin + gap for gap in gaps], x_height, rng)
    worn = wear_letters(ink, x_height, rng)
    inside = (slice(round(box[1]), round(box[3])), slice(round(box[0]), round(box[2])))
    if float(worn[inside].sum()) < _LEAST_INK * float(ink[inside].sum()):
        return None
    image = put_on_paper(worn, x_height, rng)
    return Strip(image, " ".join(transcription.split()), float(baseline), x_height, *whole)


@dataclass(frozen=True)
class _Style:
    """How letters are set.

    Attributes:
        tracking: extra space between letters, in pixels.
        baseline_jitter: standard deviation of a keystroke's height above the baseline, in pixels.
        least_ink: ink density of the faintest keystroke, in (0, 1]; 1 for print.
        small_caps: whether lowercase letters are set as small capitals.
        dot_matrix: whether the line is dot-matrix print.
        ruled: whether there are vertical rules between cells, which are then close together.
        hairline_slashes: whether slashes are hairlines.
    """

    tracking: float
    baseline_jitter: float
    least_ink: float
    small_caps: bool
    dot_matrix: bool
    ruled: bool
    hairline_slashes: bool

    @property
    def letter_by_letter(self) -> bool:
        """Whether letters are set one by one, which loses kerning and ligatures across them."""
        return self.tracking > 0 or self.baseline_jitter > 0 or self.small_caps or self.least_ink < 1

    @staticmethod
    def sample(rng: np.random.Generator, mono: bool, size: int) -> _Style:
        uneven = mono and rng.random() < 0.55
        kind = rng.random()
        tracking = size * float(rng.uniform(0.03, 0.18)) if kind < 0.06 else 0.0
        return _Style(
            tracking=tracking,
            baseline_jitter=size * float(rng.uniform(0.0, 0.035)) if uneven else 0.0,
            least_ink=float(rng.uniform(0.5, 1.0)) if uneven else 1.0,
            small_caps=not mono and 0.06 <= kind < 0.075,
            dot_matrix=mono and not uneven and rng.random() < 0.2,
            ruled=bool(rng.random() < 0.25),
            hairline_slashes=bool(rng.random() < 0.15),
        )


Run = tuple[float, str, bool]
"""Text that is set as one: its left end in pixels, its characters, and whether they are small capitals."""


def _layout(
    text: str, font: FontFile, size: int, style: _Style, rng: np.random.Generator
) -> tuple[list[Run], list[float], float]:
    """Return the runs of *text*, the centre of each gap between its cells, and its width, in pixels from its left end."""
    face = open_line_font(font, size)
    single = style.letter_by_letter or (style.hairline_slashes and "/" in text)
    runs: list[Run] = []
    gaps: list[float] = []
    x = 0.0
    for number, cell in enumerate(text.split(GAP)):
        if number:
            gap = size * float(rng.uniform(0.45, 1.2) if style.ruled else rng.uniform(0.7, 4.0))
            gaps.append(x + gap / 2)
            x += gap
        if not single:
            runs.append((x, cell, False))
            x += face.getlength(cell.replace(COMBINING_E, ""))
            continue
        for index, character in enumerate(_characters(cell)):
            small = style.small_caps and index > 0 and cell[index - 1] != " "
            used = open_line_font(font, round(size * 0.8)) if small else face
            runs.append((x, character, small))
            x += used.getlength(character.replace(COMBINING_E, "")) + style.tracking
    return runs, gaps, x


def _render_runs(
    runs: Sequence[Run], canvas: tuple[int, int], origin: tuple[float, float], font: FontFile, size: int, style: _Style,
    rng: np.random.Generator,
) -> FloatImage:  # fmt: skip
    """Return *runs* as ink, float32 in [0, 1], on a canvas of (width, height) pixels; *origin* is (left end, baseline)."""
    layer = Image.new("L", canvas, 0)
    pen = ImageDraw.Draw(layer)
    for x, text, small in runs:
        face = open_line_font(font, round(size * 0.8) if small else size)
        drop = float(rng.normal(0, style.baseline_jitter)) if style.baseline_jitter else 0.0
        shade = int(255 * rng.uniform(style.least_ink, 1.0)) if style.least_ink < 1 else 255
        at = (origin[0] + x, origin[1] + drop)
        if style.hairline_slashes and text == "/":
            ends = [
                (at[0] + 0.1 * face.getlength(text), at[1] + 0.05 * size),
                (at[0] + 0.9 * face.getlength(text), at[1] - 0.7 * size),
            ]
            pen.line(ends, fill=shade, width=max(1, round(0.03 * size)))
        else:
            _render_text(pen, at, text, shade, face, font)
    ink = np.asarray(layer, dtype=np.float32) / np.float32(255)
    return _dotted(ink, size) if style.dot_matrix else np.array(ink)


def _characters(text: str) -> list[str]:
    """Return the characters of *text*, each with the combining e that may follow it."""
    return re.findall(f".{COMBINING_E}?", text)


def _render_text(
    pen: ImageDraw.ImageDraw, at: tuple[float, float], text: str, shade: int, face: ImageFont.FreeTypeFont, font: FontFile
) -> None:
    """Render *text* from *at*, the left end of its baseline; a combining e, which few fonts have, becomes a small e."""
    parts = text.split(COMBINING_E)
    pen.text(at, "".join(parts), fill=shade, font=face, anchor="ls")
    small = open_line_font(font, max(4, round(face.size * 0.42)))
    for end in range(1, len(parts)):
        before = "".join(parts[:end])
        middle = (face.getlength(before[:-1]) + face.getlength(before)) / 2
        height = 1.12 * relative_x_height(font) * face.size
        pen.text((at[0] + middle - small.getlength("e") / 2, at[1] - height), "e", fill=shade, font=small, anchor="ls")


def _dotted(ink: FloatImage, size: int) -> FloatImage:
    """Return *ink* as the dots of a dot-matrix printer, about nine to the height of a capital."""
    period = max(2.0, size * 0.085)
    rows = np.cos(np.arange(ink.shape[0]) * (2 * np.pi / period))[:, None]
    columns = np.cos(np.arange(ink.shape[1]) * (2 * np.pi / period))[None, :]
    dots = np.clip(1.1 + 0.9 * (rows + columns), 0, 1)
    # A printer's pin is as thick as a stroke.
    thick = ndimage.maximum_filter(ink, max(1, round(period * 0.6)))
    return np.asarray(thick * dots, dtype=np.float32)
