# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ocrmypdf.hocrtransform import Baseline, BoundingBox, OcrClass, OcrElement

from ocrmypdf_superres.errors import ImageError
from ocrmypdf_superres.metrics.boxes import intersection_over_union
from ocrmypdf_superres.ocr.calibration import mean_confidence, read_table
from ocrmypdf_superres.ocr.hocr import parse_hocr, read_hocr, write_hocr
from ocrmypdf_superres.ocr.hypothesis import Hypothesis, Line, Word, line_of_words
from ocrmypdf_superres.ocr.merge.align import match_lines
from ocrmypdf_superres.ocr.merge.order import layout_winner, page_winner
from ocrmypdf_superres.ocr.merge.vote import merge

NAMES = ("net", "lanczos")
TABLE = read_table()
CALIBRATION = TABLE.calibration("Tesseract OCR 5.3.0", TABLE.model_sha256)


def choose(*readings):
    """Merge readings of the variants net, lanczos and as-is."""
    merged = merge(dict(zip((*NAMES, "as-is"), readings, strict=False)), CALIBRATION)
    return merged.hypothesis, merged


def hocr(lines, path):
    """Write an hOCR page: *lines* are (top, [(text, confidence, left, right), ...])."""
    out = [
        '<?xml version="1.0" encoding="UTF-8"?><html xmlns="http://www.w3.org/1999/xhtml"><body>',
        "<div class='ocr_page' id='page_1' title='bbox 0 0 1000 2000'>",
        "<div class='ocr_carea' id='block_1'><p class='ocr_par' id='par_1'>",
    ]
    for number, (top, words) in enumerate(lines):
        left, right = min(w[2] for w in words), max(w[3] for w in words)
        out.append(f"<span class='ocr_line' id='line_{number}' title='bbox {left} {top} {right} {top + 30}; baseline 0 -5'>")
        for i, (text, confidence, a, b) in enumerate(words):
            title = f"bbox {a} {top} {b} {top + 30}; x_wconf {confidence}"
            out.append(f"<span class='ocrx_word' id='word_{number}_{i}' title='{title}'>{text}</span>")
        out.append("</span>")
    out.append("</p></div></div></body></html>")
    path.write_text("".join(out), encoding="utf-8")
    return Hypothesis(read_hocr(path))


def plain(top, text, confidence):
    """A line of words of equal confidence."""
    left, words = 50, []
    for word in text.split():
        words.append((word, confidence, left, left + 12 * len(word)))
        left += 12 * len(word) + 12
    return top, words


def test_reading_and_writing(tmp_path):
    reading = hocr([plain(100, "one two", 90), plain(160, "three", 40)], tmp_path / "a.hocr")
    assert [line.text for line in reading.lines] == ["one two", "three"]
    assert reading.lines[0].words[1] == Word("two", 90.0, (98, 100, 134, 130))
    assert reading.text() == "one two\nthree\n"
    (tmp_path / "b.hocr").write_text(write_hocr(reading.page))
    assert [line.text for line in Hypothesis(read_hocr(tmp_path / "b.hocr")).lines] == ["one two", "three"]


def test_damaged_hocr_is_one_sentence(tmp_path):
    (tmp_path / "bad.hocr").write_text("<html><body>")
    with pytest.raises(ImageError, match="not hOCR"):
        read_hocr(tmp_path / "bad.hocr")


def test_calibration_is_a_monotone_probability():
    for candidate in NAMES:
        values = [CALIBRATION.probability(c, candidate) for c in range(101)]
        assert values == sorted(values) and values[0] >= 0 and values[-1] <= 1
        assert values[-1] > 0.85 and values[0] < 0.4
    words = [Word("abcd", 90, (0, 0, 1, 1)), Word("ab", 30, (0, 0, 1, 1))]
    assert mean_confidence(words) == pytest.approx(70.0)
    assert CALIBRATION.mean_probability([], "net") == 0.0 and CALIBRATION.expected_gain([], "net") == 0.0


def test_the_reading_that_lost_the_page_loses(tmp_path):
    whole = [plain(100 + 50 * i, "these words were all read well", 93) for i in range(10)]
    first = hocr(whole[:1], tmp_path / "a.hocr")
    second = hocr(whole, tmp_path / "b.hocr")
    merged, choice = choose(first, second)
    assert choice.layout == "lanczos" and len(merged.lines) == 10


