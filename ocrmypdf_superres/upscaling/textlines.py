# SPDX-License-Identifier: MPL-2.0
"""Nets for text lines on whole pages: find lines, cut them at gaps, super-resolve the pieces, blend them into the page.

The page is enlarged with Lanczos first; where a line is found, the net's pieces are blended over it. A piece has the aspect
ratio that the net was trained on and is resized to its size; neighbours overlap and fade into each other at a gap between
words, and pieces fade into the page at the line's edges. Lines that are high enough already are left to Lanczos.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ocrmypdf_superres.errors import ModelError
from ocrmypdf_superres.modelstore.store import Model
from ocrmypdf_superres.page.image import FloatImage, resize_luma
from ocrmypdf_superres.page.line_finder import FoundLine, find_lines
from ocrmypdf_superres.upscaling.backends.base import Backend
from ocrmypdf_superres.upscaling.upscaler import BandUpscaler, Page

TALLEST = 2
"""Lines higher than this many times the net's height are left to Lanczos."""
LOWEST = 0.3
"""So are lines lower than this share of it, in which nothing can be read."""
EARLIEST, LATEST = 0.55, 0.88
"""Where in a piece, as shares of its width, the cut to the next one may lie."""
FADE = 0.05
"""Half the width of a fade, as a share of a piece's width; of its height at the upper and lower edge."""
BATCH = 32


@dataclass(frozen=True)
class Piece:
    """A piece of a line: its box in whole pixels of the enlarged page, and the columns from which it is taken."""

    left: int
    top: int
    right: int
    bottom: int
    begins: int
    ends: int


class LineUpscaler(BandUpscaler):
    """Enlarges pages with a net for text lines; see the module and :class:`~ocrmypdf_superres.upscaling.upscaler.Upscaler`.

    Args:
        model: the model that runs.
        backend: where it runs.
        find: tells where a page's lines are; for images of single lines that is
            :func:`~ocrmypdf_superres.page.line_finder.whole_line`.

    Raises:
        ModelError: the model is not a net for lines.
    """

    def __init__(self, model: Model, backend: Backend, find: Callable[[FloatImage], list[FoundLine]] = find_lines) -> None:
        if len(model.card.line_size) != 2:
            raise ModelError(f"Model {model.card.name} is not a net for text lines; use it as a page model.")
        super().__init__(model, backend)
        self.find = find
        self.size = model.card.line_size[0], model.card.line_size[1]

    def bands(self, page: Page, scale: int) -> Iterator[tuple[int, FloatImage]]:
        """Yield the whole page as one band: (0, float32 (scale H, scale W) in [0, 1])."""
        self.check(page, scale)
        luma = page.astype(np.float32) / np.float32(255.0) if page.dtype == np.uint8 else np.asarray(page, dtype=np.float32)
        height, width = luma.shape
        large = resize_luma(luma, (width * scale, height * scale))
        pieces = [piece for line in self.find(luma) for piece in self._pieces(line, scale)]
        total, weight = np.zeros_like(large), np.zeros_like(large)
        # Pieces may extend beyond the page, where its edge is repeated.
        border = 2 * max((p.bottom - p.top for p in pieces), default=0) + max((p.right - p.left for p in pieces), default=0)
        border = -(-border // scale)
        padded = Image.fromarray(np.pad(luma, border, mode="edge"))
        for start in range(0, len(pieces), BATCH):
            part = pieces[start : start + BATCH]
            lines = np.stack([self._input(padded, piece, scale, border) for piece in part])[:, None]
            for piece, sr in zip(part, self.backend.run(lines, scale), strict=True):
                self._blend(np.clip(sr[0], 0.0, 1.0), piece, total, weight)
        large = (total + large * np.maximum(1.0 - weight, 0.0)) / np.maximum(weight, 1.0)
        yield 0, np.clip(large, 0.0, 1.0, dtype=np.float32)

    def _pieces(self, line: FoundLine, scale: int) -> list[Piece]:
        """Return the pieces of *line*; none where it is too high or too low for the net."""
        rows, columns = self.size
        if not LOWEST * rows <= line.height <= TALLEST * rows:
            return []
        height = round(line.height * scale)
        width = round(height * columns / rows)
        margin = round(line.margin * height)
        pieces = []
        start, begins = line.left * scale - margin, line.left * scale - margin
        last = line.right * scale + margin
        while True:
            ends = last if last <= start + width else _cut_column(line, start, width, scale)
            middle = line.middle((start + width / 2) / scale) * scale
            top = round(middle - height / 2)
            pieces.append(Piece(start, top, start + width, top + height, begins, ends))
            if ends == last:
                return pieces
            begins = ends
            # The overlap shows the net what is before the cut.
            start = ends - round(3 * FADE * width)

    def _input(self, padded: Image.Image, piece: Piece, scale: int, border: int) -> FloatImage:
        """Return the piece of the page, resized to the net's size."""
        box = (
            piece.left / scale + border, piece.top / scale + border, piece.right / scale + border, piece.bottom / scale + border
        )  # fmt: skip
        rows, columns = self.size
        value = padded.resize((columns, rows), Image.Resampling.BICUBIC, box=box)
        return np.clip(np.asarray(value, dtype=np.float32), 0.0, 1.0)

    def _blend(self, sr: FloatImage, piece: Piece, total: FloatImage, weight: FloatImage) -> None:
        """Add the net's output for *piece*, and its weights, to the page's sums."""
        width, height = piece.right - piece.left, piece.bottom - piece.top
        image = np.asarray(Image.fromarray(sr).resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)
        fade = max(1.0, FADE * width)
        columns = np.arange(piece.left, piece.right) + 0.5
        across = np.clip((columns - piece.begins) / (2 * fade) + 0.5, 0, 1) * np.clip(
            (piece.ends - columns) / (2 * fade) + 0.5, 0, 1
        )
        rows = np.arange(height) + 0.5
        down = np.clip(np.minimum(rows, height - rows) / max(1.0, 2 * FADE * height), 0, 1)
        shares = (down[:, None] * across[None]).astype(np.float32)
        top, left = max(0, piece.top), max(0, piece.left)
        bottom, right = min(total.shape[0], piece.bottom), min(total.shape[1], piece.right)
        if bottom <= top or right <= left:
            return
        inner = (slice(top - piece.top, bottom - piece.top), slice(left - piece.left, right - piece.left))
        total[top:bottom, left:right] += image[inner] * shares[inner]
        weight[top:bottom, left:right] += shares[inner]


def _cut_column(line: FoundLine, start: int, width: int, scale: int) -> int:
    """Return the column of the enlarged page at which the piece from *start* ends: the middle of the widest, emptiest gap."""
    first = round((start + EARLIEST * width) / scale) - line.left
    last = round((start + LATEST * width) / scale) - line.left
    ink = line.ink[max(0, first) : max(0, last) + 1]
    if not len(ink):
        return start + round(LATEST * width)
    # Averaged over a gap's width, the middle of a wide one is emptier than a narrow one.
    span = max(1, round(0.15 * line.height))
    kernel = np.ones(span) / span
    soft = np.convolve(np.pad(ink, span // 2, mode="edge"), kernel, mode="same")[span // 2 : span // 2 + len(ink)]
    lowest = np.flatnonzero(soft <= soft.min() + 1e-6)
    return round((max(0, first) + float(lowest[len(lowest) // 2]) + line.left + 0.5) * scale)
