# SPDX-License-Identifier: MPL-2.0
"""Line nets evaluated by readers: Tesseract, and readers that are told the answer."""

from __future__ import annotations

import io
import json
import shutil

import pytest
import torch
from PIL import Image, ImageDraw

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.cli import main
from ocrmypdf_superres.evaluation.networks.line_sets import (
    LineMetrics,
    all_pairs,
    evaluate,
    folder_lines,
    held_out_batches,
    lanczos,
    mean_metrics,
    model_predictor,
)
from ocrmypdf_superres.export.onnx import export_model
from ocrmypdf_superres.modelstore.store import SEARCH_VARIABLE, find_model, list_models
from ocrmypdf_superres.recognizers.folder import build, save
from ocrmypdf_superres.training.data.fonts import installed_fonts, open_font
from ocrmypdf_superres.training.recipe import Source

TINY_CDISTNET = {
    "base": 2, "counts": [1, 1, 1, 1, 1], "encoder_layers": 1, "decoder_layers": 1, "heads": 2, "encoder_inner": 16,
    "decoder_inner": 16, "localisation": [4, 4, 4, 4], "localisation_inner": 4,
}  # fmt: skip
needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed")


@needs_tesseract
def test_hr_reads_better_than_paper(data_folder):
    batches = held_out_batches(Source("words", "text", languages={"eng": 1.0}), data_folder, 2, 12)
    assert sum(len(batch.texts) for batch in batches) == 12
    truths = iter(batches)
    hr = evaluate(lambda lr, scale: next(truths).hr, batches)
    blank = evaluate(lambda lr, scale: torch.ones(len(lr), 1, 32, 128), batches)
    assert hr.lines == 12 and hr.psnr == pytest.approx(100.0) and hr.words > 0.5 and hr.cer < 0.3
    assert blank.words == 0.0 and blank.cer >= 0.9 and blank.psnr < 30


def test_means_by_hand():
    rows = [LineMetrics(1, 20.0, 0.5, 0.2, {"a": 0.1}), LineMetrics(3, 30.0, 0.1, 0.6, {"a": 0.5})]
    assert mean_metrics(rows, False) == LineMetrics(4, 25.0, pytest.approx(0.3), pytest.approx(0.4), {"a": pytest.approx(0.3)})
    assert mean_metrics(rows, True) == LineMetrics(4, 27.5, pytest.approx(0.2), pytest.approx(0.5), {"a": pytest.approx(0.4)})


@needs_tesseract
def test_the_command_compares_models_by_readers(data_folder, tmp_path, capsys):
    spec = get("tsrn")
    config = spec.parse_config({"features": 4, "blocks": 1, "stn": False})
    export_model(spec.build(config), spec, config, tmp_path / "net", "thin")
    reader = build("text-focus", {"base": 2, "blocks": [1, 1, 1, 1], "heads": 2, "inner": 16})
    save(reader, "text-focus", tmp_path / "focus", "focus")
    text = str(data_folder / "text")
    assert (
        main(["lines", str(tmp_path / "net"), "--sets", text, text, "--count", "4", "--recognizers", str(tmp_path / "focus")])
        == 0
    )
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("bicubic", "thin", "hr", "Mean of the sets: 8 lines", "Mean of the lines", "4 lines"))


@needs_tesseract
def test_the_command_puts_every_model_into_one_table(data_folder, tmp_path, monkeypatch, capsys):
    spec = get("tsrn")
    config = spec.parse_config({"features": 4, "blocks": 1, "stn": False})
    for name in ("thin", "hr"):
        export_model(spec.build(config), spec, config, tmp_path / name / name, name)
    monkeypatch.setenv(SEARCH_VARIABLE, str(tmp_path / "thin"))
    text = str(data_folder / "text")
    assert main(["lines", "all", "--sets", text, "--count", "4"]) == 0
    rows = [line.split("│")[1].strip() for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert rows == ["bicubic", "lanczos", *(model.card.name for model in list_models()), "hr"]
    assert {"thin", "docsr-s2", "fsrcnn"} <= set(rows)
    assert main(["lines", str(tmp_path / "hr" / "hr"), "--sets", text]) == 1
    assert "A model is called hr" in capsys.readouterr().err


def test_what_models_make_of_lines(lanczos_net):
    batch = torch.rand(3, 1, 16, 64)
    smooth = torch.nn.functional.avg_pool2d(batch, 5, 1, 2, count_include_pad=False)
    expected = lanczos(smooth, 2)
    assert expected.shape == (3, 1, 32, 128)
    model = find_model(str(lanczos_net))
    made = model_predictor(model)(smooth, 2)
    assert (made - expected).abs().mean() < 0.01
    # The smallest scale that is there, brought to the size.
    fsrcnn = model_predictor(find_model("fsrcnn"))(smooth, 2)
    assert fsrcnn.shape == (3, 1, 32, 128) and (fsrcnn - expected).abs().mean() < 0.05


@needs_tesseract
def test_textzoom_is_evaluated_whole_in_colour_with_all_its_words(tmp_path, monkeypatch, capsys):
    lmdb = pytest.importorskip("lmdb")
    words = ("Exit", "&", "$5.99")
    font = open_font(*next((f.path, f.index) for f in installed_fonts() if "DejaVuSans.ttf" in f.path), 40)
    with lmdb.open(str(tmp_path / "easy"), map_size=1 << 22) as database, database.begin(write=True) as transaction:
        transaction.put(b"num-samples", str(len(words)).encode())
        for number, word in enumerate(words, start=1):
            image = Image.new("RGB", (180, 60), (240, 200, 120))
            ImageDraw.Draw(image).text((15, 5), word, fill=(20, 10, 60), font=font)
            for key, picture in (("hr", image), ("lr", image.resize((70, 24)))):
                stream = io.BytesIO()
                picture.save(stream, "PNG")
                transaction.put(f"image_{key}-{number:09d}".encode(), stream.getvalue())
            transaction.put(f"label-{number:09d}".encode(), word.encode())
    batches = all_pairs(tmp_path / "easy", 2)
    assert batches[0].lr.shape == (3, 3, 16, 64)
    reader = build("cdistnet", TINY_CDISTNET).eval()
    made = evaluate(lambda lr, scale: torch.nn.functional.interpolate(lr, scale_factor=2), batches, recognizers={"tiny": reader})
    # The word without a letter or digit counts, too: it is right where nothing is read.
    assert made.lines == 3 and len(made.right["tiny"]) == len(made.right["Tesseract"]) == len(made.decibels) == 3
    assert made.psnr_batches < made.psnr < 40 and 0.2 < made.ssim < 1
    folder, output = str(tmp_path / "easy"), tmp_path / "figures.json"
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["lines", "--sets", folder, folder, "--kind", "textzoom", "--device", "cpu", "--json", str(output)]) == 0
    figures = json.loads(output.read_text())
    assert figures["Mean of the lines"]["hr"]["lines"] == 6 and figures["Mean of the sets"]["hr"]["ssim"] == pytest.approx(1.0)
    assert "PSNR by batches" in capsys.readouterr().out


