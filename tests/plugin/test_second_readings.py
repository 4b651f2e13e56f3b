# SPDX-License-Identifier: MPL-2.0
"""Real OCRmyPDF runs with --superres-verify; the net is an untrained one, which equals Lanczos."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pikepdf
import pytest
from PIL import Image, ImageDraw, ImageFont

pytest.importorskip("torch")
img2pdf = pytest.importorskip("img2pdf")
import ocrmypdf

from ocrmypdf_superres.ocr import second_opinion
from ocrmypdf_superres.ocr.hocr import read_hocr
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.lines import doubt
from ocrmypdf_superres.plugin.options import SuperresOptions
from ocrmypdf_superres.plugin.pixels import page_source
from ocrmypdf_superres.plugin.readings import gathered, rescue

FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSerif.ttf"
VARIANTS = {"net", "blend", "lanczos", "as-is"}
LINES = ["The ferry leaves at seven", "and nobody waits for it", "when the river is high", "or the fog comes down"]


@pytest.fixture(scope="module")
def low_pdf(tmp_path_factory):
    """A PDF of four lines at 90 dpi, x-height about 6 px."""
    page = Image.new("L", (1500, 900), 250)
    font = ImageFont.truetype(FONT, 40)
    for row, line in enumerate(LINES):
        ImageDraw.Draw(page).text((120, 120 + 150 * row), line, fill=20, font=font)
    small = page.resize((450, 270), Image.Resampling.BOX)
    noise = np.random.default_rng(0).normal(0, 3, (270, 450))
    folder = tmp_path_factory.mktemp("low")
    Image.fromarray(np.clip(np.asarray(small) + noise, 0, 255).astype(np.uint8)).save(folder / "p.png", dpi=(90, 90))
    path = folder / "low.pdf"
    path.write_bytes(img2pdf.convert(str(folder / "p.png")))
    return path


@pytest.fixture(scope="module")
def blank_model(tmp_path_factory):
    """A model that turns every page white: the worst that a net can do."""
    import torch

    from ocrmypdf_superres.architectures import get
    from ocrmypdf_superres.export.onnx import export_model

    spec = get("docsr")
    config = spec.parse_config({"features": 8, "convolutions": 2})
    net = spec.build(config)
    for tail in net.tails.values():
        torch.nn.init.constant_(tail.main.bias, 3.0)
    return export_model(net, spec, config, tmp_path_factory.mktemp("blank") / "blank", "blank")


def run(pdf, folder, model, **options):
    """Run OCRmyPDF with the plugin; return the sidecar's text and the page's record."""
    report = folder / "report.jsonl"
    settings = {
        "plugins": ["ocrmypdf_superres"], "superres_model": str(model.folder), "superres_device": "cpu", "superres_threads": 1,
        "superres_report": str(report), "output_type": "pdf", "optimize": 0, "progress_bar": False, "jobs": 1,
        "language": ["eng"], "superres_engines": "none",
        "use_threads": True,
    }  # fmt: skip
    code = ocrmypdf.ocr(pdf, folder / "out.pdf", sidecar=folder / "out.txt", **{**settings, **options})
    assert code == 0
    return (folder / "out.txt").read_text(), json.loads(report.read_text().splitlines()[0])


@pytest.mark.parametrize("renderer", ["auto", "sandwich"])
def test_all_variants_are_read_and_one_is_kept(low_pdf, tmp_path, random_model, renderer):
    text, record = run(low_pdf, tmp_path, random_model, superres_verify="always", pdf_renderer=renderer)
    assert set(record["confidence"]) == VARIANTS and record["reading"] in VARIANTS
    assert set(record["reading_seconds"]) == VARIANTS
    # Whatever a random net does to the page, Lanczos reads it, so the text is there.
    found = sum(word in text for line in LINES for word in line.split())
    assert found >= 15, text
    with pikepdf.open(tmp_path / "out.pdf") as pdf:
        assert len(pdf.pages) == 1


@pytest.mark.parametrize("renderer", ["auto", "sandwich"])
def test_a_page_that_the_net_loses_is_not_lost(low_pdf, tmp_path, blank_model, renderer):
    text, record = run(low_pdf, tmp_path, blank_model, superres_verify="auto", pdf_renderer=renderer)
    assert record["reading"] != "net"
    assert sum(word in text for line in LINES for word in line.split()) >= 15, text


def test_a_sure_first_reading_is_not_checked(low_pdf, tmp_path, random_model, monkeypatch):
    monkeypatch.setattr(second_opinion, "SURE", 0.0)
    _, record = run(low_pdf, tmp_path, random_model, superres_verify="auto")
    assert set(record["confidence"]) == {"net"}


def test_processes(low_pdf, tmp_path, random_model):
    _, record = run(low_pdf, tmp_path, random_model, superres_verify="always", use_threads=False)
    assert set(record["confidence"]) == VARIANTS


def test_a_page_that_is_left_is_read_once(tmp_path, random_model):
    page = Image.new("L", (1500, 600), 255)
    ImageDraw.Draw(page).text((100, 200), "Large enough as it is", fill=0, font=ImageFont.truetype(FONT, 46))
    page.save(tmp_path / "p.png", dpi=(300, 300))
    pdf = tmp_path / "in.pdf"
    pdf.write_bytes(img2pdf.convert(str(tmp_path / "p.png")))
    text, record = run(pdf, tmp_path, random_model, superres_verify="always")
    assert record["action"] == "left" and set(record["confidence"]) == {"net"}
    assert "Large enough" in text


def slow_tesseract(folder, monkeypatch, slow):
    """Put a program before Tesseract that sleeps where an argument has *slow* in it, and else is Tesseract."""
    shim = folder / "bin" / "tesseract"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\ncase "$*" in *{slow}*) exec sleep 60;; esac\nexec {shutil.which("tesseract")} "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}:{os.environ['PATH']}")


WAITS = [(variant, renderer) for renderer in ("fpdf2", "sandwich") for variant in ("net", "blend", "lanczos", "as-is")]


# Each waits for its timeout.
@pytest.mark.parametrize(("slow", "renderer"), [WAITS[0], *(pytest.param(*case, marks=pytest.mark.slow) for case in WAITS[1:])])
def test_a_timeout_costs_only_the_variant_that_it_hits(low_pdf, tmp_path, random_model, monkeypatch, slow, renderer):
    slow_tesseract(tmp_path, monkeypatch, f"_superres_{slow}")
    text, record = run(low_pdf, tmp_path, random_model, superres_verify="always", tesseract_timeout=8, pdf_renderer=renderer)
    assert set(record["confidence"]) == VARIANTS - {slow}
    assert "ferry" in text


def test_a_timeout_of_all_variants_leaves_the_page_without_text(low_pdf, tmp_path, random_model, monkeypatch):
    slow_tesseract(tmp_path, monkeypatch, "superres_")
    _, record = run(low_pdf, tmp_path, random_model, superres_verify="always", tesseract_timeout=3)
    assert record["reading"] is None and not record["confidence"] and "no text was read" in record["reason"]


def test_doubtful_lines_are_read_again_within_the_budget(low_pdf, tmp_path, random_model, monkeypatch):
    monkeypatch.setattr(doubt, "DOUBT", 1.1)
    text, record = run(low_pdf, tmp_path, random_model, superres_verify="auto", superres_budget=50)
    assert record["lines_read"] == {"blend": 4} and record["line_seconds"]["blend"] > 0 and "ferry" in text
    assert list(tmp_path.glob("**/*lines*")) == []
    (tmp_path / "report.jsonl").unlink()
    _, record = run(low_pdf, tmp_path, random_model, superres_verify="auto", superres_budget=1)
    assert record["lines_read"] == {} and record["reading_cost"] == 1


def test_the_sidecar_has_joined_lines_where_the_text_layer_has_them(low_pdf, tmp_path, random_model, monkeypatch):
    def join_last_to_first(reading):
        lines = reading.lines
        words = {0: [*lines[0].words, *lines[-1].words], len(lines) - 1: []}
        return reading.edited(words, {}, {}), [lines[0].box]

    monkeypatch.setattr(gathered, "join_seams", join_last_to_first)
    options = {"superres_verify": "auto", "superres_budget": 1, "superres_keep": str(tmp_path / "kept")}
    text, record = run(low_pdf, tmp_path, random_model, **options)
    layer = read_hocr(tmp_path / "kept" / "page-0001.hocr")
    assert record["words_exchanged"] == 0
    assert text.splitlines()[0] == f"{LINES[0]} {LINES[-1]}"
    assert [word.text for word in layer.words] == text.split()


def test_a_left_page_that_reads_badly_is_enlarged(low_pdf, tmp_path, random_model, monkeypatch):
    plan = page_source.plan_image

    def leave(image, dpi, settings):
        return replace(plan(image, dpi, settings), action="leave", scale=None, reason="large enough")

    monkeypatch.setattr(page_source, "plan_image", leave)
    monkeypatch.setattr(rescue, "SURE", 1.1)
    text, record = run(low_pdf, tmp_path, random_model, superres_verify="auto")
    assert record["action"] == "left" and set(record["confidence"]) == {"net", "enlarged"}
    assert sum(word in text for line in LINES for word in line.split()) >= 15, text
    (tmp_path / "report.jsonl").unlink()
    _, record = run(low_pdf, tmp_path, random_model, superres_verify="auto", superres_trigger="dpi")
    assert set(record["confidence"]) == {"net"}


def test_a_timeout_of_the_lines_costs_only_them(low_pdf, tmp_path, random_model, monkeypatch):
    monkeypatch.setattr(doubt, "DOUBT", 1.1)
    slow_tesseract(tmp_path, monkeypatch, "_superres_lines")
    text, record = run(low_pdf, tmp_path, random_model, superres_budget=50, tesseract_timeout=8)
    assert record["lines_read"] == {} and record["reading"] == "net" and "ferry" in text
    assert any("--tesseract-timeout" in fault for fault in record["faults"])


def test_only_the_variants_asked_for_are_read(low_pdf, tmp_path, random_model):
    text, record = run(low_pdf, tmp_path, random_model, superres_verify="always", superres_variants="as-is,net,lanczos")
    assert set(record["reading_seconds"]) == {"net", "lanczos", "as-is"} and record["reading_cost"] > 1
    assert "nobody" in text


def test_a_blank_page_ends_well(tmp_path, random_model):
    Image.new("L", (450, 270), 250).save(tmp_path / "p.png", dpi=(90, 90))
    (tmp_path / "in.pdf").write_bytes(img2pdf.convert(str(tmp_path / "p.png")))
    for trigger in ("auto", "always"):
        (tmp_path / "report.jsonl").unlink(missing_ok=True)
        text, _ = run(tmp_path / "in.pdf", tmp_path, random_model, superres_verify="always", superres_trigger=trigger)
        assert not text.replace("[skipped page]", "").strip()


def test_words_of_the_kept_reading_lie_on_the_page(low_pdf, tmp_path, random_model):
    run(low_pdf, tmp_path, random_model, superres_verify="always", keep_temporary_files=False)
    import subprocess

    listing = subprocess.run(
        ["pdftotext", "-bbox", str(tmp_path / "out.pdf"), "-"], capture_output=True, text=True, check=True
    ).stdout
    row = next(line for line in listing.splitlines() if ">ferry<" in line)
    values = {
        k: float(v)
        for k, v in (part.split("=") for part in row.replace('"', "").split() if "=" in part for part in [part.split(">")[0]])
    }
    # "The ferry ..." starts 120 px into a 300 dpi page: 28.8 pt; "ferry" follows "The ".
    start = 28.8 + ImageFont.truetype(FONT, 40).getlength("The ") * 72 / 300
    assert abs(values["xMin"] - start) < 6 and abs(values["yMin"] - 120 * 72 / 300) < 8


OTHER_ENGINE = """
from ocrmypdf import hookimpl
from ocrmypdf.builtin_plugins.tesseract_ocr import TesseractOcrEngine

