# SPDX-License-Identifier: MPL-2.0
"""Several scans of one page fused: laid over each other, read better the more there are, and refused where they differ."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

pytest.importorskip("scipy")
pytest.importorskip("torch")
from scipy import ndimage

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import ImageError
from ocrmypdf_superres.metrics.text import cer
from ocrmypdf_superres.page.fusion import fuse, lay
from ocrmypdf_superres.page.image import from_luma
from ocrmypdf_superres.tesseract import read_page
from ocrmypdf_superres.training.data.fonts import installed_fonts, open_font

needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed")
TEXT = """The registers of the parish were kept with care
until the winter of 1786, when the clerk fell ill
and left his books to a nephew in the next town.
Of these seven volumes only three have survived;
the others were lost in the fire that destroyed
the old town hall and most of its archive rooms.
Their pages give names, dates and amounts paid
for candles, bread, wood and the bell ropes, and
sometimes a line about weather, harvest or war.
We print them here in full, with short notes on
persons and places that a reader may not know."""
OTHER = TEXT.translate(str.maketrans("aeioustnr", "oiuaertsn"))


def page(text: str = TEXT, size: int = 30) -> np.ndarray:
    """A page of 300 dpi, float32 (620, 1080) in [0, 1]."""
    image = Image.new("L", (1080, 620), 240)
    file = next(f for f in installed_fonts() if "DejaVuSerif.ttf" in f.path)
    font = open_font(file.path, file.index, size)
    for row, line in enumerate(text.split("\n")):
        ImageDraw.Draw(image).text((50, 30 + 54 * row), line, fill=25, font=font)
    return np.asarray(image, dtype=np.float32) / 255


def scans(original: np.ndarray, dpi: float, count: int, seed: int = 0) -> list[np.ndarray]:
    """*original*, of 300 dpi, scanned so often at *dpi*: shifted by fractions of a pixel, turned a little, with noise."""
    rng = np.random.default_rng(seed)
    factor = 300 / dpi
    size = tuple(int(side / factor) for side in original.shape)
    soft = ndimage.uniform_filter(original, factor)
    rows, columns = np.meshgrid(*(np.arange(side) for side in size), indexing="ij")
    made = []
    for number in range(count):
        angle = np.deg2rad(rng.uniform(-0.4, 0.4)) if number else 0.0
        shift = rng.uniform(0, factor, 2) if number else np.zeros(2)
        at_rows = factor * (np.cos(angle) * rows - np.sin(angle) * columns) + shift[0] + factor / 2 - 0.5
        at_columns = factor * (np.sin(angle) * rows + np.cos(angle) * columns) + shift[1] + factor / 2 - 0.5
        image = ndimage.map_coordinates(soft, [at_rows, at_columns], order=1, mode="nearest")
        made.append(np.clip(image + rng.standard_normal(size) * 10 / 255, 0, 1).astype(np.float32))
    return made


def test_the_mean_of_equal_scans_is_the_scan_and_of_shifted_ones_nearer_to_the_page():
    original = page()
    taken = scans(original, 72, 4)
    laid = lay(taken)
    assert np.allclose(laid[0].matrix, np.eye(2, 3)) and np.array_equal(fuse(laid[:1], 1), taken[0])
    # What a scanner without noise would have seen at four times the resolution's places.
    places = [(np.arange(4 * side) + 0.5) / 4 * 300 / 72 - 0.5 for side in taken[0].shape]
    wanted = ndimage.map_coordinates(ndimage.uniform_filter(original, 300 / 72), np.meshgrid(*places, indexing="ij"), order=1)
    inner = (slice(20, -20), slice(20, -20))
    errors = [float(np.square((fuse(laid[:count], 4) - wanted)[inner]).mean()) for count in (1, 2, 4)]
    assert errors[0] > errors[1] > errors[2]


@needs_tesseract
@pytest.mark.parametrize(("dpi", "size"), [(60, 30), (72, 26)])
def test_more_scans_are_read_better(dpi, size):
    taken = scans(page(size=size), dpi, 8)
    laid = lay(taken)
    rates = [cer(read_page(from_luma(fuse(laid[:count], 4)), "eng", dpi=4 * dpi, psm=6), TEXT) for count in (1, 2, 4, 8)]
    assert rates[0] > rates[1] > rates[2] > rates[3] and rates[3] < 0.3 * rates[0]


def test_another_page_and_a_bent_one_are_refused():
    first = scans(page(), 72, 1)[0]
    with pytest.raises(ImageError, match=r"b\.png cannot be laid over a\.png|b\.png does not show"):
        lay([first, scans(page(OTHER), 72, 2, 5)[1]], ["a.png", "b.png"])
    # Lines that stand at the very same places are no page in common.
    for text in (OTHER, "\n".join(reversed(TEXT.split("\n")))):
        with pytest.raises(ImageError, match="scan 2"):
            lay([first, scans(page(text), 72, 1)[0]])
    rows, columns = np.meshgrid(*(np.arange(side, dtype=float) for side in first.shape), indexing="ij")
    places = [rows + 4 * np.sin(columns / 15), columns + 4 * np.sin(rows / 11)]
    bent = ndimage.map_coordinates(first, places, order=1, mode="nearest")
    with pytest.raises(ImageError, match="scan 2"):
        lay([first, bent.astype(np.float32)])
    with pytest.raises(ImageError, match="at least two"):
        lay([first])


def test_the_command_fuses_pages_and_says_what_is_wrong(tmp_path, capsys):
    for number, image in enumerate(scans(page(), 72, 3)):
        from_luma(image).save(tmp_path / f"{number}.png", dpi=(72, 72))
    names = [str(tmp_path / f"{number}.png") for number in range(3)]
    assert main(["fuse", *names, "-o", str(tmp_path / "fused.png"), "--scale", "2"]) == 0
    with Image.open(tmp_path / "fused.png") as made, Image.open(names[0]) as first:
        assert made.size == (2 * first.width, 2 * first.height) and round(made.info["dpi"][0]) == 144
    assert "3 scans of" in capsys.readouterr().out
    from_luma(scans(page(OTHER), 72, 1)[0]).save(tmp_path / "other.png")
    assert main(["fuse", names[0], str(tmp_path / "other.png"), "-o", str(tmp_path / "no.png")]) == 1
    assert "other.png" in capsys.readouterr().err and not (tmp_path / "no.png").exists()
    assert main(["fuse", names[0], "-o", str(tmp_path / "no.png")]) == 1
    assert "at least two" in capsys.readouterr().err
    assert main(["fuse", *names, "-o", str(tmp_path / "no.png"), "--scale", "9"]) == 1
    before = Path(names[1]).read_bytes()
    assert main(["fuse", *names, "-o", names[1], "--scale", "2"]) == 1
    assert "is an input and would be lost" in capsys.readouterr().err and Path(names[1]).read_bytes() == before


def test_networks_enlarge_before_and_after(lanczos_net, tmp_path):
    for number, image in enumerate(scans(page(), 72, 2)):
        from_luma(image).save(tmp_path / f"{number}.png", dpi=(72, 72))
    names = [str(tmp_path / f"{number}.png") for number in range(2)]
    made = {}
    for where in ("before", "after"):
        output = tmp_path / f"{where}.png"
        scale = "2" if where == "before" else "4"
        command = ["fuse", *names, "-o", str(output), "--model", str(lanczos_net), "--net", where, "--scale", scale]
        assert main([*command, "--device", "cpu"]) == 0
        with Image.open(output) as image:
            made[where] = image.size
    assert made["after"] == (2 * made["before"][0], 2 * made["before"][1])
