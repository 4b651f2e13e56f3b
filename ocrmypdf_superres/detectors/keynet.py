# SPDX-License-Identifier: MPL-2.0
"""Key.Net (Barroso-Laguna et al., ICCV 2019): where an image has points that are found again, by handcrafted and learned filters.

The layers are those of its PyTorch version, whose weights a user may have.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.modelstore.published_weights import read_tensors

FILTERS, LEVELS, KERNEL = 8, 3, 5
HANDCRAFTED = 10
FACTOR = 1.2
"""Between the levels of its pyramid."""
_NAMES = ((r"feature_extractor\.lb_block\.conv(\d)\.([01])\.(\w+)", r"learned.\1.\2.\3"), (r"last_conv\.0\.(\w+)", r"last.\1"))


def handcrafted(image: Tensor) -> Tensor:
    """Return the ten maps of derivatives, float (B, 10, H, W), of *image*, float (B, 1, H, W): section 3.1 of the paper.

    They are dx, dy, dx^2, dy^2, dx dy, dxy, dxy^2, dxx, dyy and dxx dyy, by Sobel's filters over 8 with repeated borders.
    """
    dx, dy = _slopes(image)
    (dxx, dxy), (_, dyy) = _slopes(dx), _slopes(dy)
    return torch.cat([dx, dy, dx * dx, dy * dy, dx * dy, dxy, dxy * dxy, dxx, dyy, dxx * dyy], dim=1)


def _slopes(image: Tensor) -> tuple[Tensor, Tensor]:
    kernel = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]).to(image) / 8
    padded = functional.pad(image, (1, 1, 1, 1), mode="replicate")
    both = functional.conv2d(padded, torch.stack([kernel, kernel.T])[:, None])
    return both[:, :1], both[:, 1:]


def reduced(image: Tensor) -> Tensor:
    """Return *image*, float (B, 1, H, W), one level smaller: blurred by a binomial filter of 5 x 5, then bilinear."""
    row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]).to(image) / 16
    blurred = functional.conv2d(functional.pad(image, (2, 2, 2, 2), mode="reflect"), torch.outer(row, row)[None, None])
    size = [int(side / FACTOR) for side in image.shape[-2:]]
    return functional.interpolate(blurred, size, mode="bilinear", align_corners=False)


class KeyNet(nn.Module):
    """``net(image)``: the score of each pixel, float (B, 1, H, W) of 0 and more, of *image*, float (B, 1, H, W) in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.learned = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(FILTERS if index else HANDCRAFTED, FILTERS, KERNEL, padding=KERNEL // 2),
                nn.BatchNorm2d(FILTERS),
                nn.ReLU(),
            )
            for index in range(3)
        )
        self.last = nn.Conv2d(LEVELS * FILTERS, 1, KERNEL, padding=KERNEL // 2)

    def forward(self, image: Tensor) -> Tensor:
        """Return the scores; see the class."""
        size, levels = image.shape[-2:], []
        for level in range(LEVELS):
            image = reduced(image) if level else image
            value = handcrafted(image)
            for layer in self.learned:
                value = layer(value)
            levels.append(functional.interpolate(value, size, mode="bilinear", align_corners=False) if level else value)
        return torch.relu(self.last(torch.cat(levels, dim=1)))


def published_state(net: KeyNet) -> dict[str, Tensor]:
    """Return the weights of *net* by their published names."""
    state = {}
    for name, value in net.state_dict().items():
        part, _, rest = name.partition(".")
        number, _, inner = rest.partition(".")
        state[f"last_conv.0.{rest}" if part == "last" else f"feature_extractor.lb_block.conv{number}.{inner}"] = value
    return state


def load_keynet(path: Path) -> KeyNet:
    """Return the frozen Key.Net with the weights in *path*, by their published names.

    Raises:
        OptionError: the file cannot be read, or is of another network.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in read_tensors(path).items():
        for pattern, own in _NAMES:
            if match := re.fullmatch(pattern, name.removeprefix("module.")):
                found[match.expand(own)] = tensor
    net = KeyNet()
    try:
        net.load_state_dict(found)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise OptionError(f"{path} does not hold the tensors of Key.Net ({reason}); give its weights.") from error
    return net.eval().requires_grad_(False)
