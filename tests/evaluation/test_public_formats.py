# SPDX-License-Identifier: MPL-2.0
"""Every table's full setting on tiny sets in the public formats: its sources, colours, sets and columns, with small networks.

The networks of full size take a step in ``tests/training/test_one_step.py``; here are the reduced ones on the way that the full
run takes from TextZoom's databases, RVL-CDIP's pages, sets of text patches and registered scans to the table.
"""

from __future__ import annotations

import csv
import io
import shutil
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from PIL import Image, ImageDraw

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
from ocrmypdf_superres.cli import main
from ocrmypdf_superres.evaluation.reproduction.table import read_paper_table
from ocrmypdf_superres.training.data.fonts import installed_fonts, open_font

PAPERS = Path(__file__).parents[2] / "examples" / "recipes" / "papers"
TABLES = sorted((PAPERS / "tables").glob("*.toml"))
WORDS = "the quick brown fox jumps over the lazy dog and keeps running through wet fields until evening comes"
# The row of each table that is run here; another one than on the reduced setting where there is one as quick.
ROWS = {
    "000": "srcnn, L2", "000-real": "L2, consistency and detector", "001-1": "TBSRN, tuned on sr", "001-2": "EDSR, both",
    "002-1": "SRCNN", "002-1-real": "SRCNN", "002-2": "DPNet, then", "003-1": "selection", "003-2": "one way", "003-3": "TBSRN",
    "003-4": "none", "003-5": "TBSRN", "003-6": "neither", "003-7": "neither", "004-5": "1 module", "004-6": "GR-CNN",
    "004-7": "30 layers", "004-8": "noise 15",
}  # fmt: skip
needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed")


def page(seed: int, size: tuple[int, int], colour: tuple[int, int, int] = (250, 248, 235)) -> Image.Image:
    image = Image.new("RGB", size, colour)
    rng = np.random.default_rng(seed)
    file = next(f for f in installed_fonts() if "DejaVuSerif.ttf" in f.path)
    font = open_font(file.path, file.index, 22)
    for row in range(10, size[1] - 30, 34):
        ImageDraw.Draw(image).text((10, row), " ".join(rng.choice(WORDS.split(), 9)), fill=(30, 20, 20), font=font)
    return image


def word(text: str, size: tuple[int, int]) -> bytes:
    file = next(f for f in installed_fonts() if "DejaVuSans.ttf" in f.path)
    image = Image.new("RGB", size, (200, 190, 90))
    ImageDraw.Draw(image).text((2, 0), text, fill=(20, 0, 60), font=open_font(file.path, file.index, size[1] - 4))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def database(folder: Path, entries: dict[str, bytes]) -> None:
    lmdb = pytest.importorskip("lmdb")
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=1 << 20) as opened, opened.begin(write=True) as transaction:
        for key, value in {"num-samples": b"2", **entries}.items():
            transaction.put(key.encode(), value)


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with TextZoom, benchmarks of words, pages as RVL-CDIP has them and sets of patches, two images each."""
    folder = tmp_path_factory.mktemp("public")
    for place in ("train1", "train2", "test/easy", "test/medium", "test/hard"):
        entries: dict[str, bytes] = {}
        for number, text in ((1, "It's"), (2, "Cafe")):
            key = f"{number:09d}"
            entries |= {f"image_hr-{key}": word(text, (90, 28)), f"image_lr-{key}": word(text, (45, 14))}
            entries[f"label-{key}"] = text.encode()
        database(folder / place, entries)
    for name in ("text", "held"):
        (folder / name / "eng").mkdir(parents=True)
        (folder / name / "eng" / "book.txt").write_text(" ".join([WORDS] * 5), encoding="utf-8")
    for name in ("IC15", "CUTE80", "SVT", "SVTP"):
        entries = {}
        for number, text in ((1, "Exit"), (2, "Cafe")):
            entries |= {f"image-{number:09d}": word(text, (60, 16)), f"label-{number:09d}": text.encode()}
        database(folder / name, entries)
    for index, place in enumerate(("train", "test", "coco", "documents")):
        (folder / place).mkdir(exist_ok=True)
        for number in range(8 if place == "documents" else 2):
            image = page(10 * index + number, (754, 500)).convert("L" if place in ("train", "test") else "RGB")
            image.save(folder / place / f"{number}.{'jpg' if place == 'coco' else 'tif'}", dpi=(100, 100))
    for place in ("train", "test"):
        scan = page(77 if place == "train" else 78, (1200, 420))
        for part, made in (("hr", scan), ("lr", scan.resize((300, 105), Image.Resampling.BOX))):
            (folder / "pairs" / place / part).mkdir(parents=True)
            made.save(folder / "pairs" / place / part / "page.png", dpi=(300, 300))
    return folder


def with_small_networks(values: dict[str, Any]) -> dict[str, Any]:
    """Return a table whose full setting has the reduced setting's networks, and all else as it is."""
    full, reduced = values["full"], values["reduced"]
    full |= {"needs": [], "engines": []}
    for key in ("evaluators", "detector", "recipe"):
        if key in full:
            full[key] = reduced.get(key, full[key])
    if "recognizer" in full:
        full["recognizer"] |= {"images": {"lr": 1.0}, "sr": ""}
    small = {
        full: own for row in values["rows"] for full, own in zip(row.get("recipes", []), row.get("reduced", []), strict=False)
    }
    full["train_of"] = {small[recipe]: changes for recipe, changes in full.get("train_of", {}).items()}
    for row in values["rows"]:
        row |= {"recipes": row.get("reduced", []), "recognizer": row.get("reduced_recognizer", [])}
        if "reduced_method" in row:
            row["method"] = row["reduced_method"]
    return values


@needs_tesseract
@pytest.mark.parametrize("path", TABLES, ids=lambda p: p.stem)
def test_the_full_setting_runs_on_the_public_format(path, public, tmp_path):
    recipes = tmp_path / "recipes"
    shutil.copytree(PAPERS, recipes)
    values = with_small_networks(tomllib.loads(path.read_text(encoding="utf-8")))
    (recipes / "tables" / path.name).write_text(tomli_w.dumps(values), encoding="utf-8")
    data = public / "pairs" if path.stem in ("000-real", "002-1-real") else public
    command = ["reproduce", path.stem, "--recipes", str(recipes), "--data", str(data), "-o", str(tmp_path / "out")]
    limits = ["--steps", "1", "--batch", "2", "--count", "2", "--device", "cpu", "--rows", ROWS[path.stem]]
    assert main([*command, *limits]) == 0
    text = (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert "as published; 1 seed" in text
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "table.csv").read_text(encoding="utf-8"))))
    table = read_paper_table(path)
    columns = {row["column"] for row in rows}
    assert {row["row"] for row in rows} <= {row.name for row in table.rows} and {"psnr", "ssim"} <= columns
    if table.evaluation == "lines" and path.stem not in ("001-1", "001-2"):
        ends = [Path(place).name for place in table.full.sets]
        assert {f"crnn-small {end}" for end in ends} <= columns and "crnn-small average" in columns
    assert "iou" in columns or not table.full.detector
    if path.stem == "000":
        assert 'folder = "coco"' in (tmp_path / "out" / "seed-0" / "srcnn-l2.toml").read_text(encoding="utf-8")
