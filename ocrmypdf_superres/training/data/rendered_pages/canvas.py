# SPDX-License-Identifier: MPL-2.0
"""A canvas that notes where text of which height stands while it is rendered."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ocrmypdf_superres.training.data.rendered_pages.scripts import Face, Script, make_word, reference_height

_OVERSAMPLING = 8
"""Pages are rendered at most this many times larger, so that edges fall between pixels as in a scan."""
_WHOLE_PIXELS = 72
"""FreeType fits letters of fewer pixels an em to whole pixels, so that they come out up to a tenth higher or lower."""


@dataclass(frozen=True)
class RenderedLine:
    """A line of text: left, top, right, bottom of its letters' bodies in pixels, the height of these, and its letters."""

    box: tuple[float, float, float, float]
    height: float
    letters: int


@dataclass
class Canvas:
    """A page of *width* x *height* pixels to be filled with text of *em* pixels.

    Attributes:
        boldness: by how much its letters are thickened on every side, as a share of the em.
        lines: the lines that were rendered so far.
    """

    width: int
    height: int
    em: float
    script: Script
    face: Face
    random: random.Random
    boldness: float = 0.0
    lines: list[RenderedLine] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scale = int(np.clip(math.ceil(_WHOLE_PIXELS / self.em), 2, _OVERSAMPLING))
        self.image = Image.new("L", (self.width * self.scale, self.height * self.scale), 255)
        self.pen = ImageDraw.Draw(self.image)

    def words(self, count: int) -> str:
        """Return *count* words."""
        return ("" if self.script.joined else " ").join(make_word(self.script, self.random) for _ in range(count))

    def text(self, x: float, y: float, text: str, size: float = 1.0) -> float:
        """Write *text* with its body's bottom at about row *y*, *size* ems high; return the column where it ends."""
        font = self.face.open(max(4, round(self.em * size * self.scale)))
        em = font.size / self.scale
        stroke = round(self.boldness * font.size)
        height = em * reference_height(self.script, self.face) + 2 * stroke / self.scale
        self.pen.text((x * self.scale, y * self.scale), text, font=font, fill=0, anchor="ls", stroke_width=stroke)
        end = x + font.getlength(text) / self.scale
        letters = sum(not c.isspace() for c in text)
        self.lines.append(RenderedLine((x, y - height, end, y), height, letters))
        return end

    def fitting(self, width: float, size: float = 1.0) -> str:
        """Return as many words as fit into *width* pixels at *size* ems; at least one."""
        font = self.face.open(max(4, round(self.em * size * self.scale)))
        text = self.words(max(1, int(width / (self.em * size * 2.2))))
        glue = "" if self.script.joined else " "
        for _ in range(40):
            longer = text + glue + make_word(self.script, self.random)
            if font.getlength(longer) / self.scale > width:
                break
            text = longer
        while font.getlength(text) / self.scale > width and len(text) > 2:
            text = text[:-1].rstrip()
        return text

    def block(
        self, x: float, y: float, width: float, lines: int, leading: float = 1.35, size: float = 1.0, ragged: float = 0.15
    ) -> float:
        """Write up to *lines* lines into *width* pixels from row *y* on; return the row below them."""
        step = self.em * size * leading
        for index in range(lines):
            if y + step > self.height:
                break
            share = self.random.uniform(0.3, 0.9) if index == lines - 1 else self.random.uniform(1 - ragged, 1)
            self.text(x, y + step, self.fitting(width * share, size), size)
            y += step
        return y

    def rule(self, box: tuple[float, float, float, float], weight: float = 1.0, ink: int = 60) -> None:
        """Rule a line from the first to the second point of *box*, *weight* pixels thick."""
        points = [value * self.scale for value in box]
        self.pen.line(points, fill=ink, width=max(1, round(weight * self.scale)))

    def finish(self) -> NDArray[np.float32]:
        """Return the page, float32 (H, W) in [0, 1]."""
        small = self.image.resize((self.width, self.height), Image.Resampling.BOX)
        return np.asarray(small, dtype=np.float32) / np.float32(255.0)
