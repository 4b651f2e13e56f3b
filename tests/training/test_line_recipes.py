# SPDX-License-Identifier: MPL-2.0
"""The recipes of the papers' line systems: that they fit their networks, learn, and take a step at full size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.recognizers.folder import build, save
from ocrmypdf_superres.training.loop.stages import make_optimizer, trained_names
from ocrmypdf_superres.training.recipe import Recipe, Stage, read_recipe
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer

PAPERS = Path(__file__).parents[2] / "examples" / "recipes" / "papers"
RECIPES = sorted(path for paper in ("001", "003") for path in PAPERS.glob(f"{paper}-*.toml"))
FULL = [path for path in RECIPES if "-small" not in path.stem]
STN = {"stn_widths": [4, 4, 4, 4, 4, 4], "stn_hidden": 8}
TINY = {
    "001-edsr-stn-small": {"features": 8, "blocks": 1, **STN},
    "001-tbsrn-small": {"features": 8, "blocks": 1, **STN},
    "003-lemma-small": {
        "features": 8,
        "blocks": 1,
        "positions": 200,
        "prior_base": 2,
        "prior_inner": 16,
        "prior_attention": 4,
        **STN,
    },
}


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> str:
    torch.manual_seed(0)
    net = build("text-focus", {"base": 2, "blocks": [1, 1, 1, 1], "heads": 2, "inner": 16})
    return str(save(net, "text-focus", tmp_path_factory.mktemp("reader") / "focus", "focus"))


def with_reader(recipe: Recipe, reader: str, **changes) -> Recipe:
    """Return *recipe* with another text-focus reader, and what *changes* say of each of its stages."""
    stages = []
    for stage in recipe.stages:
        losses = {n: {**v, "recognizer": reader} if n == "text-focus" else v for n, v in stage.losses.items()}
        stages.append(replace(stage, losses=losses, **changes))
    return replace(recipe, stages=tuple(stages), workers=0, parts={})


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_stages_fit_the_network(path):
    recipe = read_recipe(path)
    spec = get(recipe.architecture)
    with torch.device("meta"):
        net = spec.build(spec.parse_config(recipe.config))
    assert recipe.name == path.stem[4:] and spec.task == "line"
    for stage in recipe.stages:
        assert trained_names(net, stage) and make_optimizer(net, stage, recipe)
    if "lemma" in path.stem and "tesseract" not in path.stem:
        assert set(recipe.stages[-1].losses) == {"l2", "text-focus", "prior"}


@pytest.mark.parametrize("name", TINY)
def test_a_tiny_size_of_each_system_learns_one_batch_by_heart(name, reader, data_folder, tmp_path):
    recipe = read_recipe(PAPERS / f"{name}.toml")
    recipe = with_reader(recipe, reader, batch=2, lr=4e-3, warmup=0, final=1.0, milestones=(), steps=1000)
    # The last stage has all of the system's losses.
    recipe = replace(recipe, config={**recipe.config, **TINY[name]}, stages=recipe.stages[-1:], clip=5.0)
    trainer = super_resolution_trainer(recipe, data_folder, tmp_path)
    batch = trainer.task.batches[0]
    course = [trainer.train_step(batch) for _ in range(25)]
    assert set(course[0]) == set(recipe.stages[0].losses)
    assert min(row["l2"] for row in course[-5:]) * 1.5 < course[0]["l2"]
    if "prior" in course[0]:
        assert min(row["prior"] for row in course[-5:]) < 0.8 * course[0]["prior"]


def test_a_net_without_a_prior_has_no_prior_loss(data_folder, tmp_path):
    recipe = read_recipe(PAPERS / "001-tbsrn-small.toml")
    recipe = replace(recipe, config={**recipe.config, **TINY["001-tbsrn-small"]}, stages=(Stage("a", 1, {"prior": 1.0}),))
    with pytest.raises(OptionError, match="reads nothing itself"):
        super_resolution_trainer(recipe, data_folder, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("path", FULL, ids=lambda p: p.stem)
def test_the_full_size_takes_one_step(path, reader, data_folder, tmp_path):
    recipe = with_reader(read_recipe(path), reader, batch=2, steps=1)
    trainer = super_resolution_trainer(recipe, data_folder, tmp_path)
    values = trainer.train_step(trainer.task.batches[0])
    assert "skipped" not in values and all(value == value for value in values.values())


def test_a_line_net_is_trained_by_one_command_and_runs_on_a_page(held_folder, tmp_path):
    import numpy as np

    from ocrmypdf_superres.cli import main
    from ocrmypdf_superres.upscaling.loading import load_upscaler

    judge = save(build("crnn", {"base": 4, "hidden": 8}), "crnn", tmp_path / "judge", "judge")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(f"""
name = "tiny"
architecture = "tsrn"
config = {{ features = 4, blocks = 1, stn_widths = [4, 4, 4, 4, 4, 4], stn_hidden = 8 }}
workers = 0
sample_every = 2
sources = [{{ kind = "words", folder = "text" }}]
degradation = [{{ name = "downsample", kernels = ["bicubic"] }}]
validation = {{ kind = "words", folder = "held", metric = "ctc", recognizer = "folder:{judge}", every = 1, lines = 4 }}

[[stages]]
name = "all"
steps = 2
batch = 2
losses = {{ l2 = 1.0, ctc = 0.01 }}
recognizers = ["folder:{judge}"]
""")
    arguments = ["train", str(recipe), "--data", str(held_folder), "-o", str(tmp_path / "run")]
    assert main(arguments) == 0 and (tmp_path / "run" / "step-000002.png").is_file()
    page = np.ones((60, 200), np.float32)
    page[20:30, 20:180:4] = 0.2
    upscaler = load_upscaler(str(tmp_path / "run" / "model"), "cpu", 1)
    assert upscaler.upscale(page, 2).shape == (120, 400)
    assert main([*arguments[:-1], str(tmp_path / "sheet"), "--show-data"]) == 0 and (tmp_path / "sheet" / "data.png").is_file()
