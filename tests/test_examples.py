# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from ocrmypdf_superres.export.onnx import export_model
from ocrmypdf_superres.upscaling.backends.onnx import OnnxBackend
from ocrmypdf_superres.upscaling.upscaler import PageUpscaler

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_the_example_architecture_is_found_exported_and_tiled(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES / "add_architecture"))
    # What installing the example would write; its pyproject.toml says the same.
    info = tmp_path / "superres_srcnn-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: superres-srcnn\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[ocrmypdf_superres.architectures]\nexample-srcnn = superres_srcnn:SPEC\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    from ocrmypdf_superres.architectures import get, names

    assert "example-srcnn" in names()
    assert 'example-srcnn = "superres_srcnn:SPEC"' in (EXAMPLES / "add_architecture" / "pyproject.toml").read_text()
    spec = get("example-srcnn")
    config = spec.parse_config({"features": [8, 4]})
    model = export_model(spec.build(config), spec, config, tmp_path / "model", "srcnn-test")
    luma = np.random.default_rng(0).random((50, 61), dtype=np.float32)
    backend = OnnxBackend(model, 1)
    tiled, whole = (PageUpscaler(model, backend, tile).upscale(luma, 3) for tile in (16, 256))
    assert np.abs(tiled - whole).max() <= 1e-5
    sys.modules.pop("superres_srcnn", None)


def test_the_sample_is_what_its_script_says():
    text = (EXAMPLES / "sample-72dpi.gt.txt").read_text(encoding="utf-8")
    assert text in (EXAMPLES / "make_sample.py").read_text(encoding="utf-8")
    assert (EXAMPLES / "sample-72dpi.pdf").read_bytes().startswith(b"%PDF-")


def test_the_example_engine_is_found_and_reads_the_sample(tmp_path, monkeypatch):
    pypdfium2 = pytest.importorskip("pypdfium2")
    monkeypatch.syspath_prepend(str(EXAMPLES / "add_engine"))
    info = tmp_path / "superres_sparse-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: superres-sparse\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[ocrmypdf_superres.ocr_engines]\nsparse = superres_sparse:SparseEngine\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    from ocrmypdf_superres.ocr.engines.base import ENGINES, Engine
    from ocrmypdf_superres.ocr.hypothesis import Hypothesis

    assert 'sparse = "superres_sparse:SparseEngine"' in (EXAMPLES / "add_engine" / "pyproject.toml").read_text()
    engine = ENGINES.load("sparse")()
    assert isinstance(engine, Engine) and engine.missing() is None and engine.version().startswith("sparse tesseract 5")
    assert engine.knows(["eng"]) and not engine.knows(["nosuch"])
    with pypdfium2.PdfDocument(EXAMPLES / "sample-72dpi.pdf") as pdf:
        page = pdf[0].render(scale=216 / 72).to_pil().convert("L")
    words = Hypothesis(engine.read(page, ["eng"], 216.0)).words
    assert {"County", "Record", "Office,"} <= {word.text for word in words}
    assert all(0 <= word.box[0] < word.box[2] <= page.width for word in words)
    sys.modules.pop("superres_sparse", None)


@pytest.mark.slow
def test_the_speed_of_a_gpu_is_measured_on_a_cpu_too(tmp_path):
    import os
    import subprocess

    table = tmp_path / "speed.md"
    options = ["--device", "cpu", "--dpi", "30", "--no-compile", "-o", str(table)]
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}
    subprocess.run([sys.executable, str(EXAMPLES / "gpu_speed"), *options], check=True, timeout=300, env=environment)
    text = table.read_text(encoding="utf-8")
    assert "failed" not in text and "| eager, batches of 1 |" in text and "| processes that share the GPU |" in text


@pytest.mark.slow
def test_the_finetuning_example_makes_a_model(tmp_path):
    import os
    import subprocess

    from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL, find_model

    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(EXAMPLES.parent)}
    script = EXAMPLES / "finetune_on_scans" / "run.sh"
    done = subprocess.run(
        ["sh", str(script), str(tmp_path), "20"], capture_output=True, text=True, timeout=1800, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "held-out pages at" in done.stdout and "72 dpi hard" in done.stdout
    model = find_model(str(tmp_path / "my-archive"))
    model.verify()
    assert f'base = "{DEFAULT_MODEL}"' in model.card.recipe and "steps = 20" in model.card.recipe
    assert any("held-out" in name for name in model.card.metrics)
