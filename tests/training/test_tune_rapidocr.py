# SPDX-License-Identifier: MPL-2.0
"""RapidOCR's recognizer tuned on a few lines: a folder that the plugin's engine reads with."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from PIL import Image
from tesseract_specimens import TEXTS, draw_line, text_fonts
from torch.utils.data import DataLoader

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.modelstore.rapidocr_networks import (
    RAPIDOCR_CARD,
    RAPIDOCR_INT8,
    RAPIDOCR_NETWORK,
    installed_model,
    installed_rapidocr_network,
    read_rapidocr_network,
)
from ocrmypdf_superres.modelstore.store import SEARCH_VARIABLE, sha256_of
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.training.data.ocr_lines.shards import shard_path, write_shard
from ocrmypdf_superres.training.data.ocr_lines.stream import Line
from ocrmypdf_superres.training.loop.trainer import Trainer
from ocrmypdf_superres.training.ppocr.batches import MixedBatches, read_lines_of
from ocrmypdf_superres.training.ppocr.disturbance import disturbed
from ocrmypdf_superres.training.ppocr.recipe import (
    LineTuningRecipe,
    parse_line_tuning_recipe,
    read_line_tuning_recipe,
)
from ocrmypdf_superres.training.ppocr.task import LineTuning
from ocrmypdf_superres.training.workflows.tune_rapidocr import rapidocr_trainer, tune_rapidocr

pytest.importorskip("rapidocr")

from ocrmypdf_superres.ocr.engines.rapidocr import TunedRapidOcrEngine, _fastest_file
from ocrmypdf_superres.recognizers.ppocr.onnx_file import is_latin, read_model, save_model, with_characters, with_weights
from ocrmypdf_superres.recognizers.ppocr.recognizer import HEIGHT, PPOCRRecognizer

SHIPPED = Path(__file__).parents[2] / "examples" / "recipes" / "rapidocr-latin-2.toml"
RECIPE = SHIPPED.with_name("rapidocr-latin.toml")


def image_of(text: str, height: int) -> Image.Image:
    drawn = draw_line(text, text_fonts("eng", 1)[0], 34).convert("L")
    return drawn.resize((round(drawn.width * height / drawn.height), height), Image.Resampling.BICUBIC)


def lines_of(language: str, first: int, count: int) -> list[Line]:
    texts = [" ".join(text.split()[:4]) for text in TEXTS[language][first : first + count]]
    return [Line(np.asarray(image_of(text, 30 + 3 * k)), text, "prose", "lanczos", 6.0) for k, text in enumerate(texts)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for language in ("eng", "deu"):
        for name, first in ((language, 0), (f"{language}-held", 8)):
            (folder / "lines" / name).mkdir(parents=True)
            write_shard(shard_path(folder / "lines" / name, 0), lines_of(language, first, 8 if first == 0 else 3))
    return folder


def small(**changes: Any) -> dict[str, Any]:
    """The shipped recipe with two steps."""
    values = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
    values |= {"languages": {"eng": 1.0, "deu": 1.0}, "pixels": 1500, "precision": "float32", "checkpoint_every": 1}
    values["int8_lines"] = 6
    values["validation"] |= {"lines": 4, "every": 2}
    values["stages"][0] |= {"steps": 2, "batch": 3, "warmup": 1, "lr": 1e-4}
    return values | changes


def recipe_file(folder: Path, **changes: Any) -> Path:
    import tomli_w

    path = folder / "recipe.toml"
    path.write_text(tomli_w.dumps(small(**changes)), encoding="utf-8")
    return path


def parsed(**changes: Any) -> LineTuningRecipe:
    return parse_line_tuning_recipe(small(**changes), "recipe.toml")


@pytest.mark.timeout(600)
def test_the_command_writes_a_network_that_the_engine_reads_with(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "models" / "rapidocr" / "mine"
    path = recipe_file(tmp_path)
    assert main(["recognizer", "tune-rapidocr", str(path), "--data", str(data), "-o", str(out), "--device", "cpu"]) == 0
    assert "2 steps. CER on held-out lines" in capsys.readouterr().out
    network = read_rapidocr_network(out)
    assert network is not None
    card = network.card
    assert (card.name, card.steps, card.base) == ("mine", 2, installed_model().stem)
    assert "PaddlePaddle" in card.notice and "languages = {" not in card.notice and "lines" in card.recipe

    monkeypatch.setenv(SEARCH_VARIABLE, str(tmp_path / "models"))
    engine = TunedRapidOcrEngine()
    assert engine.missing() is None and engine.knows(["eng", "lat"])
    assert not any(engine.knows(languages) for languages in (["deu", "fra"], ["rus"], ["unheard-of"], []))
    assert engine.version().endswith(f"(mine {card.sha256[:12]})")
    page = Image.new("L", (700, 120), 255)
    page.paste(image_of("The harvest was late", 50), (30, 30))
    assert Hypothesis(engine.read(page, ["eng"], 300.0)).text().split() == ["The", "harvest", "was", "late"]
    assert _fastest_file(network) == out / RAPIDOCR_INT8

    held = str(data / "lines" / "eng-held")
    assert main(["recognizer", "measure", str(out), held, str(data / "lines" / "deu-held"), "--write"]) == 0
    written = read_rapidocr_network(out)
    assert written is not None and "6 lines" in str(written.card.metrics["CER, low resolution"])
    assert main(["recognizer", "measure", str(out), held, "--against", "a=b"]) == 1
    assert "they are for those of Tesseract" in capsys.readouterr().err
    assert main(["models", "verify"]) == 0 and "tuned network mine: as in the card" in capsys.readouterr().out
    assert main(["models"]) == 0 and "mine" in capsys.readouterr().out

    # A form in integers that cannot be loaded, or that reads otherwise here, is passed over; one that was changed is refused.
    whole = (out / RAPIDOCR_INT8).read_bytes()
    for content in (b"no model", _with_negated_weights(out / RAPIDOCR_INT8)):
        (out / RAPIDOCR_INT8).write_bytes(content)
        other = replace(network, card=replace(network.card, int8_sha256=sha256_of(out / RAPIDOCR_INT8)))
        assert _fastest_file(other) == out / RAPIDOCR_NETWORK
    with pytest.raises(RecognizerError, match=r"model\.int8\.onnx has the SHA-256"):
        _fastest_file(network)
    (out / RAPIDOCR_INT8).write_bytes(whole)
    assert _fastest_file(replace(network, card=replace(network.card, int8_sha256=""))) == out / RAPIDOCR_NETWORK
    (out / RAPIDOCR_NETWORK).write_bytes(b"damaged")
    with pytest.raises(RecognizerError, match="damaged or was changed, install it again"):
        TunedRapidOcrEngine().detect(page)
    assert main(["models", "verify"]) == 1
    (out / RAPIDOCR_CARD).write_text("name = 1")
    assert main(["models", "verify"]) == 1


def _with_negated_weights(path: Path) -> bytes:
    """The file *path* as a processor would run it whose sums overflow: another result, and no error."""
    model = onnx.load(path)
    for initializer in model.graph.initializer:
        value = numpy_helper.to_array(initializer)
        if value.dtype == np.int8 and value.ndim == 4:
            initializer.CopyFrom(numpy_helper.from_array(-value.clip(-127, 127), initializer.name))
    content: bytes = model.SerializeToString()
    return content


def test_a_run_goes_on_where_it_ended(data: Path, tmp_path: Path) -> None:
    recipe = parsed()
    whole = rapidocr_trainer(recipe, data, tmp_path / "whole", "text", "cpu")
    whole.fit()
    first = rapidocr_trainer(recipe, data, tmp_path / "parts", "text", "cpu")
    first.stages = (replace(first.stages[0], steps=1),)
    first.fit()
    again = rapidocr_trainer(recipe, data, tmp_path / "parts", "text", "cpu")
    again.resume(tmp_path / "parts" / "checkpoint.pt")
    assert again.step == 1
    again.fit()
    for name, value in whole.net.state_dict().items():
        assert torch.equal(value, again.net.state_dict()[name]), name
    with pytest.raises(OptionError, match="another recipe"):
        rapidocr_trainer(recipe, data, None, "another text", "cpu").resume(tmp_path / "parts" / "checkpoint.pt")


def test_a_base_that_is_replaced_in_training_is_told_as_it_was(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, fit = data / "base.onnx", Trainer.fit
    base.write_bytes(installed_model().read_bytes())
    before = sha256_of(base)

    def fit_and_replace(trainer: Trainer[LineTuning]) -> None:
        base.write_bytes(b"another file")
        fit(trainer)

    monkeypatch.setattr(Trainer, "fit", fit_and_replace)
    path = recipe_file(tmp_path, base="base.onnx", int8_lines=0)
    tuned = tune_rapidocr(path, tmp_path / "mine", data, device="cpu")
    assert tuned.network.card.base_sha256 == before and tuned.network.card.base == "base"


def test_a_recipe_may_start_from_a_network_tuned_before(data: Path) -> None:
    base = with_characters(read_model(installed_model()), is_latin)
    tuned = PPOCRRecognizer(base)
    for parameter in tuned.parameters():
        parameter.mul_(1.001)
    save_model(with_weights(base, tuned.network), data / "tuned.onnx")
    started = rapidocr_trainer(parsed(start="tuned.onnx"), data, None, device="cpu").net.state_dict()
    assert all(torch.allclose(value, started[name], rtol=1e-3, atol=1e-6) for name, value in tuned.state_dict().items())
    save_model(with_characters(base, str.isdigit), data / "digits.onnx")
    with pytest.raises(RecognizerError, match=r"digits\.onnx, whose characters or layers are not those of the base"):
        rapidocr_trainer(parsed(start="digits.onnx"), data, None)


def test_tuning_moves_the_weights_but_not_the_statistics(data: Path) -> None:
    trainer = rapidocr_trainer(parsed(), data, None, device="cpu")
    before = {name: value.clone() for name, value in trainer.net.state_dict().items()}
    for step in range(2):
        values = trainer.train_step(trainer.task.batches[step])
        assert 0 < values["ctc"] < 3
    moved = {name for name, value in trainer.net.state_dict().items() if not torch.equal(value, before[name])}
    buffers = {name for name, _ in trainer.net.named_buffers()} & before.keys()
    assert len(buffers) == 6 and not moved & buffers
    assert len(moved) > 0.9 * len(before)


def test_batches_depend_on_seed_and_step_alone_with_and_without_workers(data: Path) -> None:
    recognizer = PPOCRRecognizer(with_characters(read_model(installed_model()), is_latin))
    lines = {language: read_lines_of(data / "lines" / language, recognizer, 1500) for language in ("eng", "deu")}
    batches = MixedBatches(lines, {"eng": 1.0, "deu": 0.5}, [4] * 6, 2000, seed=3)
    loader = DataLoader(batches, batch_size=None, num_workers=2)
    for alone, loaded in zip((batches[step] for step in range(6)), loader, strict=True):
        assert torch.equal(alone.images, loaded.images) and alone.codes == loaded.codes
        assert alone.images.shape[1:3] == (3, HEIGHT) and alone.images.min() >= -1 and alone.images.max() <= 1
        assert alone.count * alone.images.shape[3] <= 1.2 * 2000 or alone.count == 1
    assert not torch.equal(batches[0].images, MixedBatches(lines, {"eng": 1.0, "deu": 0.5}, [4] * 6, 2000, seed=4)[0].images)


def test_disturbed_lines_are_lines_still() -> None:
    line = np.asarray(image_of("A narrow path led from the mill", 40))
    rng = np.random.default_rng(0)
    shapes = set()
    for _ in range(60):
        found = disturbed(line, rng)
        shapes.add(found.shape)
        assert found.dtype == np.float32 and 0 <= found.min() <= found.max() <= 1
        assert 0.8 * line.shape[0] < found.shape[0] < 1.6 * line.shape[0]
        # Ink is still darker than paper.
        assert found.min() < 0.6 < np.median(found)
    assert line.shape in shapes and len(shapes) > 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"languages": {}}, "shares above 0 of at least one language"),
        ({"languages": {"eng": 0.0}}, "shares above 0"),
        ({"widest": 100}, "at least 320"),
        ({"base_share": 1.0}, "0 to below 1"),
        ({"lines": "lines/{language}-held"}, "two folders"),
        ({"lines": "lines/all"}, "put {language} into it"),
        ({"validation": {"folder": "x", "metric": "psnr"}}, "give one of cer"),
        ({"pixel": 3}, "pixel"),
    ],
)
def test_a_recipe_that_cannot_be_used_is_one_sentence(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        parsed(**changes)


def test_folders_without_lines_are_one_sentence(data: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"has no prepared lines that can be used, of 0; make some"):
        rapidocr_trainer(parsed(languages={"eng": 1.0, "nld": 1.0}), data, None)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("not to be lost")
    with pytest.raises(RecognizerError, match=r"does not hold a rapidocr\.toml"):
        tune_rapidocr(recipe_file(tmp_path), tmp_path / "mine", data)


def test_the_shipped_network_was_made_by_the_shipped_recipe() -> None:
    network = installed_rapidocr_network()
    assert network is not None and network.card.recipe.strip() == SHIPPED.read_text(encoding="utf-8").strip()
    assert network.card.languages == tuple(read_line_tuning_recipe(SHIPPED).languages)
    assert network.file().is_file() and network.int8_file() is not None
