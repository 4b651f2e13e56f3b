# SPDX-License-Identifier: MPL-2.0
"""The published weights of LPIPS: two files that the user has; nothing is downloaded."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ocrmypdf_superres.metrics.lpips import LPIPS
from ocrmypdf_superres.modelstore.published_weights import fill, read_tensors


@lru_cache(maxsize=1)
def load_lpips(backbone: Path, linear: Path) -> LPIPS:
    """Return LPIPS with its weights, ready to measure; the last one is kept.

    Args:
        backbone: AlexNet's weights with torchvision's names, ``features.N.weight`` and ``.bias``.
        linear: the metric's own weights, ``linN.model.1.weight``.

    Raises:
        OptionError: a file is missing, damaged or of another network.
    """
    network = LPIPS()
    fill(network.backbone, read_tensors(backbone), backbone, "AlexNet")
    fill(network.weighting, read_tensors(linear), linear, "LPIPS 0.1 for AlexNet")
    return network.eval()
