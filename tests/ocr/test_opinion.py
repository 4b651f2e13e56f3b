# SPDX-License-Identifier: MPL-2.0
"""A further engine's reading of a page, in the pixels of the image that the readings before are in."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement
from PIL import Image

from ocrmypdf_superres.ocr.engines.base import ENGINES, shared_engine
from ocrmypdf_superres.ocr.engines.opinion import ask, ask_beside
from ocrmypdf_superres.ocr.hypothesis import Hypothesis

LINE = (20, 10, 80, 30)
"""Box of the one line of the page, in its own pixels."""


class OneLine:
    """An engine that finds one line, and reads in it the size of the image that it is given."""

    name = "one"

    def detect(self, image):
        left, top, right, bottom = LINE
        return [np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=np.float64)]

    def recognize(self, image, lines, languages, dpi):
        page = OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, *image.size), dpi=dpi)
        for corners in lines:
            box = BoundingBox(*map(float, (*corners[0], *corners[2])))
            word = OcrElement(OcrClass.WORD, bbox=box, text=f"{image.width}", confidence=0.9)
            page.children.append(OcrElement(OcrClass.LINE, bbox=box, children=[word]))
        return page

    def read(self, image, languages, dpi):
        return self.recognize(image, self.detect(image), languages, dpi)

    def missing(self):
        return None

    def version(self):
        return "one 1"

    def knows(self, languages):
        return True


@pytest.fixture
def page():
    return Image.new("L", (100, 50), 255)


def words(hypothesis):
    return [(word.text, word.box) for word in hypothesis.words]


def test_a_page_that_was_not_enlarged_is_read_as_it_is(page):
    opinion = ask(OneLine(), page, None, None, ["eng"], 96.0)
    assert words(opinion.whole) == [("100", LINE)] and opinion.doubtful is None


def test_lines_are_read_enlarged_and_on_the_original_in_the_pixels_of_the_enlarged_page(page):
    opinion = ask(OneLine(), page, page.resize((300, 150)), None, ["eng"], 288.0)
    enlarged = tuple(3 * value for value in LINE)
    assert words(opinion.whole) == [("300", enlarged)] and words(opinion.doubtful) == [("100", enlarged)]


def test_a_page_that_was_enlarged_later_stays_in_its_own_pixels(page):
    opinion = ask_beside(OneLine(), page, page.resize((300, 150)), None, ["eng"], 96.0)
    assert words(opinion.whole) == [("300", LINE)] and words(opinion.doubtful) == [("100", LINE)]
    assert opinion.whole.size == page.size and opinion.whole.page.dpi == 96.0


def test_what_the_first_reading_has_is_not_read_twice(page):
    first = Hypothesis(OneLine().recognize(page.resize((300, 150)), OneLine().detect(page), ["eng"], 96.0))
    opinion = ask_beside(OneLine(), page, page.resize((300, 150)), first, ["eng"], 96.0)
    assert words(opinion.doubtful) == []


class SlowlyMade:
    """An engine that takes its time to be made, and counts how often it was."""

    made = 0

    def __init__(self):
        time.sleep(0.05)
        SlowlyMade.made += 1


def test_threads_that_come_first_share_one_engine(monkeypatch):
    monkeypatch.setitem(ENGINES.built_in, "slowly made", f"{__name__}:SlowlyMade")
    with ThreadPoolExecutor(4) as pool:
        engines = list(pool.map(shared_engine, ["slowly made"] * 4))
    assert SlowlyMade.made == 1
    assert all(engine is engines[0] for engine in engines)
