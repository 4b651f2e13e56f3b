# SPDX-License-Identifier: MPL-2.0
"""Line nets evaluated by readers: Tesseract, and readers that are told the answer."""

from __future__ import annotations

import shutil

import pytest
import torch

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.cli import main
from ocrmypdf_superres.evaluation.networks.line_sets import (
    LineMetrics,
    evaluate,
    held_out_batches,
    lanczos,
    mean_metrics,
    model_predictor,
)
from ocrmypdf_superres.export.onnx import export_model
from ocrmypdf_superres.modelstore.store import SEARCH_VARIABLE, find_model, list_models
from ocrmypdf_superres.recognizers.folder import build, save
from ocrmypdf_superres.training.recipe import Source

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
