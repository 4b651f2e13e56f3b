# SPDX-License-Identifier: MPL-2.0
"""hOCR read and written, against OCRmyPDF's own parser."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ocrmypdf.hocrtransform import BoundingBox, HocrParser, OcrElement
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.ocr.hocr import parse_hocr, read_hocr, write_hocr
from ocrmypdf_superres.ocr.hypothesis import Hypothesis, for_text_layer

LINES = ["A harbour wall stood, of 1½ ft., in", "rain while seven wizards", "mixed liquor … near it."]
OLD = (
    "<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><body><div class='ocr_page' id='p' "
    "title='image \"bbox 1 2 3 4; x\"; bbox 0 0 400 200; ppageno 0; scan_res 300 300'>"
    "<div class='ocr_carea'><p class='ocr_par' lang='deu_latf' dir='ltr'>"
    "<span class='ocr_header' title='bbox 10 10 390 40; baseline 0.01 -4; textangle 180'>"
    "<span class='ocrx_word' title='bbox 10 10 90 40; x_wconf 57'>Waſſer<span/></span> "
    "<span class='ocrx_word' title='bbox 100 10 190 40; x_wconf 29' lang='fra'>eﬂ</span></span></p></div>"
    "<div class='ocr_photo' title='bbox 20 100 120 180'></div>"
    "<div class='ocr_separator' title='bbox 0 190 400 192'></div></div></body></html>"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tesseract's hOCR of three printed lines, and a fourth in another paragraph."""
    folder = tmp_path_factory.mktemp("hocr")
    image = Image.new("L", (1000, 500), 255)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate([*LINES, "", "Another paragraph"]):
        draw.text((40, 40 + 70 * number), line, font=ImageFont.truetype("DejaVuSerif.ttf", 40), fill=0)
    image.save(folder / "page.png", dpi=(300, 300))
    subprocess.run(["tesseract", "page.png", "page", "-l", "eng", "hocr"], cwd=folder, check=True, capture_output=True)
    return folder / "page.hocr"


def told(element: OcrElement) -> list[object]:
    """All that OCRmyPDF's text layer is made of."""
    own = (
        element.ocr_class,
        element.bbox,
        element.text,
        element.confidence,
        element.direction,
        element.baseline,
        element.textangle,
    )
    return [own, element.dpi, element.page_number, *map(told, element.children)]


def test_what_is_handed_over_is_what_ocrmypdf_parses(page: Path, tmp_path: Path) -> None:
    assert told(for_text_layer(read_hocr(page))) == told(HocrParser(page).parse())
    (tmp_path / "old.hocr").write_text(OLD, encoding="utf-8")
    found, theirs = for_text_layer(parse_hocr(OLD)), HocrParser(tmp_path / "old.hocr").parse()
    assert told(found.children[0]) == told(theirs.children[0])
    assert found.lines[0].language == theirs.lines[0].language == "deu_latf"


def test_what_was_written_is_kept() -> None:
    found = parse_hocr(OLD)
    assert [(word.text, word.language) for word in found.words] == [("Waſſer", None), ("eﬂ", "fra")]
    assert [child.ocr_class for child in found.children] == ["ocr_par", "ocr_photo", "ocr_separator"]
    assert (found.dpi, found.bbox.right, found.lines[0].ocr_class) == (300.0, 400.0, "ocr_header")
    assert [word.confidence for word in Hypothesis(found).words] == [57.0, 29.0]
    assert Hypothesis(found).lines[0].turned


def test_pages_written_are_read_again(page: Path, tmp_path: Path) -> None:
    for tree in (read_hocr(page), parse_hocr(OLD), OcrElement("ocr_page", bbox=parse_hocr(OLD).bbox)):
        path = tmp_path / "again.hocr"
        path.write_text(write_hocr(tree), encoding="utf-8")
        assert told(for_text_layer(tree))[0] == told(HocrParser(path).parse())[0]
        assert [told(p) for p in for_text_layer(tree).paragraphs] == [told(p) for p in HocrParser(path).parse().paragraphs]
        again = read_hocr(path)
        assert [told(child) for child in again.children] == [told(child) for child in tree.children]
        assert [w.language for w in again.words] == [w.language for w in tree.words]


def test_identifiers_are_unique(page: Path) -> None:
    import re

    names = re.findall(r' id="([^"]+)"', write_hocr(read_hocr(page)))
    assert len(names) == len(set(names)) > 10


def test_the_text_of_lines_without_paragraphs() -> None:
    word = OcrElement("ocrx_word", bbox=BoundingBox(0, 0, 9, 9), text="wall")
    lines = [OcrElement("ocr_line", bbox=BoundingBox(0, top, 9, top + 9), children=[word]) for top in (0, 20)]
    assert Hypothesis(OcrElement("ocr_page", bbox=BoundingBox(0, 0, 99, 99), children=lines)).text() == "wall\nwall\n"
