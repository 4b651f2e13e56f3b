# SPDX-License-Identifier: MPL-2.0
"""Data, recipes and checkpoints that training cannot use: found before the first step where they can be, told in one sentence."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
from PIL import Image
from test_train_errors import recipe, train
from torch import nn

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import ImageError, OptionError
from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.modelstore.published_weights import read_tensors
from ocrmypdf_superres.recognizers.tesseract.preprocess import normalise
from ocrmypdf_superres.training.data.batches import load_batches
from ocrmypdf_superres.training.data.sources.rendered import RenderedSource
from ocrmypdf_superres.training.data.sources.words import WordSource
from ocrmypdf_superres.training.loop.checkpoint import mismatch
from ocrmypdf_superres.training.recipe import parse_recipe
from ocrmypdf_superres.training.workflows import train as workflow


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("kind", [RenderedSource, WordSource])
def test_languages_that_the_text_lacks(data_folder: Path, kind: type, caplog: pytest.LogCaptureFixture) -> None:
    folder = data_folder / "text"
    with pytest.raises(OptionError, match=r"holds text in .*, text in nld was expected"):
        kind(folder, {"nld": 1.0})
    with caplog.at_level(logging.WARNING):
        found = kind(folder, {"eng": 1.0, "nld": 1.0})
    assert "no text in nld" in caplog.text and found.probabilities[found.languages.index("eng")] > 0
    for weights in ({"eng": 0.0, **dict.fromkeys(found.languages, 0.0)}, {"eng": -1.0}, {"eng": float("nan")}):
        with pytest.raises(OptionError, match="weights of the recipe's languages"):
            kind(folder, weights)


def test_words_are_of_the_named_languages_alone(tmp_path: Path) -> None:
    for language in ("eng", "deu"):
        (tmp_path / language).mkdir()
        (tmp_path / language / "a.txt").write_text("some words", encoding="utf-8")
    assert list(WordSource(tmp_path, {"eng": 2.0}).probabilities) == [0.0, 1.0]
    assert list(WordSource(tmp_path).probabilities) == [0.5, 0.5]
    assert list(RenderedSource(tmp_path, {"eng": 3.0}).probabilities) == [0.25, 0.75]


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_in_a_loader_is_the_error_itself(workers: int) -> None:
    class Batches:
        def __len__(self) -> int:
            return 3

        def __getitem__(self, step: int) -> int:
            if step == 1:
                raise ImageError("The line image a.png cannot be read.")
            return step

    loaded = load_batches(Batches(), 0, workers)
    assert next(loaded) == 0
    with pytest.raises(ImageError) as caught:
        next(loaded)
    assert str(caught.value) == "The line image a.png cannot be read."


def test_a_damaged_line_is_told_in_one_sentence(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = data_folder / "lines"
    lines.mkdir()
    Image.effect_noise((300, 60), 40).save(lines / "a.png")
    (lines / "a.png").write_bytes((lines / "a.png").read_bytes()[:2000])
    (lines / "a.gt.txt").write_text("words", encoding="utf-8")
    path = recipe(data_folder, source='kind = "lines"\nfolder = "lines"')
    text = path.read_text(encoding="utf-8").replace("workers = 0", "workers = 1").replace('"docsr"', '"edsr-stn"')
    atomic_write_text(path, text.split("[config]")[0] + "[[sources]]" + text.split("[[sources]]")[1])
    assert train(path, data_folder) == 1
    message = said(capsys)
    assert "a.png cannot be read" in message and "Traceback" not in message


def test_pixels_that_are_not_numbers_have_a_loss_that_is_not_one() -> None:
    lines = torch.full((1, 36, 50), 200.0)
    lines[0, :, 20:30] = float("nan")
    assert not torch.isfinite(normalise(lines, torch.tensor([50]), False)).all()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "downsample"', 'name = "downsample"\n[[degradation]]\nname = "blur"\nsigma = [2.0, 1.0]', "two rising numbers"),
        ('name = "downsample"', 'name = "downsample"\n[[degradation]]\nname = "jpeg"\nquality = [90, 10]', "two rising numbers"),
        ("2 = 1.0", "2 = 0.0", "weights of 0 or more, and one above 0"),
        ("2 = 1.0", "2 = -1.0", "weights of 0 or more, and one above 0"),
        ('name = "tiny"', 'name = "a/b"', "cannot be called 'a/b'"),
    ],
)
def test_values_that_would_fail_later(
    data_folder: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
) -> None:
    path = recipe(data_folder)
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    assert train(path, data_folder) == 1
    assert message in said(capsys) and not (data_folder / "run").exists()


def test_scales_of_a_stage_need_weights() -> None:
    values = {
        "name": "x", "architecture": "docsr", "sources": [{"kind": "rendered", "folder": "text"}],
        "degradation": [{"name": "downsample"}],
        "stages": [{"name": "one", "steps": 1, "losses": {"l1": 1.0}, "scales": {"2": 0.0}}],
    }  # fmt: skip
    with pytest.raises(OptionError, match=r"stage one has scales"):
        parse_recipe(values, "recipe.toml")


def test_checkpoints_of_other_programs_and_nets(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recipe(data_folder)
    assert train(path, data_folder) == 0
    checkpoint = data_folder / "run" / "checkpoint.pt"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("features = 8", "features = 12"), encoding="utf-8")
    capsys.readouterr()
    assert train(path, data_folder, "--resume") == 1
    assert "belongs to another recipe than tiny is now; give the recipe that it was started with" in said(capsys)
    # Earlier versions did not keep the recipe's text.
    torch.save({**torch.load(checkpoint, weights_only=True), "text": ""}, checkpoint)
    assert train(path, data_folder, "--resume") == 1
    message = said(capsys)
    assert "give the recipe that it was started with" in message and message.count("size mismatch") == 1
    path.write_text(text.replace("steps = 2", "steps = 1"), encoding="utf-8")
    assert train(path, data_folder, "--resume") == 1
    assert "is of step 2, and the recipe ends at step 1" in said(capsys)
    torch.save({"state_dict": {}}, checkpoint)
    assert train(path, data_folder, "--resume") == 1
    assert "is not a checkpoint of this trainer" in said(capsys)


def test_the_recipe_is_the_one_that_was_trained(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    path = recipe(data_folder)
    before, fit = path.read_text(encoding="utf-8"), workflow.super_resolution_trainer

    def edited(*given: object, **more: object) -> object:
        path.unlink()  # as someone may do who prepares the next run while this one trains
        return fit(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(workflow, "super_resolution_trainer", edited)
    assert train(path, data_folder) == 0
    assert before.strip() in (data_folder / "run" / "report.md").read_text(encoding="utf-8")


def test_what_torch_says_is_shortened(tmp_path: Path, data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "weights.pt"
    text.write_text("no weights", encoding="utf-8")
    with pytest.raises(OptionError) as caught:
        read_tensors(text)
    assert "weights_only" not in str(caught.value) and "other than tensors" in str(caught.value)
    other = nn.Sequential(*(nn.Linear(3, 3) for _ in range(40)))
    with pytest.raises(RuntimeError) as missing:
        other.load_state_dict({})
    assert len(mismatch(missing.value)) <= 200 and "0.weight" in mismatch(missing.value)
    assert main(["export", str(recipe(data_folder)), str(tmp_path), "-o", str(tmp_path / "model")]) == 1
    assert "There is no checkpoint" in said(capsys)


@pytest.mark.skipif(os.name != "posix", reason="the message is POSIX's")
def test_an_output_that_cannot_be_made(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data_folder / "run").write_text("a file", encoding="utf-8")
    assert train(recipe(data_folder), data_folder) == 1
    assert "run cannot be read or written (" in said(capsys)
