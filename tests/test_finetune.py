# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("scipy")
pytest.importorskip("tomli_w")
pytest.importorskip("img2pdf")

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import ModelError
from ocrmypdf_superres.evaluation.benchmark import Result
from ocrmypdf_superres.evaluation.gain import compare
from ocrmypdf_superres.metrics.text import TextScore
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.training.recipe import parse_recipe
from ocrmypdf_superres.training.workflows.finetune_recipe import set_steps, tuning_values


def results(*counts: tuple[int, int]) -> list[Result]:
    """Results of two conditions in turn, each page of 1000 characters and 200 words: (edits, words found)."""
    return [
        Result(
            f"{72 + 28 * (number % 2)} dpi scan", f"p{number // 2}", "c", "plugin", TextScore(edits, 1000, found, 200), 1, 1, {}
        )
        for number, (edits, found) in enumerate(counts)
    ]


def test_a_gain_is_fewer_wrong_characters_and_no_more_words_missed():
    base = results((100, 150), (40, 180))
    gain = compare(base, results((80, 155), (40, 180)))
    assert gain.better and gain.pages == 1
    assert gain.groups["72 dpi scan"][1].edits == 80 and gain.new.edits == 120
    assert gain.summary == "CER 7.00 % before and 6.00 % after, words missed 17.50 % before and 16.25 % after"
    assert not compare(base, base).better
    assert not compare(base, results((99, 150), (40, 180))).better, "one character of 140 is chance"
    assert not compare(base, results((80, 140), (40, 180))).better, "more words missed"
    assert not compare(results((0, 200)), results((0, 200))).better


def test_the_recipe_is_the_bases_with_the_scans():
    model = find_model("docsr-s")
    values = tuning_values("mine", model, "deu", ["tesseract:deu"], Path("text"))
    set_steps(values, 500)
    recipe = parse_recipe(values, "mine")
    assert recipe.base == "docsr-s" and dict(recipe.config) == dict(model.card.config)
    assert [source.kind for source in recipe.sources] == ["scans", "rendered"]
    assert recipe.stages[0].steps == 500 and recipe.stages[0].lr < 1e-3
    assert [table["name"] for table in recipe.degradation].count("downsample") == 1


def test_a_base_without_a_recipe_is_one_sentence(lanczos_net):
    with pytest.raises(ModelError, match="no recipe"):
        tuning_values("mine", find_model(str(lanczos_net)), "eng", ["tesseract:eng"], None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none", "-o", "mine"], "is missing or is not"),
        (["empty", "-o", "mine"], "holds no page images"),
        (["empty", "-o", "mine", "--language", "xyz"], "language 'xyz'"),
        (["empty", "-o", "mine", "--base", "nosuch"], "no model 'nosuch'"),
        (["empty", "-o", "my model"], "cannot be called"),
        (["empty", "-o", "there"], "exists already"),
        (["empty", "-o", "mine", "--conditions", "72-funny"], "72-funny"),
        (["empty", "-o", "mine", "--minutes", "0"], "above 0"),
        (["empty", "-o", "begun"], "--resume"),
        (["empty", "-o", "mine", "--resume"], "There is no run"),
        (["empty", "-o", "mine", "--text", "nowhere"], "--text was given nowhere"),
        (["empty", "-o", "mine", "--text", "nowhere", "--network"], "--text was given nowhere"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "there", "begun.run"):
        (tmp_path / name).mkdir()
    (tmp_path / "begun.run" / "recipe.toml").write_text("")
    assert main(["finetune", *arguments]) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert words in error and error.startswith("Error:")
    assert not (tmp_path / "mine.run").exists()
