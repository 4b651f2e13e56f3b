# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import pytest

from ocrmypdf_superres.metrics.text import TextScore, bare_words, cer, fold, score


def test_folding():
    assert fold("Waſſer\u2019s  \u201eoﬃce\u201c\n\u2014 e\u0301") == 'Wasser\'s "office" - é'


def test_values_worked_out_by_hand():
    result = score("the cat sat sat", "the bat sat on")
    # cat -> bat is one edit; "sat" -> "on" two substitutions and one deletion.
    assert result.edits == 4 and result.characters == 14
    assert result.found == 2 and result.words == 4 and result.recognised == 4
    assert result.cer == pytest.approx(4 / 14) and result.recall == 0.5 and result.precision == 0.5


@pytest.mark.parametrize(
    ("text", "truth", "expected"), [("", "", (0.0, 1.0, 1.0)), ("x", "", (1.0, 1.0, 0.0)), ("", "x", (1.0, 0.0, 1.0))]
)
def test_empty_sides(text, truth, expected):
    result = score(text, truth)
    assert (result.cer, result.recall, result.precision) == expected


def test_scores_add_up():
    total = score("a", "b") + score("cc dd", "cc dd")
    assert total == TextScore(1, 6, 2, 3, 3, 1, 3, 2)
    assert cer("abc", "abc") == 0.0


def test_bare_words_leave_out_how_punctuation_stands():
    truth, text = "(Name/ Telephone): 312/ 426 - 8000 stand- alone", "(Name/Telephone): 312/426-8000 stand-alone"
    counts = score(text, truth)
    assert counts.recall < 0.2
    assert (counts.bare_found, counts.bare_words, counts.bare_recall) == (7, 7, 1.0)
    assert score("3l2", "312").bare_recall == 0.0
    # Vowel signs belong to the letter before them; case counts.
    assert bare_words("हिन्दी, Ab_ab") == ["हिन्दी", "Ab", "ab"]
    assert score("", "").bare_recall == 1.0
