# SPDX-License-Identifier: MPL-2.0
"""The protocol of what runs a net for an upscaler."""

from __future__ import annotations

import re
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

DEVICE = re.compile(r"auto|cpu|cpu:fp32|cuda(:[0-9]{1,2})?|service:.+")
"""The devices that may be asked for; ``service:ADDRESS`` is for archive runs, which share one net among their workers."""


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

    def run(self, tiles: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
        """Return float32 (N, 1, scale h, scale w), not clipped, for *tiles*, float32 (N, 1, h, w) in [0, 1].

        Raises:
            ModelError: the model's file for *scale* cannot be used.
            DeviceError: the device failed.
        """
        ...
