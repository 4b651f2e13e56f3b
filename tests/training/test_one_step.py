# SPDX-License-Identifier: MPL-2.0
"""One step of the published recipes at full size, forwards and backwards, without data or weights."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.modelstore.store import SEARCH_VARIABLE
from ocrmypdf_superres.training.workflows.one_step import one_step, process_memory

PAPERS = Path(__file__).parents[2] / "examples" / "recipes" / "papers"
FULL = sorted(p for p in (*PAPERS.glob("*.toml"), *(PAPERS / "recognizers").glob("*.toml")) if not p.stem.endswith("-small"))
# Those that take a second or two on one core: a page net, one with a detector and Key.Net, one with heads, a recognizer.
QUICK = {"000-srcnn-baseline", "000-fsrcnn-finetune-lr", "002-dpnet-x4-parallel", "crnn", "moran"}
NORMALISED = ("001-", "003-", "aster")
"""Nets of lines that rectify by a head with batch normalisation need two."""


def check(path: Path) -> None:
    batch = 2 if path.stem.startswith(NORMALISED) else 1
    costs = one_step(path, "cpu", batch, repeats=1)
    assert costs and all(cost.batch == batch and cost.seconds > 0 and cost.memory > 100 for cost in costs)
    for cost in costs:
        assert 0 < cost.parameters[1] <= cost.parameters[0]
        assert cost.values and all(value == value for value in cost.values.values())


@pytest.mark.parametrize("path", [p for p in FULL if p.stem in QUICK], ids=lambda p: p.stem)
def test_small_full_recipes_take_a_step(path):
    before = os.environ.get(SEARCH_VARIABLE)
    check(path)
    assert os.environ.get(SEARCH_VARIABLE) == before


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("path", [p for p in FULL if p.stem not in QUICK], ids=lambda p: p.stem)
def test_full_recipes_take_a_step(path):
    check(path)


def test_the_command_prints_memory_and_time(capsys):
    recipe = str(PAPERS / "000-srresnet-baseline.toml")
    assert main(["train", recipe, "--one-step", "--batch", "1", "--device", "cpu"]) == 0
    shown = capsys.readouterr().out
    # One channel instead of RGB.
    assert "1,5" in shown.replace(" ", "") and "baseline" in shown and "on cpu, one step" in shown
    assert main(["train", recipe, "--one-step", "--batch", "-1"]) == 1
    assert "--batch -1 was given" in capsys.readouterr().err


def test_memory_is_in_mib_where_the_system_tells_it(monkeypatch):
    here = process_memory()
    assert here > 100
    monkeypatch.setattr(sys, "platform", "darwin")  # bytes, not KiB
    assert process_memory() == pytest.approx(here / 1024, rel=0.01)
    monkeypatch.setitem(sys.modules, "resource", None)  # Windows
    assert math.isnan(process_memory())


def test_nets_that_normalise_over_images_say_so():
    with pytest.raises(OptionError, match="give two or more"):
        one_step(PAPERS / "003-tsrn-small.toml", "cpu", 1, repeats=1)
