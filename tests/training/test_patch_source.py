# SPDX-License-Identifier: MPL-2.0
"""Crops of any folder of images, sets split by name, and what is refused or counted instead of being made up."""

from __future__ import annotations

import json
import logging
import shutil

import numpy as np
import pytest
from PIL import Image, ImageDraw

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.networks.patches import patches
from ocrmypdf_superres.training.data.batches import StepBatches, load_batches
from ocrmypdf_superres.training.data.files import part_of
from ocrmypdf_superres.training.data.fonts import installed_fonts, open_font
from ocrmypdf_superres.training.data.sources.patches import PatchSource
from ocrmypdf_superres.training.data.sources.scans import ScanSource
from ocrmypdf_superres.training.recipe import Source, parse_recipe

needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed")


def text_image(size: tuple[int, int], text: str, height: int = 28, top: int = 8) -> Image.Image:
    image = Image.new("L", size, 245)
    file = next(f for f in installed_fonts() if "DejaVuSerif.ttf" in f.path)
    font = open_font(file.path, file.index, height)
    for row, line in enumerate(text.split("\n")):
        ImageDraw.Draw(image).text((10, top + row * (height + 12)), line, fill=20, font=font)
    return image


def recipe(**source):
    return parse_recipe(
        {
            "name": "crops", "architecture": "srresnet", "sources": [source], "scales": {"4": 1.0}, "clean": 0.0,
            "degradation": [{"name": "downsample", "kernels": ["bicubic"]}],
            "stages": [{"name": "a", "steps": 2, "losses": {"l2": 1.0}}],
        },
        "crops.toml",
    )  # fmt: skip


def test_photographs_in_colour_and_pages_are_cropped_at_their_own_pixels(tmp_path):
    # MS COCO: colour JPEG; RVL-CDIP: grey TIFF of 754 x 1000, compressed as fax.
    rng = np.random.default_rng(0)
    (tmp_path / "coco").mkdir()
    Image.fromarray(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)).save(tmp_path / "coco" / "000000000009.jpg")
    page = text_image((754, 1000), "Dear Sir,\nwe beg to inform you", 16, 300)
    page.convert("1").save(tmp_path / "coco" / "page.tif", compression="group4")
    made = recipe(kind="patches", folder="coco", options={"size": [64, 80]})
    batches = StepBatches(made, tmp_path, tmp_path, [3, 3])
    assert batches[0].hr.shape == (3, 1, 64, 80) and batches[0].lr.shape == (3, 1, 16, 20)
    read = list(load_batches(batches, 0, workers=1))
    assert torch.equal(read[1].hr, batches[1].hr)
    # Three quarters of the page are blank, and no crop is.
    source = PatchSource(tmp_path / "coco", (64, 80))
    crops = [source.sample(np.random.default_rng(seed), 40, 4).target for seed in range(40)]
    assert min(float(crop.std()) for crop in crops) > 0.02
    levels = np.asarray(page.convert("1").convert("L"), dtype=np.float32) / 255
    assert any((levels[t : t + 64] == crop[:, :1]).any() for crop in crops for t in (300,) if crop.max() == 1.0)


def test_small_and_damaged_images_are_counted_and_left_out(tmp_path, caplog):
    text_image((200, 200), "large").save(tmp_path / "a.png")
    text_image((60, 200), "small").save(tmp_path / "b.png")
    (tmp_path / "c.png").write_bytes(b"no image")
    with caplog.at_level(logging.WARNING):
        source = PatchSource(tmp_path, (100, 100))
    assert source.left_out == {"smaller than 100 x 100": 1, "that cannot be read": 1} and len(source.paths) == 1
    assert "1 images are used; left out are 1 smaller than 100 x 100, 1 that cannot be read" in caplog.text
    with pytest.raises(OptionError, match="2 smaller than 300 x 300, 1 that cannot be read"):
        PatchSource(tmp_path, (300, 300))
    Image.new("L", (200, 200), 250).save(tmp_path / "d.png")
    blank = PatchSource(tmp_path, (100, 100))
    assert len(blank.each(0, 4)) == 1 and blank.left_out["blank"] == 1
    for name in "abc":
        (tmp_path / f"{name}.png").unlink()
    with pytest.raises(OptionError, match="in a row have no crop"):
        PatchSource(tmp_path, (100, 100)).sample(np.random.default_rng(0), 40, 4)


def test_pairs_of_patches_show_the_same(tmp_path):
    for folder in ("hr", "lr"):
        (tmp_path / folder).mkdir()
    image = text_image((192, 128), "pair of\npatches")
    image.save(tmp_path / "hr" / "x.png")
    image.resize((48, 32), Image.Resampling.BOX).save(tmp_path / "lr" / "x.tif")
    source = PatchSource(tmp_path / "hr", (64, 96), tmp_path / "lr")
    for seed in range(5):
        sample = source.sample(np.random.default_rng(seed), 40, 4)
        assert sample.lr is not None and sample.lr.shape == (16, 24)
        small = sample.target.reshape(16, 4, 24, 4).mean(axis=(1, 3))
        assert np.abs(small - sample.lr).max() < 1.1 / 255
    image.resize((50, 32)).save(tmp_path / "lr" / "x.tif")
    with pytest.raises(OptionError, match="a source of the kind pairs"):
        source.sample(np.random.default_rng(0), 40, 4)
    (tmp_path / "lr" / "x.tif").unlink()
    with pytest.raises(OptionError, match="no image of the same name"):
        PatchSource(tmp_path / "hr", (64, 96), tmp_path / "lr")


