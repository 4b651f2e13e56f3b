# SPDX-License-Identifier: MPL-2.0
"""Lines as engines without page layout find them: the corners of a line and its text become an ``OcrElement`` with words."""

from __future__ import annotations

from collections.abc import Sequence
from math import atan2, degrees
from typing import Any

import numpy as np
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement

_UPRIGHT = 10.0
"""A line whose lower edge is turned by more degrees than this is marked as turned."""


def add_line(page: OcrElement, line: OcrElement | None) -> None:
    """Append *line* to *page* as a paragraph of its own; None is left out."""
    if line is not None:
        page.children.append(OcrElement(OcrClass.PARAGRAPH, bbox=line.bbox, children=[line]))


def line_of_text(text: str, score: float, corners: Any, pieces: Any, size: tuple[int, int]) -> OcrElement | None:
    """Return one line of words; None where *text* has none.

    Args:
        text: words with blanks between them.
        score: how sure the engine is of the line, 0 to 1.
        corners: float (4, 2), in pixels, clockwise from where the text begins above.
        pieces: (text, score, corners) of its parts, from which words are put together; None to divide the box by characters.
        size: width and height of the image, which boxes stay inside of.
    """
    tokens = text.split()
    if not tokens:
        return None
    parts = _parts(tokens, pieces) or _by_width(tokens, score, corners)
    words = [OcrElement(OcrClass.WORD, bbox=_box(where, size), text=token, confidence=sure) for token, sure, where in parts]
    across, down = corners[1] - corners[0]
    turned = degrees(atan2(down, across))
    # hOCR and OcrElement count angles against the clock.
    angle = -turned if abs(turned) > _UPRIGHT else None
    return OcrElement(OcrClass.LINE, bbox=_box(corners, size), textangle=angle, children=words)


def _parts(tokens: Sequence[str], pieces: Any) -> list[tuple[str, float, Any]] | None:
    """Return (token, confidence, corners) of each word put together from *pieces*; None where they spell another text."""
    left = list(pieces or ())
    parts = []
    for token in tokens:
        taken: list[Any] = []
        while len("".join(piece[0].replace(" ", "") for piece in taken)) < len(token) and left:
            taken.append(left.pop(0))
        if "".join(piece[0].replace(" ", "") for piece in taken) != token or any(piece[2] is None for piece in taken):
            return None
        letters = [max(1, len(piece[0])) for piece in taken]
        sure = sum(float(piece[1]) * count for piece, count in zip(taken, letters, strict=True)) / sum(letters)
        parts.append((token, sure, np.concatenate([np.asarray(piece[2], dtype=np.float64) for piece in taken])))
    return None if left else parts


def _by_width(tokens: Sequence[str], score: float, corners: Any) -> list[tuple[str, float, Any]]:
    """Return (token, confidence, corners) with the line's box divided by the number of characters."""
    total = sum(map(len, tokens)) + len(tokens) - 1
    parts, begin = [], 0
    for token in tokens:
        at = np.array([begin, begin + len(token)])[:, None] / total
        upper = corners[0] + at * (corners[1] - corners[0])
        lower = corners[3] + at * (corners[2] - corners[3])
        parts.append((token, score, np.concatenate([upper, lower])))
        begin += len(token) + 1
    return parts


def _box(corners: Any, size: tuple[int, int]) -> BoundingBox:
    """Return the upright box around *corners* (N, 2), inside an image of *size* = (width, height)."""
    limit = np.array(size)
    low = np.clip(np.floor(corners.min(axis=0)), 0, limit - 1)
    high = np.clip(np.ceil(corners.max(axis=0)), low + 1, limit)
    return BoundingBox(float(low[0]), float(low[1]), float(high[0]), float(high[1]))
