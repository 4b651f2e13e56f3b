# SPDX-License-Identifier: MPL-2.0
"""The receptive field of a network, whose radius is the overlap of tiles: counted from its layers, or measured."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

__all__ = ["radius_of"]


class ReceptiveField:
    """The span of pixels that an lr pixel's output depends on, followed from the output back to the input.

    It begins as the output pixels of one cell of *cell* lr pixels, at the output's resolution, and each call goes one
    layer back, along the path of layers with the largest field; at the input :attr:`radius` is its radius.

    Args:
        scale: the net's.
        cell: its size multiple.
    """

    def __init__(self, scale: int, cell: int = 1) -> None:
        self.cell = cell
        self.first, self.last = 0, scale * cell - 1

    def convolution(self, kernel: int, stride: int = 1, times: int = 1) -> ReceptiveField:
        """Go back through *times* convolutions, padded by (kernel - 1) // 2 before each row and column."""
        before = (kernel - 1) // 2
        for _ in range(times):
            self.first = self.first * stride - before
            self.last = self.last * stride - before + kernel - 1
        return self

    def transposed(self, kernel: int, stride: int, padding: int) -> ReceptiveField:
        """Go back through a transposed convolution; output pixel stride i - padding + k depends on i, for k below *kernel*."""
        self.first = -((kernel - 1 - padding - self.first) // stride)
        self.last = (self.last + padding) // stride
        return self

    def shuffle(self, factor: int = 2) -> ReceptiveField:
        """Go back through a PixelShuffle by *factor*."""
        self.first, self.last = self.first // factor, self.last // factor
        return self

    @property
    def radius(self) -> int:
        """How many lr pixels beyond its own cell an output pixel depends on."""
        return max(-self.first, self.last - (self.cell - 1))


def radius_of(net: nn.Module, scale: int | None = None, size_multiple: int = 1, channels: int = 1, limit: int = 64) -> int:
    """Return the receptive field's radius of *net* in lr pixels, measured with gradients; it takes about a second.

    For an :class:`~ocrmypdf_superres.architectures.spec.ArchitectureSpec`, so that nobody has to count layers::

        receptive_radius=lambda config: radius_of(build(config), config.scale)

    The weights are replaced by positive ones in a copy, so that no activation is off and nothing cancels: the answer is of
    the architecture, not of the weights. Layers that look at the whole image, such as global pooling, have no radius.

    Args:
        net: takes float (B, channels, H, W) and, where it has several scales, *scale*.
        scale: the largest one that the net offers; None for a net that is called with the image alone.
        size_multiple: the spec's.
        channels: of the net.
        limit: the largest radius that is looked for.

    Raises:
        ValueError: the radius is above *limit*, or the net's output does not depend on its input.
    """
    import torch

    net = copy.deepcopy(net).double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            # Sums of one half keep activations within what sigmoids and float64 can tell apart.
            if parameter.dim() > 1:
                parameter.fill_(0.5 / parameter[0].numel())
            else:
                parameter.abs_().add_(0.01)
    start = -(-limit // size_multiple) * size_multiple + size_multiple
    length, breadth = 2 * start + size_multiple, 8 * size_multiple
    radius = 0
    for size, axis in (((length, breadth), 2), ((breadth, length), 3)):
        generator = torch.Generator().manual_seed(0)
        x = torch.rand(1, channels, *size, dtype=torch.float64, generator=generator, requires_grad=True)
        output = net(x) if scale is None else net(x, scale)
        factor = output.shape[axis] // x.shape[axis]
        cell = output.narrow(axis, start * factor, size_multiple * factor)
        weights = torch.rand(cell.shape, dtype=torch.float64, generator=generator)
        (gradient,) = torch.autograd.grad((cell * weights).sum(), x)
        seen = (gradient != 0).any(dim=5 - axis).flatten(0, 1).any(dim=0).nonzero()[:, 0]
        if len(seen) == 0:
            raise ValueError("the output of the net does not depend on its input, so that it has no receptive field")
        radius = max(radius, start - int(seen.min()), int(seen.max()) - (start + size_multiple - 1))
    if radius > limit:
        raise ValueError(
            f"the receptive field's radius is above {limit} pixels; give a larger limit, or None where there is none"
        )
    return radius