@needs_tesseract
def test_lines_without_latin_letters_are_not_right_where_nothing_is_read(tmp_path):
    Image.new("RGB", (128, 32), (128,) * 3).save(tmp_path / "a.png")  # of which no letter is read
    (tmp_path / "a.gt.txt").write_text("Привет, мир", encoding="utf-8")
    output = tmp_path / "figures.json"
    assert main(["lines", "--sets", str(tmp_path), "--kind", "lines", "--json", str(output)]) == 0
    assert json.loads(output.read_text())[str(tmp_path)]["hr"]["words"] == 0.0


def test_a_mean_over_lines_keeps_the_single_ones():
    first = LineMetrics(1, 20.0, 0.5, 1.0, right={"Tesseract": (True,)}, errors=(1,), characters=(2,), decibels=(20.0,))
    second = LineMetrics(1, 30.0, 0.1, 0.0, right={"Tesseract": (False,)}, errors=(0,), characters=(3,), decibels=(30.0,))
    weighted = mean_metrics([first, second], True)
    assert weighted.right == {"Tesseract": (True, False)} and weighted.errors == (1, 0) and weighted.decibels == (20.0, 30.0)
    assert mean_metrics([first, second], False).right == {}


@needs_tesseract
def test_line_images_are_each_read_once(tmp_path, capsys):
    folder, low = tmp_path / "lines", tmp_path / "low"
    for place, size in ((folder, (128, 32)), (low, (64, 16))):
        place.mkdir()
        for number in range(5):
            Image.new("RGB", size, (250 - 10 * number,) * 3).save(place / f"{number}.png")
            (place / f"{number}.gt.txt").write_text(f"line {number}", encoding="utf-8")
    (batch,) = folder_lines(folder, low, 2)
    assert batch.texts == [f"line {number}" for number in range(5)]
    assert batch.lr[3].mean() == pytest.approx(220 / 255, abs=1e-3) and batch.lr.shape == (5, 3, 16, 64)
    (fewer,) = folder_lines(folder, None, 2, 2)
    assert fewer.texts == ["line 0", "line 2"]
    (again,) = folder_lines(folder, None, 2, 2)
    assert torch.equal(fewer.lr, again.lr)
    assert main(["lines", "--sets", str(folder), "--kind", "lines"]) == 0
    assert "5 lines." in capsys.readouterr().out
    assert main(["lines", "--sets", str(folder), "--kind", "lines", "--count", "0"]) == 1
    assert "--count was given 0" in capsys.readouterr().err
    assert main(["lines", "--sets", str(folder), "--kind", "lines", "-l", "xyz"]) == 1
    assert "xyz" in capsys.readouterr().err


@needs_tesseract
def test_words_are_rendered_from_texts_of_the_language(tmp_path, capsys):
    (tmp_path / "held" / "xyz").mkdir(parents=True)
    (tmp_path / "held" / "xyz" / "a.txt").write_text("some words to render " * 20, encoding="utf-8")
    assert main(["lines", "--sets", str(tmp_path / "held"), "--count", "2"]) == 1
    assert "text in eng was expected" in capsys.readouterr().err
    assert main(["lines", "--sets", str(tmp_path / "held"), "--count", "2", "-l", "xyz"]) == 1
    assert "-l xyz" in (told := capsys.readouterr().err) and "check the languages" in told
