# SPDX-License-Identifier: MPL-2.0
"""The border of a convolution of Tesseract: uniform noise from a fixed generator."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_MODULUS = 2**31 - 1
_FACTOR = 48271
_SEED_FACTOR = 0x10000001


def minstd(seed: int, count: int) -> NDArray[np.int64]:
    """Return *count* numbers of the generator ``x <- 48271 x mod (2^31 - 1)`` after *seed* and one discarded number."""
    state = seed % _MODULUS or 1
    numbers = np.empty(count + 1, dtype=np.int64)
    # By doubling: the numbers n+1..2n are the numbers 1..n times the factor to the n.
    numbers[0] = state * _FACTOR % _MODULUS
    done = 1
    while done <= count:
        step = min(done, count + 1 - done)
        jump = pow(_FACTOR, done, _MODULUS)
        # Both below 2^31, so that a product fits into 62 bits.
        numbers[done : done + step] = numbers[:step] * jump % _MODULUS
        done += step
    return numbers[1:]


def outside(height: int, width: int, half_x: int, half_y: int) -> NDArray[np.bool_]:
    """Return bool (height, width, taps): whether a tap (x outer, y inner) of a position is outside the image."""
    ys, xs = np.arange(height)[:, None, None], np.arange(width)[None, :, None]
    taps = [(dx, dy) for dx in range(-half_x, half_x + 1) for dy in range(-half_y, half_y + 1)]
    dx, dy = (np.array(offsets)[None, None, :] for offsets in zip(*taps, strict=True))
    result: NDArray[np.bool_] = (ys + dy < 0) | (ys + dy >= height) | (xs + dx < 0) | (xs + dx >= width)
    return result


def border_noise(
    height: int, width: int, features: int, half: tuple[int, int], sample_iteration: int, integer: bool
) -> NDArray[np.float64]:
    """Return the noise of a convolution over one line, (height, width, taps, features) in [-1, 1], 0 inside the image.

    Generated in Tesseract's order: rows, columns, taps with y inner, features. In *integer* mode in steps of 1/127.
    """
    away = outside(height, width, *half)
    noise = np.zeros((*away.shape, features))
    numbers = minstd(sample_iteration * _SEED_FACTOR % _MODULUS, int(away.sum()) * features)
    values = 2.0 * numbers / _MODULUS - 1.0
    if integer:
        values = np.trunc(127.0 * values + np.copysign(0.5, values)) / 127.0
    noise[away] = values.reshape(-1, features)
    return noise


class BorderNoise:
    """What a convolution sees outside the image.

    Attributes:
        mode: ``zero`` (mid-grey), ``random`` (noise from torch's generator, as an augmentation), or ``exact``
            (Tesseract's own noise, for checking).
        sample_iteration: from the file, for ``exact``.
        integer: from the file, for ``exact``.
    """

    def __init__(self) -> None:
        self.mode = "zero"
        self.sample_iteration = 0
        self.integer = False

    def surround(self, x: Tensor, widths: Tensor, half_x: int, half_y: int) -> Tensor:
        """Return *x* (B, C, H, W) with random noise around each line, (B, C, H + 2 half_y, W + 2 half_x)."""
        batch, channels, height, width = x.shape
        noise = torch.rand(batch, channels, height + 2 * half_y, width + 2 * half_x, device=x.device, dtype=x.dtype) * 2 - 1
        columns = torch.arange(width, device=x.device)
        inside = columns[None, :] < widths.to(x.device)[:, None]
        noise[:, :, half_y : half_y + height, half_x : half_x + width] *= (~inside)[:, None, None, :].to(x.dtype)
        padded = torch.nn.functional.pad(x, (half_x, half_x, half_y, half_y))
        return padded + noise

    def correction(self, weight: Tensor, height: int, widths: Tensor, like: Tensor) -> Tensor:
        """Return what Tesseract's own noise adds to the convolution by *weight* (no, ni, ky, kx), shaped as *like*."""
        no, ni, ky, kx = weight.shape
        flat = weight.detach().permute(0, 3, 2, 1).reshape(no, kx * ky * ni).cpu().double().numpy()
        result = np.zeros(like.shape)
        for index, width in enumerate(widths.tolist()):
            noise = border_noise(height, width, ni, (kx // 2, ky // 2), self.sample_iteration, self.integer)
            result[index, :, :, :width] = np.moveaxis(noise.reshape(height, width, -1) @ flat.T, 2, 0)
        return torch.from_numpy(result).to(like)
