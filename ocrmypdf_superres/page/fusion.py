# SPDX-License-Identifier: MPL-2.0
"""One sharper page from several scans of it: two copies in libraries, a fax that was sent twice, photographs in a row.

Every scan samples the page at other places, and with other noise, so that together they tell more than one does. They are laid
over the first one to a fraction of a pixel, and their mean is taken on a finer grid. Back-projection of what the mean lacks
(Irani and Peleg, CVGIP 1991) made edges sharper and text harder to read, since it brings the noise back, too.
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
AGREEMENT = 0.8
"""Correlation of letters below which two scans that could be laid over each other do not show the same. Scans of one page reach
0.94 at 60 and 72 dpi, pages of one layout with other words 0.36 to 0.68."""
SOFTENED, NEIGHBOURS = 1.5, 41
"""Of what is compared: the deviation of a Gaussian, and the pixels along a line whose mean is taken out."""


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
    """Return gain and offset that bring *seen* to the levels of *first*, and how far both show the same letters.

    That is the correlation without what a line has in common with every other line at its place.
    """
    soft = [np.asarray(ndimage.gaussian_filter(image, SOFTENED)) for image in (seen, first)]
    letters = [(image - ndimage.uniform_filter1d(image, NEIGHBOURS, axis=1, mode="nearest"))[inside] for image in soft]
    spreads = [float(values.std()) for values in letters]
    levels = [image[inside] for image in soft]
    if min(spreads) < 1e-6:
        return 1.0, 0.0, 0.0
    centred = [values - values.mean() for values in letters]
    gain = float(levels[1].std()) / float(levels[0].std())
    offset = float(levels[1].mean()) - gain * float(levels[0].mean())
    return gain, offset, float((centred[0] * centred[1]).mean()) / (spreads[0] * spreads[1])


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


def fuse(laid: Sequence[Laid], scale: int, enlarge: Callable[[FloatImage, int], FloatImage] | None = None) -> FloatImage:
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
