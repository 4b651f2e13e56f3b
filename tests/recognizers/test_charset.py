# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tinydata import LETTERS, PAIR, tiny

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.recognizers.tesseract.format.bidi import visual_order
from ocrmypdf_superres.recognizers.tesseract.format.charset import Charset, is_right_to_left

CHARSET = tiny().charset


@given(st.text(st.sampled_from(LETTERS + PAIR), max_size=40))
def test_decode_undoes_encode(text: str) -> None:
    wanted = " ".join(text.split())
    assert CHARSET.decode(CHARSET.encode(text)) == wanted


def test_all_unknown_characters_are_listed() -> None:
    with pytest.raises(RecognizerError, match=r"'Z' \(U\+005A\) '€' \(U\+20AC\)"):
        CHARSET.encode("aZb€Z")


def test_lacking_signs_are_replaced_by_their_equals() -> None:
    same = {"‘": "'", "”": '"', "—": "-", "–": "-", "…": "...", "ﬁ": "fi", "\u0640a": "a", "ﬀ": "ff"}
    for given_, wanted in same.items():
        assert CHARSET.encode(given_) == CHARSET.encode(wanted), given_


def test_typographic_quotes_are_kept() -> None:
    assert CHARSET.decode(CHARSET.encode("a’b“")) == "a’b“"


def test_codes_that_are_no_character_are_left_out() -> None:
    # With the character before them: Tesseract takes one as finished only where another may begin.
    pair = CHARSET.encode(PAIR)
    assert len(pair) == 2
    assert CHARSET.decode([*CHARSET.encode("ab"), pair[1], *CHARSET.encode("c")]) == "ac"


def test_private_ligatures_are_printed_as_letters() -> None:
    charset = Charset("frk", [" ", "\ue006", "s"], [(0,), (1,), (2,)], 3)
    assert charset.decode([1, 2]) == "ſhs"


def test_the_last_of_equal_codes_wins() -> None:
    charset = Charset("x", [" ", "a", "b"], [(0,), (1,), (1,)], 2)
    assert charset.decode([1]) == "b"


def test_right_to_left_text_is_in_visual_order() -> None:
    letters = [chr(0x5D0 + index) for index in range(27)]
    charset = Charset("heb", [" ", *letters, "1", "9", "("], [(index,) for index in range(31)], 31, right_to_left=True)
    word = "".join(letters[:4])
    assert charset.split(charset.encode(f"{word} 19")) == ["1", "9", " ", *reversed(letters[:4])]
    assert charset.decode(charset.encode(f"{word} 19 {word}")) == f"{word} 19 {word}"
    assert is_right_to_left([" ", *letters])
    assert not is_right_to_left(list("abcdefghijklmnop"))


@given(st.text(st.sampled_from("אבגד 12ab()., "), max_size=30))
def test_visual_order_is_its_own_inverse_within_a_word(text: str) -> None:
    # Across words of both directions, neutrals at borders may change sides; letters never get lost.
    assert sorted(visual_order(text)) == sorted(text)
    hebrew = "".join(sign for sign in text if sign not in "ab12")
    assert visual_order(visual_order(hebrew)) == hebrew
