# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.tesseract import find_traineddata
from ocrmypdf_superres.training.data.files import document_of
from ocrmypdf_superres.training.data.fonts import installed_fonts
from ocrmypdf_superres.training.data.ocr_lines.build import FEW_SCAN_LINES, Sources, build_stream
from ocrmypdf_superres.training.data.ocr_lines.scan_lines import ScanLines, held_documents

ROWS = [
    "The harvest of that year was late,", "and the carts stood empty by the", "gate until the middle of October.",
    "Every morning the bailiff walked", "along the hedges with his brown dog",
]  # fmt: skip
TRAINED, HELD = "letter_3.png", "register_1.png"


def _page(path: Path, rows: list[str]) -> None:
    font = next(font for font in installed_fonts() if "DejaVuSerif.ttf" in font.path)
    face = ImageFont.truetype(font.path, 40)
    image = Image.new("L", (1000, 700), 255)
    for number, row in enumerate(rows):
        ImageDraw.Draw(image).text((80, 80 + 90 * number), row, fill=20, font=face)
    image.save(path, dpi=(300, 300))


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    if shutil.which("tesseract") is None:
        pytest.skip("tesseract is not installed")
    try:
        find_traineddata("eng")
    except RecognizerError:
        pytest.skip("the language eng is not installed")
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in (TRAINED, HELD):
        _page(folder / name, ROWS)
        # The last line of the ground truth is of another page.
        (folder / name).with_suffix(".gt.txt").write_text("\n".join([*ROWS[:-1], "Quite another sentence stands here now"]))
    return folder


def test_only_certain_lines_are_taken(scans, tmp_path):
    lines = ScanLines(scans, "eng", tmp_path / "cache")
    assert [line.text for line in lines.lines] == ROWS[:-1]


def test_lines_that_cannot_be_written_are_left_out(scans, tmp_path):
    lines = ScanLines(scans, "eng", tmp_path / "cache", held=None)
    assert len(lines) == 2 * len(ROWS[:-1]) and len(lines.pixels) == 2, "of both documents"
    lines.keep(lambda text: "carts" in text)
    assert {line.text for line in lines.lines} == {ROWS[1]}


def test_documents_are_held_out_as_a_whole(scans, tmp_path):
    assert document_of(Path("letter_04.png")) == document_of(Path("letter_17.jpg")) == ("letter", ".")
    assert document_of(Path("1181_1744_3.jpg")) == ("1181_1744", ".")
    assert document_of(Path("book/017.jpg")) == document_of(Path("book/018.jpg")) == ("", "book")
    assert document_of(Path("a/page_1.png")) != document_of(Path("b/page_1.png"))
    assert held_documents("abcdefghijklm") == {"c", "k"}
    assert held_documents(["b", "a"]) == {"b"} and held_documents(["a"]) == set()
    train, held = (ScanLines(scans, "eng", tmp_path / "cache", held=held) for held in (False, True))
    assert len(train.pixels) == len(held.pixels) == 1


def test_strips_have_the_letters_size_that_was_asked_for(scans, tmp_path):
    lines = ScanLines(scans, "eng", tmp_path / "cache")
    rng = np.random.default_rng(0)
    own = lines.x_heights[0]
    scale, strip = lines.strip(rng, own / 4, 4)
    assert scale == 4 and strip is not None
    assert strip.x_height == pytest.approx(own)
    assert strip.image[int(strip.top) : int(strip.bottom)].min() < 0.3
    assert lines.strip(rng, own / 2, 4)[0] == 2
    assert lines.strip(rng, own, 4) == (2, None)
    assert lines.native(rng).x_height == pytest.approx(own)


def test_folders_for_validation_are_refused(tmp_path):
    folder = tmp_path / "validation" / "letters"
    folder.mkdir(parents=True)
    with pytest.raises(OptionError, match="validation"):
        ScanLines(folder, "eng", tmp_path / "cache")


def test_few_scans_in_a_language_are_joined_by_those_in_others(scans, tmp_path):
    names = {TRAINED: "eng", HELD: "deu"}
    entries = [{"image": n, "text": f"{Path(n).stem}.gt.txt", "languages": languages} for n, languages in names.items()]
    (scans / "index.json").write_text(json.dumps(entries), encoding="utf-8")
    (tmp_path / "text" / "eng").mkdir(parents=True)
    (tmp_path / "text" / "eng" / "book.txt").write_text(" ".join(ROWS * 20), encoding="utf-8")
    stream = build_stream("eng", Sources(tmp_path / "text", scans, tmp_path / "cache"))
    assert len(stream.scans) == len(stream.foreign) == len(ROWS[:-1])
    assert stream.from_scans == pytest.approx(0.25 * len(ROWS[:-1]) / FEW_SCAN_LINES) and stream.from_foreign == 0.08
    held = build_stream("eng", Sources(tmp_path / "text", scans, tmp_path / "cache"), held=True)
    assert held.foreign is None and held.settings.scans == 0.25


def test_without_texts_all_lines_are_of_scans(scans, tmp_path):
    stream = build_stream("eng", Sources(None, scans, tmp_path / "cache"))
    assert len(stream.scans) < FEW_SCAN_LINES
    assert {stream.line(index).kind for index in range(4)} == {"scan"}
    (scans / HELD).unlink()
    with pytest.raises(OptionError, match="No line of the scans or line images has a text that is certain"):
        build_stream("eng", Sources(None, scans, tmp_path / "cache"), held=True)
