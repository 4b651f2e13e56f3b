# SPDX-License-Identifier: MPL-2.0
"""Real OCRmyPDF runs on pages whose text is lost: beside a dark stamp, which sets the threshold, in filled areas, or in dots."""

from __future__ import annotations

import json
from collections import Counter
from types import SimpleNamespace

import case_drawings as drawings
import numpy as np
import pytest
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from plugin_pages import WORDS, draw_page, image_pdf, ocrmypdf
from receipt_pages import receipt

from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.page.image import to_luma
from ocrmypdf_superres.page.plan import PlanSettings
from ocrmypdf_superres.page.text_height import measure_text_height
from ocrmypdf_superres.plugin.readings import rescue
from ocrmypdf_superres.plugin.readings.gathered import Gathered


def read(folder, image, *more):
    """Return the words that the plugin reads on *image*, and the page's record."""
    pdf = image_pdf(folder / "in.pdf", [image], dpi=100)
    text, report = folder / "o.txt", folder / "r.jsonl"
    done = ocrmypdf(
        "--output-type", "pdf", "--sidecar", text, "--superres-report", report, "--superres-device", "cpu", *more, pdf,
        folder / "o.pdf",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Counter(text.read_text().split()), json.loads(report.read_text().splitlines()[-1])


def share(words, lines):
    wanted = Counter(" ".join(lines).split())
    return sum((wanted & words).values()) / sum(wanted.values())


@pytest.mark.parametrize(("seed", "dots"), [(1, True), (2, True), (6, True)])
def test_a_lost_receipt_is_read(tmp_path, seed, dots):
    image, lines = receipt(seed, dots=dots)
    without, _ = read(tmp_path, image, "--superres-engines", "none", "--superres-verify", "off")
    assert share(without, lines) < 0.5, "the case is none of a lost page"
    words, record = read(tmp_path, image, "--superres-engines", "none")
    assert share(words, lines) >= 0.9 and record["reading"] == "contrast"


@pytest.mark.parametrize(("em", "reduced"), [(60, True), (16, False)])
def test_the_ink_of_large_pages_is_darkened_at_the_size_that_its_letters_need(em, reduced, monkeypatch):
    monkeypatch.setattr(rescue, "plan_settings", lambda _: PlanSettings())
    page = Image.new("L", (2500, 3200), 255)
    page.paste(draw_page((1200, 1000), em).point(lambda value: 200 + value * 55 // 255), (0, 0))
    options = SimpleNamespace(superres=SimpleNamespace(target_x_height=20.0))
    dark = rescue.contrast_image(page, None, page.size, options)
    assert dark is not None and (dark.width < 2500) == reduced and dark.getextrema()[0] < 60
    assert measure_text_height(to_luma(dark)).x_height == pytest.approx(24 if reduced else 10, rel=0.3)


def test_text_in_filled_areas_is_read(tmp_path):
    image, printed = drawings.filled_table()
    without, _ = read(tmp_path, image, "--superres-engines", "none", "--superres-verify", "off")
    words, record = read(tmp_path, image, "--superres-engines", "none")
    assert share(without, printed) < 0.8, "the case is none of lost text"
    assert share(words, printed) >= 0.9
    assert "fills" in record["words"]


def test_large_text_on_dithered_paper_is_read(tmp_path):
    """Tesseract finds no line between the dots, and the letters are high enough for the page to be left."""
    grey = draw_page(em=29, lines=10).point(lambda value: 30 + value * 170 // 255)
    image = grey.convert("1").convert("L")
    without, _ = read(tmp_path, image, "--superres-engines", "none", "--superres-verify", "off")
    assert not without, "the case is none of a page on which nothing is read"
    words, record = read(tmp_path, image, "--superres-engines", "none")
    assert record["action"] == "left" and record["reading"] == "enlarged"
    known = sum(words[word] for word in set(WORDS))
    assert known > 20 and known > 0.9 * sum(words.values())


def faded_page(em=22, lines=24, share=0.25):
    """Return a blurred and noisy page whose last lines, that *share* of them, are pale."""
    page = np.asarray(draw_page(em=em, lines=lines).filter(ImageFilter.GaussianBlur(1.0)), float)
    rows = np.flatnonzero(page.min(axis=1) < 128)
    pale = np.arange(len(page)) > rows[-1] - share * (rows[-1] - rows[0])
    page = 255 - (255 - page) * np.where(pale, 0.25, 0.8)[:, None] + np.random.default_rng(0).normal(0, 8, page.shape)
    return Image.fromarray(np.clip(page, 0, 255).astype(np.uint8))


def test_lines_that_a_page_left_as_it_is_lacks_are_read(tmp_path):
    """What was read of it is sure, and only the ink tells that the last paragraph is missing."""
    image = faded_page()
    without, _ = read(tmp_path, image, "--superres-engines", "none", "--superres-verify", "off")
    words, record = read(tmp_path, image, "--superres-engines", "none")
    assert record["action"] == "left" and record["probability"]["net"] > rescue.SURE
    assert sum(without.values()) < 0.8 * sum(words.values()), "the case is none of lost lines"
    assert record["reading"] == "contrast" and sum(words[word] for word in set(WORDS)) > 0.97 * sum(words.values())


def test_a_page_whose_lines_were_read_is_not_enlarged_after_all(tmp_path):
    _, record = read(tmp_path, faded_page(share=0.0), "--superres-engines", "none")
    assert record["action"] == "left" and list(record["words"]) == ["net"]


@pytest.mark.parametrize("em", [8, 9, 10])
def test_the_stems_of_a_large_title_are_no_filled_areas(em, monkeypatch):
    """Where the title was not read, the small text below it was."""
    image = drawings.newspaper_title(em)
    monkeypatch.setattr(rescue, "enlarged_image", lambda *_: pytest.fail("the title was taken for filled areas"))
    factor = 20 / measure_text_height(to_luma(image)).x_height
    box = BoundingBox(0, 190, *image.size)
    words = [OcrElement(OcrClass.WORD, bbox=box, text="read", confidence=0.9)]
    page = OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, *image.size), dpi=100)
    page.children.append(OcrElement(OcrClass.LINE, bbox=box, children=words))
    reading = Hypothesis(page).scaled(factor, factor, 100 * factor)
    options = SimpleNamespace(superres=SimpleNamespace(target_x_height=20.0))
    assert rescue.unfilled_image(image, reading, (reading.size, (100 * factor, 100 * factor)), options) is None


def test_a_lost_receipt_is_read_with_a_second_engine(tmp_path):
    pytest.importorskip("rapidocr")
    image, lines = receipt(4)
    assert share(read(tmp_path, image)[0], lines) >= 0.9


@pytest.mark.parametrize("renderer", ["sandwich", "fpdf2"])
def test_words_of_a_lost_page_stand_in_their_place(tmp_path, renderer):
    import pypdfium2

    image, lines = receipt(5)
    read(tmp_path, image, "--superres-engines", "none", "--pdf-renderer", renderer)
    page = pypdfium2.PdfDocument(tmp_path / "o.pdf")[0]
    text = page.get_textpage()
    found = text.search(lines[-1].split()[0], match_whole_word=True)
    places = []
    while (hit := found.get_next()) is not None:
        places.append(text.get_charbox(hit[0]))
    points = 72 / 100
    # Text is drawn 30 pixels from the left, and 25 + 23 * row from the top.
    left, bottom = 30 * points, image.height * points - (25 + 23 * (len(lines) - 1) + 17) * points
    assert any(abs(box[0] - left) < 6 and abs(box[1] - bottom) < 6 for box in places), places


def test_columns_that_only_a_further_engine_read_stay_apart():
    root = OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, 1000, 500), dpi=300)
    for row in range(10):
        for left in (50, 550):
            top = 20 + 40 * row
            words = [
                OcrElement(OcrClass.WORD, bbox=BoundingBox(x, top, x + 60, top + 25), text=f"{left}-{row}", confidence=0.9)
                for x in range(left, left + 400, 80)
            ]
            box = BoundingBox(left, top, left + 380, top + 25)
            line = OcrElement(OcrClass.LINE, bbox=box, children=words)
            root.children.append(OcrElement(OcrClass.PARAGRAPH, bbox=box, children=[line]))
    opinion = Hypothesis(root)
    found = Gathered(opinions={"other": opinion}).opinion_alone()
    assert found is not None and found.layout == "other"
    assert [line.words[0].text for line in found.hypothesis.lines] == [f"{left}-{row}" for left in (50, 550) for row in range(10)]
    assert Gathered(whole={"net": opinion}, opinions={"other": opinion}).opinion_alone() is None


