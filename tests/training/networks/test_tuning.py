# SPDX-License-Identifier: MPL-2.0
"""Tuning on prepared lines, with a small network of our own making; the installed program reads with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tinydata import tiny

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.recognizers.tesseract.format.container import LSTM
from ocrmypdf_superres.recognizers.tesseract.format.int8 import int8_copy
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import read_traineddata, write_traineddata
from ocrmypdf_superres.recognizers.tesseract.format.writer import save_traineddata
from ocrmypdf_superres.recognizers.tesseract.networks.pack import pack_network
from ocrmypdf_superres.training.data.ocr_lines.shards import shard_path, write_shard
from ocrmypdf_superres.training.data.ocr_lines.stream import Line
from ocrmypdf_superres.training.loop.run_log import read_log
from ocrmypdf_superres.training.loop.time_limit import TimeLimit
from ocrmypdf_superres.training.networks import batches as batches_module
from ocrmypdf_superres.training.networks.batches import FolderBatches, stack
from ocrmypdf_superres.training.networks.lines import LineFolder, LinePool
from ocrmypdf_superres.training.networks.reading import Reading, groups_of, read_greedily, table
from ocrmypdf_superres.training.networks.recipe import TuningRecipe, parse_tuning_recipe, read_tuning_recipe
from ocrmypdf_superres.training.networks.task import tunable
from ocrmypdf_superres.training.workflows import tune_network
from ocrmypdf_superres.training.workflows.tune_network import network_trainer, time_limit, tune_on_lines

RECIPES = Path(__file__).parents[3] / "examples" / "recipes"


def strokes(text: str, seed: int, form: str = "net", x_height: float = 5.5) -> Line:
    """A line in which each letter is bars of its own pattern, so that a tiny network can learn it."""
    rng = np.random.default_rng(seed)
    columns = []
    for sign in text:
        pattern = ord(sign) % 7 + 1
        for bit in range(3):
            columns += [0 if pattern >> bit & 1 else 255] * 4
        columns += [255] * 4
    image = np.tile(np.array(columns, dtype=np.float64), (24, 1)) + rng.normal(0, 6, (24, len(columns)))
    return Line(np.clip(image, 0, 255).astype(np.uint8), text, "prose", form, x_height)


def fill(folder: Path, number: int, count: int = 12) -> None:
    rng = np.random.default_rng(number)
    folder.mkdir(parents=True, exist_ok=True)
    texts = ["".join(rng.choice(list("abcdef"), int(rng.integers(4, 9)))) for _ in range(count)]
    write_shard(shard_path(folder, number), [strokes(text, 100 * number + index) for index, text in enumerate(texts)])


def recipe(**changes: object) -> TuningRecipe:
    stage = {"name": "lines", "steps": 12, "batch": 6, "lr": 1e-2, "warmup": 2}
    validation = {"folder": "held", "metric": "cer", "every": 4, "lines": 12}
    values = {
        "name": "tiny", "base": "tiny.traineddata", "lines": "lines", "stages": [stage], "validation": validation,
        "checkpoint_every": 4, "workers": 0, **changes,
    }  # fmt: skip
    return parse_tuning_recipe(values, "tiny.toml")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    if shutil.which("tesseract") is None:
        pytest.skip("tesseract is not installed")
    save_traineddata(tiny(), tmp_path / "tiny.traineddata")
    fill(tmp_path / "held", 50)
    fill(tmp_path / "lines", 0)
    return tmp_path


def test_a_network_learns_lines_and_comes_back_as_int8(data: Path) -> None:
    fill(data / "lines", 1, 60)
    tuned = tune_on_lines(recipe(stages=[{"name": "a", "steps": 60, "batch": 8, "lr": 2e-2, "warmup": 2}]), data, data / "run")
    assert tuned.data.integer and tuned.steps == 60
    assert tuned.data.training_iteration > tiny().training_iteration
    losses = [row["ctc"] for row in read_log(data / "run") if "ctc" in row]
    assert losses[-1] < 3.0
    assert tuned.after.cer < tuned.before.cer and tuned.better
    assert set(tuned.after.rates) == {"all", "low", "low 5-7", "low net", "low rendered"}


def test_going_on_is_bit_for_bit_with_files_that_came_meanwhile(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "LOOK_EVERY", 3)

    def trained(run: str, stop: int | None, resume: bool = False) -> bytes:
        trainer, _ = network_trainer(recipe(), data, data / run)
        if resume:
            trainer.resume(data / run / "checkpoint.pt")
        step = trainer.train_step

        def counted(batch):
            if trainer.step == stop:
                raise KeyboardInterrupt
            if trainer.step == 5:
                # Before the one that is there by name, and found after it.
                fill(data / "lines", 2)
            return step(batch)

        trainer.train_step = counted
        if stop is None:
            trainer.fit()
            return write_traineddata(int8_copy(trainer.task.tuned(trainer.averaged_net())))
        with pytest.raises(KeyboardInterrupt):
            trainer.fit()
        return b""

    shard_path(data / "lines", 0).rename(shard_path(data / "lines", 3))
    whole = trained("whole", None)
    shard_path(data / "lines", 2).unlink()
    trained("parts", 9)
    assert trained("parts", None, resume=True) == whole
    assert [row["step"] for row in read_log(data / "parts") if "validation cer" in row] == [0, 4, 8, 12]


def test_the_best_weights_are_kept_and_training_ends_early(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = iter([5.0, 1.0, 2.0, 3.0, 4.0])
    validation = {"folder": "held", "metric": "cer", "every": 1, "lines": 4, "patience": 2}
    trainer, _ = network_trainer(recipe(validation=validation), data, None)
    seen = []
    monkeypatch.setattr(trainer.task, "error_rate", lambda tuned: (seen.append(write_traineddata(tuned)), next(rates))[1])
    trainer.fit()
    assert len(seen) == 4 and trainer.step > trainer.watch.done(trainer.step) == 3
    assert write_traineddata(trainer.task.tuned(trainer.averaged_net())) == seen[1]


def test_training_ends_in_time(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 10**6, 10))
    monkeypatch.setattr("ocrmypdf_superres.training.loop.time_limit.monotonic", lambda: float(next(now)))
    stage = {"name": "lines", "steps": 500, "batch": 6, "lr": 1e-2, "warmup": 2}
    trainer, _ = network_trainer(recipe(stages=[stage]), data, None, limit=TimeLimit(150.0, 0.0))
    trainer.fit()
    assert trainer.step < 100
    assert time_limit(2.0).until > time_limit(1.0).until


def test_single_outputs_are_trained_and_nothing_else(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_traineddata(tiny(seed=3), data / "installed.traineddata")
    monkeypatch.setattr(tune_network, "find_traineddata", lambda language: data / "installed.traineddata")
    trainer, _ = network_trainer(recipe(outputs="bd"), data, None)
    start, installed = tiny(), read_traineddata(data / "installed.traineddata")
    rows = start.charset.encode("bd")
    last = trainer.net.last()
    assert np.allclose(last.weight.detach()[rows], list(installed.network.walk())[-1].matrices[0].floats()[rows, :-1])
    before = {name: value.clone() for name, value in trainer.net.state_dict().items()}
    trainer.fit()
    changed = {name for name, value in trainer.net.state_dict().items() if not torch.equal(value, before[name])}
    assert len(changed) == 2, "weights and biases of the last layer"
    for name in changed:
        differs = (trainer.net.state_dict()[name] != before[name]).reshape(len(last.bias), -1).any(dim=1)
        assert set(differs.nonzero().flatten().tolist()) == set(rows)
    with pytest.raises(RecognizerError, match="cannot write"):
        network_trainer(recipe(outputs="\u4e00"), data, None)


def test_a_run_starts_from_a_packed_network(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = data / "installed.traineddata"
    save_traineddata(tiny(seed=3), installed)
    monkeypatch.setattr(tune_network, "find_traineddata", lambda language: installed)
    packed = pack_network(data / "tiny.traineddata", installed, data / "packed", "eng")
    trainer, _ = network_trainer(recipe(base="packed"), data, None)
    assert trainer.task.data.components[LSTM] == packed.data()
    with pytest.raises(RecognizerError, match="holds no packed network"):
        network_trainer(recipe(base="lines"), data, None)
    save_traineddata(tiny(seed=4), installed)
    with pytest.raises(RecognizerError, match=r"packed was tuned from another file than .*installed\.traineddata"):
        network_trainer(recipe(base="packed"), data, None)


def test_new_files_are_found_and_damaged_ones_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = LineFolder(tmp_path / "lines", LinePool(tunable(tiny())))
    assert not folder.update()
    with pytest.raises(RecognizerError, match="no line was given"):
        FolderBatches(folder, [4], 0)[0]
    fill(tmp_path / "lines", 1)
    shard_path(tmp_path / "lines", 0).write_bytes(b"cut")
    assert folder.update() and not folder.update()
    assert len(folder.pool) == 12 and "lines-000000" in caplog.text
    continued = LineFolder(tmp_path / "lines", LinePool(tunable(tiny())))
    continued.restore(folder.names)
    assert continued.names == folder.names and len(continued.pool) == 12
    with pytest.raises(OptionError, match="other files"):
        folder.restore(["lines-000007.npz"])


def test_batches_are_of_like_width_and_depend_on_the_step_alone(tmp_path: Path) -> None:
    fill(tmp_path, 0, 80)
    folder = LineFolder(tmp_path, LinePool(tunable(tiny())))
    batches = FolderBatches(folder, [8] * 40, 3)
    made = [batches[step] for step in range(40)]
    assert all(6 <= batch.count <= 8 for batch in made)
    widths = np.array(folder.pool.widths())
    assert np.mean([np.ptp(batch.widths.numpy()) for batch in made]) < 0.7 * np.ptp(widths)
    again = FolderBatches(folder, [8] * 40, 3)[7]
    assert torch.equal(again.images, made[7].images) and again.codes == made[7].codes
    assert not torch.equal(made[6].images, made[7].images)


def test_half_of_the_lines_have_the_input_of_an_int8_network() -> None:
    pool = LinePool(tunable(tiny()))
    line = strokes("abcdef", 0)
    line.image[3:8] = 40
    line.image[9:11] = 255
    pool.add([line])
    free, limited = (stack(pool, [0], torch.tensor([value])).images for value in (False, True))
    assert float(limited.abs().max()) < float(free.abs().max())
    inside = free.abs() < 0.9
    assert torch.allclose(limited[inside], free[inside], atol=0.02)


def test_lines_that_cannot_be_used_are_told_with_the_reason() -> None:
    pool = LinePool(tunable(tiny()), widest=60)
    pool.add(
        [
            strokes("abc", 0),
            strokes("abΩ", 1),
            strokes("abcdefabcdef", 2),
            Line(np.full((24, 20), 255, np.uint8), "abcdefg", "", "", 5),
        ]
    )
    assert len(pool) == 1 and set(pool.reasons) == {1, 2, 3}
    assert "U+03A9" in pool.reasons[1] and "more than 60" in pool.reasons[2] and "does not fit" in pool.reasons[3]


def test_readings_are_told_apart_by_kind_and_size() -> None:
    assert groups_of(strokes("a", 0, "as-is", 20.0)) == ["clean"]
    assert groups_of(strokes("a", 0, "blend", 4.2)) == ["low", "low <5", "low blend", "low rendered"]
    assert groups_of(strokes("a", 0, "as-is", 11.9))[1] == "low >9"
    reading = Reading()
    reading.add(strokes("abcd", 0, "net", 7.5), "abxd")
    reading.add(strokes("abcd", 0, "as-is", 20.0), "abcd")
    assert reading.rates == {"all": 12.5, "low": 25.0, "low 7-9": 25.0, "low net": 25.0, "low rendered": 25.0, "clean": 0.0}
    assert table({"before": reading, "after": Reading()})[2] == "| all | 12.50 | - |"
    assert read_greedily(tunable(tiny()), [strokes("abc", 1), strokes("Ω", 2)]).groups["all"].characters == 3


def test_one_recipe_serves_every_language() -> None:
    frk = read_tuning_recipe(RECIPES / "tesseract.toml", "frk")
    assert (frk.language, frk.lines, frk.held_out.folder) == ("frk", "lines/frk", "lines/frk-held")
    assert read_tuning_recipe(RECIPES / "tesseract.toml", "script/Latin").lines == "lines/Latin"
    assert frk.stages[0].steps > 1000 and frk.held_out.patience > 0
    outputs = read_tuning_recipe(RECIPES / "tesseract-outputs.toml", "script/Latin")
    assert (outputs.base, outputs.outputs) == ("before/Latin", "_")


def test_the_command_tunes_by_a_recipe(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (RECIPES / "tesseract.toml").read_text(encoding="utf-8")
    text = (
        text.replace("lines/{language}-held", "held").replace("lines/{language}", "lines").replace("steps = 25000", "steps = 2")
    )
    (data / "short.toml").write_text(f'base = "tiny.traineddata"\n{text}', encoding="utf-8")
    output = data / "tuned.traineddata"
    arguments = ["recognizer", "tune", str(data / "short.toml"), "--data", str(data), "--output", str(output)]
    assert main([*arguments, "--minutes", "-1"]) == 1
    assert main([*arguments, "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "2 steps" in out and "| low |" in out and read_traineddata(output).integer
    assert main(arguments) == 1
    assert "--resume" in capsys.readouterr().err
    assert main([*arguments, "--device", "cpu", "--resume"]) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"widest": 20}, "widest = 20"),
        ({"workers": 1}, "workers = 1"),
        ({"lines": "held"}, "two folders"),
        ({"stages": []}, "stages"),
        ({"network": "crnn"}, "network"),
        ({"validation": {"folder": "held", "metric": "psnr"}}, "psnr"),
    ],
)  # fmt: skip
def test_wrong_recipes_are_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        recipe(**change)


def test_another_recipe_does_not_continue_a_run(data: Path, tmp_path: Path) -> None:
    short = {"name": "a", "steps": 1, "batch": 6, "lr": 1e-4}
    tune_on_lines(recipe(stages=[short]), data, tmp_path / "run")
    with pytest.raises(OptionError, match="belongs to another recipe"):
        tune_on_lines(recipe(stages=[short | {"lr": 5e-2}]), data, tmp_path / "run", resume=True)
    again = tune_on_lines(recipe(stages=[short], checkpoint_every=7), data, tmp_path / "run", resume=True)
    assert again.steps == 1


def test_folders_without_lines_are_refused(data: Path) -> None:
    shutil.rmtree(data / "held")
    with pytest.raises(OptionError, match="no prepared lines"):
        network_trainer(recipe(), data, None)


def test_a_file_of_the_base_has_all_components(data: Path) -> None:
    tuned = tune_on_lines(recipe(stages=[{"name": "a", "steps": 1, "batch": 6}]), data, None)
    assert set(tuned.data.components) == set(read_traineddata(data / "tiny.traineddata").components)
