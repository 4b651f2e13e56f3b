# SPDX-License-Identifier: MPL-2.0
"""Models by themselves as methods of a comparison: their images, names, keys, and the table."""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_pages import LINES, draw
from PIL import Image, ImageDraw, ImageFont

torch = pytest.importorskip("torch")
pytest.importorskip("img2pdf")

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.commands import evaluate as command
from ocrmypdf_superres.errors import ModelError, OptionError
from ocrmypdf_superres.evaluation.data.pages import find_pages, make_cases
from ocrmypdf_superres.evaluation.methods.images import lanczos_image, peer_image
from ocrmypdf_superres.evaluation.methods.nets import decides, net_image
from ocrmypdf_superres.evaluation.methods.peers import model_peers
from ocrmypdf_superres.evaluation.methods.prepared import prepare
from ocrmypdf_superres.export.onnx import export_model
from ocrmypdf_superres.modelstore.cards import CARD
from ocrmypdf_superres.modelstore.store import SEARCH_VARIABLE, Model, find_model, list_models
from ocrmypdf_superres.page.plan import net_scale


def line_image() -> Image.Image:
    """A line of text 20 pixels high."""
    image = Image.new("L", (4 * 300, 4 * 20), 250)
    ImageDraw.Draw(image).text((16, 12), "nobody wants to be eaten by a fox", fill=10, font=ImageFont.load_default(size=52))
    return image.reduce(4)


def export(folder: Path, name: str, architecture: str, **config: object) -> Model:
    spec = get(architecture)
    parsed = spec.parse_config(config)
    return export_model(spec.build(parsed).eval(), spec, parsed, folder, name)


@pytest.fixture(scope="module")
def line_net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    return export(tmp_path_factory.mktemp("models") / "thin", "thin", "tsrn", features=4, blocks=1, stn=False).folder


