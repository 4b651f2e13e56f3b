# SPDX-License-Identifier: MPL-2.0
"""Metrics against values worked out by hand, on edge cases, and on random texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrmypdf_superres.metrics.text import TextScore, cer, fold, score


@pytest.mark.parametrize(
    ("raw", "folded"),
    [
        ("Wa\u017f\u017fer", "Wasser"),
        ("\u201eGut\u201c, \u00absagt\u00bb er\u2019s", '"Gut", "sagt" er\'s'),
        ("1914\u20131918 \u2014 so", "1914-1918 - so"),
        ("\ufb01nden o\ufb03ce \ufb02ach", "finden office flach"),
        ("  a\n\n b\t\u00a0c\f", "a b c"),
        ("e\u0301te\u0301", "\u00e9t\u00e9"),
        ("", ""),
    ],
)
def test_fold(raw: str, folded: str) -> None:
    assert fold(raw) == folded
    assert fold(folded) == folded


def test_by_hand() -> None:
    # kitten -> sitting: two substitutions and one insertion, against seven characters and one word.
    counts = score("kitten", "sitting")
    assert counts == TextScore(edits=3, characters=7, found=0, words=1, recognised=1, word_edits=1, bare_words=1)
    assert counts.cer == pytest.approx(3 / 7)
    assert counts.wer == 1.0


def test_words_are_a_bag() -> None:
    # Truth: a a b c.  Text: c b a d.  Found: a once, b, c.
    counts = score("c b a d", "a a b c")
    assert (counts.found, counts.words, counts.recognised) == (3, 4, 4)
    assert counts.recall == counts.precision == 0.75
    assert counts.word_edits == 4


def test_order_costs_characters_but_no_words() -> None:
    counts = score("right column left column", "left column right column")
    assert counts.recall == counts.precision == 1.0
    assert counts.cer > 0.3


@pytest.mark.parametrize(
    ("text", "truth", "rates"),
    [
        ("", "", (0.0, 0.0, 1.0, 1.0)),
        ("", "some words", (1.0, 1.0, 0.0, 1.0)),
        ("noise", "", (1.0, 1.0, 1.0, 0.0)),
        (" \n\f", "\n", (0.0, 0.0, 1.0, 1.0)),
    ],
)
def test_rates_of_empty_texts(text: str, truth: str, rates: tuple[float, ...]) -> None:
    counts = score(text, truth)
    assert (counts.cer, counts.wer, counts.recall, counts.precision) == rates


def test_cer_can_exceed_one() -> None:
    assert cer("abcdefgh", "ab") == 3.0


def test_pooled_is_not_the_mean() -> None:
    short, long = score("ax", "ab"), score("abcdefgh", "abcdefgh")
    assert (short + long).cer == pytest.approx(1 / 10)
    assert TextScore() + short == short


@given(st.text(max_size=40), st.text(max_size=40))
def test_rates_are_in_bounds(text: str, truth: str) -> None:
    counts = score(text, truth)
    assert 0 <= counts.recall <= 1
    assert 0 <= counts.precision <= 1
    assert counts.edits <= max(counts.characters, len(fold(text)))
    assert counts.edits == score(truth, text).edits
    assert score(truth, truth).cer == 0.0
