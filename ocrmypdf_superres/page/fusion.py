# SPDX-License-Identifier: MPL-2.0
"""One sharper page from several scans of it: two copies in libraries, a fax that was sent twice, photographs in a row.

Every scan samples the page at other places, so that together they tell more than one does. They are laid over the first one to a
fraction of a pixel, and the page is estimated whose reductions are nearest to all of them, by iterative back-projection (Irani
and Peleg, Improving resolution by image registration, CVGIP 1991).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ocrmypdf_superres.errors import ImageError
from ocrmypdf_superres.page.image import FloatImage
from ocrmypdf_superres.page.registration import register

Array = NDArray[np.float64]
STEPS = 12
"""Of back-projection; more bring out noise."""
STRENGTH = 0.8
"""Of a step; below 1, since the sums of neighbours' corrections would overshoot."""
AGREEMENT = 0.75
"""Correlation, after both are softened, below which two scans that could be registered do not show the same."""


@dataclass(frozen=True)
class Laid:
    """A scan laid over the first one.

    Attributes:
        image: float32 (H, W) in [0, 1], its levels those of the first scan.
        matrix: float64 (2, 3), from (row, column, 1) of the first scan to (row, column) of this one.
    """

    image: FloatImage
    matrix: Array


def lay(images: Sequence[FloatImage], names: Sequence[str] | None = None) -> list[Laid]:
    """Return *images*, float32 (H, W) in [0, 1], laid over the first of them; *names* are for messages.

    Raises:
        ImageError: there are fewer than two, or one does not show what the first does to within 0.4 of a pixel.
    """
    names = names or [f"scan {number}" for number in range(1, len(images) + 1)]
    if len(images) < 2:
        raise ImageError(f"{len(images)} scan was given, at least two of the same page were expected; give more.")
    first = images[0]
    laid = [Laid(first, np.eye(2, 3))]
    rows, columns = (np.arange(side, dtype=np.float64) for side in first.shape)
    for image, name in zip(images[1:], names[1:], strict=True):
        matrix = register(first, image)
        if matrix is None:
            raise ImageError(f"{name} cannot be laid over {names[0]}: it shows another page, or is bent; leave it out.")
        seen, inside = _sampled(image, *_moved(matrix, rows, columns))
        gain, offset, agreement = _levels(first, seen, inside)
        if agreement < AGREEMENT:
            raise ImageError(
                f"{name} does not show what {names[0]} does (their correlation is {agreement:.2f}, {AGREEMENT} was expected); "
                "leave it out."
            )
        laid.append(Laid((image * gain + offset).astype(np.float32), matrix))
    return laid


def _levels(first: FloatImage, seen: FloatImage, inside: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return gain and offset that bring *seen* to the levels of *first*, and the correlation of both."""
    a, b = (ndimage.gaussian_filter(image, 1.5)[inside] for image in (seen, first))
    spread, other = float(a.std()), float(b.std())
    if spread < 1e-6 or other < 1e-6:
        return 1.0, 0.0, 0.0
    agreement = float(((a - a.mean()) * (b - b.mean())).mean()) / (spread * other)
    gain = other / spread
    return gain, float(b.mean()) - gain * float(a.mean()), agreement


def _moved(matrix: Array, rows: Array, columns: Array) -> tuple[Array, Array]:
    """Return where the grid of *rows* and *columns* goes by *matrix*, float64 (h, w) each."""
    return (
        matrix[0, 0] * rows[:, None] + matrix[0, 1] * columns[None] + matrix[0, 2],
        matrix[1, 0] * rows[:, None] + matrix[1, 1] * columns[None] + matrix[1, 2],
    )


def _sampled(image: FloatImage, rows: Array, columns: Array, order: int = 1) -> tuple[FloatImage, NDArray[np.bool_]]:
    """Return *image* at the places, its edge repeated, and which of them lie inside."""
    values = ndimage.map_coordinates(image, [rows, columns], order=order, mode="nearest", prefilter=order > 1)
    inside = (rows > -1) & (rows < image.shape[0]) & (columns > -1) & (columns < image.shape[1])
    return np.asarray(values, dtype=np.float32), inside


def _grid(shape: tuple[int, ...], scale: int) -> tuple[Array, Array]:
    """Return the centres of the pixels of a grid *scale* times as fine, in pixels of the first scan."""
    return tuple((np.arange(side * scale) + 0.5) / scale - 0.5 for side in shape[:2])  # type: ignore[return-value]


def average(laid: Sequence[Laid], scale: int, enlarge: Callable[[FloatImage, int], FloatImage] | None = None) -> FloatImage:
    """Return the mean of the scans, enlarged by *scale* and laid over each other: float32 (scale H, scale W) in [0, 1].

    *enlarge*, called as ``enlarge(image, scale)``, enlarges each before it is laid, such as a network; without it the scans are
    interpolated.
    """
    rows, columns = _grid(laid[0].image.shape, scale)
    total = np.zeros((len(rows), len(columns)), dtype=np.float64)
    weight = np.zeros_like(total)
    for scan in laid:
        at_rows, at_columns = _moved(scan.matrix, rows, columns)
        image, order = scan.image, 3
        if enlarge is not None:
            image, order = enlarge(np.clip(scan.image, 0, 1), scale), 1
            at_rows, at_columns = (at_rows + 0.5) * scale - 0.5, (at_columns + 0.5) * scale - 0.5
        values, inside = _sampled(image, at_rows, at_columns, order)
        total += values * inside
        weight += inside
    return np.clip(total / np.maximum(weight, 1), 0, 1).astype(np.float32)


def fuse(laid: Sequence[Laid], scale: int, steps: int = STEPS) -> FloatImage:
    """Return the page that the scans *laid* are reductions of, *scale* times as fine: float32 (scale H, scale W) in [0, 1].

    A scan's pixel is taken for the mean of the page over its square. Beyond what all scans together sample, the result is
    interpolated, so that two scans gain less than eight.
    """
    value = average(laid, scale).astype(np.float64)
    rows, columns = _grid(laid[0].image.shape, scale)
    places = [_moved(scan.matrix, rows, columns) for scan in laid]
    back = [_inverse_places(scan, scale) for scan in laid]
    for _ in range(steps):
        soft = ndimage.uniform_filter(value, scale, mode="nearest")
        change = np.zeros_like(value)
        weight = np.zeros_like(value)
        for scan, (at_rows, at_columns), (from_rows, from_columns) in zip(laid, places, back, strict=True):
            made, seen = _sampled(soft.astype(np.float32), from_rows, from_columns)
            left = np.where(seen, scan.image - made, 0).astype(np.float32)
            # Cubic, so that what is left over of an edge comes back as an edge.
            correction, inside = _sampled(left, at_rows, at_columns, 3)
            change += correction * inside
            weight += inside
        value = np.clip(value + STRENGTH * change / np.maximum(weight, 1), 0, 1)
    return value.astype(np.float32)


def _inverse_places(scan: Laid, scale: int) -> tuple[Array, Array]:
    """Return where the pixels of *scan* lie in the fine grid."""
    linear = np.linalg.inv(scan.matrix[:, :2])
    matrix = np.column_stack([linear, -linear @ scan.matrix[:, 2]])
    at_rows, at_columns = _moved(matrix, *(np.arange(side, dtype=np.float64) for side in scan.image.shape))
    return (at_rows + 0.5) * scale - 0.5, (at_columns + 0.5) * scale - 0.5
