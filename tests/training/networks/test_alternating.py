# SPDX-License-Identifier: MPL-2.0
"""A net and a network in turn, at miniature size: every part is made, once, and stands in the report."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.ocr.engines.base import TunedEngine, shared_engine
from ocrmypdf_superres.ocr.engines.calibration import calibrated_engines
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import read_traineddata
from ocrmypdf_superres.tesseract import find_traineddata
from ocrmypdf_superres.training.data.ocr_lines.shards import read_shard, shard_path
from ocrmypdf_superres.training.networks.alternating import parse_alternating_recipe, read_alternating_recipe
from ocrmypdf_superres.training.workflows.alternate import Alternation

RECIPE = Path(__file__).parents[3] / "examples" / "recipes" / "alternating.toml"
PROSE = "The harvest of that year was late, and the carts stood empty by the gate until the middle of October. "
OTHER = "Every morning the bailiff walked along the hedges with his brown dog and counted what the wind had left. "


def small(**changes: Any) -> dict[str, Any]:
    """The published recipe with a step a stage, without scans."""
    values = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
    values |= {"rounds": 1, "lines": 6, "held_out": 6, "scans": ""}
    values["net"]["sources"] = values["net"]["sources"][:1]
    values["net"]["workers"] = 0
    values["net"]["stages"][0] |= {"steps": 1, "batch": 2, "recognizer_lines": 2}
    values["network"]["stages"][0] |= {"steps": 1, "batch": 6}
    return values | changes


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if shutil.which("tesseract") is None:
        pytest.skip("tesseract is not installed")
    try:
        find_traineddata("eng")
    except RecognizerError:
        pytest.skip("the language eng is not installed")
    monkeypatch.setattr("ocrmypdf_superres.training.data.ocr_lines.shards.SHARD_LINES", 6)
    monkeypatch.setattr("ocrmypdf_superres.training.workflows.alternate.SHARD_LINES", 6)
    folder = tmp_path / "text" / "eng"
    folder.mkdir(parents=True)
    for name, text in (("a", PROSE), ("b", OTHER)):
        (folder / f"{name}.txt").write_text(text * 4, encoding="utf-8")
    return tmp_path


def test_each_round_goes_on_from_the_one_before(data: Path) -> None:
    work = Alternation(parse_alternating_recipe(small(controls=["hr", "net"]), "small"), data, data / "run", "cpu")
    pairs = work.pairs()
    assert [pair.name for pair in pairs] == ["start", "network on hr", "net alone", "round 1"]
    stock = read_traineddata(work.stock)
    tuned = {pair.name: read_traineddata(pair.network) for pair in pairs}
    same = [name for name, network in tuned.items() if network.components[17] == stock.components[17]]
    assert same == ["start", "net alone"]
    assert len({pair.net for pair in pairs}) == 3
    before = {path: path.stat().st_mtime_ns for path in (data / "run").rglob("*.traineddata")}
    readings = Alternation(work.recipe, data, data / "run", "cpu").readings(work.pairs())
    assert {path: path.stat().st_mtime_ns for path in before} == before, "what is there is not made again"
    # A tuned one was trained on such lines.
    outside = {f"sr by {name}" for name in calibrated_engines() if not isinstance(shared_engine(name), TunedEngine)}
    assert set(readings["round 1"]) == {"sr", "lanczos", "hr"} | outside
    for form in outside:
        assert readings["start"][form] == readings["network on hr"][form], "the same lines of the same net"
    variants = [read_shard(shard_path(data / "run" / "lines" / name, 0)) for name in ("net-start-held", "hr-start-held")]
    for one, other in zip(*variants, strict=True):
        assert (one.text, one.x_height, one.image.shape) == (other.text, other.x_height, other.image.shape)
        assert one.variant == other.variant == "as-is" or not np.array_equal(one.image, other.image)


def test_the_command_writes_a_report(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import tomli_w

    values = small(controls=[])
    (tmp_path / "small.toml").write_text(tomli_w.dumps(values), encoding="utf-8")
    arguments = ["recognizer", "alternate", str(tmp_path / "small.toml"), "--data", str(data), "-o", str(tmp_path / "run")]
    assert main([*arguments, "--device", "cpu"]) == 0
    assert "| round 1 |" in capsys.readouterr().out
    assert "| start |" in (tmp_path / "run" / "report.md").read_text()
    assert main([*arguments, "--device", "cpu"]) == 1
    assert "--resume" in capsys.readouterr().err
    assert main([*arguments, "--device", "cpu", "--resume"]) == 0


def test_the_published_recipe_is_read() -> None:
    recipe = read_alternating_recipe(RECIPE)
    assert recipe.net_recipe("mine", "eng").base == "mine"
    assert recipe.net_recipe("mine", "/a/b.traineddata").stages[0].recognizers == ("tesseract:/a/b.traineddata",)
    assert recipe.net_recipe("mine", "eng", 2).stages[0].steps == 2 * recipe.net_recipe("mine", "eng").stages[0].steps
    assert recipe.net_recipe('C:\\nets\\my "net"', "eng").base == 'C:\\nets\\my "net"'
    network = recipe.network_recipe("", "lines", "held", 3)
    assert network.stages[0].steps == 12000 and network.held_out.folder == "held"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rounds": 0}, "rounds"),
        ({"controls": ["bicubic"]}, "controls"),
        ({"network": {"name": "a", "stages": []}}, "stages"),
        ({"colour": 1}, "colour"),
    ],
)  # fmt: skip
def test_wrong_recipes_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        parse_alternating_recipe(small(**change), "small")
    fixed = small()
    fixed["net"]["base"] = "docsr-s2"
    with pytest.raises(OptionError, match="would not continue"):
        parse_alternating_recipe(fixed, "small")
