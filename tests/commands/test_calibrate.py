# SPDX-License-Identifier: MPL-2.0
"""``calibrate`` from pages to table, on two small drawn pages and with the real engines."""

from __future__ import annotations

import json

import pytest
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.evaluation.calibration import fit as fit_module
from ocrmypdf_superres.evaluation.calibration.fit import read_cached
from ocrmypdf_superres.ocr.calibration import read_table
from ocrmypdf_superres.ocr.engines.calibration import read_rows
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
        monkeypatch.setattr(fit_module, "version", lambda name=name: name)
        read_cached(image, (100.0, 100.0), "eng", tmp_path)
    assert len(count) == 2
    with pytest.raises(SuperresError, match="-l nosuch"):
        read_cached(image, (100.0, 100.0), "nosuch", tmp_path)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".hocr", ".hocr", ".seconds", ".seconds"]
