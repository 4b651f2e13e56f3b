# SPDX-License-Identifier: MPL-2.0
"""Convolutions that compute in floats what they will compute in 8-bit integers, for quantisation-aware training.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (CVPR 2018):
values are rounded to the integers' levels in the forward pass, and gradients pass the rounding unchanged.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS = 255
"""Steps of an 8-bit activation."""
WEIGHT_LEVELS = 127
"""Steps of a weight on each side of zero."""
PAIR_LEVELS = 128
"""Steps that two neighbouring weights of one sign have together at most: 255 times as many fit into 16 bits."""
QUANTILE = 0.9999
"""Share of the activations that lie within the range; a few large ones would cost all the others their precision."""


class FakeQuantConv2d(nn.Module):
    """A convolution with 8-bit weights, a range for each output channel, and 8-bit inputs.

    While :attr:`observing` it computes in floats and widens the ranges of its activations to what it sees.

    Args:
        convolution: the one to replace, whose parameters are taken over.
        last: whether its output is rounded here, since no other such layer takes it.
    """

    input_range: Tensor
    output_range: Tensor

    def __init__(self, convolution: nn.Conv2d, last: bool = False) -> None:
        super().__init__()
        self.convolution = convolution
        self.last = last
        self.observing = False
        # Lower and upper end; zero is always within, so that padding is exact.
        self.register_buffer("input_range", torch.zeros(2))
        if last:
            self.register_buffer("output_range", torch.zeros(2))

    def forward(self, x: Tensor) -> Tensor:
        """Return float (B, outputs, H', W') for *x*, float (B, inputs, H, W)."""
        layer = self.convolution
        weight = layer.weight if self.observing else self.rounded_weight()
        y: Tensor = layer._conv_forward(self._rounded(x, self.input_range), weight, layer.bias)
        return self._rounded(y, self.output_range) if self.last else y

    def _rounded(self, x: Tensor, ends: Tensor) -> Tensor:
        """Return *x* rounded to levels between *ends*, or itself while those are observed."""
        if self.observing:
            _widen(ends, x)
            return x
        return _round_to(x, ends)

    def rounded_weight(self) -> Tensor:
        """Return the kernel, float (outputs, inputs, h, w), rounded to its levels."""
        weight = self.convolution.weight
        scales = self.weight_scales()
        zeros = torch.zeros(len(scales), dtype=torch.int32, device=weight.device)
        return torch.fake_quantize_per_channel_affine(weight, scales, zeros, 0, -WEIGHT_LEVELS, WEIGHT_LEVELS)

    def weight_scales(self) -> Tensor:
        """Return the step of each output channel's weights, float (outputs,)."""
        return _reach(self.convolution.weight.detach()).clamp_min(1e-8) / WEIGHT_LEVELS


def _reach(weight: Tensor) -> Tensor:
    """Return how far each output channel of *weight*, (outputs, inputs, h, w), reaches from zero, float (outputs,).

    x86 processors without VNNI add the products of two neighbouring inputs in 16 bits, where 255 times the sum of two weights of
    one sign may overflow. Such a pair counts with its sum, so that no pair passes 128 levels; this widens few channels.
    """
    largest = weight.abs().amax(dim=(1, 2, 3))
    in_order = weight.permute(0, 2, 3, 1).flatten(1)
    pairs = F.pad(in_order, (0, in_order.shape[1] % 2)).reshape(len(weight), -1, 2)
    sums = torch.where(pairs.prod(2) > 0, pairs.sum(2).abs(), 0.0).amax(1)
    # Both weights of a pair are rounded, each by up to half a level.
    return torch.maximum(largest, sums * WEIGHT_LEVELS / (PAIR_LEVELS - 0.5))


def scale_and_zero(ends: Tensor) -> tuple[float, int]:
    """Return the step and the integer that means zero of activations from *ends*, float (2,)."""
    low, high = float(ends[0]), float(ends[1])
    scale = max(high - low, 1e-8) / LEVELS
    return scale, round(-low / scale)


def _round_to(x: Tensor, ends: Tensor) -> Tensor:
    scale, zero = scale_and_zero(ends)
    return torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, LEVELS)


@torch.no_grad()
def _widen(ends: Tensor, x: Tensor) -> None:
    values = x.detach().flatten().float()
    # torch.quantile takes at most 16 million values.
    values = values[:: max(1, values.numel() // 1_000_000)]
    quantiles = torch.quantile(values, torch.tensor([1 - QUANTILE, QUANTILE], device=values.device))
    ends[0] = torch.minimum(ends[0], quantiles[0])
    ends[1] = torch.maximum(ends[1], quantiles[1])
