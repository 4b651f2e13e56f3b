# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

pytest.importorskip("torch")
pytest.importorskip("scipy")

from scipy import ndimage

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.page.registration import register, warp
from ocrmypdf_superres.training.data.batches import StepBatches
from ocrmypdf_superres.training.data.fonts import installed_fonts, open_font
from ocrmypdf_superres.training.data.sources.pairs import PairedScans
from ocrmypdf_superres.training.recipe import parse_recipe

WORDS = "the quick brown fox jumps over lazy dog and keeps running through wet fields until evening comes to harbour"


def draw(seed: int) -> np.ndarray:
    """A rendered page, float32 (1200, 1000) in [0, 1]."""
    image = Image.new("L", (1000, 1200), 235)
    pen = ImageDraw.Draw(image)
    font = next(f for f in installed_fonts() if "DejaVuSerif.ttf" in f.path)
    rng = np.random.default_rng(seed)
    for top in range(80, 1100, 66):
        pen.text((70, top), " ".join(rng.choice(WORDS.split(), 6)), fill=25, font=open_font(font.path, font.index, 38))
    return np.asarray(image, dtype=np.float32) / 255


def rescan(page: np.ndarray, factor: float, degrees: float, shift: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """*page* scanned again, *factor* times smaller, turned and shifted (hr pixels), with blur and noise; and the map."""
    angle = np.deg2rad(degrees)
    turn = factor * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([turn, shift])
    height, width = (int(side / factor) for side in page.shape)
    lr = ndimage.gaussian_filter(warp(page, matrix, np.arange(height, dtype=float), np.arange(width, dtype=float)), 0.5)
    noise = np.random.default_rng(2).standard_normal(lr.shape) * 4 / 255
    return np.clip(lr + noise, 0, 1).astype(np.float32), matrix


@pytest.fixture(scope="module")
def page() -> np.ndarray:
    return draw(1)


def test_a_turned_and_shifted_scan_is_laid_over_its_page(page):
    lr, matrix = rescan(page, 3.05, 1.3, (9.4, -14.7))
    found = register(lr, page)
    assert found is not None
    corners = np.array([[r, c, 1] for r in (20, lr.shape[0] - 20) for c in (20, lr.shape[1] - 20)]).T
    assert np.abs((found - matrix) @ corners).max() / 3.05 < 0.15, "lr pixels"


def test_another_page_is_refused(page):
    lr, _ = rescan(draw(7), 3.0, 0.0, (0, 0))
    assert register(lr, page) is None


@pytest.fixture(scope="module")
def pairs(page, tmp_path_factory) -> Path:
    """Two pages in hr, of which only the first has a partner that shows the same."""
    folder = tmp_path_factory.mktemp("pairs")
    (folder / "hr").mkdir()
    (folder / "lr").mkdir()
    other = draw(7)
    for name, hr, lr in (("a", page, rescan(page, 3.0, 0.4, (5, 8))[0]), ("b", other, rescan(draw(9), 3.0, 0, (0, 0))[0])):
        Image.fromarray((hr * 255 + 0.5).astype(np.uint8)).save(folder / "hr" / f"{name}.png", dpi=(300, 300))
        Image.fromarray((lr * 255 + 0.5).astype(np.uint8)).save(folder / "lr" / f"{name}.tif", dpi=(100, 100))
    return folder


def test_pairs_lie_over_each_other_and_bad_ones_are_left_out(pairs, tmp_path, caplog):
    source = PairedScans(pairs / "hr", pairs / "lr", pairs / "cache")
    assert len(source.pages) == 1 and "1 of 2 pages" in caplog.text
    texts = 0
    for seed in range(12):
        sample = source.sample(np.random.default_rng(seed), 48, 3)
        lr = sample.lr
        assert lr is not None and lr.shape == (32, 192) and sample.target.shape == (96, 576)
        reduced = ndimage.gaussian_filter(sample.target, 1.5).reshape(32, 3, 192, 3).mean(axis=(1, 3))
        assert np.corrcoef(lr.ravel(), reduced.ravel())[0, 1] > 0.97
        if sample.box is not None:
            texts += 1
            left, top, right, bottom = sample.box
            assert bottom - top == 48 and sample.text
            ink = sample.target.min(axis=0) < 0.5
            assert ink[left:right].any() and not ink[max(0, left - 3) : left].any()
    assert texts >= 4
    # x4 would enlarge the hr scan.
    assert source.sample(np.random.default_rng(0), 48, 4).lr is None


def test_pairs_are_a_source_of_recipes(pairs, tmp_path):
    values = {
        "name": "p", "architecture": "docsr", "degradation": [{"name": "downsample"}],
        "sources": [{"kind": "pairs", "folder": "hr", "low": "lr"}],
        "stages": [{"name": "s", "steps": 1, "losses": {"charbonnier": 1.0}}],
    }  # fmt: skip
    batch = StepBatches(parse_recipe(values, "p"), pairs, pairs / "cache", [3, 3])[1]
    assert batch.hr.shape == (3, 1, 96, 576) and batch.lr.shape[0] == 3
    with pytest.raises(OptionError, match="low ="):
        parse_recipe({**values, "sources": [{"kind": "pairs", "folder": "hr"}]}, "p")
