# SPDX-License-Identifier: MPL-2.0
"""Recognizers and detectors from their recipes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_runs import recognizer_recipes

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.export.onnx import export_model
from ocrmypdf_superres.recognizers.folder import build, load
from ocrmypdf_superres.training.data.sources.detector_pages import RenderedPages
from ocrmypdf_superres.training.loop.checkpoint import save_checkpoint
from ocrmypdf_superres.training.loop.run_log import read_log
from ocrmypdf_superres.training.loop.trainer import CHECKPOINT
from ocrmypdf_superres.training.recognizers.recipe import read_recognizer_recipe
from ocrmypdf_superres.training.recognizers.tasks import PageBatches, Recognition
from ocrmypdf_superres.training.workflows.train_recognizer import recognizer_trainer

RECIPES = sorted((Path(__file__).parents[3] / "examples" / "recipes" / "papers" / "recognizers").glob("*.toml"))
WORDS = """
name = "tiny"
network = "text-focus"
seed = 1
workers = 0
config = { base = 2, blocks = [1, 1, 1, 1], heads = 2, inner = 16 }
"""
SOURCES = """
[[sources]]
kind = "words"
folder = "text"
[validation]
kind = "words"
folder = "held"
metric = "accuracy"
lines = 4
every = 1
seed = 999
[[stages]]
name = "words"
steps = 2
batch = 4
"""


@pytest.mark.parametrize("recipe", recognizer_recipes(), ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_the_common_loop_logs_averages_and_resumes(recipe, ema, data_folder, tmp_path):
    recipe = replace(recipe, ema=ema, checkpoint_every=1)
    whole = recognizer_trainer(recipe, data_folder, tmp_path / "whole")
    whole.fit()
    assert [row["step"] for row in read_log(tmp_path / "whole")] == [2] and "loss" in read_log(tmp_path / "whole")[0]
    first = recognizer_trainer(recipe, data_folder, tmp_path / "parts")
    first.train_step(first.task.batches[0])
    save_checkpoint(first.state(), tmp_path / CHECKPOINT)
    second = recognizer_trainer(recipe, data_folder, tmp_path / "parts")
    second.resume(tmp_path / CHECKPOINT)
    second.fit()
    for mine, theirs in ((whole.net.state_dict(), second.net.state_dict()), (whole.average, second.average)):
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    floats = [name for name, value in whole.average.items() if value.is_floating_point() and "running" not in name]
    assert all(torch.equal(whole.average[name], whole.net.state_dict()[name]) for name in floats) == (ema == 0.0)


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_shipped_recipes_fit_their_networks(path):
    recipe = read_recognizer_recipe(path)
    with torch.device("meta"):
        assert build(recipe.network, recipe.config) is not None


def test_a_reader_is_made_by_one_command(held_folder, tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(WORDS + "images = { hr = 0.5, lr = 0.5 }\n" + SOURCES)
    assert main(["recognizer", "train", str(path), "--data", str(held_folder), "-o", str(tmp_path / "made")]) == 0
    reader = load(str(tmp_path / "made"), ("text-focus",))
    assert reader.name == "tiny"
    text = (tmp_path / "made" / "recognizer.toml").read_text()
    assert "lines read without a mistake, lr" in text and "images = { hr = 0.5" in text
    # The second stage of paper 001: go on from it, on what a line net draws.
    spec = get("tsrn")
    config = spec.parse_config({"features": 4, "blocks": 1, "stn": False})
    export_model(spec.build(config), spec, config, tmp_path / "net", "net")
    path.write_text(WORDS + f'base = "{tmp_path}/made"\nsr = "{tmp_path}/net"\nimages = {{ sr = 1.0 }}\n' + SOURCES)
    trainer = recognizer_trainer(read_recognizer_recipe(path), held_folder, None)
    assert all(torch.equal(a, b) for a, b in zip(trainer.net.state_dict().values(), reader.state_dict().values(), strict=True))
    first = [trainer.train_step(trainer.task.batches[step])["loss"] for step in range(2)]
    assert all(value > 0 for value in first) and set(trainer.task.accuracies(trainer.averaged_net())) == {"sr"}
    again = recognizer_trainer(read_recognizer_recipe(path), held_folder, None)
    assert [again.train_step(again.task.batches[step])["loss"] for step in range(2)] == first


@pytest.mark.parametrize("recipe", recognizer_recipes(), ids=lambda recipe: recipe.name)
def test_a_batch_without_a_text_to_learn_has_no_gradient(recipe, data_folder):
    trainer = recognizer_trainer(recipe, data_folder, None)
    if not isinstance(trainer.task, Recognition):
        return
    batch = replace(trainer.task.batches[0], texts=["---"] * trainer.task.batches[0].count)
    assert trainer.train_step(batch) == {"loss": 0.0}
    assert all(not value.grad.any() for value in trainer.net.parameters() if value.grad is not None)


def test_a_detector_is_trained_on_rendered_pages(data_folder, tmp_path, capsys):
    pages = RenderedPages(data_folder / "text", None, (160, 224))
    batch = PageBatches(pages, 3, [3])[0]
    images, boxes = batch.images, batch.boxes
    assert images.shape == (3, 1, 160, 224) and sum(len(b) for b in boxes) > 3
    for image, lines in zip(images[:, 0], boxes, strict=True):
        for left, top, right, bottom in lines.int().tolist():
            assert 0 <= left < right <= 224 and bottom - top > 8
            inside = image[max(0, top) : bottom, left:right]
            assert float(inside.min()) < float(image.median()) - 0.1
    path = tmp_path / "ctpn.toml"
    path.write_text(
        'name = "tiny"\nnetwork = "ctpn"\nworkers = 0\nsize = [96, 160]\n'
        'config = { widths = [4, 4, 4, 4, 4], hidden = 4, deep = 8 }\n[[sources]]\nkind = "rendered"\nfolder = "text"\n'
        '[[stages]]\nname = "pages"\nsteps = 2\nbatch = 1\n'
    )
    assert main(["recognizer", "train", str(path), "--data", str(data_folder), "-o", str(tmp_path / "ctpn")]) == 0
    assert load(str(tmp_path / "ctpn"), ("ctpn",)).detect(images)[1].shape == (3, 20, 10, 14)
    path.write_text(path.read_text() + '[[sources]]\nkind = "rendered"\nfolder = "more"\n')
    assert main(["recognizer", "train", str(path), "--data", str(data_folder), "-o", str(tmp_path / "two")]) == 1
    assert "has 2 sources, but a detector takes one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (WORDS + 'paint = "red"\n' + SOURCES, "unknown key 'paint'"),
        (WORDS + 'colour = "rgb+mask"\n' + SOURCES, "which recognizers do not take"),
        (WORDS, "lacks the key 'sources'"),
        (WORDS + "images = { sr = 1.0 }\n" + SOURCES, "sr names a line model"),
        (WORDS + "images = { sepia = 1.0 }\n" + SOURCES, "give shares of hr, lr, sr"),
        (WORDS + SOURCES.replace('kind = "words"', 'kind = "rendered"'), "learns from sources of the kind words"),
        (WORDS + SOURCES.replace("steps = 2", "steps = 0"), "at least 1"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(OptionError, match=message):
        read_recognizer_recipe(path)
