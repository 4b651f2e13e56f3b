# SPDX-License-Identifier: MPL-2.0
"""Blocks that several networks share."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LUMA = (0.299, 0.587, 0.114)
"""The weights of red, green and blue in luma (Rec. 601)."""


def luma(x: Tensor) -> Tensor:
    """Return the luma (Rec. 601) of *x*, float (B, 3, H, W), as (B, 1, H, W)."""
    weights = torch.tensor(LUMA, dtype=x.dtype, device=x.device).reshape(1, 3, 1, 1)
    return (x * weights).sum(dim=1, keepdim=True)


def grey_of(x: Tensor) -> Tensor:
    """Return the luma, float (B, 1, H, W), of *x*, float (B, C, H, W): grey as it is, or the first three channels as RGB."""
    return x if x.shape[1] == 1 else luma(x[:, :3])


def lanczos(x: float) -> float:
    """Return the Lanczos-3 kernel at *x*."""
    if abs(x) < 1e-12:
        return 1.0
    px = math.pi * x
    return 3 * math.sin(px) * math.sin(px / 3) / (px * px) if abs(x) < 3 else 0.0


def cubic(x: float) -> float:
    """Return Keys' cubic kernel (1981) with a = -0.5 at *x*, as in Pillow's bicubic."""
    x = abs(x)
    if x < 1.0:
        return (1.5 * x - 2.5) * x * x + 1.0
    return ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0 if x < 2.0 else 0.0


def enlargement_kernel(scale: int, function: Callable[[float], float], radius: int) -> Tensor:
    """Return the polyphase kernel of enlarging by *scale* with *function*, which is 0 from *radius* on.

    Float32 (scale^2, 1, 2 radius + 1, 2 radius + 1). Channel ``a * scale + b`` gives the output pixel at row phase a,
    column phase b, as PixelShuffle wants it.
    """
    taps = torch.zeros(scale, 2 * radius + 1, dtype=torch.float64)
    for phase in range(scale):
        # Half-pixel centres: output (phase + 0.5) / scale - 0.5 in lr pixels, relative to the centre tap.
        centre = (phase + 0.5) / scale - 0.5
        for tap in range(-radius, radius + 1):
            taps[phase, tap + radius] = function(tap - centre)
        taps[phase] /= taps[phase].sum()
    side = 2 * radius + 1
    return torch.einsum("ay,bx->abyx", taps, taps).reshape(scale * scale, 1, side, side).float()


class Bicubic(nn.Module):
    """Enlargement by bicubic interpolation: float (B, C, H, W) to (B, C, scale H, scale W); borders are replicated.

    A fixed convolution, so that tiles agree with the whole page, and since ONNX runtimes differ in how they interpolate.
    """

    kernel: Tensor

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.channels = channels
        kernel = enlargement_kernel(scale, cubic, 2).repeat(channels, 1, 1, 1)
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return float (B, C, scale H, scale W) for *x*, float (B, C, H, W)."""
        padded = F.pad(x, (2, 2, 2, 2), mode="replicate")
        return F.pixel_shuffle(F.conv2d(padded, self.kernel, groups=self.channels), self.scale)


class NormalizedBlock(nn.Module):
    """Residual block of SRResNet: 3x3, batch norm, PReLU (one slope), 3x3, batch norm, and the input added."""

    def __init__(self, features: int, bias: bool = True) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1, bias=bias),
            nn.BatchNorm2d(features),
            nn.PReLU(),
            nn.Conv2d(features, features, 3, padding=1, bias=bias),
            nn.BatchNorm2d(features),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return float (B, features, H, W) for *x* of the same shape."""
        result: Tensor = x + self.layers(x)
        return result


class PlainBlock(nn.Module):
    """Residual block without normalisation: 3x3, ReLU, 3x3, times *factor*, and the input added."""

    def __init__(self, features: int, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor
        self.layers = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1), nn.ReLU(), nn.Conv2d(features, features, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return float (B, features, H, W) for *x* of the same shape."""
        result: Tensor = x + self.factor * self.layers(x)
        return result


def upscale_by_two(features: int, activation: nn.Module | None) -> nn.Sequential:
    """Return a stage that doubles the size: 3x3 to four times the features, PixelShuffle, and *activation* where given."""
    layers: list[nn.Module] = [nn.Conv2d(features, 4 * features, 3, padding=1), nn.PixelShuffle(2)]
    return nn.Sequential(*layers, *([activation] if activation is not None else []))


def stages_of(scale: int) -> int:
    """Return how many stages that double the size make *scale*.

    Raises:
        ValueError: it is not 2, 4 or 8.
    """
    if scale not in (2, 4, 8):
        raise ValueError(f"scale must be 2, 4 or 8, not {scale}")
    return scale.bit_length() - 1


def check_channels(channels: int) -> None:
    """Raise ValueError where *channels* is neither 1 nor 3."""
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (luma) or 3 (RGB), not {channels}")


def contrast(image: Tensor) -> Tensor:
    """E_X of Quan et al.: mean over the channels of the sum of abs differences to the four neighbours.

    *image*: float (B, C, H, W) in [0, 1]; returns (B, 1, H, W) in [0, 4].  The paper's text says average, its formula
    sums; this sums. Neighbours outside the image count as 0 (a replicated border).
    """
    across = (image[..., :, 1:] - image[..., :, :-1]).abs()
    down = (image[..., 1:, :] - image[..., :-1, :]).abs()
    total = F.pad(across, (0, 1)) + F.pad(across, (1, 0))
    total = total + F.pad(down, (0, 0, 0, 1)) + F.pad(down, (0, 0, 1, 0))
    return total.mean(dim=1, keepdim=True)


class OnLuma(nn.Module):
    """Run *net*, which takes RGB, on luma: grey is replicated, and the luma (Rec. 601) of its output returned.

    Pages are read in grey, and their colours are interpolated; an RGB image stays RGB.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """Return float (B, C, scale H, scale W) for *x*, float (B, C, H, W), C 1 or 3."""
        if x.shape[1] == 3:
            return torch.as_tensor(self.net(x, scale))
        return luma(self.net(x.expand(-1, 3, -1, -1), scale))


def on_luma(net: nn.Module, channels: int) -> nn.Module:
    """Return *net* as one that takes and gives luma, whichever *channels* it has: 1, or 3."""
    return net if channels == 1 else OnLuma(net)
