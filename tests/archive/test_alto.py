# SPDX-License-Identifier: MPL-2.0
"""ALTO: the words that were read, where they stand on the master, and what was done to read them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from lxml import etree
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.archive.formats.alto import page_to_alto
from ocrmypdf_superres.archive.formats.xmp import ENLARGED, RECOGNISED, Step
from ocrmypdf_superres.archive.store.name_encoding import printable
from ocrmypdf_superres.errors import ImageError
from ocrmypdf_superres.metrics.ground_truth import read_truth
from ocrmypdf_superres.ocr.hocr import parse_hocr, read_hocr
from ocrmypdf_superres.ocr.hypothesis import Hypothesis

WHEN = "2026-05-01T12:00:00+02:00"
STEPS = [
    Step("digitised", "Scanner", when=""),
    Step(ENLARGED, "ocrmypdf-superres", "0.1.0", WHEN, "docsr-s2", "ab" * 32, (2,), (2, 3), "cd" * 32),
    Step(RECOGNISED, "Tesseract", "5.3.0", WHEN, parameters={"languages": "eng"}),
]
LINES = ["A harbour wall stood in the", "rain while seven wiz-", "ards mixed liquor."]
A = "{http://www.loc.gov/standards/alto/ns-v4#}"


def word(text: str, box: str, confidence: int = 90, more: str = "") -> str:
    return f"<span class='ocrx_word' title='bbox {box}; x_wconf {confidence}' {more}>{text}</span>"


def hocr(*lines: str, size: str = "400 200", paragraph: str = "lang='deu'") -> str:
    body = "".join(f"<span class='ocr_line' title='bbox 10 10 390 30; baseline 0.01 -4'>{line}</span>" for line in lines)
    return (
        "<?xml version='1.0' encoding='UTF-8'?><html xmlns='http://www.w3.org/1999/xhtml'><body>"
        f"<div class='ocr_page' title='image \"x\"; bbox 0 0 {size}; ppageno 0'><div class='ocr_carea'>"
        f"<p class='ocr_par' {paragraph}>{body}</p></div>"
        "<div class='ocr_photo' title='bbox 20 100 120 180'></div></div></body></html>"
    )


def alto(text: str, **more: object) -> etree._Element:
    made = page_to_alto(
        parse_hocr(text) if text or "size" not in more else None, **{"page": 2, "source": "a.tif", "processing": STEPS, **more}
    )  # type: ignore[arg-type]
    return etree.fromstring(made.encode())


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tesseract's hOCR of three printed lines."""
    folder = tmp_path_factory.mktemp("alto")
    image = Image.new("L", (1000, 300), 255)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(LINES):
        draw.text((40, 40 + 70 * number), line, font=ImageFont.truetype("DejaVuSerif.ttf", 40), fill=0)
    image.save(folder / "page.png", dpi=(300, 300))
    subprocess.run(
        ["tesseract", "page.png", "page", "-l", "eng", "--psm", "6", "hocr"], cwd=folder, check=True, capture_output=True
    )
    return folder / "page.hocr"


def test_words_and_boxes_come_back_out_of_tesseracts_page(read, tmp_path):
    path = tmp_path / "page.xml"
    path.write_text(page_to_alto(read_hocr(read), page=1, source="a.tif", processing=STEPS), encoding="utf-8")
    truth = read_truth(path)
    assert truth.text.split("\n") == LINES
    assert truth.boxes == [w.box for w in Hypothesis(read_hocr(read)).words]


def test_divided_words_are_marked(read):
    root = alto(read.read_text("utf-8"))
    first, second = root.findall(f".//{A}String[@SUBS_TYPE]")
    assert (first.get("CONTENT"), first.get("SUBS_TYPE"), first.get("SUBS_CONTENT")) == ("wiz", "HypPart1", "wizards")
    assert (second.get("CONTENT"), second.get("SUBS_TYPE"), second.get("SUBS_CONTENT")) == ("ards", "HypPart2", "wizards")
    assert [h.get("CONTENT") for h in root.iter(f"{A}HYP")] == ["-"]
    assert first.getparent()[-1].tag == f"{A}HYP"


def test_other_hyphens_stay_as_they_are():
    root = alto(
        hocr(
            word("Nieder-", "10 10 90 30"),
            word("Sachsen", "10 40 90 60"),
            word("1914-", "10 70 90 90"),
            word("ff", "10 90 20 99"),
        )
    )
    assert [s.get("CONTENT") for s in root.iter(f"{A}String")] == ["Nieder-", "Sachsen", "1914-", "ff"]
    assert not list(root.iter(f"{A}HYP"))


