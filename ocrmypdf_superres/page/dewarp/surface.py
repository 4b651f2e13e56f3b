# SPDX-License-Identifier: MPL-2.0
"""The lines of a skewed or curled page made level: a smooth surface of how far to shift each place up or down.

Pages that are photographed, or pressed onto a scanner as an open book, have lines that rise, fall or bend towards the gutter.
Slopes measured all over the page give a surface of slopes, a polynomial of column and row. Its integral along the columns says by
how much each place lies off its line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrmypdf_superres.page.dewarp.slopes import Slopes, line_slopes
from ocrmypdf_superres.page.image import flatten

ALONG, ACROSS = 4, 2
"""Degrees of the polynomial: lines bend along the columns; how they bend changes little from row to row."""
STIFFNESS = 5e-4
"""Weight of the squared coefficients, times the square of their degree, beside the squared errors of the slopes."""
ROUNDS = 8
POINTS = 33
"""Points of the grid along each side of the page; between them, shifts are interpolated."""
LEAST_SLOPES = 60
"""Slopes that must have been measured."""
LEAST_COLUMNS = 3
"""Columns of the grid that the places must reach over; on a roll of a few letters' width they do not."""
STRAY = 0.015
"""Typical error of the slopes against the surface; larger where there are no lines, or lines in several directions ..."""
STRAY_SHARE = 0.5
"""... unless it is less than this share of the slopes themselves, as on photographs of thick books, whose lines run steeply."""
SKEWED, BENT = 1.0, 0.3
"""X-heights by which lines may run off the level, and off a straight line, before a page is dewarped.

Of 13 training pages at 100 dpi, turned by 2 degrees, Tesseract misses 25.0 % of the words, and 7.6 where they are dewarped; bent
by two x-heights 14.3 and 7.0, turned by 1 degree 7.7 and 7.3, by half a degree 7.2 and 7.5.
"""
STEEPEST = 0.3
"""A page whose lines would have to be squeezed or stretched by more is not a page with curled lines."""


@dataclass(frozen=True)
class Surface:
    """How the lines of a page run.

    Attributes:
        shifts: at POINTS x POINTS points from the upper left to the lower right corner of the page, by how much further down than
            on the dewarped page a place is, as a share of the page's width; float64 (rows, columns).
        drop: largest difference of heights along one line, in x-heights.
        bend: the same after the best straight line was taken off.
    """

    shifts: NDArray[np.float64]
    drop: float
    bend: float

    @property
    def is_level(self) -> bool:
        """Whether the lines are as level as OCR needs them."""
        return self.drop < SKEWED and self.bend < BENT

    def turned(self) -> Surface:
        """Return the surface of the page turned upside down."""
        return replace(self, shifts=-self.shifts[::-1, ::-1])

    def at(self, x: float, y: float, size: tuple[int, int]) -> float:
        """Return how many pixels further down the place (*x*, *y*) of the dewarped page of *size* = (width, height) is."""
        column, row = (min(max(place / side, 0.0), 1.0) * (POINTS - 1) for place, side in zip((x, y), size, strict=True))
        left, upper = min(int(column), POINTS - 2), min(int(row), POINTS - 2)
        right, lower = column - left, row - upper
        (a, b), (c, d) = self.shifts[upper : upper + 2, left : left + 2]
        return size[0] * float((a * (1 - right) + b * right) * (1 - lower) + (c * (1 - right) + d * right) * lower)

    def dewarp(self, image: Image.Image) -> Image.Image:
        """Return *image*, of any mode, with its lines level, as mode ``L`` or ``RGB``; of the same size, its ``info`` kept."""
        flat = flatten(image)
        width, height = flat.size
        columns = np.rint(np.linspace(0, width, POINTS)).astype(int).tolist()
        rows = np.rint(np.linspace(0, height, POINTS)).astype(int).tolist()
        lower = np.linspace(0, height, POINTS)[:, None] + width * self.shifts
        mesh = []
        for row, (top, bottom) in enumerate(pairwise(rows)):
            for column, (left, right) in enumerate(pairwise(columns)):
                (a, b), (c, d) = lower[row : row + 2, column : column + 2]
                mesh.append(((left, top, right, bottom), (left, a, left, c, right, d, right, b)))
        paper = tuple(int(np.median(np.asarray(band)[::8, ::8])) for band in flat.split())
        fill = paper if len(paper) > 1 else paper[0]
        result = flat.transform(flat.size, Image.Transform.MESH, mesh, Image.Resampling.BICUBIC, fillcolor=fill)
        result.info.update(image.info)
        return result


