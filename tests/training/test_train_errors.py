# SPDX-License-Identifier: MPL-2.0
"""What an institution does wrong, each told in one sentence by the command, and nothing lost by it."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
from PIL import Image, ImageDraw

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.training.data.fonts import installed_fonts, open_font

RECIPE = """
name = "tiny"
architecture = "docsr"
workers = 0
{more}
[config]
features = 8
convolutions = 2
scales = [2]
[scales]
2 = 1.0
[[sources]]
{source}
[[degradation]]
name = "downsample"
[[stages]]
name = "one"
steps = 2
batch = 2
losses = {{ {losses} }}
{stage}
"""
TEXT = 'kind = "rendered"\nfolder = "text"'
needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")


def recipe(folder: Path, more: str = "", source: str = TEXT, losses: str = "charbonnier = 1.0", stage: str = "") -> Path:
    path = folder / "tiny.toml"
    path.write_text(RECIPE.format(more=more, source=source, losses=losses, stage=stage))
    return path


def train(path: Path, data: Path, *more: str) -> int:
    return main(["train", str(path), "--data", str(data), "-o", str(data / "run"), *more])


@pytest.fixture
def scans(data_folder: Path) -> Path:
    """A folder with a readable page, a text named as an image, and an image that was cut off."""
    folder = data_folder / "scans"
    folder.mkdir()
    page = Image.new("L", (1100, 500), 255)
    font = open_font(next(f for f in installed_fonts() if "DejaVuSans.ttf" in f.path or "Serif" in f.path).path, 0, 40)
    for row, line in enumerate(
        ("the quick brown fox jumps over", "a lazy dog that keeps running", "through wet fields until dark")
    ):
        ImageDraw.Draw(page).text((80, 80 + 110 * row), line, fill=0, font=font)
    page.save(folder / "good.png", dpi=(300, 300))
    (folder / "broken.png").write_text("no image")
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:700])
    return folder


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"more": "sed = 3"}, "unknown key 'sed' (did you mean 'seed'?); known are"),
        ({"stage": "recogniser_lines = 3"}, "unknown key 'recogniser_lines' (did you mean 'recognizer_lines'?); known are"),
        ({"stage": 'train = ["tail.*"]'}, "'tail.*', which matches no parameter"),
        ({"losses": "charbonier = 1.0"}, "unknown loss 'charbonier'"),
        ({"source": 'kind = "rendered"\nfolder = "empty"'}, "holds no text files"),
        ({"source": 'kind = "scans"\nfolder = "empty"'}, "holds no page images"),
        ({"source": 'kind = "scans"\nfolder = "nowhere"'}, "is missing or is not"),
        ({"more": 'base = "nobody"'}, "no model 'nobody'"),
        (
            {"source": 'kind = "patches"\nfolder = "odd"\noptions = { size = [45, 64] }'},
            "of 45 x 64 pixels, which x2 does not divide",
        ),
        ({"losses": "ctc = 1.0", "stage": 'recognizers = ["tesseract:xyz"]'}, "xyz"),
    ],
    ids=[
        "recipe-key",
        "stage-key",
        "pattern",
        "loss",
        "no-text",
        "no-scans",
        "no-folder",
        "no-base",
        "odd-size",
        "no-recognizer",
    ],
)
def test_mistakes_end_with_one_sentence(values, message, data_folder, capsys):
    (data_folder / "empty").mkdir()
    (data_folder / "odd").mkdir()
    Image.effect_noise((64, 64), 80).save(data_folder / "odd" / "page.png")
    assert train(recipe(data_folder, **values), data_folder) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert message in said and "Traceback" not in said
    assert not (data_folder / "run" / "checkpoint.pt").exists()


@needs_tesseract
def test_unreadable_scans_are_counted_and_the_good_ones_used(scans, data_folder, caplog):
    with caplog.at_level(logging.WARNING):
        assert train(recipe(data_folder, source='kind = "scans"\nfolder = "scans"'), data_folder) == 0
    assert "1 files or pages" in caplog.text and "broken.png" in caplog.text
    assert "1 of the 2 page images" in caplog.text and "cut.png" in caplog.text


@needs_tesseract
def test_a_language_that_is_not_installed_is_named(scans, data_folder, capsys):
    assert train(recipe(data_folder, source='kind = "scans"\nfolder = "scans"\nlanguage = "xyz"'), data_folder) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "xyz" in said and "No page under" in said and "Traceback" not in said


def test_a_mistake_made_on_resuming_leaves_the_checkpoint(data_folder, capsys):
    assert train(recipe(data_folder), data_folder) == 0
    before = (data_folder / "run" / "checkpoint.pt").read_bytes()
    for values, more in (
        ({}, []),
        ({"more": "sed = 3"}, ["--resume"]),
        ({"source": 'kind = "scans"\nfolder = "no"'}, ["--resume"]),
        ({"more": "seed = 3"}, ["--resume"]),
    ):
        assert train(recipe(data_folder, **values), data_folder, *more) == 1
    assert "another recipe than tiny is now" in " ".join(capsys.readouterr().err.split())
    assert (data_folder / "run" / "checkpoint.pt").read_bytes() == before


def test_the_report_and_the_log_tell_how_the_model_was_made(data_folder, capsys):
    pytest.importorskip("onnx")
    held = data_folder / "held" / "deu"
    held.mkdir(parents=True)
    (held / "a.txt").write_text("Victor jagt zwölf Boxkämpfer quer über den großen Sylter Deich " * 3)
    path = recipe(data_folder, stage='[validation]\nkind = "rendered"\nfolder = "held"\nmetric = "psnr"\nevery = 1\nlines = 2')
    assert train(path, data_folder) == 0
    report = (data_folder / "run" / "report.md").read_text()
    from ocrmypdf_superres.modelstore.cards import WEIGHTS
    from ocrmypdf_superres.modelstore.store import find_model

    model = find_model(str(data_folder / "run" / "model"))
    for part in (
        model.card.files[WEIGHTS],
        "| seed | 0 |",
        "| one | up to 2 | charbonnier |",
        "Best: ",
        "| 2 | one |",
        'folder = "held"',
    ):
        assert part in report, part


def test_an_exported_run_may_be_calibrated_as_another_model(data_folder, tmp_path):
    pytest.importorskip("onnx")
    from ocrmypdf_superres.modelstore.store import find_model

    path = recipe(data_folder, losses="distillation = 1.0")
    assert train(path, data_folder) == 0
    run, made = data_folder / "run", tmp_path / "made"
    assert main(["export", str(path), str(run), "-o", str(made), "--calibrated-as", "docsr-s2"]) == 0
    theirs, ours = find_model("docsr-s2").card, find_model(str(made)).card
    assert ours.calibration_sha256 == theirs.calibration_sha256 != ours.files["model.safetensors"]
    assert find_model(str(run / "model")).card.calibrated_as == ""
    assert main(["export", str(path), str(run), "-o", str(tmp_path / "no"), "--calibrated-as", "docsr-s9"]) == 1


def test_tensorboard_gets_the_losses_and_is_not_needed(data_folder, monkeypatch, caplog):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert train(recipe(data_folder), data_folder) == 0
    events = EventAccumulator(str(data_folder / "run" / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("charbonnier")] == [2]
    shutil.rmtree(data_folder / "run")
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with caplog.at_level(logging.INFO):
        assert train(recipe(data_folder), data_folder) == 0
    assert "TensorBoard is not installed" in caplog.text
    assert (data_folder / "run" / "log.jsonl").read_text() and not (data_folder / "run" / "tensorboard").exists()