def test_coordinates_are_the_masters():
    root = alto(hocr(word("Wort", "100 10 180 30") + word("zwei", "200 12 300 30")), size=(100, 50))
    page = root.find(f".//{A}Page")
    assert (page.get("WIDTH"), page.get("HEIGHT"), page.get("PHYSICAL_IMG_NR")) == ("100", "50", "2")
    first, second = root.iter(f"{A}String")
    assert [first.get(k) for k in ("HPOS", "VPOS", "WIDTH", "HEIGHT")] == ["25", "2", "20", "6"]
    space = root.find(f".//{A}SP")
    assert int(space.get("HPOS")) == 45 and int(space.get("WIDTH")) == int(second.get("HPOS")) - 45
    assert root.find(f".//{A}TextLine").get("BASELINE") == "2,6 98,7"
    fax = alto(hocr(word("Wort", "100 10 180 30")), size=(400, 100)).find(f".//{A}String")
    assert [fax.get(k) for k in ("HPOS", "VPOS", "WIDTH", "HEIGHT")] == ["100", "5", "80", "10"]
    image = root.find(f".//{A}Illustration")
    assert [image.get(k) for k in ("HPOS", "VPOS", "WIDTH", "HEIGHT")] == ["5", "25", "25", "20"]


def test_lines_that_run_up_the_page():
    line = f"<span class='ocr_line' title='bbox 10 10 30 190; textangle 90'>{word('hoch', '10 100 30 190')}</span>"
    block = alto(hocr().replace("</p>", f"{line}</p>")).find(f".//{A}TextBlock")
    assert block.get("ROTATION") == "90" and block[0].get("BASELINE") is None


def test_confidences_and_languages():
    root = alto(hocr(word("ein", "10 10 30 30", 95) + word("jour", "40 10 60 30", 55, "lang='fra'"), paragraph="lang='deu_latf'"))
    assert [s.get("WC") for s in root.iter(f"{A}String")] == ["0.95", "0.55"]
    assert root.find(f".//{A}Page").get("PC") == "0.750"
    assert root.find(f".//{A}TextBlock").get("LANG") == "deu-Latf"
    assert [s.get("LANG") for s in root.iter(f"{A}String")] == [None, "fra"]
    assert alto(hocr(word("x", "1 1 2 2"), paragraph="lang='chi_sim'")).find(f".//{A}TextBlock").get("LANG") == "zh-Hans"
    assert alto(hocr(word("x", "1 1 2 2"), paragraph="lang='Latin'")).find(f".//{A}TextBlock").get("LANG") is None


def test_processing_steps_that_touched_the_page():
    root = alto(hocr(word("Wort", "20 10 100 30")), page=2)
    found = root.findall(f".//{A}Processing")
    assert [f.findtext(f"{A}processingCategory") for f in found] == ["other", "preOperation", "contentGeneration"]
    assert found[1].findtext(f"{A}processingDateTime") == WHEN
    assert found[1].findtext(f".//{A}softwareName") == "ocrmypdf-superres"
    assert found[1].findtext(f".//{A}softwareVersion") == "0.1.0"
    settings = found[1].findtext(f"{A}processingStepSettings")
    assert "docsr-s2" in settings and "ab" * 32 in settings
    assert root.find(f".//{A}Page").get("PROCESSINGREFS") == "processing_1 processing_2 processing_3"
    assert len(alto(hocr(word("Wort", "20 10 100 30")), page=5).findall(f".//{A}Processing")) == 2


def test_elements_stand_in_the_schemas_order(read):
    """The sequences of the ALTO 4.4 schema, and identifiers that are unique."""
    root = alto(read.read_text("utf-8"))
    orders = {
        "alto": "Description Layout", "Description": "MeasurementUnit sourceImageInformation Processing", "Page": "PrintSpace",
        "Processing": "processingCategory processingDateTime processingStepDescription processingStepSettings processingSoftware",
        "processingSoftware": "softwareName softwareVersion", "TextBlock": "TextLine",
    }  # fmt: skip
    for name, order in orders.items():
        for element in root.iter(A + name):
            places = [order.split().index(etree.QName(child).localname) for child in element]
            assert places == sorted(places)
    for line in root.iter(f"{A}TextLine"):
        assert re.fullmatch("String( SP String)*( HYP)?", " ".join(etree.QName(child).localname for child in line))
    names = [e.get("ID") for e in root.iter() if e.get("ID")]
    assert len(names) == len(set(names))


def test_a_page_without_words():
    root = alto("", size=(30, 40))
    assert root.find(f".//{A}Page").get("WIDTH") == "30"
    assert len(root.find(f".//{A}PrintSpace")) == 0
    assert len(alto(hocr(" ")).find(f".//{A}PrintSpace")) == 1


def test_names_that_are_no_text():
    assert printable("a b\udcffü\n\\.tif") == "a b\\xffü\\x0a\\x5c.tif"
    assert alto(hocr(word("x", "1 1 2 2")), source="\udcff\x01.tif").findtext(f".//{A}fileName") == "\\xff\\x01.tif"


@pytest.mark.parametrize(("text", "more", "said"), [
    ("<html", {}, "not hOCR"), ("<html/>", {}, "holds no page"), ("", {}, "not hOCR"),
    (hocr(word("x", "1 1 2 2"), size="0 0"), {}, "how large"),
])  # fmt: skip
def test_what_cannot_be_used_is_said(text, more, said):
    with pytest.raises(ImageError, match=said):
        alto(text, **more)
