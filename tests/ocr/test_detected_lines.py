# SPDX-License-Identifier: MPL-2.0
"""Pages that Tesseract's page segmentation took apart, in the lines of an engine that detects lines."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement

from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.merge.detected_lines import arranged, better_lines
from ocrmypdf_superres.ocr.merge.reading_order import row_order
from ocrmypdf_superres.ocr.merge.vote import merge

CALIBRATION = Calibration({name: [0.0, 1.0] for name in ("net", "rapidocr")}, [0.0, 0.5])


def reading(*lines):
    """A page of lines, each (text, confidence 0 to 1, left, top); a letter is 12 pixels wide, a line 20 high."""
    found = []
    for text, confidence, left, top in lines:
        at, nodes = left, []
        for word in text.split():
            box = BoundingBox(at, top, at + 12 * len(word), top + 20)
            nodes.append(OcrElement(OcrClass.WORD, bbox=box, text=word, confidence=confidence))
            at += 12 * len(word) + 12
        found.append(OcrElement(OcrClass.LINE, bbox=BoundingBox(left, top, at - 12, top + 20), children=nodes))
    return Hypothesis(OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, 1000, 1000), dpi=300.0, children=found))


def texts(hypothesis):
    return [line.text for line in hypothesis.lines]


RECEIPT = [
    line
    for row, (label, amount) in enumerate(
        (("Sardines in oil", "13.58"), ("Rounding", "0.02"), ("Cash", "14.00"), ("Change", "0.42"))
    )
    for line in ((label, 0.9, 50, 100 + 40 * row), (amount, 0.9, 500, 100 + 40 * row))
]


def test_lines_of_the_other_engine_stand_where_it_reads_far_more():
    # Tesseract took the labels for one column and the amounts for another one, and lost most of both.
    scraps = reading(
        ("Sardlnes ln oi1", 0.3, 50, 100), ("Cosh", 0.3, 50, 180), ("l3.58", 0.3, 500, 100), ("14.00", 0.3, 500, 180)
    )
    merged = merge({"net": scraps}, CALIBRATION, {"rapidocr": reading(*RECEIPT)})
    assert merged.layout == "rapidocr"
    assert texts(merged.hypothesis) == [text for text, *_ in RECEIPT]


def test_a_page_that_was_read_well_keeps_its_layout():
    first = reading(*((text, 0.9, left, top) for text, _, left, top in sorted(RECEIPT, key=lambda line: line[2])))
    merged = merge({"net": first}, CALIBRATION, {"rapidocr": reading(*RECEIPT)})
    assert merged.layout == "net"
    assert better_lines("net", {"net": first}, {}, CALIBRATION) is None


def test_what_only_tesseract_is_sure_of_stays():
    scraps = reading(("Sardlnes ln oi1", 0.3, 50, 100), ("Thank you come again", 0.95, 50, 600))
    merged = merge({"net": scraps}, CALIBRATION, {"rapidocr": reading(*RECEIPT)})
    assert merged.layout == "rapidocr"
    assert texts(merged.hypothesis)[-1] == "Thank you come again"


def test_a_sure_word_of_tesseract_wins_its_place():
    scraps = reading(("Sardines", 0.97, 50, 100), ("ab cd ef gh", 0.05, 50, 300))
    other = reading(("Sardlnes", 0.4, 50, 100), *RECEIPT[2:])
    merged = merge({"net": scraps}, CALIBRATION, {"rapidocr": other})
    assert merged.layout == "rapidocr" and texts(merged.hypothesis)[0] == "Sardines"


def test_parts_of_a_line_that_touch_are_joined():
    parts = reading(("MAGGI SOS", 0.9, 50, 100), ("TOMATO", 0.9, 50 + 12 * 9 + 4, 100), ("39.00", 0.9, 600, 100))
    assert texts(arranged(parts)) == ["MAGGI SOS TOMATO", "39.00"]


def test_columns_of_prose_come_one_after_another():
    columns = [(f"a line of prose number {i}", 0.9, left, 100 + 26 * i) for i in range(10) for left in (50, 550)]
    page = reading(*columns)
    order = [page.lines[i].box[0] for i in row_order(page.lines)]
    assert order == [50] * 10 + [550] * 10


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["one", "two words", "a longer line of words"]),
            st.floats(0.05, 1),
            st.integers(0, 700),
            st.integers(0, 900),
        ),
        max_size=12,
    )
)
def test_no_line_is_lost_or_doubled(lines):
    page = reading(*lines)
    assert sorted(row_order(page.lines)) == list(range(len(page.lines)))
    words = sorted(word.text for word in arranged(page).words)
    assert words == sorted(word.text for word in page.words)