def test_a_set_is_split_by_name_alike_everywhere(tmp_path):
    paths = [tmp_path / f"page{index:02d}.png" for index in range(10)]
    train, test = (part_of(paths, tmp_path, part, 0.7) for part in ("train", "test"))
    assert len(train) == 7 and len(test) == 3 and not set(train) & set(test) and set(train) | set(test) == set(paths)
    other = [tmp_path / f"page{index:02d}.tif" for index in range(10)]
    assert [p.stem for p in part_of(other, tmp_path, "test", 0.7)] == [p.stem for p in test]
    assert part_of(paths, tmp_path, "", 0.7) == paths
    with pytest.raises(OptionError, match="give train or test"):
        part_of(paths, tmp_path, "validation", 0.7)
    with pytest.raises(OptionError, match="none is left"):
        part_of(paths[:1], tmp_path, "test", 0.7)


def test_sources_of_two_sizes_are_refused(data_folder, tmp_path):
    text_image((200, 200), "text").save(data_folder / "a.png")
    sources = [{"kind": "rendered", "folder": "text"}, {"kind": "patches", "folder": ".", "options": {"size": [64, 64]}}]
    made = parse_recipe(
        {
            "name": "mixed", "architecture": "srresnet", "sources": sources, "degradation": [{"name": "downsample"}],
            "scales": {"4": 1.0}, "stages": [{"name": "a", "steps": 1, "losses": {"l2": 1.0}}],
        },
        "x.toml",
    )  # fmt: skip
    with pytest.raises(OptionError, match="64 x 64 and 96 x 576"):
        StepBatches(made, data_folder, tmp_path, [12])[0]


@needs_tesseract
def test_small_text_of_scans_stays_small_instead_of_becoming_blank_paper(tmp_path, caplog):
    # A page as RVL-CDIP has them, whose lines are 15 pixels high: too low for a strip of 34 to 66.
    text_image((754, 400), "\n".join(["the quick brown fox jumps over the lazy dog"] * 6), 17).save(
        tmp_path / "page.png", dpi=(100, 100)
    )
    source = ScanSource(tmp_path, tmp_path / "cache", confidence=0.0)
    strips = [source.sample(np.random.default_rng(seed), 47, 4) for seed in range(30)]
    assert all(strip.text and float(strip.target.std()) > 0.05 for strip in strips)
    text_image((200, 200), "tiny patch").save(tmp_path / "patch.png")
    with caplog.at_level(logging.WARNING):
        ScanSource(tmp_path, tmp_path / "cache", confidence=0.0)
    assert "1 of the 2 images" in caplog.text and "a source of the kind patches" in caplog.text
    (tmp_path / "page.png").unlink()
    with pytest.raises(OptionError, match="1 images are smaller than a strip"):
        ScanSource(tmp_path, tmp_path / "cache", confidence=0.0)


@needs_tesseract
def test_a_set_of_text_patches_is_evaluated_image_by_image(tmp_path, monkeypatch, capsys):
    # As the sets of Hradis and of Xu: hr patches of 200 x 200 with their text.
    texts = {"one": "clear text\nof a patch", "two": "another\nsmall patch"}
    for name, text in texts.items():
        text_image((200, 200), text, 24, 40).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.gt.txt").write_text(text)
    source = Source("patches", ".", options={"size": [200, 200]})
    batches = patches(tmp_path, 4, 0, source=source)
    assert [text for batch in batches for text in batch.texts] == [texts["one"], texts["two"]]
    assert batches[0].hr.shape == (2, 1, 200, 200) and batches[0].boxes == [None, None]
    monkeypatch.setenv("COLUMNS", "160")
    output = tmp_path / "figures.json"
    command = ["patches", "--data", str(tmp_path), "--kind", "patches", "--size", "200", "200", "--count", "0"]
    assert main([*command, "--json", str(output), "--device", "cpu"]) == 0
    rows = json.loads(output.read_text())
    assert rows["hr"]["cer"] < 0.1 and rows["hr"]["lines"] == 2 and "single" not in rows["hr"]
    assert "2 patches, 2 lines with text, x4" in capsys.readouterr().out
    assert main([*command, "--part", "train", "--share", "0.5"]) == 0
    assert "1 patches, 1 lines with text" in capsys.readouterr().out


def test_patches_without_text_have_no_figures_of_text(tmp_path, capsys):
    text_image((200, 200), "clear text", 24, 40).save(tmp_path / "one.png")
    output = tmp_path / "figures.json"
    command = ["patches", "--data", str(tmp_path), "--kind", "patches", "--size", "200", "200", "--count", "0", "--device", "cpu"]
    assert main([*command, "--json", str(output)]) == 0
    hr = json.loads(output.read_text())["hr"]
    assert hr["psnr"] == pytest.approx(100.0) and hr["cer"] is None and hr["s_lcs"] is None and hr["s_ld"] is None
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("│ hr"))
    assert [cell.strip() for cell in row.split("│")[2:-1]] == ["100.00", "1.0000", "-", "-", "-"]
