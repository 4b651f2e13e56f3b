# SPDX-License-Identifier: MPL-2.0
"""`recognizer measure`: the shipped network, the installed one and other files on lines of known text, by the real program."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.evaluation.networks import tuned_network
from ocrmypdf_superres.modelstore.networks import networks_in
from ocrmypdf_superres.tesseract import find_traineddata
from ocrmypdf_superres.training.data.ocr_lines.shards import read_prepared, shard_path, write_shard
from ocrmypdf_superres.training.data.ocr_lines.stream import Line

NETWORK = Path(__file__).parents[2] / "models" / "recognizers" / "eng"
TEXTS = ["The harvest was late", "the carts stood empty", "by the gate until May", "He counted every tree"]


@pytest.fixture
def installed() -> Path:
    if shutil.which("tesseract") is None:
        pytest.skip("tesseract is not installed")
    try:
        return find_traineddata("eng")
    except RecognizerError:
        pytest.skip("the language eng is not installed")


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """Four lines of print, two of them as a net would enlarge them and two clean."""
    font, made = ImageFont.load_default(30), []
    for number, text in enumerate(TEXTS):
        image = Image.new("L", (460, 48), 255)
        ImageDraw.Draw(image).text((6, 4), text, font=font, fill=0)
        variant, height = ("net", 5.5) if number < 2 else ("as-is", 16.0)
        made.append(Line(np.asarray(image), text, "prose", variant, height))
    folder = tmp_path / "held-out"
    folder.mkdir()
    write_shard(shard_path(folder, 0), made)
    return folder


def measure(lines: Path, *more: str) -> int:
    return main(["recognizer", "measure", str(NETWORK), str(lines), *more])


def test_both_networks_by_group(installed: Path, lines: Path, tmp_path: Path) -> None:
    assert measure(lines, "--json", str(tmp_path / "found.json")) == 0
    groups = {one["group"]: one for one in json.loads((tmp_path / "found.json").read_text())}
    assert {name: one["lines"] for name, one in groups.items()} == {
        "low resolution": 2, "5 to 7 px": 2, "net": 2, "rendered": 2, "clean": 2,
    }  # fmt: skip
    assert all(one["stock"] < 15 and one["tuned"] < 15 for one in groups.values())


def test_lines_are_read_in_blocks_for_the_progress_bar(installed: Path, lines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (network,), held_out = networks_in(NETWORK), read_prepared(lines)
    whole = tuned_network.read_by_files(network, held_out)
    monkeypatch.setattr(tuned_network, "BLOCK", 3)
    seen: list[tuple[str, int]] = []

    def track(blocks: Sequence[tuple[str, Sequence[Line]]]) -> Iterator[tuple[str, Sequence[Line]]]:
        for name, block in blocks:
            seen.append((name, len(block)))
            yield name, block

    assert tuned_network.read_by_files(network, held_out, track=track) == whole
    assert seen == [("installed", 3), ("installed", 1), ("tuned", 3), ("tuned", 1)]


def test_other_files_stand_in_a_table(installed: Path, lines: Path, tmp_path: Path) -> None:
    other = shutil.copy(installed, tmp_path / "twin.traineddata")
    assert measure(lines, "--against", f"twin={other}", "--markdown", str(tmp_path / "table.md")) == 0
    rows = (tmp_path / "table.md").read_text().splitlines()
    assert rows[0] == "| lines: CER, % [95 % interval] | installed | tuned | twin |"
    for row in rows[2:]:
        _, _, stock, _, twin, _ = (cell.strip() for cell in row.split("|"))
        assert twin == stock
    assert next(row.split("|")[1].strip() for row in rows[2:]) == "low resolution (2)"


@pytest.mark.parametrize("given", ["twin", "=x.traineddata", "best=none.traineddata"])
def test_a_file_that_is_not_there_is_one_sentence(lines: Path, given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert measure(lines, "--against", given) != 0
    assert "--against was given" in " ".join(capsys.readouterr().err.split())


def test_a_name_that_is_taken_is_refused(installed: Path, lines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert measure(lines, "--against", f"tuned={installed}") != 0
    assert "give another one" in " ".join(capsys.readouterr().err.split())
