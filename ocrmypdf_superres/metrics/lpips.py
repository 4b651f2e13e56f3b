# SPDX-License-Identifier: MPL-2.0
"""LPIPS (Zhang et al., The unreasonable effectiveness of deep features as a perceptual metric, CVPR 2018), version 0.1, AlexNet.

Where both weight files are given: AlexNet's, with torchvision's names ``features.N.weight`` and ``.bias``, and the metric's
own linear weights, ``linN.model.1.weight``.  Nothing is downloaded.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.errors import ImageError
from ocrmypdf_superres.metrics.image import Image
from ocrmypdf_superres.modelstore.published_weights import fill, read_tensors

# Place in torchvision's list, inputs, outputs, kernel, stride, padding; a pooling of 3 by stride 2 stands before 3 and 6.
_CONVOLUTIONS = ((0, 3, 64, 11, 4, 2), (3, 64, 192, 5, 1, 2), (6, 192, 384, 3, 1, 1), (8, 384, 256, 3, 1, 1), (10, 256, 256, 3, 1, 1))
_POOLED = (3, 6)
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
LEAST_SIDE = 64
"""Pixels a side that AlexNet needs for its last layer to see anything."""


class LPIPS(nn.Module):
    """The metric.

    Args:
        backbone, linear: the two weight files.

    Raises:
        OptionError: a file is missing, damaged or of another network.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, backbone: Path, linear: Path) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(i, o, k, s, p) for _, i, o, k, s, p in _CONVOLUTIONS)
        self.linear = nn.ModuleList(nn.Conv2d(o, 1, 1, bias=False) for _, _, o, *_ in _CONVOLUTIONS)
        named = {f"features.{row[0]}": layer for row, layer in zip(_CONVOLUTIONS, self.convolutions, strict=True)}
        fill(named, read_tensors(backbone), backbone, "AlexNet")  # type: ignore[arg-type]
        weighted = {f"lin{i}.model.1": layer for i, layer in enumerate(self.linear)}
        fill(weighted, read_tensors(linear), linear, "LPIPS 0.1 for AlexNet")  # type: ignore[arg-type]
        self.register_buffer("shift", torch.tensor(_SHIFT).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE).reshape(1, 3, 1, 1), persistent=False)

    def _features(self, image: Tensor) -> list[Tensor]:
        value = (2 * image - 1 - self.shift) / self.scale
        found = []
        for (place, *_), layer in zip(_CONVOLUTIONS, self.convolutions, strict=True):
            if place in _POOLED:
                value = functional.max_pool2d(value, 3, 2)
            value = functional.relu(layer(value))
            found.append(value / (value.norm(dim=1, keepdim=True) + 1e-10))
        return found

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """Return the distance, float (B,), of two float (B, 3, H, W) in [0, 1]: the sum over layers of eq. 1."""
        pairs = zip(self._features(image), self._features(reference), self.linear, strict=True)
        return torch.stack([weigh((a - b).square()).mean(dim=(1, 2, 3)) for a, b, weigh in pairs]).sum(dim=0)


@lru_cache(maxsize=1)
def _loaded(backbone: Path, linear: Path) -> LPIPS:
    return LPIPS(backbone, linear).eval()


@torch.inference_mode()
def lpips(image: Image, reference: Image, weights: tuple[Path, Path]) -> float:
    """Return LPIPS of two float (H, W) in [0, 1]; 0 for equal images, more the less alike they look.

    Raises:
        ImageError: the sizes differ, or a side is below 64 pixels. OptionError: as :class:`LPIPS`.
    """
    if image.shape != reference.shape or min(image.shape) < LEAST_SIDE:
        raise ImageError(
            f"Images of {image.shape} and {reference.shape} were given, but equal sizes of at least {LEAST_SIDE} pixels a side "
            "were expected; enlarge to the reference's size."
        )
    tensors = [torch.from_numpy(p).float().expand(1, 3, -1, -1) for p in (image, reference)]
    return float(_loaded(*weights)(*tensors))
