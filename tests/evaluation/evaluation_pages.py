# SPDX-License-Identifier: MPL-2.0
"""Rendered strips of text for the tests of the evaluation."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

LINES = (
    "The harbour was quiet when the first boats came in",
    "and nobody on the wall had counted more than seven.",
    "Every man carried his own lamp and a printed list",
    "of the names that were still missing from the town.",
    "Later that week the rain washed the numbers away.",
)


def draw(dpi: int, lines: tuple[str, ...] = LINES) -> Image.Image:
    """A strip of 6 by 2.2 inches with *lines* in 12 points, made at twice its size so that edges are grey."""
    page = Image.new("L", (12 * dpi, round(4.4 * dpi)), 250)
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=2 * 12 * dpi / 72)
    for number, line in enumerate(lines):
        pen.text((dpi * 0.8, dpi * (0.6 + 0.62 * number)), line, font=font, fill=20)
    return page.reduce(2)