def test_invented_text_does_not_win(tmp_path):
    good = [plain(100 + 50 * i, "these words were all read well", 93) for i in range(5)]
    junk = [plain(1000 + 40 * i, "xq ii ltl rr", 15) for i in range(12)]
    merged, choice = choose(hocr(good, tmp_path / "a.hocr"), hocr(good + junk, tmp_path / "b.hocr"))
    assert choice.layout == "net" and choice.added == 0 and len(merged.lines) == 5


def test_the_surer_words_are_taken_in_place(tmp_path):
    first = hocr([plain(100, "clear text", 95), plain(150, "tbe wnrd", 40), plain(200, "more text", 95)], tmp_path / "a.hocr")
    second = hocr([plain(100, "cleer text", 60), plain(151, "the word", 94), plain(200, "mere text", 60)], tmp_path / "b.hocr")
    merged, choice = choose(first, second)
    assert merged.text() == "clear text\nthe word\nmore text\n"
    assert (choice.layout, choice.exchanged, choice.added) == ("net", 2, 0)
    assert merged.lines[1].words[0].box[1] == 151 and merged.lines[1].box[1::2] == (150, 181)


def test_two_that_agree_outvote_one_that_is_sure(tmp_path):
    pages = [hocr([plain(100, f"the round {word} stands", 90 if word == "tab1e" else 75)], tmp_path / f"{i}.hocr")
             for i, word in enumerate(("tab1e", "table", "table"))]  # fmt: skip
    merged, choice = choose(*pages)
    assert merged.text() == "the round table stands\n" and choice.exchanged == 1


def test_words_run_together_meet_their_parts(tmp_path):
    def line(words):
        return [(100, words)]

    whole = line([("It", 90, 0, 40), ("is", 90, 50, 90), ("nowhere", 50, 100, 240), ("else", 90, 260, 340)])
    parts = line([("It", 90, 0, 40), ("is", 90, 50, 90), ("no", 88, 100, 140), ("where", 88, 150, 240), ("else", 90, 260, 340)])
    merged, _ = choose(hocr(whole, tmp_path / "a.hocr"), hocr(parts, tmp_path / "b.hocr"))
    assert merged.text() == "It is no where else\n"


def test_a_rather_right_word_is_not_voted_away(tmp_path):
    full, short = [plain(100, "one two three", 80)], [(100, [("one", 80, 50, 86), ("three", 80, 146, 206)])]
    pages = [hocr(full, tmp_path / "a.hocr"), *(hocr(short, tmp_path / f"{i}.hocr") for i in range(2))]
    assert choose(*pages)[0].text() == "one two three\n"


def test_words_stay_in_reading_order_from_right_to_left(tmp_path):
    ours = (100, [("first", 90, 700, 800), ("second", 90, 500, 600), ("fourth", 90, 100, 200)])
    theirs = (100, [("first", 90, 700, 800), ("second", 90, 500, 600), ("third", 96, 300, 400), ("fourth", 90, 100, 200)])
    # Without a winner by margin the first one's layout stands.
    merged, _ = choose(hocr([ours], tmp_path / "a.hocr"), hocr([theirs], tmp_path / "b.hocr"))
    assert merged.text() == "first second third fourth\n"


def test_a_turned_line_is_left_alone(tmp_path):
    first = hocr([plain(100, "upright text", 60)], tmp_path / "a.hocr")
    first.lines[0].element.textangle = 90.0
    others = [hocr([plain(100, "uprigbt text", 50)], tmp_path / f"{i}.hocr") for i in range(2)]
    merged, choice = choose(first, *others)
    assert choice.exchanged == 0 and merged.text() == "upright text\n"


def test_the_layout_that_does_not_jump_is_kept(tmp_path):
    rows = [plain(100 + 50 * i, f"row {i} of a list that goes on", 90) for i in range(8)]
    torn = hocr(rows[::2] + rows[1::2], tmp_path / "a.hocr")
    whole = hocr([plain(top, " ".join(w[0] for w in words), 89) for top, words in rows], tmp_path / "b.hocr")
    readings = {"net": torn, "lanczos": whole}
    assert layout_winner(readings, CALIBRATION) == "lanczos"
    # Unmixed, the surer one is handed over.
    assert page_winner(readings, CALIBRATION) == "net"


