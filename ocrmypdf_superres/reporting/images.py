# SPDX-License-Identifier: MPL-2.0
"""A page's two images and words in the form that the report holds: small enough that hundreds of pages fit in one file."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.reporting.page_comparison import DOUBTFUL, PageComparison, ReadWord

TOTAL_BYTES = 40_000_000
"""Bytes that all images of a report may take as text; a browser opens such a file in a second or two."""
PAGE_BYTES = 1_500_000
"""Bytes that the images of one page may take, however few pages there are."""
QUALITIES = (70, 45, 25)
"""Of WebP, tried in this order."""
LEAST_HEIGHT = 240
"""Pixels that a cut-out is high at least."""


@dataclass(frozen=True)
class Packed:
    """A page's images as base64 WebP, and the viewer's data: its size at 1:1, words of both sides, whether it is cut.

    A word is [left, top, width, height, confidence, marked 0 or 1, text], in pixels of the image after.
    """

    before: str
    after: str
    values: dict[str, Any]
    quality: int

    @property
    def size(self) -> int:
        """Characters that it takes in the page, words aside."""
        return len(self.before) + len(self.after)


def marked(word: ReadWord) -> bool:
    """Whether the report marks *word*: it is wrong or, where the truth is not known, doubtful."""
    return not word.right if word.right is not None else word.confidence < DOUBTFUL


def _webp(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=1)
    return buffer.getvalue()


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert("L")
    except OSError as error:
        raise OptionError(f"The image {path} of the run cannot be read ({error}); make the run again.") from error


def _busiest(words: Sequence[ReadWord], height: int, wanted: int) -> int:
    """Return the top of the band of *wanted* rows with the most marked words, the uppermost of equals."""
    places = [word.box[1] for word in words if marked(word)] or [word.box[1] for word in words] or [0]
    tops = sorted({min(max(0, place - 12), height - wanted) for place in places})
    return max(tops, key=lambda top: sum(top <= place < top + wanted for place in places))


def _list(words: Sequence[ReadWord], x: float, y: float, top: int, height: int) -> list[list[Any]]:
    """Return the words in the band, scaled by *x* and *y* to pixels of the image after, in the form that the viewer takes."""
    found = []
    for word in words:
        left, upper, right, lower = word.box
        at = round(upper * y) - top
        if at >= 0 and at + (lower - upper) * y <= height + 2:
            box = [round(left * x), at, round((right - left) * x), round((lower - upper) * y)]
            found.append([*box, round(word.confidence), int(marked(word)), word.text])
    return found


def pack(page: PageComparison, root: Path, limit: int, quality: int = QUALITIES[0]) -> Packed:
    """Return *page* in about *limit* characters: coarser first, then only the band with the most marked words.

    *quality* is where to begin: pages of a run are alike, so the quality that the last one needed saves trying better ones.

    Raises:
        OptionError: an image of the run is missing or damaged.
    """
    before, after = (_open(root / side.image) for side in (page.before, page.after))
    width, whole = after.size
    x, y = width / before.width, whole / before.height
    budget = limit * 3 // 4
    top, height = 0, whole
    for quality in (q for q in QUALITIES if q <= quality):
        images = _webp(before, quality), _webp(after, quality)
        if sum(map(len, images)) <= budget:
            break
    else:
        height = min(whole, max(LEAST_HEIGHT, int(whole * 0.9 * budget / sum(map(len, images)))))
        top = _busiest(page.after.words, whole, height)
        old = before.crop((0, round(top / y), before.width, max(round(top / y) + 1, round((top + height) / y))))
        images = _webp(old, quality), _webp(after.crop((0, top, width, top + height)), quality)
    values = {
        "w": width, "h": height, "cut": int(height < whole),
        "b": _list(page.before.words, x, y, top, height), "a": _list(page.after.words, 1, 1, top, height),
    }  # fmt: skip
    first, second = (base64.b64encode(data).decode() for data in images)
    return Packed(first, second, values, quality)
