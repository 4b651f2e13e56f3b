# SPDX-License-Identifier: MPL-2.0
"""ACIQ: weights in few bits after training (Banner et al., NeurIPS 2019), as paper 001 makes its networks small.

The range of a channel is clipped where clipping and rounding together err least, if its values are spread as Gauss' or
Laplace's law says, or not at all where that errs less: folded kernels have single large taps.  Channels get bits by how
much they spread; and what quantising moves of a channel's mean and deviation is put back, into its scale and offset.
Activations stay floating point.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ocrmypdf_superres.upscaling.backends.packed_weights import Packed

LAWS = ("gauss", "laplace")
WHOLE = "whole"
"""The range as it is, nothing clipped."""
ALLOCATED = 4
"""Up to this many bits, the number of bits differs between channels."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class AciqSettings:
    """*per_channel*: own ranges, and bits, for each output channel; *correct*: put means and deviations back.

    Without both it is what paper 001 describes: one clipped range a tensor, by the law that errs less.
    """

    per_channel: bool = True
    correct: bool = True


def expected_error(law: str, alpha: float, bits: int) -> float:
    """Return the mean square error of clipping at +-*alpha* and rounding to 2^*bits* levels, for a spread of 1.

    The spread is sigma of Gauss' law, or b of Laplace's.
    """
    rounding = alpha * alpha / (3 * 4.0**bits)
    if law == "laplace":
        return 2 * math.exp(-alpha) + rounding
    tail = (1 + alpha * alpha) * (1 - math.erf(alpha / math.sqrt(2)))
    return tail - alpha * math.sqrt(2 / math.pi) * math.exp(-alpha * alpha / 2) + rounding


@lru_cache(maxsize=64)
def clip_factor(law: str, bits: int, one_sided: bool = False) -> float:
    """Return the best alpha for a spread of 1; *one_sided* values (after ReLU) have one bit more for it."""
    bits += one_sided
    low, high = 0.1, 30.0
    ratio = (math.sqrt(5) - 1) / 2
    while high - low > 1e-9:
        first, second = high - ratio * (high - low), low + ratio * (high - low)
        if expected_error(law, first, bits) < expected_error(law, second, bits):
            high = second
        else:
            low = first
    return (low + high) / 2


def _ranges(rows: Array, bits: NDArray[np.int64], law: str) -> tuple[Array, Array]:
    """Return the lower and upper end of each row's range."""
    if law == WHOLE:
        return rows.min(axis=1), rows.max(axis=1)
    mean = rows.mean(axis=1)
    spread = rows.std(axis=1) if law == "gauss" else np.abs(rows - mean[:, None]).mean(axis=1)
    alpha = spread * np.array([clip_factor(law, max(1, int(b))) for b in bits])
    low = np.maximum(rows.min(axis=1), mean - alpha)
    return low, np.minimum(rows.max(axis=1), low + 2 * alpha)


def allocate(spreads: Array, bits: int) -> NDArray[np.int64]:
    """Return whole numbers of bits, 0 to 8, for channels of *spreads*, *bits* on the average (within 0.01 where it can).

    A channel's number of levels goes with its spread to the power 2/3.
    """
    shares = np.maximum(spreads, 1e-12) ** (2 / 3)
    shares = shares / shares.sum()
    target, chosen, nearest = float(bits), np.full(len(spreads), bits), math.inf
    for _ in range(10):
        levels = len(spreads) * 2.0**target * shares
        found = np.clip(np.round(np.log2(np.maximum(levels, 1e-12))), 0, 8).astype(np.int64)
        missing = bits - float(found.mean())
        if abs(missing) < nearest and missing >= -0.01:
            chosen, nearest = found, abs(missing)
        if abs(missing) <= 0.01:
            break
        target += missing
    return chosen


def quantize(weight: NDArray[Any], bits: int, settings: AciqSettings | None = None) -> Packed:
    """Return *weight*, float (n, ...), in *bits* a value, 1 to 8, on the average over the channels (first dimension).

    Raises:
        ValueError: *bits* is not from 1 to 8, or *weight* has fewer than two dimensions.
    """
    settings = settings or AciqSettings()
    if not 1 <= bits <= 8 or weight.ndim < 2:
        raise ValueError(f"bits must be from 1 to 8 and the weight of two dimensions or more, not {bits} and {weight.ndim}")
    rows = np.asarray(weight, dtype=np.float64).reshape(len(weight), -1)
    tries = [_with_law(rows, bits, law, settings, weight.shape) for law in (*LAWS, *([WHOLE] if settings.per_channel else []))]
    errors = np.stack([((packed.values().reshape(rows.shape) - rows) ** 2).mean(axis=1) for packed in tries])
    if not settings.per_channel:
        return tries[int(errors.mean(axis=1).argmin())]
    best, channels = errors.argmin(axis=0), np.arange(len(rows))
    codes, widths, scale, offset = (
        np.stack([getattr(packed, part) for packed in tries])[best, channels] for part in ("codes", "bits", "scale", "offset")
    )
    return Packed(codes, widths, scale, offset, tuple(weight.shape))


