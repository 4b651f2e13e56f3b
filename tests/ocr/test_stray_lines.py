# SPDX-License-Identifier: MPL-2.0
"""A line of prose that page segmentation read with a note in the margin is put back; nothing else moves."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_reading_order import PROSE, ordered, page, texts

from ocrmypdf_superres.ocr.merge.stray_lines import stray_order

ROWS = [100 + 40 * k for k in range(10)]


def lines_of_prose(left: int = 300) -> list[tuple[str, int, int]]:
    return [(f"{k} {PROSE}", left, top) for k, top in enumerate(ROWS)]


def with_note(stray: int, below: int = 2) -> tuple[list, list]:
    """The note in the margin with the line *stray* among its lines, and the column without it."""
    column = lines_of_prose()
    text, left, top = column.pop(stray)
    note = [(name, 100, ROWS[stray] - 60 + 40 * k) for k, name in enumerate(["Bondi", "Tuerkl", "Loderer"])]
    note.insert(below, (f"E. {text}", left - 30, top))
    return note, column


@pytest.mark.parametrize("stray", [1, 4, 8])
def test_a_line_that_touches_a_note_goes_back_to_its_column(stray):
    note, column = with_note(stray)
    expected = [text for text, _, _ in column]
    expected.insert(stray, note[2][0])
    found = ordered(page(note, column))
    assert [text for text in found if PROSE in text] == expected
    assert found[:3] == ["Bondi", "Tuerkl", "Loderer"]


def test_the_last_line_of_a_paragraph_may_be_short():
    note, column = with_note(8)
    column[-1] = ("months", 300, ROWS[9])
    assert ordered(page(note, column))[-2:] == [note[2][0], "months"]


def test_a_note_and_two_columns_stay():
    left, right = lines_of_prose(100), lines_of_prose(800)
    assert stray_order(page(left, right).lines) is None
    note = [("a note in the margin is long", 100, top) for top in ROWS[2:5]]
    assert stray_order(page(note, lines_of_prose(500)).lines) is None


def test_a_line_for_which_there_are_two_gaps_stays():
    note, column = with_note(4)
    twin = [(text, left + 5, top) for text, left, top in column]
    assert stray_order(page(note, column, twin).lines) is None


def test_a_turned_line_stays():
    note, column = with_note(4)
    assert stray_order(page(note, column, turned=(note[2][0],)).lines) is None


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_nothing_is_lost_and_nothing_comes_twice(seed):
    draw = random.Random(seed)
    lines = [
        (PROSE[: draw.randint(3, len(PROSE))].strip(), draw.randint(0, 900), draw.randint(0, 1500))
        for _ in range(draw.randint(1, 25))
    ]
    one = page(lines)
    assert sorted(ordered(one)) == sorted(texts(one))
    order = stray_order(one.lines)
    assert order is None or sorted(order) == list(range(len(one.lines)))


def test_lines_that_were_put_at_the_end_since_they_are_wider_go_back():
    column = lines_of_prose()
    wide = [column.pop(6), column.pop(3)]
    found = ordered(page(column, [(f"{text} and a word", left, top) for text, left, top in reversed(wide)]))
    assert [int(text.split()[0]) for text in found] == list(range(10))


def test_the_first_line_after_a_paragraph_stays():
    one, two = lines_of_prose()[:4], [(f"{k} {PROSE}", 300, 320 + 40 * k) for k in range(4)]
    assert stray_order(page(one, two).lines) is None