def contents_page(size=(850, 1100), em=15):
    """A table of contents with leaders, drawn at four times its size; and its page numbers."""
    big = Image.new("L", (size[0] * 4, size[1] * 4), 255)
    pen, font = ImageDraw.Draw(big), ImageFont.truetype("DejaVuSerif.ttf", em * 4)
    dot = pen.textlength(" .", font=font)
    numbers = []
    for row in range(30):
        entry, number, y = " ".join(WORDS[row : row + 2 + row % 3]), str(7 + 13 * row), 4 * (90 + 31 * row)
        pen.text((320, y), entry, font=font, fill=10)
        pen.text((3080 - pen.textlength(number, font=font), y), number, font=font, fill=10)
        room = 3080 - 320 - pen.textlength(entry + "  " + number + "  ", font=font)
        pen.text((320 + pen.textlength(entry + " ", font=font), y), " ." * int(room / dot), font=font, fill=10)
        numbers.append(number)
    return big.resize(size, Image.Resampling.BOX), numbers


def test_the_numbers_after_dot_leaders_are_read(tmp_path):
    page, numbers = contents_page()
    words, record = read(tmp_path, page, "--superres-engines", "none")
    assert "dot leaders erased" in record["reason"]
    found = sum((words & Counter(numbers)).values())
    assert found >= 28
    assert not [word for word in words if ".." in word]


def test_unsure_lines_up_the_page_are_dropped_beside_others():
    def page(*lines):
        root = OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, 1000, 500), dpi=300)
        for number, (text, sure, angle) in enumerate(lines):
            box = BoundingBox(50, 20 + 60 * number, 400, 60 + 60 * number)
            words = [OcrElement(OcrClass.WORD, bbox=box, text=text, confidence=sure)]
            line = OcrElement(OcrClass.LINE, bbox=box, children=words, textangle=angle)
            root.children.append(OcrElement(OcrClass.PARAGRAPH, bbox=box, children=[line]))
        return Hypothesis(root)

    calibration = Calibration({"net": [0.0, 1.0]}, [0.0, 1.0])
    found = Gathered(whole={"net": page(("sum", 0.2, None), ("Hb", 0.3, 90), ("axis", 0.9, 90))}, calibration=calibration)
    found.drop_false_turns("net")
    assert [line.text for line in found.whole["net"].lines] == ["sum", "axis"]
    assert found.joined == {"net"}
    alone = Gathered(whole={"net": page(("Hb", 0.3, 90), ("DB", 0.2, 90))}, calibration=calibration)
    alone.drop_false_turns("net")
    assert len(alone.whole["net"].lines) == 2 and not alone.joined
