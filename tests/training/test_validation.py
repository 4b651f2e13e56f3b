# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import math
import shutil
from typing import Any

import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")

from training_runs import VALIDATION, same, tiny

from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.training.data.held_out import check_held_out
from ocrmypdf_superres.training.loop.checkpoint import load_checkpoint
from ocrmypdf_superres.training.loop.run_log import read_log
from ocrmypdf_superres.training.loop.trainer import CHECKPOINT
from ocrmypdf_superres.training.loop.watch import Watch
from ocrmypdf_superres.training.objective import Objective
from ocrmypdf_superres.training.recipe import Source, Validation
from ocrmypdf_superres.training.recognizers.recipe import parse_recognizer_recipe
from ocrmypdf_superres.training.recognizers.tasks import Recognition
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer
from ocrmypdf_superres.training.validation import Validator

needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")


class Constant(torch.nn.Module):
    """A net that draws *value* everywhere, or the hr strips themselves."""

    def __init__(self, value: float | None, validator: Validator) -> None:
        super().__init__()
        self.anchor = torch.nn.Parameter(torch.zeros(1))
        self.value = value
        self.pages = iter([batch.hr for batch in validator.batches])

    def forward(self, lr: torch.Tensor, scale: int) -> torch.Tensor:
        hr = next(self.pages)
        return hr if self.value is None else torch.full_like(hr, self.value)


def measure(recipe, folder, tmp_path, value):
    validator = Validator(recipe, folder, tmp_path / "lines")
    stage = recipe.stages[0]
    return validator(Constant(value, validator), Objective(stage, 0)), validator


def test_psnr_and_loss_are_those_computed_by_hand(held_folder, tmp_path):
    recipe = tiny(validation={**VALIDATION, "lines": 18})
    value, validator = measure(recipe, held_folder, tmp_path, 0.5)
    assert [len(batch.texts) for batch in validator.batches] == [16, 2]
    hr = torch.cat([batch.hr for batch in validator.batches])
    assert value == pytest.approx(10 * math.log10(1 / float(((hr - 0.5) ** 2).mean())), abs=1e-4)
    recipe = tiny([{"losses": {"charbonnier": 2.0}}], validation={**VALIDATION, "metric": "loss"})
    value, validator = measure(recipe, held_folder, tmp_path, 0.5)
    hr = validator.batches[0].hr
    assert value == pytest.approx(2 * (float(((hr - 0.5) ** 2 + 1e-4).sqrt().mean()) - 0.01), abs=1e-5)


@needs_tesseract
@pytest.mark.parametrize("metric", ["cer", "ctc"])
def test_reading_metrics_tell_hr_from_blank_paper(metric, held_folder, tmp_path):
    recipe = tiny(validation={**VALIDATION, "metric": metric, "lines": 6})
    best, _ = measure(recipe, held_folder, tmp_path, None)
    worst, _ = measure(recipe, held_folder, tmp_path, 1.0)
    assert best < 0.5 * worst
    assert measure(recipe, held_folder, tmp_path, None)[0] == best


def part(name: str, share: float, kind: str = "scans", folder: str = "scans") -> dict[str, Any]:
    return {"kind": kind, "folder": folder, "options": {"part": name, "share": share}}


@pytest.mark.parametrize(
    ("source", "held"),
    [
        ({"kind": "scans", "folder": "scans"}, {"folder": "scans/part"}),
        ({"kind": "scans", "folder": "scans"}, {"folder": "scans", "kind": "patches"}),
        ({"kind": "pairs", "folder": "hr", "low": "lr"}, {"folder": "lr"}),
        (part("train", 0.9), part("test", 0.5)),
        (part("train", 0.7), part("test", 0.7, folder="scans/part")),
        (part("train", 0.7, kind="patches"), part("test", 0.7)),
    ],
    ids=["below", "another-kind", "low", "shares", "part-of-a-part", "parts-of-another-kind"],
)
def test_pages_that_are_trained_on_are_refused(source, held, held_folder, tmp_path):
    with pytest.raises(OptionError, match="share pages"):
        Validator(tiny(sources=[source], validation={**held, "metric": "psnr"}), held_folder, tmp_path)


