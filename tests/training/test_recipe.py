# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import copy
import tomllib
from pathlib import Path

import pytest

from ocrmypdf_superres.errors import OptionError

pytest.importorskip("torch")
from ocrmypdf_superres.training.recipe import parse_recipe, read_recipe

MINIMAL = {
    "name": "tiny",
    "architecture": "docsr",
    "sources": [{"kind": "rendered", "folder": "text"}],
    "degradation": [{"name": "downsample"}],
    "stages": [{"name": "pixels", "steps": 2, "losses": {"charbonnier": 1.0}}],
}


def changed(**values):
    recipe = copy.deepcopy(MINIMAL)
    recipe.update(values)
    return recipe


def test_a_model_offers_the_scales_of_its_last_stage():
    both = {"2": 1.0, "4": 1.0}
    stages = [{"name": name, "steps": 2, "losses": {"l2": 1.0}} for name in ("parallel", "through")]
    assert parse_recipe(changed(stages=stages), "x").offered_scales == ()
    assert parse_recipe(changed(stages=stages, scales=both), "x").offered_scales == (2, 4)
    stages[1]["scales"] = {"4": 1.0}
    assert parse_recipe(changed(stages=stages, scales=both), "x").offered_scales == (4,)


def test_minimal_recipe_has_defaults():
    recipe = parse_recipe(MINIMAL, "tiny.toml")
    assert recipe.stages[0].batch == 16 and recipe.precision == "float32" and recipe.sources[0].weight == 1.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (changed(sed=1), "unknown key 'sed'"),
        (changed(seed="one"), "seed = 'one'"),
        (changed(precision="half"), "precision = 'half'"),
        (changed(line_height=[10, 5]), "line_height"),
        (changed(usual_height=20), "usual_height"),
        (changed(stages=[]), "stages"),
        (changed(stages=[{"name": "a", "steps": 0, "losses": {}}]), "at least 1"),
        (changed(stages=[{"name": "a", "steps": 3}]), "neither losses nor heads"),
        (changed(sources=[{"kind": "web", "folder": "x"}]), "'web'"),
        (changed(stages=[{"name": "a", "steps": 3, "losses": {}, "train": "tails.*"}]), r"train = 'tails\.\*'"),
        (changed(stages=[{"name": "a", "steps": 3, "losses": {}, "train": ["a"], "freeze": ["b"]}]), "both train and freeze"),
        (changed(stages=[{"name": "a", "steps": 3, "losses": {}, "reset_optimizer": 1}]), "reset_optimizer = 1"),
        (changed(stages=[{"name": "a", "steps": 3, "losses": {}, "milestones": [1.5]}]), "milestones"),
        (changed(stages=[{"name": "a", "steps": 3, "losses": {}, "lr_scale": {"*": -1}}]), "lr_scale"),
        (changed(clip=0), "clip must be above 0"),
        (changed(betas=[0.9]), "betas"),
        (changed(validation={"folder": "x", "metric": "wer"}), "metric = 'wer'; give one of cer, ctc, psnr, loss"),
        (changed(validation={"folder": "x", "patients": 3}), r"\[validation\] has the unknown key 'patients'"),
        (changed(validation={"folder": "x", "every": 0}), "every and lines"),
        (changed(validation="x"), r"give a \[validation\] table"),
        ({k: v for k, v in MINIMAL.items() if k != "name"}, "lacks the key 'name'"),
    ],
)
def test_mistakes_are_named(values, message):
    with pytest.raises(OptionError, match=message):
        parse_recipe(values, "tiny.toml")


def test_broken_files(tmp_path: Path):
    with pytest.raises(OptionError, match="cannot be read"):
        read_recipe(tmp_path / "none.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text("name = ")
    with pytest.raises(OptionError, match="not valid TOML"):
        read_recipe(bad)


# Recognizers have recipes of their own, see recognizers/test_train.py, and so have the networks of Tesseract and RapidOCR.
FOLDER = Path(__file__).parents[2] / "examples" / "recipes"
OTHERS = ("tesseract", "tesseract-outputs", "alternating", "rapidocr-latin", "rapidocr-latin-2")
RECIPES = [
    path
    for path in sorted(FOLDER.glob("**/*.toml"))
    if path.parent.name not in ("recognizers", "tables") and path.stem not in OTHERS
]


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_shipped_recipes_are_valid(path):
    assert read_recipe(path).stages


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (changed(line_height=[24]), "line_height"),
        (changed(line_height=["a", "b"]), r"line_height\.0 = 'a', but expected is a valid integer"),
        (changed(betas=[0.9, "b"]), r"betas\.1 = 'b'"),
        (changed(degradation=[{"name": "downsample"}, {"name": "blur", "sigma": [0.5]}]), "sigma"),
        (changed(degradation=[{"name": "downsample", "kernels": ["sinc"]}]), r"kernels\.0 = 'sinc'"),
        (changed(degradation=[{"name": "downsample"}, {"name": "blur", "sigma": 0.5}]), "sigma = 0.5"),
        (changed(stages=[{"name": "a", "steps": 3, "losses": {"ctc": 1.0}}]), r"add recognizers = \[\.\.\.\]"),
        (
            changed(stages=[{"name": "a", "steps": 3, "losses": {"l1": 1.0}, "balance": {"name": "dwa", "window": "x"}}]),
            "window = 'x'",
        ),
    ],
)
def test_lengths_and_elements_are_checked_when_the_recipe_is_read(values, message):
    with pytest.raises(OptionError, match=message):
        parse_recipe(values, "tiny.toml")


CARDS = sorted((Path(__file__).parents[2] / "models").glob("*/*.toml"))


@pytest.mark.parametrize("path", CARDS, ids=lambda p: p.parent.name)
def test_recipes_in_cards_are_valid(path):
    from ocrmypdf_superres.training.recognizers.recipe import parse_recognizer_recipe

    recipe = tomllib.loads(tomllib.loads(path.read_text(encoding="utf-8"))["recipe"])
    parse = parse_recognizer_recipe if "network" in recipe else parse_recipe
    assert parse(recipe, path.parent.name).stages


@pytest.mark.parametrize("path", CARDS, ids=lambda p: p.parent.name)
def test_recipes_in_cards_are_those_of_the_examples(path):
    card = tomllib.loads(path.read_text(encoding="utf-8"))
    recipes = (Path(__file__).parents[2] / "examples" / "recipes").rglob("*.toml")
    examples = [path for path in recipes if path.parent.name != "tables"]
    recipes = [tomllib.loads(p.read_text(encoding="utf-8")) for p in examples]
    shipped = [recipe for recipe in recipes if recipe["name"] == card["name"]]
    assert shipped in ([], [tomllib.loads(card["recipe"])])
