# SPDX-License-Identifier: MPL-2.0
"""LPIPS, version 0.1 with AlexNet.

Zhang et al., The unreasonable effectiveness of deep features as a perceptual metric, CVPR 2018. The network is made here
without weights; :func:`ocrmypdf_superres.evaluation.networks.lpips_weights.load_lpips` loads the published ones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.errors import ImageError
from ocrmypdf_superres.metrics.image import Image

# Place in torchvision's list, inputs, outputs, kernel, stride, padding; a pooling of 3 by stride 2 stands before 3 and 6.
_CONVOLUTIONS = (
    (0, 3, 64, 11, 4, 2),
    (3, 64, 192, 5, 1, 2),
    (6, 192, 384, 3, 1, 1),
    (8, 384, 256, 3, 1, 1),
    (10, 256, 256, 3, 1, 1),
)
_POOLED = (3, 6)
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
LEAST_SIDE = 64
"""Pixels a side that AlexNet needs for its last layer to have an output."""


class LPIPS(nn.Module):
    """The metric as a network, with random weights until its layers are filled.

    Attributes:
        backbone: AlexNet's convolutions, by their names in torchvision's files (``features.N``).
        weighting: the metric's own 1x1 convolutions, by their names in the authors' file (``linN.model.1``).
    """

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(i, o, k, s, p) for _, i, o, k, s, p in _CONVOLUTIONS)
        self.linear = nn.ModuleList(nn.Conv2d(o, 1, 1, bias=False) for _, _, o, *_ in _CONVOLUTIONS)
        self.register_buffer("shift", torch.tensor(_SHIFT).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE).reshape(1, 3, 1, 1), persistent=False)

    @property
    def backbone(self) -> dict[str, nn.Conv2d]:
        """AlexNet's convolutions by name."""
        named = zip(_CONVOLUTIONS, self.convolutions, strict=True)
        return {f"features.{place}": layer for (place, *_), layer in named if isinstance(layer, nn.Conv2d)}

    @property
    def weighting(self) -> dict[str, nn.Conv2d]:
        """The metric's own layers by name."""
        return {f"lin{index}.model.1": layer for index, layer in enumerate(self.linear) if isinstance(layer, nn.Conv2d)}

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


@torch.inference_mode()
def lpips(image: Image, reference: Image, network: LPIPS) -> float:
    """Return the LPIPS distance of two float (H, W) in [0, 1]: 0 for equal images, more the less alike they look.

    Raises:
        ImageError: the sizes differ, or a side is below 64 pixels.
    """
    if image.shape != reference.shape or min(image.shape) < LEAST_SIDE:
        raise ImageError(
            f"Images of {image.shape} and {reference.shape} were given, but equal sizes of at least {LEAST_SIDE} pixels a side "
            "were expected; enlarge to the reference's size."
        )
    tensors = [torch.from_numpy(p).float().expand(1, 3, -1, -1) for p in (image, reference)]
    return float(network(*tensors))