def surface_of(image: Image.Image, x_height: float) -> Surface | None:
    """Return how the lines of *image*, of any mode, run; letters are *x_height* pixels high.

    None where too little is known: few lines, or short ones, or none that run alike.
    """
    found = line_slopes(image, x_height)
    if len(found.x) < LEAST_SLOPES:
        return None
    coefficients, stray = _fit(found)
    if stray > max(STRAY, STRAY_SHARE * 1.48 * float(np.median(np.abs(found.slope)))):
        return None
    bounds = [np.percentile(values, (2, 98)) for values in (found.x, found.y)]
    sides = np.linspace(-1, 1, POINTS)
    x, y = np.meshgrid(*(np.clip(sides, *bound) for bound in bounds))
    slopes = (_terms(x.ravel(), y.ravel()) @ coefficients).reshape(x.shape)
    # In shares of the width, of which two columns of the grid are one POINTS - 1st apart.
    steps = (slopes[:, 1:] + slopes[:, :-1]) / 2 / (POINTS - 1)
    shifts = np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0)))
    inside = (sides >= bounds[0][0]) & (sides <= bounds[0][1])
    if inside.sum() < LEAST_COLUMNS:
        return None
    shifts -= shifts[:, inside].mean(axis=1, keepdims=True)
    lines = shifts[:, inside] * image.width / x_height
    level = np.stack([np.ones(inside.sum()), sides[inside]], axis=1)
    bend = lines - (level @ np.linalg.lstsq(level, lines.T, rcond=None)[0]).T
    height = image.height / image.width
    if float(np.abs(np.diff(shifts, axis=0)).max()) * (POINTS - 1) > STEEPEST * height:
        return None
    return Surface(_fitting(shifts), float(np.ptp(lines, axis=1).max()), float(np.ptp(bend, axis=1).max()))


def _fitting(shifts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return *shifts* with the rows squeezed by so much that nothing is shifted out of the page."""
    above, below = max(0.0, float(shifts[0].max())), max(0.0, -float(shifts[-1].min()))
    return shifts + np.linspace(-above, below, POINTS)[:, None]


def _fit(found: Slopes) -> tuple[NDArray[np.float64], float]:
    """Return the coefficients of the surface through the slopes, and their typical error; slopes far off it count less."""
    terms = _terms(found.x, found.y)
    degrees = np.add.outer(np.arange(ALONG + 1), np.arange(ACROSS + 1)).ravel()
    stiff = STIFFNESS * float(found.weight.sum()) * np.diag(degrees.astype(np.float64) ** 2)
    trust = np.ones(len(found.x))
    slope = found.slope.astype(np.float64)
    for _ in range(ROUNDS):
        weighted = terms * (found.weight * trust)[:, None]
        coefficients = np.linalg.solve(weighted.T @ terms + stiff, weighted.T @ slope)
        errors = slope - terms @ coefficients
        stray = 1.48 * float(np.median(np.abs(errors))) + 1e-4
        trust = 1 / (1 + (errors / (2 * stray)) ** 2)
    return np.asarray(coefficients, dtype=np.float64), stray


def _terms(x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the powers of *x* and *y*, each (N,), as float64 (N, (ALONG + 1) (ACROSS + 1))."""
    powers = (np.power.outer(np.asarray(values, np.float64), np.arange(n + 1)) for values, n in ((x, ALONG), (y, ACROSS)))
    along, across = powers
    return np.asarray((along[:, :, None] * across[:, None, :]).reshape(len(x), -1))
