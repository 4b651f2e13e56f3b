# SPDX-License-Identifier: MPL-2.0
"""Lines read on across the gutter of two columns are divided, each part in its column; all other lines stay."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from test_reading_order import PROSE, page, texts

from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.merge.joined_lines import divide_joined

WIDE = 10 * len(PROSE)
GUTTER = 30
"""One wide: letters are 10 wide and lines 20 high, see :func:`page`."""


def columns(rows: int = 10, left: int = 100) -> tuple[list, list]:
    """Two columns of prose whose lines begin with their names."""
    other = left + WIDE + 30 + GUTTER
    return tuple([(f"{name}{k} {PROSE}", x, 100 + 30 * k) for k in range(rows)] for name, x in (("l", left), ("r", other)))


def joined(words: str = "") -> tuple[list, list]:
    """The columns, but their fifth lines are one; *words* of a rule stand in the gutter."""
    left, right = columns()
    # The blanks of the page are as wide as a letter, so the words of the rule and two blanks fill the gutter.
    right[4] = (f"{left[4][0]} {words}{right[4][0]}", left[4][1], left[4][2])
    del left[4]
    return left, right


def test_a_line_across_a_gutter_is_divided():
    left, right = columns()
    expected = [text for text, _, _ in (*left, *right)]
    found, boxes = divide_joined(page(*joined("| ")))
    assert texts(found) == expected
    assert len(boxes) == 2 and boxes[0][2] <= 100 + WIDE + 30 < boxes[1][0]
    again, none = divide_joined(found)
    assert again is found and not none


def test_signs_at_the_edge_of_a_column_stay_with_it():
    left, right = columns()
    left[4], right[4] = [
        (text, x, y) for text, (_, x, y) in ((f"l4 {PROSE[:-6]}row ?", left[4]), (f"— r4 {PROSE[:-7]}", right[4]))
    ]
    expected = [text for text, _, _ in (*left, *right)]
    right[4] = (f"{left[4][0]} || {right[4][0]}", left[4][1], left[4][2])
    del left[4]
    assert texts(divide_joined(page(left, right))[0]) == expected


def test_words_that_are_read_from_the_right_keep_their_order():
    reading = page(*joined("| "))
    for line in reading.page.lines:
        line.children.reverse()
    expected = [" ".join(reversed(text.split())) for text, _, _ in (*columns()[0], *columns()[1])]
    assert texts(divide_joined(Hypothesis(reading.page))[0]) == expected


def test_the_last_line_of_two_columns_is_divided():
    left, right = columns()
    (text, x, y), (other, _, _) = left.pop(), right.pop()
    found, _ = divide_joined(page(left, [*right, (f"{text} | {other}", x, y)]))
    assert texts(found) == [line for line, _, _ in (*columns()[0], *columns()[1])]


def test_a_title_above_columns_stays():
    left, right = columns()
    for gap in (" ", "   "):
        title = [(f"l1 {PROSE}{gap}r1 {PROSE}", 100, 70)]
        reading = page(title, left, right)
        assert divide_joined(reading) == (reading, [])


def test_one_column_and_a_table_stay():
    wide = page([(f"{PROSE} and {PROSE}", 100, 100 + 30 * k) for k in range(12)])
    assert divide_joined(wide) == (wide, [])
    cells = [[("apples", x, 100 + 30 * k) for k in range(8)] for x in (100, 400)]
    table = page(*cells, [("pears        figs", 100, 340)])
    assert divide_joined(table) == (table, [])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_no_word_is_lost_or_doubled(seed):
    chance = random.Random(seed)
    left, right = columns(12, 20)
    both = []
    for k in sorted(chance.sample(range(12), chance.randint(0, 12)), reverse=True):
        both.append((f"{left[k][0]} {right[k][0]}", left[k][1], left[k][2]))
        del left[k], right[k]
    reading = page(*(block for block in (left, right, both) if block))
    found, _ = divide_joined(reading)
    assert Counter(" ".join(texts(found)).split()) == Counter(" ".join(texts(reading)).split())
