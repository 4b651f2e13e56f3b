# SPDX-License-Identifier: MPL-2.0
"""The samples that data sources give: a strip of a page around one line of text, or a text line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STRIP_HEIGHT = 96
STRIP_WIDTH = 576
"""Size of a strip in hr pixels: whole lr pixels for the scales 2, 3 and 4, and even numbers of them."""

LINE_PAD = 4
"""Pixels that Tesseract adds around a line's box before it reads it."""


@dataclass
class Sample:
    """One strip, or one text line, whose images are (32, 128) instead of (96, 576), or (3, 32, 128) where it has colour, RGB.

    Attributes:
        source: float32 (96, 576) in [0, 1], the hr strip as the scanner would see it; it is degraded to lr.
        target: float32 (96, 576) in [0, 1], the strip as the net should make it.
        text: the line's text, empty where unknown or where there is no whole line.
        box: left, top, right, bottom of the line with Tesseract's padding, hr pixels inside the strip;
            ``bottom - top`` is the line height that was asked for.  ``None`` where there is no line.
        language: Tesseract language codes of the text, joined by ``+``.
        lr: float32 (96 / scale, 576 / scale) in [0, 1], a real low-resolution image of the same; ``None`` where the
            degradation is to make it.
    """

    source: NDArray[np.float32]
    target: NDArray[np.float32]
    text: str = ""
    box: tuple[int, int, int, int] | None = None
    language: str = ""
    lr: NDArray[np.float32] | None = None
