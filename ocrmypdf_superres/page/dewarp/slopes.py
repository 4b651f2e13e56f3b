# SPDX-License-Identifier: MPL-2.0
"""How steeply the text lines of a page rise or fall, place by place.

The ink of two strips that stand side by side, averaged along their rows, is the same profile of lines, shifted by as much as the
lines rise or fall from one strip to the next. The shift is found by normalised cross-correlation, to a fraction of a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrmypdf_superres.page.image import FloatImage, to_grey, to_luma
from ocrmypdf_superres.page.ink import page_ink

Profiles = NDArray[np.float64]
Starts = NDArray[np.intp]

UNIT = 6.0
"""The x-height in pixels to which larger letters are reduced before they are looked at."""
STRIP, WINDOW = 5.0, 12.0
"""Width of a strip and height of the window that is compared, in x-heights."""
REACH = 1.2
"""The largest shift from one strip to the next, in x-heights; lines are at least twice as far from each other."""
ALIKE = 0.5
"""Windows that correlate less show no lines that run from one strip into the other."""
LEAST_INK = 0.04
"""Mean and standard deviation of a window's profile that it must have."""


@dataclass(frozen=True)
class Slopes:
    """Slopes of lines at N places.

    Attributes:
        x, y: of the places, from -1 at the left and upper edge of the page to 1 at the right and lower edge, float32 (N,).
        slope: rows down for each column to the right, (N,).
        weight: how much is known of it, (N,).
    """

    x: FloatImage
    y: FloatImage
    slope: FloatImage
    weight: FloatImage


def line_slopes(image: Image.Image, x_height: float) -> Slopes:
    """Return the slopes of the lines on *image*, of any mode, whose letters are *x_height* pixels high; none on a blank page."""
    shrink = max(1, round(x_height / UNIT))
    grey = to_grey(image)
    small = to_luma(grey.reduce(shrink) if shrink > 1 else grey)
    unit = x_height / shrink
    strip, window, reach = round(STRIP * unit), round(WINDOW * unit), round(REACH * unit)
    height, width = small.shape
    ink = page_ink(small) if width >= 2 * strip and height >= window + 2 * reach else None
    if ink is None:
        return Slopes(*(np.zeros(0, np.float32) for _ in range(4)))
    columns = np.arange(strip, width - strip + 1, max(1, strip // 2))
    sums = np.pad(np.cumsum(ink, axis=1, dtype=np.float64), ((0, 0), (1, 0)))
    left = (sums[:, columns] - sums[:, columns - strip]) / strip
    right = (sums[:, columns + strip] - sums[:, columns]) / strip
    starts = np.arange(reach, height - window - reach + 1, max(1, window // 2))
    alike, mean, deviation = _alike(left, right, starts, window, reach)
    place = alike.argmax(axis=0)
    known = (place > 0) & (place < 2 * reach) & (alike.max(axis=0) > ALIKE) & (np.minimum(mean, deviation) > LEAST_INK)
    rows, strips = np.nonzero(known)
    peak = place[rows, strips]
    before, best, after = (alike[peak + step, rows, strips] for step in (-1, 0, 1))
    fraction = 0.5 * (before - after) / np.minimum(before - 2 * best + after, -1e-6)
    found = (
        2 * columns[strips] / width - 1,
        2 * (starts[rows] + window / 2) / height - 1,
        (peak - reach + fraction) / strip,
        (best - ALIKE + 0.1) * deviation[rows, strips],
    )
    return Slopes(*(np.asarray(values, dtype=np.float32) for values in found))


def _alike(left: Profiles, right: Profiles, starts: Starts, window: int, reach: int) -> tuple[Profiles, Profiles, Profiles]:
    """Compare windows of *right* with those of *left* that start up to *reach* rows higher or lower.

    Returns:
        How alike they are, -1..1, (2 reach + 1, starts, strips), and mean and standard deviation of the windows of *right*,
        each (starts, strips).
    """
    mean, square = _means(right, starts, window), _means(right**2, starts, window)
    deviation = np.sqrt(np.maximum(square - mean**2, 0.0))
    others = np.arange(starts[0] - reach, starts[-1] + reach + 1)
    other_means, other_squares = _means(left, others, window), _means(left**2, others, window)
    alike = []
    for shift in range(-reach, reach + 1):
        there = starts - shift - others[0]
        other, spread = other_means[there], np.sqrt(np.maximum(other_squares[there] - other_means[there] ** 2, 0.0))
        # What np.roll brings round at the edges lies outside all windows.
        together = _means(np.roll(left, shift, axis=0) * right, starts, window) - mean * other
        alike.append(together / np.maximum(deviation * spread, 1e-6))
    return np.stack(alike), mean, deviation


def _means(values: Profiles, starts: Starts, window: int) -> Profiles:
    """Return the means of the windows of *values* (rows, strips) that start at *starts*, (starts, strips)."""
    sums = np.pad(np.cumsum(values, axis=0), ((1, 0), (0, 0)))
    return np.asarray((sums[starts + window] - sums[starts]) / window)
