# SPDX-License-Identifier: MPL-2.0
"""Rules, stains, halftone screens and show-through around a line's letters, and wear of the letters themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from scipy import ndimage

from ocrmypdf_superres.page.image import FloatImage


def add_rules(
    ink: FloatImage, box: tuple[float, float, float, float], x_height: float, baseline: float, rng: np.random.Generator
) -> None:
    """Add an underline or a table's rules to *ink*, at random, near the text in *box* or touching it."""
    thick = max(1, round(x_height * rng.uniform(0.05, 0.14)))
    shade = float(rng.uniform(0.5, 1.0))
    if rng.random() < 0.09:
        y = round(baseline + x_height * rng.uniform(0.12, 1.1))
        ink[y : y + thick] = np.maximum(ink[y : y + thick], shade)
    if rng.random() < 0.05:
        y = round(max(0.0, box[1] - x_height * rng.uniform(0.05, 0.9)))
        ink[y : y + thick] = np.maximum(ink[y : y + thick], shade)
    if rng.random() < 0.05:
        gap = x_height * rng.uniform(0.15, 1.0)
        x = round(box[0] - gap) if rng.random() < 0.5 else round(box[2] + gap)
        x = min(max(x, 0), ink.shape[1] - 1)
        ink[:, x : x + thick] = np.maximum(ink[:, x : x + thick], shade)


def add_blank(
    ink: FloatImage, box: tuple[float, float, float, float], x_height: float, baseline: float, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Add a form's blank, a rule for writing on, to *ink* before or after the text in *box*; return the box of both.

    Layout analysis takes it for a part of the line, although the text has no underscore there.
    """
    thick = max(1, round(x_height * rng.uniform(0.05, 0.16)))
    y = round(baseline + x_height * rng.uniform(-0.1, 0.35))
    gap, length = x_height * rng.uniform(0.0, 1.5), x_height * rng.uniform(0.6, 8.0)
    left, top, right, bottom = box
    if rng.random() < 0.35:
        start, end = max(0.0, left - gap - length), max(0.0, left - gap)
    else:
        start, end = right + gap, min(right + gap + length, float(ink.shape[1]))
    part = (slice(y, y + thick), slice(round(start), round(end)))
    ink[part] = np.maximum(ink[part], float(rng.uniform(0.5, 1.0)))
    return min(left, start), top, max(right, end), max(bottom, float(y + thick))


def add_columns(ink: FloatImage, places: Sequence[float], x_height: float, rng: np.random.Generator) -> None:
    """Add full-height rules to *ink* between a table's columns, at *places* in pixels from the left."""
    thick = max(1, round(x_height * rng.uniform(0.04, 0.1)))
    shade = float(rng.uniform(0.4, 1.0))
    for place in places:
        x = min(max(round(place), 0), ink.shape[1] - thick)
        ink[:, x : x + thick] = np.maximum(ink[:, x : x + thick], shade)


def _screen(shape: tuple[int, int], period: float, rng: np.random.Generator) -> FloatImage:
    """Return a halftone screen, float32 in [0, 1]: dots *period* pixels apart on a rotated grid, in all or the right columns."""
    angle = float(rng.choice([0.0, 0.26, 0.79]))
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32) * np.float32(2 * np.pi / period)
    across, along = columns * np.cos(angle) + rows * np.sin(angle), rows * np.cos(angle) - columns * np.sin(angle)
    dots = np.clip(0.5 + 0.6 * (np.cos(across) + np.cos(along)) - float(rng.uniform(0.2, 0.6)), 0, 1)
    if rng.random() < 0.4:
        dots[:, : int(rng.integers(shape[1]))] = 0
    return np.asarray(dots, dtype=np.float32)


def wear_letters(ink: FloatImage, x_height: float, rng: np.random.Generator) -> FloatImage:
    """Return *ink* with strokes thickened, thinned or rounded and the line rotated a little, each at random."""
    kind = rng.random()
    if kind < 0.4:
        soft = ndimage.gaussian_filter(ink, x_height * float(rng.uniform(0.02, 0.06)))
        gain = float(rng.uniform(1.5, 3.5))
        ink = np.clip((soft - float(rng.uniform(0.35, 0.62))) * gain + 0.5, 0, 1)
    if rng.random() < 0.25:
        angle = float(rng.normal(0, 0.35))
        ink = np.asarray(Image.fromarray(ink).rotate(angle, Image.Resampling.BICUBIC), dtype=np.float32)
    return np.clip(ink, 0, 1).astype(np.float32)


def _field(shape: tuple[int, int], cell: float, rng: np.random.Generator) -> FloatImage:
    """Return smooth noise, float32 in [0, 1], with a grain of *cell* pixels."""
    coarse = rng.random((max(2, round(shape[0] / cell)), max(2, round(shape[1] / cell))), dtype=np.float32)
    return np.asarray(Image.fromarray(coarse).resize((shape[1], shape[0]), Image.Resampling.BILINEAR), dtype=np.float32)


def put_on_paper(ink: FloatImage, x_height: float, rng: np.random.Generator) -> FloatImage:
    """Return *ink*, float32 in [0, 1], on paper: float32 in [0, 1], 1 is white, with stains, show-through and uneven ink."""
    paper, black = float(rng.uniform(0.72, 1.0)), float(rng.uniform(0.0, 0.3))
    kind = rng.random()
    if kind < 0.3:
        paper, black = 1.0, 0.0
    elif kind < 0.42:
        black = min(paper - 0.25, float(rng.uniform(0.3, 0.6)))
    image: FloatImage = paper + (black - paper) * ink
    if rng.random() < 0.3:
        image += (_field(ink.shape, 12 * x_height, rng) - 0.5) * float(rng.uniform(0.02, 0.16))
    if rng.random() < 0.2:
        image += (_field(ink.shape, max(2.0, 0.3 * x_height), rng) - 0.5) * float(rng.uniform(0.02, 0.1))
    if rng.random() < 0.25:
        image += ink * (_field(ink.shape, 0.8 * x_height, rng) - 0.3) * float(rng.uniform(0.05, 0.4)) * (paper - black)
    if rng.random() < 0.08:
        show_through = np.roll(ink[:, ::-1], int(rng.integers(-20, 20)), axis=0)
        image -= ndimage.gaussian_filter(show_through, x_height * 0.15) * float(rng.uniform(0.04, 0.18)) * (1 - ink)
    if rng.random() < 0.05:
        dots = _screen(ink.shape, max(3.0, x_height * float(rng.uniform(0.12, 0.35))), rng)
        image -= dots * float(rng.uniform(0.1, 0.45)) * (paper - black) * (1 - ink)
    return np.asarray(np.clip(image, 0, 1), dtype=np.float32)
