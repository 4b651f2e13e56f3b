# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import pytest

from ocrmypdf_superres.ocr.lexicon import Lexicon, core, has_odd_signs, lexicon_for

WORDS = Lexicon([{"house", "the", "l", "air", "sage"}], frozenset({"krawczyk", "of"}))


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("house", 1.0),
        ("House,", 1.0),
        ("(HOUSE)", 1.0),
        ("hou5e", -1.0),
        ("housc", -1.0),
        ("the housc", 0.0),
        ("l'air", 1.0),
        ("1942", 0.0),
        ("...", 0.0),
        ("", 0.0),
        ("ſage", 1.0),
    ],
)
def test_known_words(text, known):
    assert WORDS.known(text) == known


def test_nothing_is_known_without_a_word_list():
    assert Lexicon().known("house") == 0.0


def test_words_that_stand_elsewhere():
    assert WORDS.elsewhere("Krawczyk.") == 1.0
    assert WORDS.elsewhere("Mr Krawczyk") == 0.5
    assert WORDS.elsewhere("of") == 0.0, "short words say nothing"
    assert core("«Krawczyk»,") == "krawczyk"


def test_odd_signs():
    assert all(map(has_odd_signs, ("a|b", "x_", "{5}", "~")))
    assert not any(map(has_odd_signs, ("50%", "$5.00", "and/or", "#3", "R&D", "l’air", "«oui»".strip("«»"), "10-12")))


def test_installed_words_of_two_languages():
    lexicon = lexicon_for(["eng", "osd", "eng"])
    assert lexicon.known("house") == 1.0 and lexicon.known("hovse") == -1.0
