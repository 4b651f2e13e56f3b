# SPDX-License-Identifier: MPL-2.0
"""The recipes of the papers' page systems: that they fit their networks, learn, and take a step at full size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.detectors.ctpn import CTPN, CTPNConfig
from ocrmypdf_superres.training.auxiliary import check_heads, copied_names
from ocrmypdf_superres.training.data.batches import Batch
from ocrmypdf_superres.training.data.degradations import Degradation
from ocrmypdf_superres.training.loop.stages import make_optimizer, trained_names
from ocrmypdf_superres.training.recipe import Recipe, Source, Stage, read_recipe
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer

PAPERS = Path(__file__).parents[2] / "examples" / "recipes" / "papers"
RECIPES = sorted(path for paper in ("000", "002", "004") for path in PAPERS.glob(f"{paper}-*.toml"))
FULL = [path for path in RECIPES if not path.stem.endswith("-small")]
# A tiny size of each system, what is supervised (nothing: sr), and by which factor the losses fall in 40 steps.
TINY = {
    "000-fsrcnn-small": ({"features": 12, "shrunken": 6, "mapping": 2}, {}, 4.0),
    "000-srresnet-small": ({"features": 8, "blocks": 1}, {}, 4.0),
    "002-dpnet-small": ({"features": 8, "blocks": 1}, {"stage1": {"l2": 1.0}, "chain2": {"l2": 1.0}}, 3.0),
    "004-epgr-small": ({"features": 8, "blocks": 1, "modules": 1}, {"edges0": {"l2": 1.0}, "image0": {"l2": 2.5}}, 3.0),
}


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_stages_fit_the_network(path):
    recipe = read_recipe(path)
    spec = get(recipe.architecture)
    config = spec.parse_config(recipe.config)
    with torch.device("meta"):
        net = spec.build(config)
    assert recipe.name in (path.stem, path.stem[4:], path.stem[4:].removesuffix("-small"))
    Degradation(recipe.degradation, recipe.clean)
    for stage in recipe.stages:
        assert trained_names(net, stage)
        make_optimizer(net, stage, recipe)
        check_heads(net, stage)
        copied_names(net, stage)
        assert {int(scale) for scale in stage.scales or recipe.scales} <= set(spec.scales(config))


def rendered_only(recipe: Recipe, **changes) -> Recipe:
    return replace(recipe, sources=(Source("rendered", "text"),), workers=0, **changes)


def cut(batch: Batch, width: int) -> Batch:
    """Return the first *width* hr pixels of the batch's strips."""
    return replace(batch, hr=batch.hr[..., :width], lr=batch.lr[..., : width // batch.scale])


@pytest.mark.parametrize("name", TINY)
def test_a_tiny_size_of_each_system_learns_one_batch_by_heart(name, data_folder, tmp_path):
    recipe = read_recipe(PAPERS / f"{name}.toml")
    config, heads, factor = TINY[name]
    stage = Stage("heart", 1000, {} if heads else {"l2": 1.0}, heads, batch=2, lr=5e-3, warmup=0, final=1.0)
    small = rendered_only(recipe, config={**recipe.config, **config}, stages=(stage,), precision="float32")
    trainer = super_resolution_trainer(small, data_folder, tmp_path)
    batch = cut(trainer.task.batches[0], 96)
    course = [sum(trainer.train_step(batch).values()) for _ in range(40)]
    assert min(course[-5:]) * factor < course[0]


@pytest.fixture(scope="module")
def detector(tmp_path_factory) -> Path:
    """A checkpoint of a full CTPN with random weights, under the names that the public one has."""
    foreign = {
        "trunk": "base_layers", "window": "rpn.conv", "rows": "brnn", "deep": "lstm_fc.conv",
        "scores": "rpn_class.conv", "coordinates": "rpn_regress.conv",
    }  # fmt: skip
    path = tmp_path_factory.mktemp("ctpn") / "ctpn.pth"
    state = CTPN(CTPNConfig(compat=True)).state_dict()
    names = {name: foreign[name.partition(".")[0]] + "." + name.partition(".")[2] for name in state}
    torch.save({names[name]: value for name, value in state.items()}, path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("path", FULL, ids=lambda p: p.stem)
def test_the_full_size_takes_a_step_of_every_stage(path, detector, data_folder, tmp_path):
    recipe = read_recipe(path)
    stages = []
    for stage in recipe.stages:
        losses = {n: {**v, "weights": str(detector)} if n == "detector" else v for n, v in stage.losses.items()}
        stages.append(replace(stage, steps=1, batch=1, warmup=0, losses=losses))
    trainer = super_resolution_trainer(rendered_only(recipe, stages=tuple(stages), base=""), data_folder, tmp_path)
    for step in range(len(stages)):
        values = trainer.train_step(cut(trainer.task.batches[step], 192))
        assert "skipped" not in values and all(value == value for value in values.values())
