# SPDX-License-Identifier: MPL-2.0
"""Words of an engine without page layout, sorted into lines, voting there, and calibrated."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.ocr.calibration import read_table
from ocrmypdf_superres.ocr.engines.alphabets import letters_of
from ocrmypdf_superres.ocr.engines.calibration import EngineRow, read_rows, with_engines
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.merge.regroup import regroup
from ocrmypdf_superres.ocr.merge.vote import merge

TABLE = read_table()
ROW = EngineRow("other 1", "made up", "2026-01-01", 10, [0.0, 90.0, 100.0], [0.0, 0.5, 0.95])
CALIBRATION = with_engines(TABLE.calibration("Tesseract OCR 5.3.0", TABLE.model_sha256), {"other": "other 1"}, {"other": ROW})


def page(*lines: tuple[int, list[tuple[str, float, int]]], turned: bool = False) -> Hypothesis:
    """A page of lines, each (top, [(word, confidence from 0 to 1, left), ...]); letters are 10 wide and lines 20 high."""
    root = OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, 1000, 1000), dpi=300)
    for top, words in lines:
        nodes = [
            OcrElement(OcrClass.WORD, bbox=BoundingBox(left, top, left + 10 * len(text), top + 20), text=text, confidence=sure)
            for text, sure, left in words
        ]
        box = BoundingBox(words[0][2], top, words[-1][2] + 10 * len(words[-1][0]), top + 20)
        line = OcrElement(OcrClass.LINE, bbox=box, children=nodes, textangle=90.0 if turned else None)
        root.children.append(OcrElement(OcrClass.PARAGRAPH, bbox=box, children=[line]))
    return Hypothesis(root)


def test_a_line_of_cells_takes_the_words_of_three_boxes():
    kept = page((100, [("Total", 0.9, 100), ("of", 0.9, 200), ("12.50", 0.9, 400)]))
    cells = page((101, [("Total", 0.99, 101)]), (99, [("12.80", 0.99, 402)]), (100, [("of", 0.99, 199)]))
    found = regroup(kept.lines, cells.lines)
    assert [word.text for word in found.lines[0]] == ["Total", "of", "12.80"]
    assert found.left == []


def test_words_of_a_line_that_is_read_from_the_right_keep_their_order():
    kept, again = (page((100, [("second", sure, 200), ("first", sure, 300)])) for sure in (0.5, 0.9))
    for reading in (kept, again):
        reading.page.paragraphs[0].children[0].direction = "rtl"
        reading.page.paragraphs[0].children[0].children.reverse()
    found = regroup(Hypothesis(kept.page).lines, Hypothesis(again.page).lines)
    assert [word.text for word in found.lines[0]] == ["first", "second"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 90)), min_size=1, max_size=30), st.integers(0, 7))
def test_every_word_is_in_one_place(places, rows):
    kept = page(*[(100 * row, [("word", 0.9, 50), ("again", 0.9, 300)]) for row in range(rows)])
    foreign = page(*[(10 * y, [(f"w{i}", 0.9, 10 * x)]) for i, (y, x) in enumerate(places)])
    found = regroup(kept.lines, foreign.lines)
    words = [word for line in found.lines.values() for word in line] + [word for line in found.left for word in line.words]
    assert sorted(word.text for word in words) == sorted(word.text for word in foreign.words)
    for line in found.lines.values():
        assert [word.box[0] for word in line] == sorted(word.box[0] for word in line)


def test_turned_lines_keep_to_themselves():
    kept = page((100, [("upright", 0.9, 100)]))
    assert regroup(kept.lines, page((100, [("turned", 0.9, 100)]), turned=True).lines).lines == {}
    assert regroup(page((100, [("turned", 0.9, 100)]), turned=True).lines, kept.lines).lines == {}


def test_a_sure_opinion_corrects_a_doubtful_word_and_no_sure_one():
    rest = (200, [("and a line that both read", 0.95, 100)])
    kept = page((100, [("Tetal", 0.3, 100), ("right", 0.99, 200)]), rest)
    merged = merge({"net": kept}, CALIBRATION, {"other": page((100, [("Total", 1.0, 100), ("rlght", 0.91, 200)]), rest)})
    assert merged.hypothesis.text().split("\n")[0] == "Total right"
    assert (merged.layout, merged.exchanged, merged.added) == ("net", 1, 0)


def test_lines_that_were_not_read_are_added_in_their_place():
    kept = page((100, [("first", 0.99, 100)]), (300, [("third", 0.99, 100)]))
    opinion = page((200, [("second", 1.0, 100)]), (400, [("fourth", 1.0, 100)]), (500, [("guess", 0.1, 100)]))
    merged = merge({"net": kept}, CALIBRATION, {"other": opinion})
    assert [line.text for line in merged.hypothesis.lines] == ["first", "second", "third", "fourth"]
    assert merged.added == 2
    before = merge({"net": kept}, CALIBRATION, {"other": page((20, [("title", 1.0, 100)]))})
    assert [line.text for line in before.hypothesis.lines] == ["title", "first", "third"]


def test_no_opinion_changes_nothing():
    kept = page((100, [("first", 0.99, 100)]))
    merged = merge({"net": kept}, CALIBRATION, {"other": page()})
    assert not merged.mixed and merged.hypothesis.text() == "first\n"


def test_what_a_detector_does_not_see_and_tesseract_hardly_reads_goes():
    kept = page((100, [("letters", 0.99, 100), ("~|", 0.2, 300)]), (200, [("stain", 0.1, 100)]), (300, [("pale", 0.99, 100)]))
    seen = page((100, [("letters", 1.0, 100)]), (400, [("more", 1.0, 100)]))
    merged = merge({"net": kept}, CALIBRATION, {"other": seen})
    assert [line.text for line in merged.hypothesis.lines] == ["letters", "pale", "more"]
    # An engine that saw next to nothing did not look.
    assert "stain" in merge({"net": kept}, CALIBRATION, {"other": page()}).hypothesis.text()


def test_an_engine_of_another_version_is_trusted_less():
    plain = TABLE.calibration("Tesseract OCR 5.3.0", TABLE.model_sha256)
    same = with_engines(plain, {"other": "other 1"}, {"other": ROW})
    newer = with_engines(plain, {"other": "other 2"}, {"other": ROW})
    assert same.probability(95, "other") == pytest.approx(0.725)
    assert newer.probability(95, "other") <= min(plain.probability(95, name) for name in plain.probabilities)


def test_the_packages_rows_are_probabilities_with_their_origin():
    for row in read_rows().values():
        assert list(row.probabilities) == sorted(row.probabilities)
        assert row.version and row.data and row.date and row.words > 1000


@pytest.mark.parametrize("damage", ["{", "[]", '{"a": {}}', '{"a": {"version": "1"}}'])
def test_a_damaged_table_is_one_sentence(tmp_path, damage):
    (tmp_path / "t.json").write_text(damage)
    with pytest.raises(SuperresError, match="calibration table"):
        read_rows(tmp_path / "t.json")


def test_knots_that_do_not_rise_are_refused(tmp_path):
    row = {**ROW.__dict__, "confidences": [0.0, 100.0, 90.0]}
    (tmp_path / "t.json").write_text(json.dumps({"other": row}))
    with pytest.raises(SuperresError, match="rising"):
        read_rows(tmp_path / "t.json")


def test_letters_of_languages():
    assert set("äöüßÄÖÜ") <= letters_of("deu")
    assert letters_of("Latin") == letters_of("script/Latin") >= letters_of("fra")
    assert letters_of("frk") == frozenset() == letters_of("xyz")
    assert "Я" in letters_of("rus") and "a" not in letters_of("rus")


def test_a_turned_line_that_only_another_engine_has_keeps_its_angle():
    mine = page((100, [("left", 0.9, 100), ("column", 0.9, 200)]))
    margin = page((500, [("CONFIDENTIAL", 0.99, 700)]), turned=True)
    merged = merge({"net": mine}, CALIBRATION, {"other": margin}).hypothesis
    (line,) = [line for line in merged.lines if "CONFIDENTIAL" in line.text]
    assert line.turned and line.element.textangle == 90.0


def test_words_of_large_tables_are_sorted_in_time():
    rows = [(24 * row, [("word", 0.9, 90 * column) for column in range(7)]) for row in range(600)]
    table = page(*rows)
    began = time.process_time()
    found = regroup(table.lines, table.lines)
    assert found.count == 4200 and not found.left
    assert time.process_time() - began < 2.0
