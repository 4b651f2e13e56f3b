# SPDX-License-Identifier: MPL-2.0
"""Lines in doubt, ink without words, and their crops."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.ocr.calibration import read_table
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.lines.crops import padded, read_crops
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
    boxes = [padded((40, 30 + 55 * row, 300, 52 + 55 * row), image.size) for row in range(4)]

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
