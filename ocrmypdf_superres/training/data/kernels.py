# SPDX-License-Identifier: MPL-2.0
"""Blur kernels of a camera: shaken hands and a lens out of focus (Hradis et al., BMVC 2015; used by Quan et al.)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

Kernel = NDArray[np.float64]
SUBPIXELS = 8
WALK_STEPS = 64


def walk_kernel(size: float, rng: np.random.Generator) -> Kernel:
    """Return the trace of a random walk, centred, that spans *size* pixels at its longer side; its sum is 1.

    The walk has momentum, as a hand has: its velocity is a random walk itself, and the trace has bilinear weights.
    """
    velocity = np.cumsum(rng.normal(size=(WALK_STEPS, 2)), axis=0) + rng.normal(scale=4.0, size=2)
    places = np.cumsum(velocity, axis=0)
    places -= (places.max(axis=0) + places.min(axis=0)) / 2
    half = max(0.0, (size - 1.0) / 2)
    places *= half / max(float(np.abs(places).max()), 1e-9)
    side = 2 * int(np.ceil(half)) + 1
    kernel = np.zeros((side + 1, side + 1))
    places += side // 2
    corner = np.floor(places).astype(int)
    share = places - corner
    for down in (0, 1):
        for right in (0, 1):
            weights = np.abs(1 - down - share[:, 0]) * np.abs(1 - right - share[:, 1])
            np.add.at(kernel, (corner[:, 0] + down, corner[:, 1] + right), weights)
    kernel = kernel[:side, :side]
    return np.asarray(kernel / kernel.sum())


def disc_kernel(radius: float) -> Kernel:
    """Return a disc of *radius* pixels with smooth edges; its sum is 1.  Below half a pixel it blurs nothing."""
    half = int(np.ceil(max(0.0, radius - 0.5)))
    side = 2 * half + 1
    fine = (np.arange(side * SUBPIXELS) + 0.5) / SUBPIXELS - side / 2
    inside = (fine[:, None] ** 2 + fine[None] ** 2 <= max(radius, 0.5) ** 2).astype(float)
    kernel = inside.reshape(side, SUBPIXELS, side, SUBPIXELS).mean(axis=(1, 3))
    return np.asarray(kernel / kernel.sum())


def convolve(image: NDArray[np.float32], kernel: Kernel) -> NDArray[np.float32]:
    """Return *image*, float32 (H, W), blurred by *kernel* of odd sides; the border is replicated."""
    if max(kernel.shape) <= 5:
        return np.asarray(ndimage.convolve(image, kernel.astype(np.float32), mode="nearest"))
    rows, columns = kernel.shape[0] // 2, kernel.shape[1] // 2
    padded = np.pad(image, ((rows, rows), (columns, columns)), mode="edge")
    return np.asarray(signal.fftconvolve(padded, kernel.astype(np.float32), mode="valid"), dtype=np.float32)
