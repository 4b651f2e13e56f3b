# SPDX-License-Identifier: MPL-2.0
"""Layouts of pages with text."""

from __future__ import annotations

from collections.abc import Callable

from ocrmypdf_superres.training.data.rendered_pages.canvas import Canvas
from ocrmypdf_superres.training.data.rendered_pages.without_text import halftone, photograph, shapes


def paragraphs(canvas: Canvas) -> None:
    """Render paragraphs over the whole width, indented or apart."""
    margin, y = canvas.width * canvas.random.uniform(0.04, 0.14), canvas.em * canvas.random.uniform(0.5, 3)
    leading, apart = canvas.random.uniform(1.1, 2.0), canvas.random.choice((0.0, 0.0, 0.6, 1.5))
    while y < canvas.height - canvas.em:
        y = canvas.block(margin, y, canvas.width - 2 * margin, canvas.random.randrange(2, 12), leading)
        y += apart * canvas.em + 1


def columns(canvas: Canvas) -> None:
    """Render two to four columns, whose lines need not be level."""
    number = max(2, min(canvas.random.randrange(2, 5), int(canvas.width / (9 * canvas.em))))
    gutter, leading = canvas.em * canvas.random.uniform(1.0, 2.5), canvas.random.uniform(1.1, 1.5)
    width = (canvas.width - gutter * (number + 1)) / number
    for index in range(number):
        y = canvas.em * canvas.random.uniform(0.3, 2)
        while y < canvas.height - canvas.em:
            y = canvas.block(gutter + index * (width + gutter), y, width, canvas.random.randrange(3, 15), leading, ragged=0.05)
            y += canvas.em * canvas.random.choice((0, 0.7))


def stanzas(canvas: Canvas) -> None:
    """Render stanzas of equal length at regular distances."""
    lines, leading = canvas.random.randrange(2, 9), canvas.random.uniform(1.15, 1.5)
    gap, x, y = canvas.em * canvas.random.uniform(0.7, 2.5), canvas.width * canvas.random.uniform(0.08, 0.3), canvas.em
    while y < canvas.height - canvas.em * leading * lines:
        y = canvas.block(x, y, canvas.width * 0.55, lines, leading, ragged=0.5) + gap


def address_list(canvas: Canvas) -> None:
    """Render entries of three or four short lines in columns, at regular distances."""
    number = max(1, int(canvas.width / (17 * canvas.em)))
    lines, gap = canvas.random.randrange(2, 5), canvas.em * canvas.random.uniform(0.8, 2.5)
    width = canvas.width / number
    for index in range(number):
        y = canvas.em
        while y < canvas.height - canvas.em * 1.3 * lines:
            y = canvas.block(index * width + canvas.em, y, width - 3 * canvas.em, lines, 1.25, ragged=0.6) + gap


def short_letter(canvas: Canvas) -> None:
    """Render one to three paragraphs of a few lines on a page that is empty otherwise."""
    margin, leading = canvas.width * canvas.random.uniform(0.08, 0.18), canvas.random.uniform(1.15, 1.5)
    y = canvas.height * canvas.random.uniform(0.05, 0.4)
    for _ in range(canvas.random.choice((1, 1, 2, 3))):
        y = canvas.block(margin, y, canvas.width - 2 * margin, 3, leading) + canvas.em * 0.8


def letterhead(canvas: Canvas) -> None:
    """Render a large heading, an address, a short text and small print."""
    margin = canvas.width * 0.1
    size = canvas.random.uniform(1.5, 3.0)
    canvas.text(margin, canvas.em * 3, canvas.fitting(canvas.width * 0.6, size), size)
    y = canvas.block(margin, canvas.em * 5, canvas.width * 0.35, 4, 1.2)
    y = canvas.block(margin, y + canvas.em * 3, canvas.width - 2 * margin, canvas.random.randrange(4, 16))
    canvas.block(margin, canvas.height - canvas.em * 5, canvas.width - 2 * margin, 3, 1.2, 0.75)


