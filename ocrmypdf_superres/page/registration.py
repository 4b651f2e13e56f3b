# SPDX-License-Identifier: MPL-2.0
"""Laying a scan of low resolution over one of high resolution of the same page.

First scale, angle and shift are searched on small copies by normalised cross-correlation (by FFT), then an affine
map is fitted to the shifts of many small windows, least squares without the windows that do not agree.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from ocrmypdf_superres.page.image import FloatImage

Array = NDArray[np.float64]

SCALES = np.arange(0.85, 1.16, 0.025)
"""Searched on top of the ratio of the scans' sizes: one of them may be cropped."""
ANGLES = np.arange(-3.0, 3.1, 0.5)
"""Degrees."""
WINDOW, REACH = 64, 10
"""Side of a window and how far it may be off, lr pixels."""
MINIMUM_WINDOWS = 10
MAXIMUM_RESIDUAL = 0.4
"""Median distance, lr pixels, of the agreeing windows from the fitted map."""


def register(lr: FloatImage, hr: FloatImage) -> Array | None:
    """Return the affine map, float64 (2, 3), from (row, column, 1) of *lr* to (row, column) of *hr*; pages in [0, 1].

    ``None`` where the two cannot be laid over each other to within 0.4 lr pixels.
    """
    ratio = float(np.sqrt(hr.size / lr.size))
    matrix = _search(lr, hr, ratio)
    for _ in range(4):
        found = _windows(lr, hr, matrix)
        if found is None:
            return None
        points, shifts = found
        matrix, residual, agreeing = _fit(points, points + shifts, matrix)
        if agreeing < max(MINIMUM_WINDOWS, 0.4 * len(points)):
            return None
    return matrix if residual <= MAXIMUM_RESIDUAL else None


def warp(hr: FloatImage | NDArray[np.uint8], matrix: Array, rows: Array, columns: Array) -> FloatImage:
    """Return *hr* sampled at the lr positions *rows* (h,) and *columns* (w,): float32 (h, w) in [0, 1].

    *hr* is float32 (H, W) in [0, 1], or uint8.

    *hr* is first blurred as far as the sampling is coarser than its pixels; outside the page its edge repeats.
    """
    step = float(rows[1] - rows[0]) * float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    corners = matrix @ np.array([[r, c, 1.0] for r in (rows[0], rows[-1]) for c in (columns[0], columns[-1])]).T
    margin = 4 + 2 * step
    top, left = (int(np.clip(np.floor(v - margin), 0, side - 1)) for v, side in zip(corners.min(axis=1), hr.shape, strict=True))
    bottom, right = (int(np.clip(np.ceil(v + margin), 1, side)) for v, side in zip(corners.max(axis=1), hr.shape, strict=True))
    cut = hr[top : max(bottom, top + 1), left : max(right, left + 1)]
    if cut.dtype == np.uint8:
        cut = cut.astype(np.float32) / np.float32(255)
    if step > 1:
        # An area average of `step` pixels has this variance beyond a pixel's own.
        cut = ndimage.gaussian_filter(cut, float(np.sqrt((step**2 - 1) / 12)))
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"))
    places = np.tensordot(matrix[:, :2], grid, axes=1) + matrix[:, 2][:, None, None]
    places -= np.array([top, left])[:, None, None]
    return np.asarray(ndimage.map_coordinates(cut, places, order=1, mode="nearest"), dtype=np.float32)


def _search(lr: FloatImage, hr: FloatImage, ratio: float) -> Array:
    """Return the map of the scale, angle and shift at which small copies agree best."""
    reduce = max(1.0, max(lr.shape) / 224)
    small = 1 - ndimage.zoom(ndimage.gaussian_filter(lr, reduce / 2), 1 / reduce, order=1)
    height, width = small.shape
    size = [fft.next_fast_len(2 * side) for side in (height, width)]
    seen = fft.rfft2(small - small.mean(), size)
    power = float(np.sqrt(((small - small.mean()) ** 2).sum()))
    soft = ndimage.gaussian_filter(hr, reduce * ratio / 2)
    centre = np.array([height - 1, width - 1]) / 2
    best, answer = -np.inf, np.zeros((2, 3))
    for factor in SCALES:
        for angle in np.deg2rad(ANGLES):
            turn = reduce * ratio * factor * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            offset = (np.array(hr.shape) - 1) / 2 - turn @ centre
            other = 1 - ndimage.affine_transform(soft, turn, offset, (height, width), order=1, mode="nearest")
            other -= other.mean()
            match = fft.irfft2(seen * np.conj(fft.rfft2(other, size)), size)
            score = float(match.max()) / (power * float(np.sqrt((other**2).sum())) + 1e-9)
            if score > best:
                place = np.array(np.unravel_index(int(match.argmax()), match.shape))
                shift = np.where(place > np.array(size) / 2, place - size, place)
                # small[x] looks like other[x - shift], and small's pixels lie `reduce` lr pixels apart.
                linear = turn / reduce
                best, answer = score, np.column_stack([linear, offset - turn @ shift])
    return answer