@pytest.fixture
def models(tmp_path: Path, lanczos_net: Path, line_net: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models of the user: a page net, a line net, and one of which nothing can be run."""
    folder = tmp_path / "models"
    shutil.copytree(lanczos_net, folder / "lanczos-net")
    shutil.copytree(line_net, folder / "thin")
    (folder / "broken").mkdir()
    (folder / "broken" / CARD).write_text(
        'name = "broken"\narchitecture = "nosuch"\nscales = [2]\nradius = 4\nconfig = {}\nfiles = {}\n'
    )
    monkeypatch.setenv(SEARCH_VARIABLE, str(folder))
    return folder


def run(*given: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(given))


@pytest.mark.parametrize(("factor", "scale"), [(1.5, 2), (2.3, 2), (2.5, 3), (4.2, 4), (6.0, 4)])
def test_the_smallest_scale_that_is_enough(factor: float, scale: int) -> None:
    assert net_scale((2, 3, 4), factor) == scale
    assert net_scale((4,), factor) == 4


def test_a_net_draws_the_page_by_itself(lanczos_net: Path) -> None:
    original = draw(100)
    assert net_image(str(lanczos_net), original, 100).size == (3 * original.width, 3 * original.height)
    assert net_image(str(lanczos_net), original.convert("RGB"), 60).size == (4 * original.width, 4 * original.height)
    peer = model_peers([str(lanczos_net)])[0]
    assert (peer.name, peer.kind) == ("lanczos-net", "model")
    made, plain = (np.asarray(image, dtype=float) for image in (peer_image(original, 100, peer), lanczos_image(original, 100)))
    assert made.shape == plain.shape and np.abs(made - plain).mean() < 1.0


def test_a_line_net_takes_the_image_of_a_line_whole(line_net: Path) -> None:
    image = line_image()
    large = np.asarray(image.resize((2 * image.width, 2 * image.height), Image.Resampling.LANCZOS), dtype=float)
    made = np.abs(np.asarray(net_image(str(line_net), image, 72, line=True), dtype=float) - large)
    assert made.shape == large.shape
    # An untrained net's image is another everywhere but at the edges, where it fades.
    assert np.median(made[8:-8].mean(axis=0)) > 10 and (made[8:-8].mean(axis=0) > 5).mean() > 0.9


def test_the_key_holds_the_net_and_not_what_is_told_of_it(lanczos_net: Path) -> None:
    model = find_model(str(lanczos_net))
    key = decides(model)

    def other(**changes: object) -> str:
        return decides(replace(model, card=replace(model.card, **changes)))

    assert other(description="new", metrics={"cer": 1.0}) == key
    files = {**model.card.files, "model.x2.onnx": "0" * 64}
    changed = [other(files=files), other(radius=99), other(scales=(2,)), other(architecture="edsr"), other(line_size=(16, 64))]
    assert len({key, *changed}) == 6
    assert model_peers([str(lanczos_net)])[0].decides() == key


def test_models_are_found_by_name_and_given_once(models: Path, tmp_path: Path) -> None:
    everyone = [peer.name for peer in model_peers(["all"])]
    assert everyone == [model.card.name for model in list_models()] and {"lanczos-net", "thin", "broken", "docsr-s2"} <= set(
        everyone
    )
    assert [peer.name for peer in model_peers(["thin", str(models / "lanczos-net")])] == ["thin", "lanczos-net"]
    with pytest.raises(ModelError, match="no model 'nosuch'"):
        model_peers(["nosuch"])
    with pytest.raises(OptionError, match="The model thin was given twice"):
        model_peers(["all", str(models / "thin")])
    card = (models / "lanczos-net" / CARD).read_text()
    (models / "lanczos-net" / CARD).write_text(card.replace('"lanczos-net"', '"lanczos"'))
    draw(100).save(tmp_path / "p.png", dpi=(100, 100))
    (tmp_path / "p.gt.txt").write_text("words")
    with pytest.raises(OptionError, match="Two methods are called lanczos; give another name"):
        run("--data", str(tmp_path), "--models", str(models / "lanczos-net"))


def without_onnx(source: Path, folder: Path) -> str:
    """Copy a model to *folder*, where torch has to run it; return its card's text."""
    shutil.copytree(source, folder)
    text = "\n".join(line for line in (folder / CARD).read_text().splitlines() if ".onnx" not in line)
    (folder / CARD).write_text(text)
    return text


def test_a_model_without_onnx_runs_on_one_thread(tmp_path: Path, lanczos_net: Path) -> None:
    without_onnx(lanczos_net, tmp_path / "bare")
    image = draw(40)
    torch.set_num_threads(2)
    made = np.asarray(net_image(str(tmp_path / "bare"), image, 100), dtype=int)
    assert torch.get_num_threads() == 1
    assert np.abs(made - np.asarray(net_image(str(lanczos_net), image, 100), dtype=int)).max() <= 1


def test_a_network_that_fails_is_named(tmp_path: Path, lanczos_net: Path) -> None:
    text = without_onnx(lanczos_net, tmp_path / "wrong")
    # A net for luma is given colours.
    (tmp_path / "wrong" / CARD).write_text(text.replace("channels = 1", "channels = 3"))
    with pytest.raises(ModelError, match="Model lanczos-net fails on 300x20 pixels at x4"):
        net_image(str(tmp_path / "wrong"), line_image(), 72)


def test_nets_beside_a_baseline_in_one_table(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    data.mkdir()
    draw(100, LINES[:2]).save(data / "p.png", dpi=(100, 100))
    (data / "p.gt.txt").write_text("\n".join(LINES[:2]), encoding="utf-8")
    options = ["--data", str(data), "--cache", str(tmp_path / "cache"), "--jobs", "1", "--json", str(tmp_path / "r.json")]
    named = ["--methods", "lanczos", "--models", "lanczos-net", "thin"]
    # A model that fails is told, and the others are in the table all the same.
    assert run(*options, *named, "broken") == 1
    results = {r["method"]: r for r in json.loads((tmp_path / "r.json").read_text())}
    assert list(results) == ["lanczos", "broken", "lanczos-net", "thin"]
    assert "'nosuch' is not known" in results["broken"]["error"] and not results["thin"]["error"]
    assert results["lanczos-net"]["counts"]["edits"] <= results["lanczos"]["counts"]["edits"] + 2
    assert results["lanczos-net"]["superres_seconds"] > 0 == results["lanczos"]["superres_seconds"]
    assert "broken: The architecture 'nosuch'" in " ".join(capsys.readouterr().out.split())
    assert run(*options, *named) == 0
    del results["broken"]
    assert json.loads((tmp_path / "r.json").read_text()) == list(results.values())


def test_the_report_shows_what_the_net_drew(lanczos_net: Path, tmp_path: Path) -> None:
    draw(100).save(tmp_path / "p.png", dpi=(100, 100))
    (tmp_path / "p.gt.txt").write_text("words")
    (case,) = make_cases(find_pages(tmp_path), [], 0)
    ready = prepare(case, "lanczos-net", "docsr-s2", model_peers([str(lanczos_net)])[0])
    assert (ready.image.width, ready.dpi, ready.action) == (1800, 300.0, "enlarged")
