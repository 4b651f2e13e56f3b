# SPDX-License-Identifier: MPL-2.0
"""``calibrate`` from pages to table, on two small drawn pages and with the real engines."""

from __future__ import annotations

import json

import pytest
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import OptionError, SuperresError
from ocrmypdf_superres.evaluation import language_files
from ocrmypdf_superres.evaluation.calibration import fit as fit_module
from ocrmypdf_superres.evaluation.calibration.engine import read_case
from ocrmypdf_superres.evaluation.calibration.fit import ReadCase, read_cached
from ocrmypdf_superres.evaluation.data.pages import BenchmarkPage, Case, find_pages
from ocrmypdf_superres.evaluation.trust.lost_pages import case_with_text
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.ocr.calibration import Calibration, read_table
from ocrmypdf_superres.ocr.engines.calibration import read_rows
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.merge.evidence import read_weights

LINES = (
    "The weather in the valley was cold and clear",
    "and the old road led down to the river, where",
    "17 boats of the fishermen lay on the sand.",
    "Nobody had seen the captain since Tuesday,",
    "but his house was open and a fire was lit.",
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A folder with two pages at 300 dpi and their text."""
    folder = tmp_path_factory.mktemp("pages")
    font = ImageFont.truetype("DejaVuSerif.ttf", 42)
    for number in range(2):
        lines = LINES[number:] + LINES[:number]
        image = Image.new("L", (1300, 600), 250)
        draw = ImageDraw.Draw(image)
        for row, line in enumerate(lines):
            draw.text((100, 90 + 80 * row), line, fill=30, font=font)
        image.save(folder / f"page{number}.png", dpi=(300, 300))
        (folder / f"page{number}.gt.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


def calibrate(pages, tmp_path, action, *more):
    output = tmp_path / f"{action}.json"
    common = ("--data", str(pages), "--conditions", "60-scan", "--count", "0", "--jobs", "1", "--cache", str(tmp_path / "cache"))
    assert main(["calibrate", action, *common, "-o", str(output), *more]) == 0
    return output


def test_case_does_not_count_where_it_does_not_for_the_page(tmp_path):
    Image.new("L", (200, 60), 255).save(tmp_path / "page.png")
    (tmp_path / "page.gt.txt").write_text("HARBOUR WALL\n", encoding="utf-8")
    image, truth = str(tmp_path / "page.png"), str(tmp_path / "page.gt.txt")
    case = Case(BenchmarkPage("page", "receipts", image, truth, "eng", 100.0, ignore_case=True))

    class Reader:
        def read(self, image, languages, dpi):
            words = ["Harbour", "wall"]
            box = BoundingBox(0, 0, 99, 20)
            children = [OcrElement(OcrClass.WORD, bbox=box, text=word, confidence=0.3) for word in words]
            return OcrElement(OcrClass.PAGE, bbox=box, children=[OcrElement(OcrClass.LINE, bbox=box, children=children)])

    assert read_case(Reader(), case) == ([30.0, 30.0], [True, True])
    reading = Hypothesis(Reader().read(None, [], 100.0))
    page = ReadCase(case, {"net": reading}, {"net": 1.0})
    assert page.right(reading.words) == [True, True] and page.score(reading).cer == 0
    lost = case_with_text(page, Calibration({"net": [0.0, 1.0]}, [0.0, 1.0]))
    assert (lost.right, lost.wrong) == (2, 0)


def test_a_table_is_fitted(pages, tmp_path):
    table = read_table(calibrate(pages, tmp_path, "fit"))
    assert table.words["net"] > 60 and "60-scan" in table.data
    assert table.probability["net"][-1] > table.probability["net"][0]


def test_the_row_of_an_engine_and_the_weights_of_the_vote_are_fitted(pages, tmp_path, capsys):
    pytest.importorskip("rapidocr")
    (row,) = read_rows(calibrate(pages, tmp_path, "engine", "--enlarged")).values()
    assert row.words > 60 and row.probabilities[-1] > 0.8
    path = calibrate(pages, tmp_path, "vote")
    weights = read_weights(path)
    assert "rapidocr" in weights.engines and json.loads(path.read_text(encoding="utf-8"))["places"] == weights.places
    assert "sum of" in capsys.readouterr().out


def test_a_reading_is_kept_for_one_version_of_tesseract(tmp_path, monkeypatch):
    image, count = Image.new("L", (300, 80), 255), []
    timed = fit_module._timed_reading
    monkeypatch.setattr(fit_module, "_timed_reading", lambda png, languages: count.append(png) or timed(png, languages))
    for name in ("tesseract 5.3.0", "tesseract 5.3.0", "tesseract 5.5.0"):
        monkeypatch.setattr(language_files, "_version", lambda _, name=name: name)
        read_cached(image, (100.0, 100.0), "eng", tmp_path)
    assert len(count) == 2
    with pytest.raises(SuperresError, match="-l nosuch"):
        read_cached(image, (100.0, 100.0), "nosuch", tmp_path)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".hocr", ".hocr", ".seconds", ".seconds"]


@pytest.mark.parametrize(
    ("action", "conditions", "message"),
    [
        ("fit", ["290-clean"], "None of the 2 pages of"),
        ("compare", ["290-clean"], "None of the 2 pages of"),
        ("compare", [], "above one of --conditions"),
        ("engine", ["290-clean"], "read no word of 2 pages"),
        ("vote", ["290-clean"], "Readings differ nowhere on 2 pages"),
    ],
)
def test_pages_that_nothing_can_be_fitted_on(pages, tmp_path, capsys, action, conditions, message):
    if action in ("engine", "vote"):
        pytest.importorskip("rapidocr")
    common = ["--data", str(pages), "--count", "0", "--jobs", "1", "--cache", str(tmp_path / "cache"), "--enlarged"]
    output = tmp_path / "out.json"
    assert main(["calibrate", action, *common, "-o", str(output), "--conditions", *conditions]) == 1
    assert message in capsys.readouterr().err and not output.exists()


def test_an_engine_s_row_is_not_written_into_another_file(pages, tmp_path, capsys):
    pytest.importorskip("rapidocr")
    output = tmp_path / "notes.json"
    output.write_text("notes", encoding="utf-8")
    assert main(["calibrate", "engine", "--data", str(pages), "-o", str(output)]) == 1
    assert "exists and does not hold rows of engines" in capsys.readouterr().err
    assert output.read_text(encoding="utf-8") == "notes"


def test_a_variant_without_words(pages, tmp_path):
    (page,) = find_pages(pages)[:1]
    empty, _ = read_cached(Image.new("L", (300, 80), 255), (100.0, 100.0), "eng", tmp_path)
    read = fit_module.ReadCase(Case(page, 60.0, "scan"), dict.fromkeys(fit_module.VARIANTS, empty), {})
    with pytest.raises(OptionError, match="No word of three pages was read in the variant net"):
        fit_module.fit([read], find_model("docsr-s2"), "three pages", Console())