def _windows(lr: FloatImage, hr: FloatImage, matrix: Array) -> tuple[Array, Array] | None:
    """Return centres (n, 2) of windows with ink in lr, and by how much they are off (n, 2), lr pixels; None for too few."""
    reach = WINDOW // 2 + REACH
    points, shifts = [], []
    for row in np.linspace(reach, lr.shape[0] - reach - 1, 9).astype(int):
        for column in np.linspace(reach, lr.shape[1] - reach - 1, 7).astype(int):
            half = WINDOW // 2
            patch = lr[row - half : row + half, column - half : column + half]
            if patch.shape != (WINDOW, WINDOW) or float(patch.std()) < 0.05:
                continue
            rows = np.arange(row - reach, row + reach, dtype=np.float64)
            columns = np.arange(column - reach, column + reach, dtype=np.float64)
            shift = _shift(patch, warp(hr, matrix, rows, columns))
            if shift is not None:
                points.append((row, column))
                shifts.append(shift)
    if len(points) < MINIMUM_WINDOWS:
        return None
    return np.array(points, dtype=np.float64), np.array(shifts)


def _shift(patch: FloatImage, area: FloatImage) -> tuple[float, float] | None:
    """Return where *patch* lies in the larger *area*, off its middle, to a fraction of a pixel; None where it is not seen."""
    size = area.shape
    wanted = patch - patch.mean()
    match = fft.irfft2(fft.rfft2(area) * np.conj(fft.rfft2(wanted, size)), size)[: 2 * REACH + 1, : 2 * REACH + 1]
    side = np.ones(patch.shape)
    means = fft.irfft2(fft.rfft2(area) * np.conj(fft.rfft2(side, size)), size)[: 2 * REACH + 1, : 2 * REACH + 1] / patch.size
    squares = fft.irfft2(fft.rfft2(area**2) * np.conj(fft.rfft2(side, size)), size)[: 2 * REACH + 1, : 2 * REACH + 1]
    spread = np.sqrt(np.maximum(squares - patch.size * means**2, 1e-6))
    match = match / spread / float(np.sqrt((wanted**2).sum()))
    row, column = (int(v) for v in np.unravel_index(int(match.argmax()), match.shape))
    if match[row, column] < 0.5 or not 0 < row < 2 * REACH or not 0 < column < 2 * REACH:
        return None
    return (
        row - REACH + _vertex(match[row - 1 : row + 2, column]),
        column - REACH + _vertex(match[row, column - 1 : column + 2]),
    )


def _vertex(values: Array) -> float:
    """Return where the parabola through three values has its vertex, from -0.5 to 0.5 off the middle one."""
    before, middle, after = (float(v) for v in values)
    bend = before - 2 * middle + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0


def _fit(points: Array, seen: Array, matrix: Array) -> tuple[Array, float, int]:
    """Return the map that takes *points* of lr to where *matrix* takes *seen*, its median residual, and how many agree."""
    ones = np.ones((len(points), 1))
    inputs = np.hstack([points, ones])
    targets = np.hstack([seen, ones]) @ matrix.T
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    agree = np.ones(len(points), dtype=bool)
    for _ in range(6):
        fitted = np.linalg.lstsq(inputs[agree], targets[agree], rcond=None)[0].T
        distance = np.linalg.norm(inputs @ fitted.T - targets, axis=1) / scale
        limit = max(0.7, 2.5 * float(np.median(distance)))
        agree = distance <= limit
    return np.asarray(fitted, dtype=np.float64), float(np.median(distance[agree])), int(agree.sum())
