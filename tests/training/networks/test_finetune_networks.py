# SPDX-License-Identifier: MPL-2.0
"""Networks for an institution's own scans, from its pages to the folder that the plugin takes."""

from __future__ import annotations

import json
import shutil
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

pytest.importorskip("tomli_w")
pytest.importorskip("img2pdf")

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.evaluation.gain import Gain, compare, read_with_networks, reduced_cases
from ocrmypdf_superres.metrics.text import TextScore
from ocrmypdf_superres.modelstore.networks import networks_in
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL
from ocrmypdf_superres.tesseract import find_traineddata
from ocrmypdf_superres.training.data.fonts import installed_fonts
from ocrmypdf_superres.training.data.ocr_lines.shards import read_shard, shard_paths
from ocrmypdf_superres.training.networks.own_lines import OwnLines, make_own_lines
from ocrmypdf_superres.training.workflows import finetune_network
from ocrmypdf_superres.training.workflows.finetune_network import NetworkSettings, finetune_networks

ROWS = [
    "The harvest of that year was late,", "and the carts stood empty by the", "gate until the middle of October.",
    "Every morning the bailiff walked", "along the hedges with his brown dog", "and counted what the wind had left.",
]  # fmt: skip


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Two documents of two pages, and a page without a text."""
    if shutil.which("tesseract") is None:
        pytest.skip("tesseract is not installed")
    try:
        find_traineddata("eng")
    except RecognizerError:
        pytest.skip("the language eng is not installed")
    folder = tmp_path / "scans"
    folder.mkdir()
    face = ImageFont.truetype(next(font.path for font in installed_fonts() if "DejaVuSerif.ttf" in font.path), 40)
    for number, name in enumerate(("letter_1", "letter_2", "register_1", "register_2", "untold_1")):
        image = Image.new("L", (1000, 800), 255)
        rows = ROWS[number % 2 :] + ROWS[: number % 2]
        for place, row in enumerate(rows):
            ImageDraw.Draw(image).text((80, 80 + 100 * place), row, fill=20, font=face)
        image.save(folder / f"{name}.png", dpi=(300, 300))
        if name != "untold_1":
            (folder / f"{name}.gt.txt").write_text("\n".join(rows), encoding="utf-8")
    return folder


class Pages:
    """A comparison that finds what it is told to, and notes what it was asked."""

    def __init__(self, edits: int) -> None:
        self.gain = Gain(TextScore(100, 1000, 150, 200), TextScore(edits, 1000, 150, 200), {}, 2)
        self.asked: list[str] = []

    def read_before(self, folder: Path, networks: str, cache: Path, jobs: int) -> float:
        assert (folder / "index.json").is_file()
        self.asked.append(networks)
        return 0.1

    def read_after(self, networks: str) -> Gain:
        self.asked.append(networks)
        return self.gain


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of eight lines, made in this process."""
    monkeypatch.setattr("ocrmypdf_superres.training.data.ocr_lines.shards.SHARD_LINES", 8)
    monkeypatch.setattr("ocrmypdf_superres.training.networks.own_lines.MOST_SHARDS", 3)
    monkeypatch.setattr(finetune_network, "worker_pool", ThreadPoolExecutor)


def test_networks_are_saved_where_pages_are_read_better(scans: Path, tmp_path: Path, small: None) -> None:
    settings = NetworkSettings(scans=scans, out=tmp_path / "mine", languages="eng", base="stock", steps=2)
    pages = Pages(100)
    assert not finetune_networks(settings, pages).saved and not settings.out.exists()
    assert pages.asked == ["stock", str(settings.run / "network")]
    with pytest.raises(OptionError, match="--resume"):
        finetune_networks(settings, pages)
    done = finetune_networks(replace(settings, resume=True), Pages(60))
    assert done.saved and "eng before" in done.rows()[0]
    (network,) = networks_in(settings.out)
    assert network.card.language == "eng" and network.card.steps == 2 and network.card.name == "mine-eng"
    assert "10.00 % before" in network.card.metrics["held-out pages"] and len(network.data()) > 300_000
    with pytest.raises(OptionError, match="exists already"):
        finetune_networks(settings, pages)
    assert "chosen by these pages" in network.card.metrics["held-out pages"]
    before = (settings.run / "held-out" / "index.json").read_text()
    assert "untold" not in before + (settings.run / "train" / "index.json").read_text()
    # The next run starts from what was tuned.
    again = NetworkSettings(scans=scans, out=tmp_path / "again", languages="eng", base=str(settings.out), steps=1)
    finetune_networks(again, Pages(100))
    (next_one,) = networks_in(again.run / "network")
    bases = [tomllib.loads(one.card.recipe)["base"] for one in (network, next_one)]
    assert bases == ["", str(settings.out / "eng")]