def test_a_missing_line_is_added_in_its_place(tmp_path):
    rows = [
        plain(100 + 50 * i, f"line number {word} here", 94)
        for i, word in enumerate(("one", "two", "three", "four", "five", "six"))
    ]
    first = hocr([r for i, r in enumerate(rows) if i not in (2, 3)], tmp_path / "a.hocr")
    # The other reading has them, but lost most of the rest, so its layout does not win.
    second = hocr(rows[1:4], tmp_path / "b.hocr")
    merged, choice = choose(first, second)
    assert choice.layout == "net" and choice.added == 2
    assert [line.words[2].text for line in merged.lines] == ["one", "two", "three", "four", "five", "six"]


def test_a_line_that_covers_two_votes_for_neither(tmp_path):
    left = (100, [("left", 50, 50, 200), ("part", 50, 210, 400)])
    right = (100, [("right", 90, 500, 700), ("side", 90, 710, 900)])
    joined = (100, [("left", 95, 50, 200), ("part", 95, 210, 400), ("right", 95, 500, 700), ("side", 95, 710, 900)])
    first, second = hocr([left, right], tmp_path / "a.hocr"), hocr([joined], tmp_path / "b.hocr")
    assert match_lines(first.lines, second.lines) == []
    merged, _ = choose(first, second)
    assert Counter(w.text for w in merged.words) == Counter(["left", "part", "right", "side"])


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6))
def test_merging_keeps_words_in_place_and_reads_nothing_twice(tmp_path_factory, seed):
    rng = random.Random(seed)
    folder = tmp_path_factory.mktemp("pairs")
    truth = [(100 + 60 * i, f"w{i}a w{i}bb w{i}ccc") for i in range(rng.randint(1, 12))]

    def variant():
        kept = [row for row in truth if rng.random() < 0.85]
        rows = [plain(top + rng.randint(-3, 3), text, rng.randint(5, 98)) for top, text in kept]
        return rows or [plain(100, "w0a", 50)]

    first, second = hocr(variant(), folder / "a.hocr"), hocr(variant(), folder / "b.hocr")
    allowed = {(w.text, w.box) for w in first.words + second.words}
    before = {"net": Counter(w.text for w in first.words), "lanczos": Counter(w.text for w in second.words)}
    merged, choice = choose(first, second)
    words = [w.text for w in merged.words]
    assert max(Counter(words).values()) == 1, "nothing twice"
    assert sum((before[choice.layout] - Counter(words)).values()) <= choice.exchanged, "nothing else of the kept layout is lost"
    assert {(w.text, w.box) for w in merged.words} <= allowed, "every word where a reading had it"
    tops = [line.box[1] for line in merged.lines]
    assert tops == sorted(tops), "reading order stays"
    assert [w.text for w in Hypothesis(parse_hocr(write_hocr(merged.page))).words] == words


