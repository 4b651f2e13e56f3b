# SPDX-License-Identifier: MPL-2.0
"""The protocol of what runs a net for an upscaler."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Backend(Protocol):
    """Runs one model on one device.

    Attributes:
        device: for people, for example ``cpu (onnxruntime, 2 threads)``.
        batch: how many tiles of equal size to give it at once.
        tile: inner side of a tile in lr pixels that suits the device.
    """

    device: str
    batch: int
    tile: int

    def run(self, tiles: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
        """Return float32 (N, 1, scale h, scale w), not clipped, for *tiles*, float32 (N, 1, h, w) in [0, 1].

        Raises:
            ModelError: the model's file for *scale* cannot be used.
            DeviceError: the device failed.
        """
        ...
