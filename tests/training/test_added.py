# SPDX-License-Identifier: MPL-2.0
"""Losses, degradations and sources of other packages, by entry points as an installed package would have them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
from training_runs import TINY, tiny

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.objective import Objective
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer

EXAMPLE = Path(__file__).parents[2] / "examples" / "add_loss"
OTHERS = '''
from dataclasses import dataclass
import numpy as np
from torch import nn
from ocrmypdf_superres.training.data.sample import Sample
from ocrmypdf_superres.training.protocols import SourceKind, Target

@dataclass(frozen=True)
class Invert:
    """Turn ink into paper."""
    share: float = 1.0
    def __call__(self, image, rng, scale):
        return self.share * (1 - image) + (1 - self.share) * image

class Stripes:
    def __init__(self, period):
        self.period = period
    def sample(self, rng, line_height, scale):
        strip = np.tile((np.arange(576) // self.period % 2).astype(np.float32), (96, 1))
        return Sample(strip, strip)

def make(source, data, cache, period: int = 8):
    return Stripes(period)

STRIPES = SourceKind(make)

class Aimless(nn.Module):
    target = "hr"
    def forward(self, sr, hr):
        return (sr - hr).mean()

class NotALoss:
    target = Target.HR
'''


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Offer the example's loss, and a module with more, by the files that an installer would write."""
    folder = tmp_path / "site"
    info = folder / "added-0.1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "added_parts.py").write_text(OTHERS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: added\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(
        "[ocrmypdf_superres.losses]\nink = superres_ink:InkLoss\naimless = added_parts:Aimless\nnone = added_parts:NotALoss\n"
        "[ocrmypdf_superres.degradations]\ninvert = added_parts:Invert\n"
        "[ocrmypdf_superres.sources]\nstripes = added_parts:STRIPES\nfolder = added_parts:Stripes\n"
    )
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.syspath_prepend(str(folder))
    yield
    for name in ("superres_ink", "added_parts"):
        sys.modules.pop(name, None)


def losses(**table):
    return tiny([{"losses": table}])


def test_the_example_loss_trains_a_net(installed, data_folder, tmp_path):
    assert 'ink = "superres_ink:InkLoss"' in (EXAMPLE / "pyproject.toml").read_text()
    stage = losses(charbonnier=1.0, ink={"weight": 0.5, "window": 8}).stages[0]
    objective = Objective(stage, 0)
    assert objective.weights == {"charbonnier": 1.0, "ink": 0.5} and objective.losses["ink"].window == 8
    trainer = super_resolution_trainer(losses(ink=1.0), data_folder, tmp_path)
    assert trainer.train_step(trainer.task.batches[0])["ink"] >= 0
    image = torch.rand(1, 1, 32, 32, requires_grad=True, dtype=torch.float64)
    loss = Objective(losses(ink={"window": 4}).stages[0], 0).losses["ink"]
    assert float(loss(image.detach(), image.detach())) == 0 and torch.autograd.gradcheck(
        loss, (image, torch.rand(1, 1, 32, 32).double())
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"ink": {"windows": 8}}, r"the loss 'ink' has the unknown key 'windows' \(did you mean 'window'\?\)"),
        ({"ink": {"window": 8.5}}, "the loss 'ink' has window = 8.5, but expected is"),
        ({"inc": 1.0}, r"unknown loss 'inc' \(did you mean 'ink'\?\)"),
        ({"aimless": 1.0}, r"has target = 'hr'; a loss needs one of Target\.HR"),
    ],
)
def test_mistakes_fail_when_the_recipe_is_read(installed, table, message):
    with pytest.raises(OptionError, match=message):
        losses(**table)


def test_what_is_not_a_loss_fails_before_the_first_step(installed, data_folder, tmp_path):
    trainer = super_resolution_trainer(losses(none=1.0), data_folder, tmp_path)
    with pytest.raises(OptionError, match="The loss 'none' is a NotALoss, but a Loss was expected"):
        trainer.fit()
    assert trainer.step == 0


def test_a_degradation_and_a_source_from_outside(installed, data_folder, tmp_path):
    degradation = [{"name": "downsample", "kernels": ["box"]}, {"name": "invert", "probability": 1.0}]
    source = {"kind": "stripes", "folder": "", "options": {"period": 4}}
    recipe = tiny(sources=[source], degradation=degradation)
    batch = super_resolution_trainer(recipe, data_folder, tmp_path).task.batches[0]
    assert torch.allclose(batch.lr[0, 0, 0, :6], torch.tensor([1.0, 1.0, 0.0, 0.0, 1.0, 1.0]))
    with pytest.raises(OptionError, match="has share = 'all', but expected is a valid number"):
        tiny(degradation=[{"name": "downsample"}, {"name": "invert", "share": "all"}])
    with pytest.raises(OptionError, match="unknown key 'perriod'"):
        tiny(sources=[{**source, "options": {"perriod": 4}}])
    with pytest.raises(OptionError, match="the source kind 'folder' is a type, but a SourceKind was expected"):
        tiny(sources=[{"kind": "folder", "folder": ""}])
    assert TINY["sources"][0]["kind"] == "rendered"
