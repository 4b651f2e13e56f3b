# SPDX-License-Identifier: MPL-2.0
"""A page before and after: the images that OCR was given and the words that it read, for the report's viewer."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import FiniteFloat

DOUBTFUL, SURE = 60.0, 90.0
"""Of 100: words that are less certain than DOUBTFUL are marked, and from SURE on a user would trust them."""


@dataclass(frozen=True)
class ReadWord:
    """A recognised word: text, confidence (0 to 100), box (left, top, right, bottom) in its image; right, None: unknown."""

    text: str
    confidence: FiniteFloat
    box: tuple[int, int, int, int]
    right: bool | None = None


@dataclass(frozen=True)
class Side:
    """What OCR was given of a page: its image's path within the run, (width, height) in pixels, and the words read on it."""

    image: str
    size: tuple[int, int]
    words: list[ReadWord]


@dataclass(frozen=True)
class PageComparison:
    """A page before and after: what was done to it (``enlarged``, ``left`` or ``failed``) and why."""

    group: str
    page: str
    action: str
    reason: str
    before: Side
    after: Side