def test_weights_are_chosen_by_other_pages_than_those_compared_on(
    scans: Path, tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocrmypdf_superres.training.data.split.ENOUGH", 4)
    settings = NetworkSettings(scans=scans, out=tmp_path / "mine", languages="eng", base="stock", steps=1, force=True)
    finetune_networks(settings, Pages(100))
    sides = ("train", "held-out", "selection")
    pages = [row["id"] for side in sides for row in json.loads((settings.run / side / "index.json").read_text())]
    assert len(pages) == len(set(pages)) == 4
    (chosen,) = json.loads((settings.run / "selection" / "index.json").read_text())
    shutil.rmtree(settings.run / "lines" / "eng-held")
    Path(chosen["text"]).write_text("nothing of this page", encoding="utf-8")
    with pytest.raises(OptionError, match="to choose weights by"):
        make_own_lines(OwnLines(settings.run, "eng", DEFAULT_MODEL))
    (network,) = networks_in(settings.out)
    assert "chosen" not in network.card.metrics["held-out pages"]


def test_pages_are_read_with_the_networks_that_are_named(scans: Path, tmp_path: Path, small: None) -> None:
    settings = NetworkSettings(scans=scans, out=tmp_path / "mine", languages="eng", base="stock", steps=1, force=True)
    finetune_networks(settings, Pages(100))
    cases = reduced_cases(settings.run / "held-out", [(72.0, "scan")])[:1]
    stock, own = (
        read_with_networks(cases, DEFAULT_MODEL, networks, tmp_path / "cache" / str(number), 1, lambda: None)
        for number, networks in enumerate(("stock", str(settings.out)))
    )
    assert compare(stock, own).pages == 1
    assert "networks" not in stock[0].details or not stock[0].details["networks"]
    assert "mine-eng" in str(own[0].details)
    again = read_with_networks(cases, DEFAULT_MODEL, "no-such-folder", tmp_path / "cache" / "1", 1, lambda: None)
    assert again[0].counts == own[0].counts, "what was read is kept"


def test_lines_are_of_the_pages_and_of_their_text(scans: Path, tmp_path: Path, small: None) -> None:
    settings = NetworkSettings(scans=scans, out=tmp_path / "mine", languages="eng", base="stock", steps=1)
    finetune_networks(settings, Pages(100))
    own = OwnLines(settings.run, "eng", DEFAULT_MODEL)
    kinds = {line.kind for path in shard_paths(own.folder()) for line in read_shard(path)}
    assert "scan" in kinds and len(kinds) > 1
    assert {line.kind for path in shard_paths(own.folder(held=True)) for line in read_shard(path)} == {"scan"}
    before = own.count()
    own.folder().joinpath("lines-000000.npz").unlink()
    own.stop.touch()
    make_own_lines(replace(own, text=tmp_path / "no-such-text"))
    assert own.count() == max(before, 3)


@pytest.mark.slow
def test_each_of_several_languages_has_its_network(scans: Path, tmp_path: Path, small: None) -> None:
    try:
        find_traineddata("deu")
    except RecognizerError:
        pytest.skip("the language deu is not installed")
    settings = NetworkSettings(scans=scans, out=tmp_path / "mine", languages="eng+deu", base="stock", steps=1)
    done = finetune_networks(settings, Pages(50))
    assert set(done.lines) == {"eng", "deu"} and "deu after" in done.rows()[0]
    assert [network.card.language for network in networks_in(settings.out)] == ["deu", "eng"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none"], "is missing or is not"),
        (["scans", "--low", "scans"], "--low was given"),
        (["scans", "--minutes", "0"], "above 0"),
        (["scans", "--base-networks", "no-such-folder"], "no tuned network in no-such-folder"),
        (["scans", "--language", "xyz"], "language 'xyz'"),
        (["untold"], "needs NAME.gt.txt"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_sentence(scans, arguments, words, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(scans, tmp_path / "untold", ignore=shutil.ignore_patterns("*.txt"))
    assert main(["finetune", *arguments, "--network", "-o", "mine"]) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert words in error and error.startswith("Error:")
    assert main(["finetune", "scans", "-o", "mine", "--base-networks", "stock"]) == 1
    assert "without --network" in " ".join(capsys.readouterr().err.split())
