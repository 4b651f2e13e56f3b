# SPDX-License-Identifier: MPL-2.0
"""Real OCRmyPDF runs in which RapidOCR gives a second opinion."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from PIL import Image, ImageDraw, ImageFont
from plugin_pages import FONT, image_pdf, ocrmypdf, printed_words

pytest.importorskip("rapidocr")

from ocrmypdf_superres.ocr.engines.base import ENGINES, Engine
from ocrmypdf_superres.ocr.engines.rapidocr import RapidOcrEngine
from ocrmypdf_superres.plugin.options import SuperresOptions
from ocrmypdf_superres.plugin.readings.opinions import engines_for

LINES = ["The ferry leaves at seven", "and nobody waits for it", "when the river is high"]


def faint_page() -> Image.Image:
    """Pale lines beside a black stamp: what a global threshold loses."""
    big = Image.new("L", (2000, 1600), 244)
    ink, font = ImageDraw.Draw(big), ImageFont.truetype(FONT, 68)
    for row, line in enumerate(LINES):
        ink.text((160, 160 + 200 * row), line, fill=168, font=font)
    ink.rectangle((1300, 1000, 1900, 1500), fill=0)
    return big.resize((500, 400), Image.Resampling.BOX)


@pytest.fixture(scope="module")
def faint(tmp_path_factory):
    return image_pdf(tmp_path_factory.mktemp("faint") / "faint.pdf", [faint_page()], dpi=100)


def run(pdf, folder, *more, **keywords):
    sidecar, report = folder / "o.txt", folder / "r.jsonl"
    done = ocrmypdf(
        "--output-type", "pdf", "--sidecar", sidecar, "--superres-report", report, "--superres-device", "cpu", *more,
        pdf, folder / "o.pdf", **keywords,
    )  # fmt: skip
    record = json.loads(report.read_text().splitlines()[-1]) if report.exists() else {}
    return done, sidecar.read_text() if sidecar.exists() else "", record


def test_the_engine_reads_words_with_boxes_and_confidences():
    engine = ENGINES.load("rapidocr")()
    assert isinstance(engine, Engine) and isinstance(engine, RapidOcrEngine) and engine.missing() is None
    page = engine.read(faint_page(), ["eng"], 100)
    assert [line.text if line.text else " ".join(w.text for w in line.words) for line in page.lines] == LINES
    for word in page.words:
        assert 0 <= word.bbox.left < word.bbox.right <= 500 and 0 <= word.bbox.top < word.bbox.bottom <= 400
        assert 0.0 < word.confidence <= 1.0
    ferry = page.words[1]
    assert ferry.text == "ferry" and 55 < ferry.bbox.left < 85 and 30 < ferry.bbox.top < 62
    assert engine.read(Image.new("L", (200, 200), 255), ["eng"], 100).children == []


def test_the_engine_says_what_it_knows():
    engine = RapidOcrEngine()
    assert engine.knows(["eng"]) and engine.knows(["deu", "fra"])
    assert not engine.knows(["frk"]) and not engine.knows(["eng", "rus"]) and not engine.knows([])
    assert engine.version().startswith("rapidocr ")


@pytest.mark.parametrize(
    ("languages", "networks", "asked"),
    [
        (["eng"], "auto", ["rapidocr-tuned"]),
        (["deu", "lat"], "auto", ["rapidocr-tuned"]),
        (["eng"], "stock", ["rapidocr"]),
        (["tur"], "auto", ["rapidocr"]),
        (["eng", "chi_sim"], "auto", ["rapidocr"]),
        (["rus"], "auto", []),
    ],
)
def test_auto_takes_the_tuned_recognizer_for_letters_that_it_was_tuned_on(
    languages: list[str], networks: str, asked: list[str]
) -> None:
    options = SimpleNamespace(superres=SuperresOptions(networks=networks), languages=languages)
    assert list(engines_for(options)) == asked
    options.superres.engines = "rapidocr"
    assert list(engines_for(options)) == (["rapidocr"] if asked else [])


def test_a_page_that_tesseract_loses_is_read(faint, tmp_path):
    _, text, record = run(faint, tmp_path, "--superres-engines", "rapidocr", "--superres-verify", "always")
    assert [line for line in text.splitlines() if line.strip()][:3] == LINES
    assert record["opinions"] == {"rapidocr": 15} and record["opinion_seconds"]["rapidocr"] > 0
    words = {word.text: word for word in printed_words(tmp_path / "o.pdf")}
    assert abs(words["ferry"].left - 70 * 0.72) < 10 and abs(words["waits"].middle - 97 * 0.72) < 10


def test_none_asks_no_engine(faint, tmp_path):
    _, _, record = run(faint, tmp_path, "--superres-engines", "none")
    assert record["opinions"] == {}


def test_a_language_that_the_engine_does_not_know(faint, tmp_path):
    done, _, record = run(faint, tmp_path, "-l", "rus", "-v", "1", "--superres-engines", "rapidocr")
    assert record["opinions"] == {} and "does not know rus" in done.stderr


def test_an_unknown_engine_is_refused(faint, tmp_path):
    done, _, _ = run(faint, tmp_path, "--superres-engines", "rapidcor", check=False)
    assert done.returncode == 1 and "rapidcor" in done.stderr and "did you mean 'rapidocr'" in done.stderr


def test_a_fault_of_the_engine_costs_its_opinion_only(faint, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import ocrmypdf_superres.ocr.engines.rapidocr as r\n"
        "def fail(*a): raise MemoryError('no room for RapidOCR')\n"
        "r.RapidOcrEngine.read = r.RapidOcrEngine.detect = fail\n"
    )
    env = {"PYTHONPATH": f"{tmp_path}:{__import__('os').environ.get('PYTHONPATH', '')}"}
    done, _, record = run(faint, tmp_path, "--superres-engines", "rapidocr", "--superres-verify", "always", env=env)
    assert record["opinions"] == {}
    assert done.stderr.count("no room for RapidOCR") == 1 and "could not be read by rapidocr" in done.stderr


def test_a_page_that_tesseract_does_not_finish_is_read_by_the_engine(faint, tmp_path):
    _, text, record = run(faint, tmp_path, "--superres-engines", "rapidocr", "--tesseract-timeout", "0.001")
    assert [line for line in text.splitlines() if line.strip()] == LINES
    assert record["reading"] == "rapidocr" and record["reason"].endswith("(0 words exchanged, 0 lines added)")
