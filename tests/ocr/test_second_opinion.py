# SPDX-License-Identifier: MPL-2.0
"""Which further variants are worth their time."""

from __future__ import annotations

import pytest

from ocrmypdf_superres.ocr.second_opinion import USUAL_LIMIT, affordable, ask_below, time_limit

ALL = ("blend", "lanczos", "as-is")


@pytest.mark.parametrize(
    ("spent", "hopeless", "expected"),
    [
        ({"net": 2.0}, False, list(ALL)),
        ({"net": 2.0}, True, ["as-is"]),
        ({"net": 99.0}, False, ["as-is"]),
        ({"net": 60.0, "even": 50.0}, False, []),
    ],
    ids=["quick", "hopeless", "timed out", "slow"],
)
def test_what_is_read_after_the_first(spent: dict[str, float], hopeless: bool, expected: list[str]) -> None:
    assert list(affordable(ALL, spent, 100.0, hopeless)) == expected


def test_time_is_counted_while_reading() -> None:
    seconds, read = {"net": 50.0}, []
    for variant in affordable(ALL, seconds, 100.0, False):
        read.append(variant)
        seconds[variant] = 30.0
    assert read == ["blend", "lanczos"]


def test_without_an_option_of_its_own_the_usual_limit_holds() -> None:
    assert time_limit(object()) == USUAL_LIMIT


def test_pages_that_were_left_are_asked_about_at_more_doubt_only() -> None:
    assert ask_below(enlarged=False, tuned=True) == ask_below(enlarged=False, tuned=False)
    assert ask_below(enlarged=False, tuned=True) < ask_below(enlarged=True, tuned=False) < ask_below(enlarged=True, tuned=True)
