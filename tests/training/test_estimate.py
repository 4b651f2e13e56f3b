# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

pytest.importorskip("torch")
pytest.importorskip("scipy")

from scipy import ndimage

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.data.degradations import Degradation
from ocrmypdf_superres.training.data.estimate import PageEstimate, estimate_folder, estimate_page, like
from ocrmypdf_superres.training.data.fonts import installed_fonts, open_font

WORDS = "the quick brown fox jumps over lazy dog and keeps running through wet fields until Evening Harbour Window 1938"


@pytest.fixture(scope="module")
def page() -> np.ndarray:
    """A rendered page of 300 dpi, paper 0.92 and ink 0.1."""
    image = Image.new("L", (1500, 1500), 235)
    pen = ImageDraw.Draw(image)
    font = next(f for f in installed_fonts() if "DejaVuSerif.ttf" in f.path)
    rng = np.random.default_rng(0)
    for top in range(90, 1400, 67):
        pen.text((90, top), " ".join(rng.choice(WORDS.split(), 8)), fill=25, font=open_font(font.path, font.index, 42))
    return np.asarray(image, dtype=np.float32) / 255


def reduced(page: np.ndarray, blur: float, noise: float, quality: int) -> Image.Image:
    """*page* at 75 dpi: blurred, averaged over areas, with noise, and through JPEG where there is a quality."""
    small = ndimage.gaussian_filter(page, 4 * blur).reshape(375, 4, 375, 4).mean(axis=(1, 3))
    small = small + np.random.default_rng(1).standard_normal(small.shape) * noise / 255
    image = Image.fromarray((np.clip(small, 0, 1) * 255 + 0.5).astype(np.uint8))
    if not quality:
        return image
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


@pytest.mark.parametrize(("blur", "noise", "quality"), [(0.4, 2, 0), (0.7, 5, 0), (0.7, 5, 80), (0.5, 3, 60), (1.0, 8, 40)])
def test_known_blur_noise_and_quality_are_found(page, blur, noise, quality):
    luma = np.asarray(reduced(page, blur, noise, quality), dtype=np.float32) / 255
    found = estimate_page(luma)
    assert found is not None and not found.bilevel
    assert found.blur == pytest.approx(blur, abs=0.15)
    assert found.noise == pytest.approx(noise, rel=0.15)
    assert found.jpeg == pytest.approx(quality, abs=3)
    assert found.contrast == pytest.approx(0.82, abs=0.15)


def test_a_folder_tells_the_files_quality_and_sets_the_ranges(page, tmp_path):
    for number, quality in enumerate((55, 65, 75)):
        reduced(page, 0.6, 4, 0).save(tmp_path / f"{number}.jpg", quality=quality)
    pages = estimate_folder(tmp_path)
    assert [p.jpeg for p in pages] == [55, 65, 75]
    stages = [{"name": "blur"}, {"name": "downsample"}, {"name": "noise"}, {"name": "speckle", "probability": 0.04}]
    tables = {table["name"]: table for table in like(pages, stages)}
    assert tables["blur"]["sigma"][0] < 0.6 < tables["blur"]["sigma"][1]
    assert tables["noise"]["sigma"][0] < 4 < tables["noise"]["sigma"][1]
    assert tables["jpeg"]["probability"] == 1 and tables["jpeg"]["quality"][0] < 60 < 70 < tables["jpeg"]["quality"][1]
    assert tables["speckle"]["probability"] == 0.04
    Degradation(list(tables.values()))


def test_one_bit_pages_are_known_as_such(page, tmp_path):
    found = estimate_page((np.asarray(reduced(page, 0.3, 0, 0)) > 140).astype(np.float32))
    assert found == PageEstimate(0.0, 0.0, 0, 1.0, True)
    tables = {table["name"]: table for table in like([found], [{"name": "downsample"}, {"name": "noise"}])}
    assert tables["threshold"]["probability"] == 1.0


def test_paper_made_white_tells_no_noise(page):
    luma = np.clip(np.asarray(reduced(page, 0.5, 4, 0), dtype=np.float32) / 255 + 0.12, 0, 1)
    found = estimate_page(luma)
    assert found is not None and found.noise is None and found.jpeg is None
    stages = [{"name": "downsample"}, {"name": "noise", "sigma": [1, 9]}]
    tables = {table["name"]: table for table in like([found], stages)}
    assert tables["noise"] == stages[1] and "jpeg" not in tables


def test_blank_pages_tell_nothing(tmp_path: Path):
    Image.new("L", (400, 400), 240).save(tmp_path / "blank.png")
    with pytest.raises(OptionError, match="enough text"):
        estimate_folder(tmp_path)
