# SPDX-License-Identifier: MPL-2.0
"""The protocol of what runs a net for an upscaler."""

from __future__ import annotations

import re
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

DEVICE = re.compile(r"auto|cpu|cpu:fp32|cuda(:[0-9]{1,2})?|service:.+")
"""The devices that may be asked for; ``service:ADDRESS`` is for archive runs, which share one net among their workers."""

Level = TypeVar("Level", np.float32, np.uint8)
"""What pixels are: float32 in [0, 1], or 8-bit levels."""


class Backend(Protocol):
    """Runs one model on one device.

    Attributes:
        batch: how many tiles of equal size to give it at once.
        tile: inner side of a tile in lr pixels that suits the device.
    """

    batch: int
    tile: int

    @property
    def device(self) -> str:
        """Where it runs and how, for people, for example ``cpu (onnxruntime, 2 threads)``."""
        ...

    def run(self, tiles: NDArray[Level], scale: int) -> NDArray[Level]:
        """Return *tiles*, (N, 1, h, w), enlarged to (N, 1, scale h, scale w), in the same dtype.

        Float32 tiles in [0, 1] come back as the net's output, not clipped; uint8 ones clipped and rounded. A net that
        computes in 8-bit integers takes and gives levels, and so rounds and clips floats, too.

        Raises:
            ModelError: the model's file for *scale* cannot be used.
            DeviceError: the device failed.
        """
        ...


def to_floats(tiles: NDArray[Level]) -> NDArray[np.float32]:
    """Return *tiles*, of any shape, as float32 in [0, 1]."""
    if tiles.dtype == np.uint8:
        return tiles.astype(np.float32) / np.float32(255.0)
    return np.asarray(tiles, np.float32)


def to_levels(pixels: NDArray[Level]) -> NDArray[np.uint8]:
    """Return *pixels*, of any shape, in 8 bits: floats clipped to [0, 1] and rounded, levels as they are."""
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    levels: NDArray[np.float32] = np.clip(pixels, 0.0, 1.0, dtype=np.float32)
    np.multiply(levels, np.float32(255.0), out=levels)
    levels += np.float32(0.5)
    result: NDArray[np.uint8] = levels.astype(np.uint8)
    return result