def _with_law(rows: Array, bits: int, law: str, settings: AciqSettings, shape: tuple[int, ...]) -> Packed:
    widths = np.full(len(rows), bits)
    if settings.per_channel:
        if bits <= ALLOCATED:
            widths = allocate(rows.std(axis=1), bits)
        low, high = _ranges(rows, widths, law)
    else:
        ends = _ranges(rows.reshape(1, -1), widths[:1], law)
        low, high = (np.full(len(rows), end[0]) for end in ends)
    steps = 2.0**widths - 1
    scale = np.where(steps > 0, (high - low) / np.maximum(steps, 1), 0.0)
    scale = np.maximum(scale, 1e-8)
    # Rounded, so that 0 is exact: weights that are 0 stay 0.
    zero = np.round(-low / scale)
    codes = np.clip(np.round(rows / scale[:, None]) + zero[:, None], 0, steps[:, None])
    offset = -zero * scale
    if settings.correct:
        scale, offset = _corrected(rows, codes, scale)
    return Packed(
        codes.astype(np.uint8), widths.astype(np.uint8), scale.astype(np.float32), offset.astype(np.float32), tuple(shape)
    )


def _corrected(rows: Array, codes: Array, scale: Array) -> tuple[Array, Array]:
    """Return scale and offset with which each channel has the mean and the deviation that it had."""
    deviation = codes.std(axis=1) * scale
    ratio = np.where(deviation > 0, rows.std(axis=1) / np.maximum(deviation, 1e-12), 1.0)
    # A channel of one or two levels may ask for any factor; the mean is what matters then.
    scale = scale * np.clip(ratio, 0.5, 2.0)
    return scale, rows.mean(axis=1) - codes.mean(axis=1) * scale


PAPER_LAYERS: dict[str, tuple[str, ...]] = {
    # The transformer in front, head and body of EDSR; TBSRN's convolutions, attention and feed-forward part.
    "sr": ("stn.*", "edsr.head.*", "edsr.body.*", "stem.*", "blocks.*"),
    # Attention, the decoder's feed-forward parts, the branch of positions and the localisation's linear layers.
    "recognizer": (
        "*.attention.*", "decoder.*.feed.*", "place.*", "localisation.first.*", "localisation.last.*",
    ),
}  # fmt: skip
"""Patterns of the weights that Hildebrandt et al. (2022, section 5) quantise, as the sizes that they print tell."""


def quantize_network(
    net: nn.Module, bits: int, settings: AciqSettings | None = None, layers: Sequence[str] = ("*",)
) -> dict[str, NDArray[Any] | Packed]:
    """Return the state of *net* by name, its kernels and matrices in *bits* a value, all else as it is.

    All weights of two and more dimensions whose names match one of *layers* are quantised, of convolutions, linear and
    recurrent layers and embeddings; biases, norms and slopes are few and stay.
    """
    wanted = {name for name in _weights(net) if any(fnmatchcase(name, pattern) for pattern in layers)}
    state = {name: tensor.detach().cpu().numpy() for name, tensor in net.state_dict().items()}
    return {name: quantize(value, bits, settings) if name in wanted else value for name, value in state.items()}


def quantize_in_place(net: nn.Module, bits: int, settings: AciqSettings | None, layers: Sequence[str]) -> int:
    """Give *net* the values that its weights of *layers* have in *bits* each; return how many weights that are.

    Raises:
        ValueError: no weight matches *layers*.
    """
    state = net.state_dict()
    count = 0
    for name, value in quantize_network(net, bits, settings, layers).items():
        if isinstance(value, Packed):
            state[name].copy_(torch.from_numpy(value.values()).reshape(state[name].shape))
            count += state[name].numel()
    if not count:
        raise ValueError(f"no weight matches {', '.join(layers)}")
    return count


def _weights(net: nn.Module) -> Iterator[str]:
    for name, parameter in net.named_parameters():
        if parameter.dim() >= 2 and parameter[0].numel() > 1:
            yield name
