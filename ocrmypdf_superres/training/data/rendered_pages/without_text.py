# SPDX-License-Identifier: MPL-2.0
"""What is on pages beside text, and on pages without any."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ocrmypdf_superres.training.data.rendered_pages.canvas import Canvas

Box = tuple[float, float, float, float]


def _texture(canvas: Canvas, width: int, height: int) -> NDArray[np.float32]:
    """Return something like a photograph: clouds at several sizes, with edges and blobs; float32 in [0, 1]."""
    generator = np.random.default_rng(canvas.random.randrange(2**31))
    total = np.zeros((height, width), np.float32)
    for octave in range(2, 8):
        cells = 2**octave
        noise = generator.random((max(2, cells * height // max(width, 1)), cells)).astype(np.float32)
        layer = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(layer) * np.float32(1.0 / octave ** canvas.random.uniform(0.8, 2.0))
    low, high = float(total.min()), float(total.max())
    total = (total - low) / max(1e-6, high - low)
    for _ in range(canvas.random.randrange(0, 6)):
        angle, offset = canvas.random.uniform(0, math.pi), canvas.random.uniform(0.2, 0.8)
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        side = (x / width - offset) * math.cos(angle) + (y / height - offset) * math.sin(angle) > 0
        total = np.where(side, total * canvas.random.uniform(0.4, 1.0), total)
    contrast = canvas.random.uniform(0.5, 1.6)
    return np.asarray(np.clip((total - 0.5) * contrast + canvas.random.uniform(0.3, 0.7), 0, 1), dtype=np.float32)


def _pixels(canvas: Canvas, box: Box | None) -> tuple[int, int, int, int]:
    whole = (0, 0, canvas.width, canvas.height) if box is None else box
    left, top, right, bottom = (round(value * canvas.scale) for value in whole)
    return left, top, max(left + 4, right), max(top + 4, bottom)


def photograph(canvas: Canvas, box: Box | None = None) -> None:
    """Render a photograph in continuous tone."""
    left, top, right, bottom = _pixels(canvas, box)
    small = _texture(canvas, max(8, (right - left) // 2), max(8, (bottom - top) // 2))
    tone = Image.fromarray((small * 255).astype(np.uint8)).resize((right - left, bottom - top), Image.Resampling.BICUBIC)
    canvas.image.paste(tone, (left, top))


def halftone(canvas: Canvas, box: Box | None = None) -> None:
    """Render a photograph as a screen of dots."""
    left, top, right, bottom = _pixels(canvas, box)
    width, height = right - left, bottom - top
    tone = np.asarray(
        Image.fromarray((_texture(canvas, max(8, width // 4), max(8, height // 4)) * 255).astype(np.uint8)).resize(
            (width, height)
        )
    )
    pitch = canvas.random.uniform(2.5, 9.0) * canvas.scale
    angle = canvas.random.choice((0.0, math.pi / 4, math.radians(15), math.radians(75)))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    screen = (np.cos(2 * math.pi * u / pitch) + np.cos(2 * math.pi * v / pitch)) / 4 + 0.5
    dots = np.where(tone / 255.0 > screen, 255, canvas.random.randrange(0, 60)).astype(np.uint8)
    canvas.image.paste(Image.fromarray(dots), (left, top))


def staves(canvas: Canvas) -> None:
    """Render music: staves with heads and stems, hardly level."""
    space = canvas.em * canvas.random.uniform(0.35, 0.9)
    slope, y = canvas.random.uniform(-0.02, 0.02), space * 3
    weight = max(0.7, space / 9)
    while y < canvas.height - 6 * space:
        for line in range(5):
            row = y + line * space
            canvas.rule((space, row, canvas.width - space, row + slope * canvas.width), weight, 30)
        x = 5 * space
        while x < canvas.width - 3 * space:
            row = y + canvas.random.randrange(0, 9) * space / 2 + slope * x
            s = canvas.scale
            head = [(x - space * 0.6) * s, (row - space * 0.45) * s, (x + space * 0.6) * s, (row + space * 0.45) * s]
            canvas.pen.ellipse(head, fill=20 if canvas.random.random() < 0.7 else None, outline=20)
            up = canvas.random.choice((-1, 1))
            canvas.rule((x + up * space * 0.55, row, x + up * space * 0.55, row - up * space * 3.2), weight, 20)
            x += space * canvas.random.uniform(1.4, 5)
        y += space * canvas.random.uniform(8, 13)


def squares(canvas: Canvas) -> None:
    """Render squared paper, warped a little."""
    pitch, ink = canvas.em * canvas.random.uniform(0.5, 2.5), canvas.random.randrange(90, 200)
    bend, weight = canvas.random.uniform(0, canvas.em), canvas.random.uniform(0.5, 1.4)
    period = canvas.width * canvas.random.uniform(0.6, 2)
    lined = canvas.random.random() < 0.3
    steps = np.linspace(0, 1, 24)
    for start in np.arange(0, canvas.height, pitch):
        points = [(t * canvas.width * canvas.scale, (start + bend * math.sin(t * canvas.width / period * 6.3)) * canvas.scale)
                  for t in steps]  # fmt: skip
        canvas.pen.line(points, fill=ink, width=max(1, round(weight * canvas.scale)))
    for start in () if lined else np.arange(0, canvas.width, pitch):
        points = [((start + bend * math.sin(t * canvas.height / period * 6.3)) * canvas.scale, t * canvas.height * canvas.scale)
                  for t in steps]  # fmt: skip
        canvas.pen.line(points, fill=ink, width=max(1, round(weight * canvas.scale)))


def engraving(canvas: Canvas) -> None:
    """Render hatching, denser where it is darker."""
    texture = _texture(canvas, canvas.width, canvas.height)
    pitch, slope = canvas.random.uniform(2.5, 7), canvas.random.uniform(-1, 1)
    y, x = np.mgrid[0 : canvas.height, 0 : canvas.width].astype(np.float32)
    wave = np.sin((y + slope * x + 6 * texture * pitch) * 2 * math.pi / pitch) / 2 + 0.5
    lines = np.where(wave < 1 - texture, 20, 255).astype(np.uint8)
    canvas.image.paste(Image.fromarray(lines).resize(canvas.image.size, Image.Resampling.BILINEAR), (0, 0))


def scribble(canvas: Canvas) -> None:
    """Render loops as of a running hand, in lines."""
    size, y = canvas.em * canvas.random.uniform(0.6, 1.6), canvas.em * 2
    weight = max(1, round(canvas.em / 12 * canvas.scale))
    while y < canvas.height - canvas.em:
        x, points, phase = canvas.em, [], 0.0
        slant = canvas.random.uniform(-0.05, 0.05)
        while x < canvas.width - canvas.em * 2:
            phase += canvas.random.uniform(0.3, 0.9)
            high = size * canvas.random.choice((0.3, 0.4, 0.4, 0.9))
            points.append(((x + math.sin(phase * 2) * size * 0.25) * canvas.scale,
                           (y + math.cos(phase) * high + slant * x) * canvas.scale))  # fmt: skip
            x += size * canvas.random.uniform(0.08, 0.2)
            if canvas.random.random() < 0.03:
                canvas.pen.line(points, fill=40, width=weight, joint="curve")
                points, x = [], x + size
        if len(points) > 1:
            canvas.pen.line(points, fill=40, width=weight, joint="curve")
        y += size * canvas.random.uniform(1.8, 3.2)


def shapes(canvas: Canvas) -> None:
    """Render filled areas, curves and bars, as of maps and charts."""
    s = canvas.scale
    for _ in range(canvas.random.randrange(4, 14)):
        x, y = canvas.random.uniform(0, canvas.width), canvas.random.uniform(0, canvas.height)
        points = []
        for step in range(9):
            radius = canvas.width * canvas.random.uniform(0.05, 0.25)
            points.append(((x + radius * math.cos(step * 0.7)) * s, (y + radius * math.sin(step * 0.7)) * s))
        fill = canvas.random.choice((None, 120, 160, 190, 215, 235))
        canvas.pen.polygon(points, fill=fill, outline=canvas.random.choice((40, 90, 140)))
    if canvas.random.random() < 0.4:
        base = canvas.height * 0.8
        for index in range(canvas.random.randrange(4, 20)):
            left = canvas.width * (0.1 + 0.04 * index)
            top = base - canvas.height * canvas.random.uniform(0.05, 0.6)
            canvas.pen.rectangle(
                [left * s, top * s, (left + canvas.width * 0.025) * s, base * s], fill=canvas.random.randrange(60, 200)
            )


def stains(canvas: Canvas) -> None:
    """Render empty paper with folds, specks and spots."""
    s = canvas.scale
    for _ in range(canvas.random.randrange(0, 60)):
        x, y, r = (
            canvas.random.uniform(0, canvas.width),
            canvas.random.uniform(0, canvas.height),
            canvas.random.expovariate(0.5) + 0.4,
        )
        canvas.pen.ellipse([(x - r) * s, (y - r) * s, (x + r) * s, (y + r) * s], fill=canvas.random.randrange(30, 220))
    if canvas.random.random() < 0.5:
        y = canvas.random.uniform(0, canvas.height)
        canvas.rule((0, y, canvas.width, y + canvas.random.uniform(-20, 20)), canvas.random.uniform(0.5, 3), 180)
    canvas.image = canvas.image.filter(ImageFilter.GaussianBlur(canvas.random.uniform(0, 2) * s))


WITHOUT_TEXT: dict[str, Callable[[Canvas], None]] = {
    "photograph": photograph,
    "halftone": halftone,
    "music": staves,
    "squared paper": squares,
    "engraving": engraving,
    "handwriting": scribble,
    "shapes": shapes,
    "stained paper": stains,
}
"""Kinds of pages without text, by name."""
