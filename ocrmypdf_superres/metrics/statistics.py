# SPDX-License-Identifier: MPL-2.0
"""How certain a rate is: bootstrap intervals over pages, and the paired sign test between two methods.

Pages are resampled, never words or characters, because the errors of one page depend on each other. Pages of one document
depend on each other too, so with few documents the true interval is wider than the one given here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interval", "SignTest", "interval", "paired_difference", "sign_test"]

SAMPLES, SEED = 2000, 20260101
"""Number of bootstrap samples and the seed of the resampling, so that an interval can be reproduced."""


@dataclass(frozen=True)
class Interval:
    """A value and the bounds of the middle 95 % of its bootstrap samples."""

    value: float
    low: float
    high: float

    def format(self, factor: float = 1.0, digits: int = 2, sign: str = "") -> str:
        """Return ``value [low, high]``, each times *factor*, with *digits* decimals; with a sign where *sign* is ``+``."""
        value, low, high = (f"{factor * number:{sign}.{digits}f}" for number in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64], axis: int = -1) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        return above.sum(axis=axis) / below.sum(axis=axis)


def interval(above: Sequence[float], below: Sequence[float]) -> Interval:
    """Return sum(above) / sum(below) over pages with its 95 % percentile bootstrap interval (Efron, 1979).

    Samples whose denominator is 0 are left out. One page has no spread: its interval is its value.

    Raises:
        ValueError: no page, sequences of different lengths, or a denominator that sums to 0.
    """
    from scipy.stats import bootstrap

    a, b = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    if not len(a) or len(a) != len(b) or b.sum() == 0:
        raise ValueError(f"{len(a)} numerators and {len(b)} denominators were given; give as many, and not all 0.")
    value = float(_ratio(a, b))
    if len(a) == 1:
        return Interval(value, value, value)
    found = bootstrap(
        (a, b), _ratio, paired=True, vectorized=True, n_resamples=SAMPLES, method="percentile", rng=np.random.default_rng(SEED)
    )
    samples = found.bootstrap_distribution
    low, high = np.quantile(samples[np.isfinite(samples)], (0.025, 0.975))
    return Interval(value, float(low), float(high))


def paired_difference(ours: Sequence[float], other: Sequence[float], below: Sequence[float]) -> Interval:
    """Return (sum(ours) - sum(other)) / sum(below) with its 95 % interval; each sample has the same pages for both.

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
    """Return the exact two-sided sign test of paired values (Conover 1999, 3.4); ties are left out, p is 1 if all are ties.

    Raises:
        ValueError: sequences of different lengths.
    """
    from scipy.stats import binomtest

    lower = sum(a < b for a, b in zip(ours, other, strict=True))
    higher = sum(a > b for a, b in zip(ours, other, strict=True))
    p = float(binomtest(lower, lower + higher).pvalue) if lower + higher else 1.0
    return SignTest(lower, higher, p)
