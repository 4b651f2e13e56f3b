# SPDX-License-Identifier: MPL-2.0
"""Nets and pages for the engine's tests."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ocrmypdf_superres.architectures import get

SPEC = get("docsr")
CONFIG = SPEC.parse_config({"features": 6, "convolutions": 3})


def random_net(seed: int = 3) -> torch.nn.Module:
    """A net whose weights are all random, so that nothing cancels at a tile's edge."""
    torch.manual_seed(seed)
    net = SPEC.build(CONFIG)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.08)
    return net.eval()


def random_page(height: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    """Noise around middle grey, so that clipping hides nothing."""
    return (0.3 + 0.4 * np.random.default_rng(seed).random((height, width))).astype(np.float32)