def test_the_parts_of_a_folder_and_rendered_text_are_no_pages_that_are_trained_on(tmp_path):
    def source(values: dict[str, Any]) -> Source:
        return tiny(sources=[values]).sources[0]

    check_held_out(
        [source(part("train", 0.6)), source({"kind": "rendered", "folder": "scans"})], source(part("test", 0.6)), tmp_path
    )
    check_held_out([source({"kind": "rendered", "folder": "text"})], source({"kind": "rendered", "folder": "text"}), tmp_path)
    default = source({"kind": "scans", "folder": "scans", "options": {"part": "train"}})
    check_held_out([default], source(part("test", 0.7)), tmp_path)


def test_lines_that_a_recognizer_learns_from_are_refused(tmp_path):
    lines = {"kind": "lines", "folder": "lines"}
    values = {
        "name": "a", "network": "crnn", "sources": [lines], "degradation": [{"name": "downsample"}], "images": {"hr": 1.0},
        "stages": [{"name": "a", "steps": 1}], "validation": {**lines, "metric": "accuracy"},
    }  # fmt: skip
    recipe = parse_recognizer_recipe({**values, "config": {"base": 2, "hidden": 4}}, "a.toml")
    (tmp_path / "lines").mkdir()
    Image.new("L", (128, 32), 255).save(tmp_path / "lines" / "1.png")
    (tmp_path / "lines" / "1.gt.txt").write_text("one")
    with pytest.raises(OptionError, match="share pages"):
        Recognition(recipe, tmp_path, tmp_path)


@needs_tesseract
def test_a_recognizer_that_is_not_installed_is_one_sentence(held_folder, tmp_path):
    recipe = tiny(validation={**VALIDATION, "metric": "ctc", "recognizer": "tesseract:xyz"})
    with pytest.raises(RecognizerError, match="xyz"):
        super_resolution_trainer(recipe, held_folder, tmp_path / "run")
    stages = [{"losses": {"charbonnier": 1.0}}, {"losses": {"ctc": 1.0}, "recognizers": ["tesseract:xyz"]}]
    trainer = super_resolution_trainer(tiny(stages), held_folder, tmp_path / "run")
    with pytest.raises(RecognizerError, match="xyz"):
        trainer.fit()
    assert trainer.step == 0


def test_the_watch_keeps_the_best_and_counts_patience():
    settings = Validation("x", metric="cer", patience=2)
    watch = Watch()
    values = (0.5, 0.4, math.nan, 0.3, 0.3, 0.31)
    ended = [watch.record(settings, step, "a", value, {"w": torch.tensor(value)}) for step, value in enumerate(values)]
    assert ended == [False, False, False, False, False, True]
    assert watch.value == 0.3 and watch.step == 3 and float(watch.weights["w"]) == pytest.approx(0.3)
    watch.begin_stage(settings)
    assert watch.waited == 0 and watch.value == 0.3
    watch.begin_stage(Validation("x", metric="loss"))
    assert watch.value is None
    higher = Watch()
    assert [higher.record(Validation("x", metric="psnr", patience=1), 0, "a", v, {}) for v in (20.0, 21.0, 20.5)] == [
        False,
        False,
        True,
    ]


# A rate that ruins any net, after which nothing is better than the start.
RUINOUS = {"steps": 9, "lr": 3.0, "warmup": 0}


def test_a_stage_that_gains_nothing_ends_early_and_hands_on_the_best_weights(held_folder, tmp_path):
    recipe = tiny([RUINOUS, {"steps": 2, "lr": 1e-12, "warmup": 0}], validation={**VALIDATION, "patience": 2}, ema=0.0)
    trainer = super_resolution_trainer(recipe, held_folder, tmp_path)
    start = {name: value.clone() for name, value in trainer.net.state_dict().items()}
    trainer.fit()
    assert [row["step"] for row in trainer.watch.rows] == [0, 2, 4, 10, 11]
    assert trainer.step == 11
    for name, value in trainer.net.state_dict().items():
        assert torch.allclose(value, start[name], atol=1e-6), name
    assert load_checkpoint(tmp_path / CHECKPOINT)["step"] == 11
    stages = [row["stage"] for row in read_log(tmp_path) if "charbonnier" in row]
    assert stages == ["stage0", "stage1"]


def test_the_finished_net_is_the_best_one(held_folder, tmp_path):
    trainer = super_resolution_trainer(tiny([{**RUINOUS, "steps": 3}], validation=VALIDATION, ema=0.0), held_folder, tmp_path)
    start = {name: value.clone() for name, value in trainer.net.state_dict().items()}
    trainer.fit()
    assert trainer.watch.step == 0 and same(trainer.averaged_net().state_dict(), start)
    assert not same(trainer.average, start)
