# SPDX-License-Identifier: MPL-2.0
"""How sure a figure is: bootstrap intervals over pages, and the paired sign test between two methods.

Pages are the units that are drawn, never words or characters: the errors of one page hang together.  Pages of one
document hang together too, so with few documents the true interval is wider than the one given here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

SAMPLES, SEED = 2000, 20260101
"""Number of bootstrap samples and the seed of their draw, so that a figure can be repeated."""


@dataclass(frozen=True)
class Interval:
    """A value and the bounds that hold the middle 95 % of its bootstrap samples."""

    value: float
    low: float
    high: float


def _weights(pages: int) -> NDArray[np.float64]:
    """How often each page is drawn in each sample: (SAMPLES, pages)."""
    drawn = np.random.default_rng(SEED).multinomial(pages, np.full(pages, 1.0 / pages), size=SAMPLES)
    return drawn.astype(np.float64)


def _bounds(value: float, samples: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(samples[np.isfinite(samples)], (0.025, 0.975)) if np.isfinite(samples).any() else (value, value)
    return Interval(value, float(low), float(high))


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return above / below


def interval(above: Sequence[float], below: Sequence[float]) -> Interval:
    """Return sum(above) / sum(below) over pages with its 95 % percentile interval (Efron, 1979).

    Raises:
        ValueError: no page, sequences of different lengths, or a denominator that sums to 0.
    """
    a, b = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    if not len(a) or len(a) != len(b) or b.sum() == 0:
        raise ValueError(f"{len(a)} numerators and {len(b)} denominators were given; give as many, and not all 0.")
    weights = _weights(len(a))
    return _bounds(float(a.sum() / b.sum()), _ratio(weights @ a, weights @ b))


def paired_difference(ours: Sequence[float], other: Sequence[float], below: Sequence[float]) -> Interval:
    """Return (sum(ours) - sum(other)) / sum(below) with its 95 % interval; each sample draws the same pages for both.

    Raises:
        ValueError: as :func:`interval`.
    """
    difference = [a - b for a, b in zip(ours, other, strict=True)]
    return interval(difference, below)


@dataclass(frozen=True)
class SignTest:
    """Pages on which ours is lower, higher, and the two-sided probability of a split at least as uneven by chance."""

    lower: int
    higher: int
    p: float


def sign_test(ours: Sequence[float], other: Sequence[float]) -> SignTest:
    """Return the exact two-sided sign test of paired values; ties are left out (Conover 1999, 3.4); p is 1 without others.

    Raises:
        ValueError: sequences of different lengths.
    """
    lower = sum(a < b for a, b in zip(ours, other, strict=True))
    higher = sum(a > b for a, b in zip(ours, other, strict=True))
    n = lower + higher
    tail = sum(comb(n, k) for k in range(min(lower, higher) + 1)) / 2**n
    return SignTest(lower, higher, min(1.0, 2.0 * tail))
