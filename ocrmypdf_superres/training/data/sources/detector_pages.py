# SPDX-License-Identifier: MPL-2.0
"""Rendered pages with known line boxes, for the text detector."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from ocrmypdf_superres.training.data.fonts import open_font
from ocrmypdf_superres.training.data.sources.rendered import RenderedSource


class RenderedPages(RenderedSource):
    """Parts of pages: lines of text in one or two columns, headings and rules.

    Args:
        folder: as for :class:`RenderedSource`.
        weights: as for :class:`RenderedSource`.
        size: (height, width) of a part in pixels, multiples of 16.
    """

    def __init__(self, folder: Path, weights: Mapping[str, float] | None, size: tuple[int, int]) -> None:
        super().__init__(folder, weights, blank=0.0)
        self.size = size

    def page(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return a part, float32 (height, width) in [0, 1], and its lines' boxes, float32 (N, 4): left, top, right, bottom."""
        height, width = self.size
        layer = Image.new("L", (width, height), 0)
        pen = ImageDraw.Draw(layer)
        boxes: list[tuple[float, float, float, float]] = []
        columns = 1 if rng.random() < 0.7 else 2
        for column in range(columns):
            left = width * column // columns + int(rng.integers(4, 24))
            right = width * (column + 1) // columns - int(rng.integers(4, 24))
            y = float(rng.integers(2, height // 3))
            size = int(rng.integers(12, 45))
            spacing = float(rng.uniform(1.15, 1.9))
            while y < height - 1.5 * size:
                here = round(size * rng.uniform(1.2, 1.8)) if rng.random() < 0.1 else size
                if rng.random() < 0.12:
                    y += here * spacing
                    continue
                box = self._line(pen, rng, left, right, y, here)
                if box is not None:
                    boxes.append(box)
                y += here * spacing
            if rng.random() < 0.2:
                row = int(rng.integers(height))
                pen.line((left, row, right, row), fill=255, width=int(rng.integers(1, 3)))
        ink = np.asarray(layer.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 1.2)))), dtype=np.float32) / 255.0
        paper, black = float(rng.uniform(0.75, 1.0)), float(rng.uniform(0.0, 0.35))
        noise = rng.standard_normal(ink.shape, dtype=np.float32) * np.float32(rng.uniform(0, 0.05))
        page = np.clip(paper + (black - paper) * ink + noise, 0, 1).astype(np.float32)
        return page, np.array(boxes, np.float32).reshape(-1, 4)

    def _line(
        self, pen: ImageDraw.ImageDraw, rng: np.random.Generator, left: int, right: int, top: float, size: int
    ) -> tuple[float, float, float, float] | None:
        language = str(rng.choice(self.languages, p=self.probabilities))
        font_file = self._font(rng, self.words[language])
        font = open_font(font_file.path, font_file.index, size)
        room = (right - left) * (float(rng.uniform(0.2, 1.0)) if rng.random() < 0.25 else 1.0)
        words: list[str] = []
        for word in self._text(rng, language).split():
            if not font_file.covers(word) or font.getlength(" ".join([*words, word])) > room:
                break
            words.append(word)
        text = " ".join(words)
        if not text:
            return None
        pen.text((left, top), text, fill=int(rng.uniform(150, 256)), font=font)
        box = pen.textbbox((left, top), text, font=font)
        # The height is the font's, whatever letters the line has, as detectors join slices of equal height.
        upper, lower = pen.textbbox((left, top), "Hdpg", font=font)[1::2]
        return float(box[0]), float(upper), float(box[2]), float(lower)
