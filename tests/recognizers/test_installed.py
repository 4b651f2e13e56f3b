# SPDX-License-Identifier: MPL-2.0
"""Against the installed binary and its languages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont
from tesseract_parity import exactness, page_lines, rendered, scanned, without_dictionaries
from tesseract_specimens import draw_line, specimens, text_fonts

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.metrics.text import align, edit_distance
from ocrmypdf_superres.recognizers import load
from ocrmypdf_superres.recognizers.tesseract.format.bidi import visual_order
from ocrmypdf_superres.recognizers.tesseract.format.container import without_dictionary
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import read_traineddata
from ocrmypdf_superres.recognizers.tesseract.format.writer import float_copy, save_traineddata
from ocrmypdf_superres.recognizers.tesseract.recognizer import TesseractRecognizer
from ocrmypdf_superres.recognizers.tesseract.verification.compare import Comparison, compare, integer_texts, port_texts, summarise
from ocrmypdf_superres.tesseract import find_traineddata, read_lines, run_tesseract


def test_alignment() -> None:
    assert align("kitten", "sitting") == [
        ("k", "s"), ("i", "i"), ("t", "t"), ("t", "t"), ("e", "i"), ("n", "n"), ("", "g"),
    ]  # fmt: skip
    assert edit_distance("kitten", "sitting") == 3
    assert edit_distance("", "abc") == 3
    assert Comparison("", "abd", "abcd").rows() == ("ab d", "  ^", "abcd")
    assert str(summarise([Comparison("", "ab", "ab", "ac")])).startswith("1 lines, 1 identical, CER port to binary 0.00 %")


def test_port_reads_as_the_binary_does(needs_eng: None) -> None:
    lines = specimens("eng", 10)
    reader = load("tesseract:eng")
    assert isinstance(reader, TesseractRecognizer)
    items = compare(reader, [line.image for line in lines], ["x"] * 10, "eng", [line.text for line in lines])
    figures = summarise(items)
    assert figures.identical >= 9
    assert figures.cer <= 0.6
    assert figures.port_cer is not None
    assert figures.port_cer <= 0.6


def test_a_tuned_network_is_found_by_its_language(needs_eng: None) -> None:
    tuned, stock = load("tuned:eng"), load("tesseract:eng")
    assert isinstance(tuned, TesseractRecognizer) and isinstance(stock, TesseractRecognizer)
    assert tuned.name == "tuned:eng" and tuned.encode("an old mill") == stock.encode("an old mill")
    differences = [float((a - b).abs().max()) for a, b in zip(tuned.parameters(), stock.parameters(), strict=True)]
    assert max(differences) > 0.01
    with pytest.raises(RecognizerError, match=r"no tuned network fits .*; give tesseract:osd"):
        load("tuned:osd")


def test_integer_forward_is_the_binary_without_dictionary(needs_eng: None, tmp_path: Path) -> None:
    images = [draw_line(text, text_fonts("eng", 1)[0], 30.0) for text in ("an old mill", "No. 27, the quay", "harbour")]
    without_dictionary(find_traineddata("eng"), tmp_path, "plain")
    reader = TesseractRecognizer(read_traineddata(tmp_path / "plain.traineddata"), rounding=True)
    binary = read_lines(images, "plain", tmp_path)
    assert integer_texts(reader, images, search=True) == binary
    reader.set_border("exact")
    assert port_texts(reader, images, search=True) == binary


def test_light_on_dark_is_read_as_the_binary_reads_it(needs_eng: None) -> None:
    from PIL import ImageOps

    images = [ImageOps.invert(draw_line("The harbour master kept a ledger.", text_fonts("eng", 1)[0], 30.0))]
    reader = load("tesseract:eng")
    assert isinstance(reader, TesseractRecognizer)
    assert edit_distance(port_texts(reader, images)[0], read_lines(images, "eng")[0]) <= 1


def test_the_binary_reads_a_file_that_was_written_back(needs_eng: None, tmp_path: Path) -> None:
    lines = specimens("eng", 10)
    images = [line.image for line in lines]
    save_traineddata(float_copy(read_traineddata(find_traineddata("eng"))), tmp_path / "back.traineddata")
    items = [
        Comparison("", back, stock, line.text)
        for back, stock, line in zip(read_lines(images, "back", tmp_path), read_lines(images, "eng"), lines, strict=True)
    ]
    assert summarise(items).identical >= 9
    reader = TesseractRecognizer(read_traineddata(tmp_path / "back.traineddata"))
    assert sum(edit_distance(port, item.port) for port, item in zip(port_texts(reader, images), items, strict=True)) <= 5


def test_script_names_are_found_either_way(needs_languages: object) -> None:
    assert find_traineddata("Latin") == find_traineddata("script/Latin")
    reader = load("tesseract:script/Latin")
    assert reader.height == 48


def test_hebrew_is_read_in_logical_order(needs_eng: None) -> None:
    try:
        reader = load("tesseract:heb")
    except RecognizerError as error:
        pytest.skip(str(error))
    font = next((font for font in text_fonts("eng", 10) if "DejaVuSans" in font), None)
    if font is None:
        pytest.skip("The font DejaVu Sans is not installed")
    text = "הילד הלך אל הבית (הישן) 25 של סבתא, שלום"
    # In the image a bracket mirrors, which the codes do not.
    shown = visual_order(text).translate(str.maketrans("()", ")("))
    face = ImageFont.truetype(font, 30, layout_engine=ImageFont.Layout.BASIC)
    left, top, right, bottom = (int(value) for value in face.getbbox(shown))
    image = Image.new("L", (right - left + 12, bottom - top + 12), 255)
    ImageDraw.Draw(image).text((6 - left, 6 - top), shown, fill=0, font=face)
    assert isinstance(reader, TesseractRecognizer)
    (port,), (binary,) = port_texts(reader, [image]), read_lines([image], "heb")
    assert edit_distance(port, text) <= 1
    assert edit_distance(port, binary) <= 1
    assert "(הישן) 25" in port
    assert reader.decode(reader.encode(text)) == text


def test_errors_of_the_binary_are_sentences(needs_eng: None, tmp_path: Path) -> None:
    with pytest.raises(RecognizerError, match="failed with"):
        run_tesseract([str(tmp_path / "no.png"), "stdout"])
    assert read_lines([], "eng") == []


def test_forward_and_backward_are_quick(needs_eng: None) -> None:
    from tesseract_parity import timing

    reader = load("tesseract:eng")
    assert isinstance(reader, TesseractRecognizer)
    _, both = timing(reader, batch=16, repeats=1)
    assert both <= 120.0


@pytest.mark.slow
def test_parity_over_many_lines(needs_languages: object) -> None:
    everything = rendered("eng", "eng", 80)
    for language, texts in (("deu", "deu"), ("fra", "fra"), ("rus", "rus"), ("Latin", "eng"), ("Latin", "fra")):
        try:
            find_traineddata(language)
        except RecognizerError:
            continue
        items = rendered(language, texts, 24)
        print(language, texts, summarise(items))
        assert summarise(items).cer <= 2.0
        everything += items
    print("all", summarise(everything))
    assert len(everything) >= 150
    assert summarise(everything).cer <= 0.6


@pytest.mark.data
def test_parity_over_scans(needs_languages: object) -> None:
    folder = Path(os.environ.get("OCRMYPDF_SUPERRES_DATA", ""))
    if not any(folder.glob("*")) or folder == Path():
        pytest.skip("$OCRMYPDF_SUPERRES_DATA names no folder of page scans")
    lines = page_lines(folder, 12, 10)
    port = summarise([item for item, _ in scanned(lines)])
    plain = summarise(without_dictionaries(lines))
    print("stock", port, "without dictionary", plain)
    # Tesseract with and without its dictionaries differs by half a percent on such lines.
    assert port.cer <= 1.0
    assert plain.cer <= 0.4


@pytest.mark.slow
def test_integer_parity_over_many_lines(needs_eng: None) -> None:
    results = dict(exactness("eng", [line.image for line in specimens("eng", 100)]))
    for name, items in results.items():
        print(name, summarise(items))
    assert summarise(results["integer, search"]).identical >= 97
