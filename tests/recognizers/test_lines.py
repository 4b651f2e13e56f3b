# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import pytest
from PIL import Image, ImageDraw, ImageFont
from tesseract_lines import Line, find_lines, lines_from_hocr
from tesseract_specimens import TEXTS, text_fonts

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.metrics.text import edit_distance

HOCR = """<?xml version="1.0" encoding="UTF-8"?><html><body>
 <div class='ocr_page' title='image "p.png"; bbox 0 0 600 400'>
  <span class='ocr_line' id='line_1' title="bbox 36 92 580 122; baseline 0 -6; x_size 30; x_descenders 6; x_ascenders 7">
   <span class='ocrx_word' id='w1' title='bbox 36 92 96 116; x_wconf 90'>Fish</span>
   <span class='ocrx_word' id='w2' title='bbox 109 92 200 122; x_wconf 70'><strong>&amp;</strong></span>
  </span>
  <span class='ocr_header' title="bbox 10 200 90 230">
   <span class='ocrx_word' title='bbox 10 200 90 230; x_wconf 50'>chips</span>
  </span>
  <span class='ocr_line' title="bbox 10 300 90 330"><span class='ocrx_word' title='bbox 1 1 2 2; x_wconf 95'> </span></span>
 </div></body></html>"""


def test_lines_of_hocr() -> None:
    first, second = lines_from_hocr(HOCR)
    assert first.text == "Fish &"
    assert first.confidence == 80.0
    assert first.box == (36, 92, 580, 122)
    assert first.baseline == 116.0
    assert (first.rise, first.drop) == (24.0, 6.0)
    assert second.text == "chips"
    assert second.baseline is None
    with pytest.raises(RecognizerError, match="bbox"):
        lines_from_hocr("<span class='ocr_line' title='x'/>")


def test_boxes_are_padded_as_tesseract_pads_them() -> None:
    line = Line((36, 96, 580, 118), "no descenders", 90.0, baseline=117.0, rise=24.0, drop=6.0)
    assert line.padded(600, 400) == (32, 89, 584, 127)
    assert line.padded(582, 120) == (32, 89, 582, 120)
    assert Line((1, 1, 9, 9), "x", 1.0).padded(100, 100) == (0, 0, 13, 13)
    assert Line((1, 1, 9, 9), "x", 1.0).cut(Image.new("L", (100, 100))).size == (13, 13)


def test_lines_of_a_page(needs_eng: None) -> None:
    font = ImageFont.truetype(text_fonts("eng", 1)[0], 26)
    page = Image.new("L", (1300, 400), 255)
    texts = TEXTS["eng"][:4]
    for index, text in enumerate(texts):
        ImageDraw.Draw(page).text((60, 60 + 70 * index), text, fill=0, font=font)
    lines = find_lines(page, "eng")
    assert [edit_distance(line.text, text) <= 2 for line, text in zip(lines, texts, strict=True)] == [True] * 4
    assert all(line.baseline is not None and line.confidence > 60 for line in lines)
    left, top, right, bottom = lines[1].padded(page.width, page.height)
    assert 50 <= left <= 60
    assert 120 <= top <= 138
    assert bottom - top < 60
    assert right < page.width