class Other(TesseractOcrEngine):
    pass

@hookimpl(tryfirst=True)
def get_ocr_engine(options):
    return Other()
"""


def test_another_plugins_engine_is_asked_for_all_variants(low_pdf, tmp_path, random_model):
    (tmp_path / "other.py").write_text(OTHER_ENGINE)
    both = ["ocrmypdf_superres", str(tmp_path / "other.py")]
    _, record = run(low_pdf, tmp_path, random_model, superres_verify="always", plugins=both)
    assert record["action"] == "enlarged" and set(record["confidence"]) == VARIANTS


def test_no_ocr_is_not_checked(low_pdf, tmp_path, random_model):
    _, record = run(low_pdf, tmp_path, random_model, superres_verify="always", ocr_engine="none")
    assert "reading" not in record


def test_readings_written_by_tesseract_are_read(low_pdf, tmp_path):
    import subprocess

    with pikepdf.open(low_pdf) as pdf:
        image = pikepdf.PdfImage(next(iter(pdf.pages[0].get_images().values()))).as_pil_image()
    image.resize((1500, 900), Image.Resampling.LANCZOS).save(tmp_path / "l.png", dpi=(300, 300))
    subprocess.run(["tesseract", str(tmp_path / "l.png"), str(tmp_path / "l"), "hocr", "txt"], check=True, capture_output=True)
    reading = Hypothesis(read_hocr(tmp_path / "l.hocr"))
    assert reading.text().split() == (tmp_path / "l.txt").read_text().split()


@pytest.mark.parametrize("most", [None, 4.0])
def test_pale_ink_of_a_large_page_is_darkened_at_a_bearable_size(most):
    page = Image.new("1", (7000, 3500), 1)
    drawing = ImageDraw.Draw(page)
    for row in range(12):
        drawing.text((300, 200 + 260 * row), "a line of words that nobody read", font=ImageFont.load_default(90), fill=0)
    options = SimpleNamespace(superres=SuperresOptions(target_x_height=20.0), max_ocr_image_mpixels=most, languages=["eng"])
    found = rescue.contrast_image(page, None, page.size, options)
    limit = most * 1e6 if most else rescue.CHECKED_PIXELS  # its letters are large enough there
    assert found is not None and 0.9 * limit < found.width * found.height <= 1.001 * limit
    assert found.width / found.height == pytest.approx(2, abs=0.01)
