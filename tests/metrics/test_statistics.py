# SPDX-License-Identifier: MPL-2.0
"""Intervals and the sign test, against values by hand and against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrmypdf_superres.metrics.statistics import interval, paired_difference, sign_test

scipy_stats = pytest.importorskip("scipy.stats")


def test_sign_test_by_hand() -> None:
    # Seven pages lower, one higher, one equal: 2 * (C(8,0) + C(8,1)) / 2^8 = 18/256.
    test = sign_test([1, 1, 1, 1, 1, 1, 1, 3, 2], [2, 2, 2, 2, 2, 2, 2, 2, 2])
    assert (test.lower, test.higher, test.p) == (7, 1, pytest.approx(18 / 256))
    assert sign_test([1.0], [1.0]).p == 1.0
    assert sign_test([], []).p == 1.0


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=40))
def test_sign_test_is_scipys_binomial_test(pairs: list[tuple[int, int]]) -> None:
    test = sign_test([float(a) for a, _ in pairs], [float(b) for _, b in pairs])
    n = test.lower + test.higher
    expected = scipy_stats.binomtest(test.lower, n).pvalue if n else 1.0
    assert test.p == pytest.approx(expected)


def test_an_interval_of_equal_pages_is_its_value() -> None:
    found = interval([2, 2, 2], [10, 10, 10])
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.2, 0.2))


def test_interval_is_pooled_and_repeats() -> None:
    found = interval([1, 50], [10, 100])
    assert found.value == pytest.approx(51 / 110)
    # Two pages: a quarter of the samples holds only the one, a quarter only the other.
    assert (found.low, found.high) == pytest.approx((0.1, 0.5))
    assert interval([1, 50], [10, 100]) == found


def test_interval_is_near_scipys_bootstrap() -> None:
    generator = np.random.default_rng(3)
    values = generator.random(60)
    ours = interval(list(values), [1.0] * 60)
    theirs = scipy_stats.bootstrap((values,), np.mean, n_resamples=2000, method="percentile", rng=1).confidence_interval
    assert ours.value == pytest.approx(values.mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_paired_difference_takes_out_what_pages_share() -> None:
    hard = [float(n) for n in range(40)]
    ours = [value + 1 for value in hard]
    found = paired_difference(ours, hard, [10.0] * 40)
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))


@pytest.mark.parametrize(("above", "below"), [([], []), ([1], [0]), ([1, 2], [1])])
def test_nothing_to_divide_by(above: list[float], below: list[float]) -> None:
    with pytest.raises(ValueError, match="denominators"):
        interval(above, below)
