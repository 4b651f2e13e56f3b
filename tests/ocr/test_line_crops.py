# SPDX-License-Identifier: MPL-2.0
"""Lines in doubt, ink without words, and their crops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.ocr.calibration import read_table
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.lines.crops import crop_line, padded, read_crops
from ocrmypdf_superres.ocr.lines.doubt import DoubtfulLine, doubtful_lines, spend, unread_lines

FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSerif.ttf"
TABLE = read_table()
CALIBRATION = TABLE.calibration("Tesseract OCR 5.3.0", TABLE.model_sha256)
LINES = ["the ferry leaves at seven", "and nobody waits for it", "when the river is high", "or the fog comes down"]


def reading(size, *lines):
    """A page of *size* with lines (text, confidence from 0 to 1, box)."""
    root = OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, *size), dpi=100)
    for text, sure, box in lines:
        word = OcrElement(OcrClass.WORD, bbox=BoundingBox(*box), text=text, confidence=sure)
        root.children.append(
            OcrElement(OcrClass.PARAGRAPH, children=[OcrElement(OcrClass.LINE, bbox=BoundingBox(*box), children=[word])])
        )
    return Hypothesis(root)


def printed() -> Image.Image:
    page = Image.new("L", (420, 260), 245)
    ink, font = ImageDraw.Draw(page), ImageFont.truetype(FONT, 18)
    for row, line in enumerate(LINES):
        ink.text((40, 30 + 55 * row), line, fill=20, font=font)
    return page


def test_unsure_lines_are_in_doubt():
    page = reading((900, 900), ("certain", 0.99, (10, 10, 200, 40)), ("dwubt", 0.3, (10, 60, 200, 90)))
    assert [line.box for line in doubtful_lines(page, CALIBRATION, "net")] == [(10, 60, 200, 90)]


def test_ink_without_words_is_found_in_the_pixels_of_the_reading():
    read = reading((840, 520), (LINES[0], 0.9, (80, 60, 700, 100)), (LINES[2], 0.9, (80, 280, 700, 324)))
    found = unread_lines(printed(), read, (840, 520))
    middles = [(line.box[1] + line.box[3]) / 2 for line in found]
    assert len(found) == 2 and abs(middles[0] - 190) < 12 and abs(middles[1] - 410) < 12
    assert all(60 < line.box[0] < 100 and line.wrong > 5 for line in found)
    assert len(unread_lines(printed(), None, (840, 520))) == 4
    assert unread_lines(Image.new("L", (300, 300), 250), None, (300, 300)) == []


def test_boxes_beyond_the_page_cover_their_lines():
    read = reading((420, 260), *((line, 0.9, (-5, -3, 425, 265)) for line in LINES))
    assert unread_lines(printed(), read, (420, 260)) == []


def ledger(ground: bool = False) -> tuple[Image.Image, list[tuple[str, tuple[int, int, int, int]]]]:
    """A page of entries with a column of figures, on shaded rows by turns; and what stands where."""
    page = Image.new("L", (620, 420), 250)
    pen, font = ImageDraw.Draw(page), ImageFont.truetype(FONT, 18)
    printed = []
    for row in range(10):
        top = 20 + 38 * row
        if ground and row % 2:
            pen.rectangle((20, top - 6, 600, top + 28), fill=215)
        for left, text in ((40, ("water and gas", "candles", "a new roof")[row % 3]), (300, "To"), (540, str(113 + 24 * row))):
            pen.text((left, top), text, fill=20, font=font)
            printed.append((text, tuple(int(edge) for edge in pen.textbbox((left, top), text, font=font))))
    return page, printed


@pytest.mark.parametrize("ground", [False, True])
def test_columns_of_short_cells_that_were_not_read_are_found(ground):
    page, cells = ledger(ground)
    figures = [box for text, box in cells if text.isdigit()]
    words = [(text, 0.9, box) for text, box in cells if not text.isdigit()]
    found = unread_lines(page, reading(page.size, *words), page.size)
    assert len(figures) - 2 <= len(found) <= len(figures)
    for line in found:
        middle = (line.box[1] + line.box[3]) / 2
        at = min(figures, key=lambda box: abs((box[1] + box[3]) / 2 - middle))
        assert line.box[0] <= at[0] + 3 and line.box[2] >= at[2] - 3 and at[1] - 6 < middle < at[3] + 6
    assert unread_lines(page, reading(page.size, *((text, 0.9, box) for text, box in cells)), page.size) == []


def test_a_single_speck_is_not_a_column():
    page, cells = ledger()
    kept = [(text, 0.9, box) for text, box in cells if text != "161"]
    assert unread_lines(page, reading(page.size, *kept), page.size) == []


def test_many_specks_are_looked_at_fast():
    from ocrmypdf_superres.ocr.lines.doubt import _columns

    random = np.random.default_rng(0)
    lefts, tops = random.integers(0, 10**6, (2, 50_000)).tolist()
    specks = [DoubtfulLine((x, y, x + 12, y + 20), 1.0) for x, y in zip(lefts, tops, strict=True)]
    kept = _columns([*specks, *(DoubtfulLine((-500, y, -480, y + 20), 1.0) for y in (0, 40, 80))])
    assert [line.box[1] for line in kept if line.box[0] == -500] == [0, 40, 80]


doubts = st.lists(st.tuples(st.integers(1, 500), st.floats(0.1, 50)), max_size=20)


@settings(max_examples=80, deadline=None)
@given(doubts, st.floats(0, 3000))
def test_the_budget_goes_to_the_most_doubtful_lines(lines, columns):
    found = [DoubtfulLine((0, 30 * i, width, 30 * i + 20), wrong) for i, (width, wrong) in enumerate(lines)]
    chosen = spend(found, columns)
    assert sum(line.box[2] for line in chosen) <= columns
    assert [line.box[1] for line in chosen] == sorted(line.box[1] for line in chosen)
    left = columns - sum(line.box[2] for line in chosen)
    for other in found:
        if other not in chosen:
            assert other.box[2] > left or any(line.wrong / line.box[2] >= other.wrong / other.box[2] for line in chosen)


def test_crops_come_back_in_the_pixels_of_the_page(tmp_path):
    image = printed()
    boxes = [(40, 30 + 55 * row, 300, 52 + 55 * row) for row in range(4)]

    def read(listing):
        names = listing.read_text().split()
        pages = []
        for name in names:
            with Image.open(name) as crop:
                dark = np.argwhere(np.asarray(crop) < 128)
                (top, left), (bottom, right) = dark.min(axis=0), dark.max(axis=0) + 1
                box = BoundingBox(int(left), int(top), int(right), int(bottom))
                word = OcrElement(OcrClass.WORD, bbox=box, text="ink", confidence=0.5)
                line = OcrElement(OcrClass.LINE, bbox=box, children=[word])
                pages.append(OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, *crop.size), children=[line]))
        return pages

    found = read_crops(image, boxes, 100, tmp_path, read)
    dark = np.asarray(image) < 128
    assert [word.text for word in found.words] == ["ink"] * 4 and found.size == image.size
    for word in found.words:
        left, top, right, bottom = word.box
        assert dark[top].any() and dark[bottom - 1].any() and dark[top:bottom, left].any() and dark[top:bottom, right - 1].any()
    assert list(tmp_path.iterdir()) == []


def beside_rules(left: int, right: int, lean: int = 0, dashes: int = 0) -> tuple[Image.Image, list[tuple[int, int, int, int]]]:
    """The printed lines between two rules, which lean or are broken, and the boxes of their ink."""
    page = printed()
    ink = ImageDraw.Draw(page)
    boxes = []
    for row in range(4):
        dark = np.argwhere(np.asarray(page)[30 + 55 * row : 70 + 55 * row] < 128)
        (top, first), (bottom, last) = dark.min(axis=0), dark.max(axis=0) + 1
        boxes.append((int(first), 30 + 55 * row + int(top), int(last), 30 + 55 * row + int(bottom)))
    for x in (left, right):
        ink.line((x, 0, x + lean, 259), fill=90, width=2)
    for y in range(0, 260, dashes or 260):
        if dashes:
            ink.rectangle((0, y, 419, y + 2), fill=245)
    return page, boxes


def columns_of_ink(image: Image.Image) -> np.ndarray:
    return np.flatnonzero((np.asarray(image) < 128).any(axis=0))


@pytest.mark.parametrize(("lean", "dashes"), [(0, 0), (3, 0), (0, 25)])
def test_a_rule_beside_a_line_is_not_in_its_crop(lean, dashes):
    for row in range(4):
        end = beside_rules(33, 410)[1][row][2]
        page, boxes = beside_rules(33, end + 5, lean, dashes)
        box, wide = boxes[row], padded(boxes[row], page.size)
        assert wide[0] < 33 and wide[2] > end + 5 + lean, "the rules are too far away"
        crop = crop_line(page, box)
        assert crop.size == (wide[2] - wide[0], wide[3] - wide[1])
        inked = columns_of_ink(crop) + wide[0]
        assert inked.min() == box[0] and inked.max() + 1 == box[2]
        inside = (box[0] - wide[0], box[1] - wide[1], box[2] - wide[0], box[3] - wide[1])
        assert np.array_equal(crop.crop(inside), page.crop(box))


def test_a_rule_that_counts_as_part_of_a_line_is_cut_off():
    page, boxes = beside_rules(33, 414)
    left, top, right, bottom = boxes[0]
    wide = padded((left - 8, top, right, bottom), page.size)
    assert columns_of_ink(crop_line(page, (left - 8, top, right, bottom))).min() + wide[0] == left


def test_the_paper_of_a_coloured_page_replaces_a_rule():
    page, boxes = beside_rules(33, 414)
    coloured = Image.merge("RGB", [page, page, page.point(lambda level: level * 3 // 4)])
    assert crop_line(coloured, boxes[0]).getpixel((0, 0)) == (245, 245, 183)


def test_ones_below_one_another_are_no_rule():
    page, font = Image.new("L", (300, 120), 245), ImageFont.truetype(FONT, 24)
    for row in range(5):
        ImageDraw.Draw(page).text((40, 20 * row), "1200", fill=20, font=font)
    rows = np.flatnonzero((np.asarray(page)[40:62] < 128).any(axis=1)) + 40
    columns = np.flatnonzero((np.asarray(page) < 128).any(axis=0))
    box = (int(columns[0]), int(rows[4]), int(columns[-1]) + 1, int(rows[-4]) + 1)
    crop, wide = np.asarray(crop_line(page, box)), padded(box, page.size)
    rows_inside = slice(7, -7)  # where the digits above and below do not reach
    assert np.array_equal(crop[rows_inside], np.asarray(page.crop(wide))[rows_inside])


def lines_close_together() -> tuple[Image.Image, tuple[int, int, int, int]]:
    """Three lines set close, with the box of the ink of the second one."""
    page, alone = Image.new("L", (420, 110), 245), Image.new("L", (420, 110), 245)
    font = ImageFont.truetype(FONT, 24)
    for row, text in enumerate(["gypsy quay gag jpg", "no moon on seas", "DAILY libel hill"]):
        for image in (page, alone) if row == 1 else (page,):
            ImageDraw.Draw(image).text((40, 10 + 22 * row), text, fill=20, font=font)
    dark = np.argwhere(np.asarray(alone) < 200)
    (top, left), (bottom, right) = dark.min(axis=0), dark.max(axis=0) + 1
    return page, (int(left), int(top) - 4, int(right), int(bottom) + 4)


def test_letters_of_the_lines_above_and_below_are_not_in_the_crop():
    page, box = lines_close_together()
    before, crop = np.asarray(page.crop(padded(box, page.size))), np.asarray(crop_line(page, box))
    assert (before[0] < 128).any() and (before[-1] < 128).any(), "the lines are too far apart"
    assert crop[0].min() > 200 and crop[-1].min() > 200
    inside = slice(box[1] + 4 - padded(box, page.size)[1], -6)
    assert np.array_equal(before[inside], crop[inside])


def test_light_letters_on_a_dark_ground_stay():
    light = printed().point(lambda level: 255 - level)
    for box in beside_rules(33, 410)[1]:
        assert np.array_equal(crop_line(light, box), light.crop(padded(box, light.size)))


def test_letters_at_the_edge_of_the_page_stay():
    page, box = lines_close_together()
    cut = page.crop((0, box[1] + 8, page.width, page.height))
    line = (box[0], 0, box[2], box[3] - box[1] - 8)
    crop = np.asarray(crop_line(cut, line))
    assert np.array_equal(crop[0], np.asarray(cut.crop(padded(line, cut.size)))[0]) and (crop[0] < 128).any()


def test_letters_are_no_rules():
    page = Image.new("L", (420, 100), 245)
    font = ImageFont.truetype(FONT, 18)
    for row, text in enumerate(["l|I am here I|l", "lIl fill till lIl", "|I| hill lull |I|"]):
        ImageDraw.Draw(page).text((40, 10 + 26 * row), text, fill=20, font=font)
    for row in range(3):
        band = np.argwhere(np.asarray(page)[10 + 26 * row : 34 + 26 * row] < 128)
        box = (40, 10 + 26 * row + int(band[:, 0].min()), int(band[:, 1].max()) + 1, 10 + 26 * row + int(band[:, 0].max()) + 1)
        assert np.array_equal(crop_line(page, box), page.crop(padded(box, page.size)))
    blank = Image.new("L", (300, 300), 250)
    assert np.array_equal(crop_line(blank, (50, 50, 200, 80)), blank.crop(padded((50, 50, 200, 80), blank.size)))