def table(canvas: Canvas) -> None:
    """Render rows of short cells, with rules or without."""
    number, row = (
        max(2, int(canvas.width / (canvas.em * canvas.random.uniform(6, 11)))),
        canvas.em * canvas.random.uniform(1.4, 2.6),
    )
    ruled, across = canvas.random.random() < 0.6, canvas.random.random() < 0.5
    width, y = canvas.width * 0.9 / number, canvas.em * 2
    left, top = canvas.width * 0.05, y
    while y < canvas.height - row:
        for index in range(number):
            if canvas.random.random() < 0.85:
                text = canvas.fitting(width * canvas.random.uniform(0.3, 0.9) - canvas.em * 0.5)
                canvas.text(left + index * width + canvas.em * 0.3, y + row * 0.7, text)
        if ruled:
            canvas.rule((left, y, left + number * width, y), max(1, canvas.em / 14))
        y += row
    for index in range(number + 1):
        if ruled and across:
            canvas.rule((left + index * width, top, left + index * width, y), max(1, canvas.em / 14))


def form(canvas: Canvas) -> None:
    """Render labels in ruled boxes and dotted lines to fill in."""
    y = canvas.em
    while y < canvas.height - 3 * canvas.em:
        high = canvas.em * canvas.random.uniform(1.8, 3.2)
        x = canvas.em
        while x < canvas.width - 5 * canvas.em:
            wide = canvas.em * canvas.random.uniform(5, 18)
            right = min(x + wide, canvas.width - canvas.em)
            for corner in ((x, y, right, y), (x, y + high, right, y + high), (x, y, x, y + high), (right, y, right, y + high)):
                canvas.rule(corner)
            canvas.text(x + canvas.em * 0.3, y + canvas.em * 1.1, canvas.fitting((right - x) * 0.8))
            x = right
        y += high


def receipt(canvas: Canvas) -> None:
    """Render a narrow strip of short lines with amounts at the right."""
    width = min(canvas.width * 0.95, canvas.em * canvas.random.uniform(16, 30))
    left, y, step = canvas.em * 0.8, canvas.em * 2, canvas.em * canvas.random.uniform(1.15, 1.6)
    while y < canvas.height - canvas.em:
        if canvas.random.random() < 0.9:
            canvas.text(left, y, canvas.fitting(width * canvas.random.uniform(0.3, 0.6)))
            amount = f"{canvas.random.randrange(1, 999)}.{canvas.random.randrange(10, 99)}"
            canvas.text(left + width - canvas.em * 3, y, amount)
        y += step


def beside_photograph(canvas: Canvas) -> None:
    """Render text with photographs between and beside it."""
    columns(canvas) if canvas.random.random() < 0.5 else paragraphs(canvas)
    for _ in range(canvas.random.randrange(1, 3)):
        wide, high = canvas.width * canvas.random.uniform(0.3, 0.6), canvas.height * canvas.random.uniform(0.2, 0.45)
        x, y = canvas.random.uniform(0, canvas.width - wide), canvas.random.uniform(0, canvas.height - high)
        box = (x, y, x + wide, y + high)
        halftone(canvas, box) if canvas.random.random() < 0.4 else photograph(canvas, box)
        clear(canvas, box)


def labels(canvas: Canvas) -> None:
    """Render short labels over the areas and lines of a map or a chart, with a legend."""
    shapes(canvas)
    canvas.lines.clear()
    for _ in range(canvas.random.randrange(8, 30)):
        text = canvas.words(canvas.random.randrange(1, 3))
        x, y = canvas.random.uniform(0, canvas.width * 0.8), canvas.random.uniform(canvas.em, canvas.height)
        if not any(_touch(line.box, (x, y - canvas.em, x + len(text) * canvas.em * 0.6, y)) for line in canvas.lines):
            canvas.text(x, y, text)
    canvas.block(canvas.em, canvas.height - 6 * canvas.em, canvas.width * 0.5, 4, 1.25, ragged=0.5)


def _touch(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def clear(canvas: Canvas, box: tuple[float, float, float, float]) -> None:
    """Remove the lines that are under *box*, and cut those that it covers in part."""
    canvas.lines = [line for line in canvas.lines if not (_touch(line.box, box) and _covered(line.box, box) > 0.5)]


def _covered(line: tuple[float, float, float, float], box: tuple[float, float, float, float]) -> float:
    return (min(line[2], box[2]) - max(line[0], box[0])) / max(1e-6, line[2] - line[0])


LAYOUTS: dict[str, Callable[[Canvas], None]] = {
    "paragraphs": paragraphs,
    "columns": columns,
    "stanzas": stanzas,
    "address list": address_list,
    "short letter": short_letter,
    "letterhead": letterhead,
    "table": table,
    "form": form,
    "receipt": receipt,
    "beside photograph": beside_photograph,
    "labels": labels,
}
"""Every layout by its name."""
