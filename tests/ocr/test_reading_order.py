# SPDX-License-Identifier: MPL-2.0
"""Reading order by geometry: forms row by row, prose as the engine has it, nothing twice and nothing lost."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement

from ocrmypdf_superres.ocr.hocr import parse_hocr, write_hocr
from ocrmypdf_superres.ocr.hypothesis import Hypothesis, all_elements
from ocrmypdf_superres.ocr.merge.reading_order import form_order, head_order, row_order
from ocrmypdf_superres.ocr.merge.seams import join_seams
from ocrmypdf_superres.ocr.merge.vote import Merged, in_order

PROSE = "a line of prose that is as long as its column"


def page(*blocks: list[tuple[str, int, int]], turned: tuple[str, ...] = ()) -> Hypothesis:
    """A page of paragraphs, each a list of lines (text, left, top); letters are 10 wide and lines 20 high."""
    root = OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, 2000, 2000), dpi=300)
    for block in blocks:
        lines = []
        for text, left, top in block:
            words, at = [], left
            for word in text.split():
                box = BoundingBox(at, top, at + 10 * len(word), top + 20)
                words.append(OcrElement(OcrClass.WORD, bbox=box, text=word, confidence=0.9))
                at += 10 * (len(word) + 1)
            box = BoundingBox(left, top, at - 10, top + 20)
            angle = 90.0 if text in turned else None
            lines.append(OcrElement(OcrClass.LINE, bbox=box, children=words, textangle=angle))
        bounds = [line.bbox for line in lines]
        box = BoundingBox(
            min(b.left for b in bounds), min(b.top for b in bounds), max(b.right for b in bounds), max(b.bottom for b in bounds)
        )
        root.children.append(OcrElement(OcrClass.PARAGRAPH, bbox=box, children=lines))
    return Hypothesis(root)


def texts(reading: Hypothesis) -> list[str]:
    return [line.text for line in reading.lines]


def ordered(reading: Hypothesis) -> list[str]:
    return texts(in_order(Merged(reading, "net")).hypothesis)


def test_labels_and_values_of_a_form_are_read_row_by_row():
    rows = [100, 140, 180, 220]
    form = page([(f"label{y}", 100, y) for y in rows], [(f"value{y}", 400, y + 3) for y in rows])
    assert ordered(form) == [text for y in rows for text in (f"label{y}", f"value{y}")]


def from_right(reading: Hypothesis) -> Hypothesis:
    """The mirror image of a page, read from right to left."""
    for element in all_elements(reading.page):
        box = element.bbox
        element.bbox, element.direction = BoundingBox(2000 - box.right, box.top, 2000 - box.left, box.bottom), "rtl"
    return Hypothesis(reading.page)


def test_pages_that_are_read_from_the_right_are_read_as_their_mirror_images():
    rows = [100, 140, 180, 220]
    form = page([(f"label{y}", 100, y) for y in rows], [(f"value{y}", 400, y + 3) for y in rows])
    assert ordered(from_right(form)) == [text for y in rows for text in (f"label{y}", f"value{y}")]
    prose = [(PROSE[k:], x, 100 + 30 * k) for x in (100, 700) for k in range(12)]
    assert form_order(from_right(page(prose[:12], prose[12:])).lines) is None
    mixed = from_right(page([line for pair in zip(prose[:12], prose[12:], strict=True) for line in pair]))
    assert row_order(mixed.lines) == [*range(0, 24, 2), *range(1, 24, 2)]
    cut = from_right(page([("the upper pa", 100, 100)], [("rt of it", 222, 101)]))
    assert texts(join_seams(cut)[0]) == ["the upper pa rt of it"]


def test_columns_of_prose_stay_columns():
    rows = range(100, 500, 30)
    assert form_order(page([(PROSE, 100, y) for y in rows], [(PROSE, 700, y) for y in rows]).lines) is None


def two_columns_with_a_contents_list() -> Hypothesis:
    """A title, and below it two columns: prose with a list of headings and pages; short lines at other distances."""
    prose = [(PROSE, 100, y) for y in (*range(300, 600, 30), *range(1000, 1300, 30))]
    contents = [cell for y in range(640, 960, 40) for cell in ((f"heading{y}", 100, y), (f"{y}", 530, y))]
    short = [(f"short line {y}" if y < 1180 else PROSE, 700, y) for y in (*range(310, 1180, 47), 1197, 1227, 1257)]
    return page([("the title of the whole paper", 400, 100)], prose[:10], *[[c] for c in contents], prose[10:], short)


def test_two_columns_of_text_are_not_read_across_the_gutter():
    paper = two_columns_with_a_contents_list()
    found, given = ordered(paper), texts(paper)
    assert found == given
    # The lines of a form that are taken apart in the same way are put back.
    form = page(*[[(text, 100, y)] for text, y in [(f"label{y}", y) for y in range(310, 1290, 47)]], [
        (f"value of {y}", 700, y + 3) for y in range(310, 1290, 47)
    ])  # fmt: skip
    assert ordered(form) == [text for y in range(310, 1290, 47) for text in (f"label{y}", f"value of {y}")]


def test_a_value_of_many_lines_stays_in_its_form():
    labels = [(f"label {y}", 100, y) for y in (100, 150, 200, 250, 450, 510, 540, 570, 600)]
    values = [
        *((f"value {y}", 500, y + 2) for y in (100, 150, 200)),
        *((PROSE, 500, y) for y in range(251, 420, 30)),
        ("end", 500, 450),
    ]
    found = ordered(page(labels, values))
    assert found[:8] == ["label 100", "value 100", "label 150", "value 150", "label 200", "value 200", "label 250", PROSE]
    assert found[found.index("end") - 1] == "label 450"


def test_a_table_with_cells_of_several_lines_stays_a_table():
    rows = range(100, 1100, 100)
    cells = [(f"a description of row {y} of the table, line {k}", 200, y + 30 * k) for y in rows for k in range(3)]
    values = [[(f"value {column} {y}", 800 + 250 * column, y)] for y in rows for column in range(3)]
    wanted = [
        text
        for y in rows
        for text in (*(t for t, _, top in cells if y <= top < y + 100), *(v[0][0] for v in values if v[0][2] == y))
    ]
    assert ordered(page(cells, *values)) == wanted


def test_the_numbers_of_a_list_stay_with_its_entries():
    rows = range(100, 700, 30)
    numbers, entries = [(f"{y}.", 100, y) for y in rows], [(f"entry {y} of a catalogue of paintings", 200, y + 1) for y in rows]
    assert ordered(page(numbers, entries)) == [text for pair in zip(numbers, entries, strict=True) for text, _, _ in pair]


def test_a_letter_with_a_date_beside_its_head_stays():
    letter = page([("Firm and Sons", 100, 50)], [("4 May 1931", 800, 52)], [(PROSE, 100, y) for y in range(120, 500, 30)])
    assert form_order(letter.lines) is None


def test_a_note_of_prose_in_a_form_stays_whole():
    note = [(PROSE, 700, y) for y in range(100, 220, 30)]
    cells = [(f"{side}{y}", left, y) for y in range(100, 600, 40) for side, left in (("label", 100), ("value", 300))]
    rng = random.Random(1)
    rng.shuffle(cells)
    found = ordered(page(note, *[[cell] for cell in cells]))
    place = found.index(PROSE)
    assert found[place : place + 4] == [PROSE] * 4
    others = [text for text in found if text != PROSE]
    assert others == [f"{side}{y}" for y in range(100, 600, 40) for side in ("label", "value")]


def test_turned_lines_follow_the_line_they_followed():
    rows = [100, 140, 180]
    form = page(
        [(f"label{y}", 100, y) for y in rows], [("upwards", 20, 100)], [(f"value{y}", 400, y) for y in rows], turned=("upwards",)
    )
    assert ordered(form)[-2:] == ["upwards", "value180"] or ordered(form).index("upwards") == ordered(form).index("label180") + 1


def test_lines_that_were_cut_in_a_word_are_joined():
    left, right = [("two cand", 100, 100), ("three", 100, 140)], [("les", 183, 102), ("apart", 400, 141)]
    joined, boxes = join_seams(page(left, right))
    assert texts(joined) == ["two cand les", "three", "apart"] and boxes == [(100, 100, 213, 122)]
    note = page([("note", 20, 102), ("more", 20, 300)], [("upper", 100, 60), ("the line it touches", 66, 100)])
    assert texts(join_seams(note)[0]) == ["more", "upper", "note the line it touches"]
    again, none = join_seams(joined)
    assert again is joined and none == []


def test_a_joined_line_is_found_by_its_box_also_where_a_part_was_larger_than_its_words():
    reading = page([("two cand", 100, 100)], [("les", 183, 102)])
    reading.lines[1].element.bbox = BoundingBox(183, 98, 230, 124)  # with a speck that was not read
    joined, boxes = join_seams(Hypothesis(reading.page))
    assert boxes == [line.box for line in joined.lines]


cell = st.tuples(st.integers(0, 6), st.integers(0, 40), st.integers(1, 12))


@settings(max_examples=120, deadline=None)
@given(st.lists(cell, min_size=1, max_size=40), st.integers(0, 3))
def test_nothing_twice_and_nothing_lost(cells, seed):
    blocks = [[(f"w{k}" * length, 150 * column, 15 * row)] for k, (column, row, length) in enumerate(cells)]
    random.Random(seed).shuffle(blocks)
    reading = page(*blocks)
    merged = in_order(Merged(reading, "net"))
    assert sorted(texts(merged.hypothesis)) == sorted(texts(reading))
    assert sorted((w.text, w.box) for w in merged.hypothesis.words) == sorted((w.text, w.box) for w in reading.words)
    assert merged.reordered or texts(merged.hypothesis) == texts(reading)
    again = Hypothesis(parse_hocr(write_hocr(merged.hypothesis.page)))
    assert texts(again) == texts(merged.hypothesis)
    joined, _ = join_seams(reading)
    assert sorted((w.text, w.box) for w in joined.words) == sorted((w.text, w.box) for w in reading.words)
    # An order that was made once is not changed again.
    if merged.reordered:
        assert texts(in_order(merged).hypothesis) == texts(merged.hypothesis)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(3, 12), st.integers(-4, 4), st.integers(0, 9))
def test_tables_are_read_row_by_row_however_they_were_taken_apart(columns, rows, tilt, seed):
    cells = [
        [(f"r{row}c{column}", 250 * column, 100 + 40 * row + round(tilt * column))]
        for row in range(rows)
        for column in range(columns)
    ]
    wanted = [cell[0][0] for cell in cells]
    random.Random(seed).shuffle(cells)
    assert ordered(page(*cells)) == wanted


def newspaper() -> tuple[list, list, list]:
    """A masthead of a left and a right part and a title between, and two columns of prose below it."""
    rows = range(200, 600, 30)
    left, right = [(f"l{y} {PROSE}", 100, y) for y in rows], [(f"r{y} {PROSE}", 700, y) for y in rows]
    head = [("Number 5", 100, 40), ("the title of this newspaper in large letters and the names of its makers", 250, 90)]
    return [*head, ("Monday", 1000, 40)], left, right


def test_a_masthead_is_read_before_the_columns_below_it():
    head, left, right = newspaper()
    expected = [text for text, _, _ in (*head, *left, *right)]
    assert ordered(page([head[0]], left, head[1:], right)) == expected
    assert ordered(page(left, right, head)) == expected
    assert head_order(page(head, left, right).lines) is None


def test_columns_without_a_head_keep_their_order():
    _, left, right = newspaper()
    assert head_order(page(left, right).lines) is None
    assert head_order(page(right, left).lines) is None


def test_what_stands_below_columns_stays():
    head, left, right = newspaper()
    foot = [("the end of this page, which is as wide as both of its columns, and more of it", 250, 700)]
    assert head_order(page(head, left, foot, right).lines) is None