def share(a, b):
    """How much of the smaller box lies in the other."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    area = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return max(width, 0) * max(height, 0) / area if width > 0 else 0.0


@st.composite
def any_reading(draw):
    """A two-column page read in some way: words lost and misread, columns joined, lines divided, boxes off by a little."""
    rows = []
    for row in range(draw(st.integers(1, 6))):
        spans = [[(50 + 450 * column + 130 * k, f"w{row}{column}{k}x") for k in range(3)] for column in range(2)]
        if draw(st.booleans()):
            spans = [spans[0] + spans[1]]
        elif draw(st.booleans()):
            spans = [spans[0][:1], spans[0][1:], spans[1]]
        for span in spans:
            words = []
            for left, text in span:
                if draw(st.integers(0, 9)) == 0:
                    continue
                shift = draw(st.integers(-4, 4))
                words.append(
                    (text if draw(st.integers(0, 4)) else text[:-1], draw(st.integers(0, 99)), left + shift, left + shift + 110)
                )
            if words:
                rows.append((100 + 60 * row + draw(st.integers(-4, 4)), words))
    return rows or [plain(100, "alone", 50)]


@settings(max_examples=80, deadline=None)
@given(any_reading(), any_reading(), any_reading())
def test_any_readings_merge_without_doubles_and_losses(tmp_path_factory, one, two, three):
    folder = tmp_path_factory.mktemp("any")
    names = (*NAMES, "as-is")
    readings = {name: hocr(page, folder / f"{name}.hocr") for name, page in zip(names, (one, two, three), strict=True)}
    words = {name: list(reading.words) for name, reading in readings.items()}
    merged, choice = choose(*readings.values())
    found = merged.words
    for i, a in enumerate(found):
        assert not any(share(a.box, b.box) > 0.5 for b in found[i + 1 :]), "nothing twice"
    for word in words[choice.layout]:
        if CALIBRATION.probability(word.confidence, choice.layout) >= 0.5:
            assert sum(share(word.box, other.box) for other in found) > 0.5, "nothing lost that was rather right"
    source = {(w.text, w.box) for name in names for w in words[name]}
    assert all((w.text, w.box) in source for w in found), "every word where a reading had it"
    if not choice.exchanged and not choice.added:
        assert sorted(w.box for w in found) == sorted(w.box for w in words[choice.layout])
        assert choice.reordered or found == words[choice.layout]


def test_scaling_moves_boxes_and_keeps_words(tmp_path):
    reading = hocr([plain(100, "one two", 90)], tmp_path / "a.hocr")
    before = reading.words
    scaled = reading.scaled(3.0, 2.0, 300.0)
    assert [w.text for w in scaled.words] == ["one", "two"] and reading.words == before
    left, top, right, bottom = before[1].box
    assert scaled.words[1].box == (3 * left, 2 * top, 3 * right, 2 * bottom)


def test_overlap():
    assert intersection_over_union((0, 0, 10, 10), (0, 0, 10, 10)) == 1.0
    assert intersection_over_union((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert intersection_over_union((0, 0, 10, 10), (20, 0, 30, 10)) == 0.0


def _height_of_baseline(line, x):
    element = line.element
    return element.bbox.bottom + element.baseline.intercept + element.baseline.slope * (x - element.bbox.left)


def test_a_line_that_grows_or_is_divided_keeps_its_baseline_and_direction():
    words = [OcrElement(OcrClass.WORD, bbox=BoundingBox(x, 100, x + 80, 130), text="abc", confidence=0.9) for x in (100, 200)]
    tree = OcrElement(
        OcrClass.LINE, bbox=BoundingBox(100, 100, 280, 130), direction="rtl", language="heb",
        baseline=Baseline(slope=0.02, intercept=-6.0), children=words,
    )  # fmt: skip
    reading = Hypothesis(OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, 900, 300), dpi=300.0, children=[tree]))
    (line,) = reading.lines
    wider = OcrElement(OcrClass.WORD, bbox=BoundingBox(20, 95, 90, 140), text="d", confidence=0.9)
    grown = reading.edited({0: [*line.words, Word("d", 90.0, (20, 95, 90, 140), wider)]}, {}, {}).lines[0]
    part = line_of_words(line.words[1:], line)
    assert grown.box == (20, 95, 280, 140) and part.box == (200, 100, 280, 130)
    for other in (grown, part):
        assert _height_of_baseline(other, 250) == pytest.approx(_height_of_baseline(line, 250))
        assert other.from_right and other.element.language == "heb"


def test_lines_that_are_the_same_are_matched_in_any_number():
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 900, (300, 2))
    first, second = (
        [
            Line([], (x, y, x + width, y + 20), OcrElement(OcrClass.LINE))
            for (x, y), width in zip(some.tolist(), widths, strict=True)
        ]
        for some, widths in (
            (corners, rng.integers(60, 200, 300).tolist()),
            (corners[::-1] + rng.integers(-4, 5, (300, 2)), rng.integers(60, 200, 300).tolist()),
        )
    )
    pairs = match_lines(first, second)
    assert len(pairs) > 60 and len({j for _, j in pairs}) == len(pairs)
    for i, j in pairs:
        shared = intersection_over_union(first[i].box, second[j].box)
        assert shared >= 0.6
        assert all(intersection_over_union(first[i].box, other.box) <= shared for other in second)
        assert all(intersection_over_union(other.box, second[j].box) <= shared for other in first)
    assert match_lines([], second) == match_lines(first, []) == []
