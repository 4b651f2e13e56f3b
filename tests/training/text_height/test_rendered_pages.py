# SPDX-License-Identifier: MPL-2.0
"""Rendered pages whose heights are known, their tiles, and a network trained on them for a moment."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from ocrmypdf_superres.modelstore.store import sha256_of
from ocrmypdf_superres.onnx_sessions import open_session
from ocrmypdf_superres.page.height_network import BINS, KINDS, TILE, TURNS, bin_heights, standardized
from ocrmypdf_superres.training.data.rendered_pages.layouts import LAYOUTS
from ocrmypdf_superres.training.data.rendered_pages.page import degrade, render
from ocrmypdf_superres.training.data.rendered_pages.scripts import SCRIPTS, faces, reference_height, scripts_with_fonts
from ocrmypdf_superres.training.data.rendered_pages.without_text import WITHOUT_TEXT
from ocrmypdf_superres.training.text_height.network import HeightNetwork
from ocrmypdf_superres.training.text_height.tiles import SIDE, bin_of, hocr_lines, rendered_tiles
from ocrmypdf_superres.training.text_height.train import as_arrays, export, train

LATIN = next(script for script in SCRIPTS if script.name == "Latin")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_has_text_of_about_the_height_asked_for(layout: str) -> None:
    page = render(layout, LATIN, 7.0, (420, 420), random.Random(3))
    assert page.luma.shape == (420, 420) and page.luma.dtype == np.float32
    assert page.luma.min() >= 0 and page.luma.max() <= 1
    assert page.height == pytest.approx(7.0, rel=0.35)
    assert sum(line.letters for line in page.lines) >= 10


@pytest.mark.parametrize("layout", WITHOUT_TEXT)
def test_pages_without_text_have_no_lines(layout: str) -> None:
    page = render(layout, LATIN, 7.0, (300, 300), random.Random(3))
    assert page.lines == () and page.height == 0


def test_the_same_seed_gives_the_same_page() -> None:
    first, second = (render("columns", LATIN, 6.0, (200, 200), random.Random(5), skew=2.0) for _ in range(2))
    assert np.array_equal(first.luma, second.luma) and first.lines == second.lines


def test_fonts_for_tests_are_not_trained_with() -> None:
    assert faces(LATIN, "test") and faces(LATIN, "train")
    assert not {face.path for face in faces(LATIN, "test")} & {face.path for face in faces(LATIN, "train")}
    assert LATIN in scripts_with_fonts()


def test_thickened_letters_have_more_ink_and_their_height_is_told() -> None:
    face = faces(LATIN, "train")[0]
    plain, bold = (
        render("short letter", LATIN, 12.0, (300, 300), random.Random(2), damaged=False, face=face, boldness=boldness)
        for boldness in (0.0, 0.03)
    )
    assert (1 - bold.luma).sum() > 1.2 * (1 - plain.luma).sum()
    assert bold.height == pytest.approx(plain.height + 2 * 0.03 * plain.height / reference_height(LATIN, face), rel=0.02)


def test_the_height_of_arabic_is_a_share_of_alif_and_of_the_low_letters() -> None:
    arabic = next(script for script in SCRIPTS if script.name == "Arabic")
    if not faces(arabic):
        pytest.skip("no Arabic font is installed")
    face = faces(arabic)[0]
    # Only what rises above the baseline counts: waw hangs below it.
    alif, dal, waw, heh = (-face.open(400).getbbox(letter, anchor="ls")[1] / 400 for letter in "ادوه")
    low = sorted((dal, waw, heh))[1]
    assert low < alif
    assert reference_height(arabic, face) == pytest.approx(0.815 * math.sqrt(alif * low))


def test_a_scan_in_one_bit_is_not_blank() -> None:
    pale = np.ones((120, 120), np.float32)
    pale[::12, 10:110] = 0.62  # hairlines that are grey before any damage
    scans = [degrade(pale, random.Random(seed)) for seed in range(60)]
    of_one_bit = [scan for scan in scans if set(np.unique(scan)) <= {0.0, 1.0}]
    assert len(of_one_bit) > 3 and all(scan.min() < scan.max() for scan in of_one_bit)


def test_lines_of_text_are_where_the_truth_says() -> None:
    page = render("short letter", LATIN, 8.0, (400, 300), random.Random(1), damaged=False)
    ink = page.luma < 0.5
    left, top, right, bottom = (round(value) for value in page.lines[0].box)
    assert ink[top:bottom, left:right].mean() > 0.1
    assert not ink[: max(0, top - 12)].any()


def test_tiles_carry_their_height() -> None:
    tiles = list(rendered_tiles(40, 2))
    assert {tile.pixels.shape for tile in tiles} == {(SIDE, SIDE)}
    assert any(tile.is_text for tile in tiles) and not all(tile.is_text for tile in tiles)
    assert all(1.5 < tile.height < 120 for tile in tiles if tile.is_text)
    assert bin_heights()[round(bin_of(8.0))] == pytest.approx(8.0, rel=0.06)


def test_a_network_is_trained_and_exported_with_its_hash(tmp_path: Path) -> None:
    data = as_arrays(list(rendered_tiles(90, 4)))
    network = train(data, 2, 1, tmp_path / "net.pt")
    again = train(data, 1, 1, None, tmp_path / "net.pt")
    assert isinstance(again, HeightNetwork)
    export(network, tmp_path / "net.onnx", "for a test")
    card = json.loads((tmp_path / "net.json").read_text(encoding="utf-8"))
    assert card["sha256"] == sha256_of(tmp_path / "net.onnx")
    tiles = np.random.default_rng(0).random((3, TILE, TILE)).astype(np.float32)
    answer = open_session(tmp_path / "net.onnx", 1).run(["answer"], {"tiles": standardized(tiles)[:, None]})[0]
    assert answer.shape == (3, 1 + BINS + TURNS + len(KINDS) + 1)
    with torch.no_grad():
        expected = network(torch.from_numpy(standardized(tiles))[:, None]).numpy()
    assert np.abs(answer - expected).max() < 1e-3


HOCR = """<div class='ocr_page' title='bbox 0 0 800 600'>
<span class='ocr_line' id='line_1_1' title="bbox 10 20 300 50; baseline 0 -6; x_size 30; x_descenders 6; x_ascenders 8">
<span class='ocrx_word' title='bbox 10 20 90 50; x_wconf 96'>plainly</span>
<span class='ocrx_word' title='bbox 95 20 300 50; x_wconf 91'>readable</span></span>
<span class='ocr_line' id='line_1_2' title="bbox 10 60 300 90; baseline 0 -6; x_size 30; x_descenders 6; x_ascenders 8">
<span class='ocrx_word' title='bbox 10 60 90 90; x_wconf 12'>unreadable</span></span></div>"""


def test_only_lines_that_were_read_surely_are_taken_from_hocr() -> None:
    (line,) = hocr_lines(HOCR)
    assert line.height == 16 and line.box == (10, 28, 300, 44) and line.letters == 15
