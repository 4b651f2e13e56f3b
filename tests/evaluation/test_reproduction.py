# SPDX-License-Identifier: MPL-2.0
"""Tables of published systems: that all their recipes are there, and that every table runs from data to Markdown, tiny."""

from __future__ import annotations

import csv
import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.networks.line_sets import LineMetrics
from ocrmypdf_superres.evaluation.reproduction.report import as_csv, cells, markdown
from ocrmypdf_superres.evaluation.reproduction.scoring import Figures, line_figures
from ocrmypdf_superres.evaluation.reproduction.table import PaperTable, Row, Setting, read_paper_table
from ocrmypdf_superres.export.aciq import PAPER_LAYERS, AciqSettings, quantize_in_place
from ocrmypdf_superres.recognizers.folder import build
from ocrmypdf_superres.training.data.fonts import installed_fonts, open_font
from ocrmypdf_superres.training.recipe import read_recipe
from ocrmypdf_superres.training.recognizers.recipe import read_recognizer_recipe

PAPERS = Path(__file__).parents[2] / "examples" / "recipes" / "papers"
TABLES = sorted((PAPERS / "tables").glob("*.toml"))
WORDS = "the quick brown fox jumps over the lazy dog and keeps running through wet fields until evening comes"
needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed")


@pytest.mark.parametrize("path", TABLES, ids=lambda p: p.stem)
def test_tables_name_recipes_that_are_there(path):
    table = read_paper_table(path)
    for setting in (table.full, table.reduced):
        for recipe in setting.needs:
            read_recognizer_recipe(PAPERS / f"{recipe}.toml")
        if setting.recipe:
            read_recipe(PAPERS / f"{setting.recipe}.toml")
        assert setting.train_of.keys() <= {recipe for row in table.rows for recipe in row.recipes}
    for row in table.rows:
        for each in (row, row.as_reduced()):
            for recipe in each.recipes:
                read = read_recipe(PAPERS / f"{recipe}.toml")
                get(read.architecture).parse_config({**read.config, **(each.config if recipe == each.recipes[-1] else {})})
        for recipe in (*row.recognizer, *row.reduced_recognizer):
            read_recognizer_recipe(PAPERS / f"{recipe}.toml")
        assert row.method in ("bicubic", "lanczos", "hr") or (row.recipes and row.reduced)


@pytest.mark.parametrize("path", TABLES, ids=lambda p: p.stem)
def test_reduced_arms_that_are_compared_differ(path):
    table = read_paper_table(path)
    arms = {row.name: replace(row.as_reduced(), name="", paper={}) for row in table.rows}
    assert all(arms[claim.better] != arms[claim.than] for claim in table.claims)


def text_page(seed: int, size: tuple[int, int] = (900, 420)) -> Image.Image:
    page = Image.new("L", size, 250)
    rng = np.random.default_rng(seed)
    file = next(f for f in installed_fonts() if "DejaVuSerif.ttf" in f.path)
    for row in range(4):
        text = " ".join(rng.choice(WORDS.split(), 5))
        ImageDraw.Draw(page).text((40, 40 + 90 * row), text, fill=10, font=open_font(file.path, file.index, 40))
    return page


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a little of all that reduced tables need: text, page scans, real pairs, benchmarks of words."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("text", "held"):
        (folder / name / "eng").mkdir(parents=True)
        (folder / name / "eng" / "book.txt").write_text(" ".join([WORDS] * 5), encoding="utf-8")
    for place in ("train", "held"):
        (folder / place).mkdir(exist_ok=True)
        text_page(len(place)).save(folder / place / "page.png", dpi=(300, 300))
    for place in ("train", "test"):
        page = text_page(7 if place == "train" else 8, (1200, 420))
        for part, image in (("hr", page), ("lr", page.resize((300, 105), Image.Resampling.BOX))):
            (folder / "pairs" / place / part).mkdir(parents=True)
            image.save(folder / "pairs" / place / part / "page.png", dpi=(300, 300))
    lmdb = pytest.importorskip("lmdb")
    file = next(f for f in installed_fonts() if "DejaVuSans.ttf" in f.path)
    for name in ("IC15", "CUTE80", "SVT", "SVTP"):
        with lmdb.open(str(folder / name), map_size=1 << 20) as database, database.begin(write=True) as transaction:
            transaction.put(b"num-samples", b"2")
            for number, word in ((1, "Exit"), (2, "Cafe")):
                image = Image.new("RGB", (60, 16), (200, 190, 90))
                ImageDraw.Draw(image).text((2, 0), word, fill=0, font=open_font(file.path, file.index, 13))
                stream = io.BytesIO()
                image.save(stream, "PNG")
                transaction.put(f"image-{number:09d}".encode(), stream.getvalue())
                transaction.put(f"label-{number:09d}".encode(), word.encode())
    return folder


@needs_tesseract
def test_what_another_table_trained_by_the_same_recipe_is_taken_over(data, tmp_path):
    def run(name: str, steps: int) -> Path:
        command = ["reproduce", "003-3", "--recipes", str(PAPERS), "--data", str(data), "-o", str(tmp_path / name), "--reduced"]
        limits = ["--rows", "TSRN", "--steps", str(steps), "--batch", "2", "--count", "2", "--device", "cpu"]
        assert main([*command, *limits]) == 0
        return tmp_path / name / "seed-0" / "tsrn-small"

    trained, taken, longer = run("one", 1), run("another", 1), run("longer", 2)
    checkpoints = [(net.parent / "tsrn-small.run" / "checkpoint.pt").is_file() for net in (trained, taken, longer)]
    assert checkpoints == [True, False, True]
    weights = [(net / "model.safetensors").read_bytes() for net in (trained, taken, longer)]
    assert weights[0] == weights[1] != weights[2]


# The row of each table that is run; in the others it stands for the rest, which differ in configuration or recipe.
SMOKE = {
    "000": "srcnn, all losses", "000-real": "all terms",
    "001-1": "EDSR, tuned on sr", "001-2": "EDSR, both", "002-1": "SRGAN", "002-1-real": "bicubic",
    "002-2": "bicubic, then", "003-1": "attention", "003-2": "one way", "003-3": "TSRN", "003-4": "none", "003-5": "bicubic",
    "003-6": "neither", "003-7": "neither", "004-5": "2 modules", "004-6": "GR-CNN", "004-7": "48 features", "004-8": "noise 7",
}  # fmt: skip


@needs_tesseract
@pytest.mark.parametrize("path", TABLES, ids=lambda p: p.stem)
def test_a_row_of_every_table_runs_from_data_to_markdown(path, data, tmp_path, capsys):
    place = data / "pairs" if path.stem in ("000-real", "002-1-real") else data
    command = ["reproduce", path.stem, "--recipes", str(PAPERS), "--data", str(place), "-o", str(tmp_path / "out"), "--reduced"]
    limits = ["--steps", "1", "--batch", "2", "--count", "2", "--device", "cpu", "--rows", SMOKE[path.stem]]
    assert main([*command, *limits]) == 0
    text = (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert "1 seed; 0.0" in text and "A try of the way only" in text and " [" in text
    assert ("hours of training on CPU (" in text) == (SMOKE[path.stem] != "bicubic")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "table.csv").read_text(encoding="utf-8"))))
    table = read_paper_table(path)
    assert {row["row"] for row in rows} <= {row.name for row in table.rows} and all(
        float(r["low"]) <= float(r["high"]) for r in rows
    )
    assert "Written" in capsys.readouterr().out


def reproduce(data: Path, out: Path) -> list[str]:
    """Return the arguments that reproduce the table 002-1 in *out*."""
    return ["reproduce", "002-1", "--recipes", str(PAPERS), "--data", str(data), "-o", str(out)]


@needs_tesseract
def test_a_second_call_goes_on_with_what_is_missing(data, tmp_path):
    out = tmp_path / "out"
    command = [*reproduce(data, out), "--reduced", "--rows", "bicubic", "SRCNN"]
    limits = ["--steps", "1", "--batch", "2", "--count", "2", "--device", "cpu"]
    assert main([*command, *limits]) == 0
    weights = (out / "seed-0" / "srcnn-l2" / "model.safetensors").stat().st_mtime_ns
    assert main([*command, *limits, "--seeds", "2"]) == 0
    assert (out / "seed-0" / "srcnn-l2" / "model.safetensors").stat().st_mtime_ns == weights
    assert (out / "seed-1" / "srcnn-l2").is_dir() and "2 seeds" in (out / "table.md").read_text(encoding="utf-8")
    # What has no seed is evaluated once, and all trainings share what Tesseract read on the scans.
    assert [path.stem for path in (out / "seed-1" / "rows").iterdir()] == ["srcnn"]
    assert list((out / "lines").glob("*.tsv")) and not list(out.glob("seed-*/*.run/lines"))


def test_wrong_calls_are_refused_in_a_sentence(data, tmp_path, capsys):
    command = reproduce(data, tmp_path)
    assert main([*command, "--rows", "nothing"]) == 1 and "has no row like nothing" in capsys.readouterr().err
    assert main([*command, "--seeds", "0"]) == 1 and "--seeds must be at least 1" in capsys.readouterr().err
    assert main(["reproduce", "009", "--recipes", str(PAPERS), "--data", str(data)]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "The table 009 cannot be read" in said and "002-1" in said
    assert main(["reproduce", "002-1", "--recipes", str(tmp_path), "--data", str(data)]) == 1
    assert "are none; give" in " ".join(capsys.readouterr().err.split())
    twice = tmp_path / "twice.toml"
    for names in (("a", "a"), ("with a", "with, a")):  # the second would share a trained network and a file of figures
        rows = "".join(f'[[rows]]\nname = "{name}"\nmethod = "hr"\n' for name in names)
        twice.write_text('title = "x"\nevaluation = "lines"\n[full]\n[reduced]\n' + rows)
        with pytest.raises(OptionError, match="two rows of one name"):
            read_paper_table(twice)


@needs_tesseract
def test_a_folder_of_another_kind_of_run_is_refused(data, tmp_path, capsys):
    command = [*reproduce(data, tmp_path / "out"), "--rows", "bicubic"]
    limits = ["--count", "2", "--device", "cpu"]
    assert main([*command, "--reduced", *limits]) == 0
    capsys.readouterr()
    assert main([*command, "--reduced", "--count", "3", "--device", "cpu"]) == 1 and "another -o" in capsys.readouterr().err
    assert main([*command, *limits]) == 1 and "another -o" in capsys.readouterr().err
    other = ["002-2" if word == "002-1" else word for word in command]
    assert main([*other, "--reduced", *limits]) == 1 and "table 002-1" in capsys.readouterr().err
    assert main([*command, "--reduced", *limits, "--seeds", "2"]) == 0


@needs_tesseract
def test_rows_and_networks_of_other_recipes_or_data_are_refused(data, tmp_path, capsys):
    recipes, out = tmp_path / "recipes", tmp_path / "out"
    shutil.copytree(PAPERS, recipes)
    shutil.copytree(data, tmp_path / "other")

    def says(*more: str, place: Path = data, table: str = "002-1") -> str:
        command = ["reproduce", table, "--recipes", str(recipes), "--data", str(place), "-o", str(out), "--reduced", *more]
        limits = ["--steps", "1", "--batch", "2", "--count", "2", "--device", "cpu"]
        status = main([*command, *limits])
        return " ".join(capsys.readouterr().err.split()) if status else ""

    assert not says("--rows", "bicubic", "SRCNN")
    assert "of another recipe or other data" in says("--rows", "bicubic", place=tmp_path / "other")
    assert "another kind (table 002-1" in says("--rows", "bicubic", table="000")
    note, kind = out / "kind.json", (out / "kind.json").read_text()
    note.write_text(kind[:-3])
    assert "kind.json is damaged" in says("--rows", "bicubic")
    note.write_text(kind)
    used = recipes / "table-000" / "srcnn-l2.toml"
    used.write_text(used.read_text(encoding="utf-8").replace("lr = ", "lr = 2e-4 #"), encoding="utf-8")
    assert "the row 'SRCNN' of another recipe or other data" in says("--rows", "bicubic", "SRCNN")
    (out / "seed-0" / "rows" / "srcnn.json").unlink()
    assert "srcnn-l2 was made by another recipe" in says("--rows", "bicubic", "SRCNN")
    shutil.rmtree(out / "seed-0" / "srcnn-l2")
    shutil.rmtree(out / "seed-0" / "srcnn-l2.run")
    assert not says("--rows", "bicubic", "SRCNN")


def test_means_intervals_and_seeds_by_hand():
    first = {"psnr": Figures((10.0, 20.0), (1.0, 1.0)), "cer": Figures((100.0, 0.0), (10.0, 10.0))}
    second = {"psnr": Figures((14.0, 24.0), (1.0, 1.0)), "cer": Figures((300.0, 0.0), (10.0, 10.0))}
    row = cells([first, second], {"psnr": 18.0})
    assert row["psnr"].interval.value == 17.0 and row["psnr"].seeds == (15.0, 19.0) and row["psnr"].paper == 18.0
    assert row["psnr"].interval.low == 12.0 and row["psnr"].interval.high == 22.0
    assert row["cer"].interval.value == 10.0 and row["cer"].paper is None
    setting = Setting()
    table = PaperTable("A table", "patches", (Row("ours"),), setting, setting)
    text = markdown(table, {"ours": row}, ["about"])
    assert "| ours | 17.00 [12.00, 22.00], 15.00 to 19.00 (18) | 10.00 [0.00, 20.00], 5.00 to 15.00 |" in text
    assert as_csv({"ours": row}).splitlines()[1] == "ours,psnr,17,12,22,15 19,18.0"


def test_averages_of_sets_are_plain_or_by_lines():
    def metrics(*right):
        return LineMetrics(len(right), 0, 0, 0, right={"crnn": right}, decibels=(20.0,) * len(right))

    rows = {"easy": metrics(True, True, True, False), "hard": metrics(False)}
    plain, weighted = (line_figures(rows, average)["crnn average"] for average in (True, False))
    assert sum(plain.above) / sum(plain.below) == pytest.approx(37.5)
    assert sum(weighted.above) / sum(weighted.below) == pytest.approx(60.0)
    assert line_figures(rows, True)["crnn easy"].above == (100.0, 100.0, 100.0, 0.0)


def test_the_layers_of_paper_001_are_those_that_its_sizes_tell():
    from fnmatch import fnmatchcase

    def matched(net, patterns):
        return sum(p.numel() for n, p in net.named_parameters() if any(fnmatchcase(n, pattern) for pattern in patterns))

    with torch.device("meta"):
        spec = get("edsr-stn")
        assert matched(spec.build(spec.parse_config({})), PAPER_LAYERS["sr"]) == 7_168 + 38_355_200 + 1_854_760
        # Without the projections that CDistNet never uses, of which there are two sets in each of twelve units.
        used = 31_518_720 - 12 * 2 * 787_968 + 9_451_008 + 525_312 + 141_608
        assert matched(build("cdistnet", {}), PAPER_LAYERS["recognizer"]) == used
    net = torch.nn.Sequential()
    net.stn, net.tail = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
    kept = net.tail.weight.detach().clone()
    assert quantize_in_place(net, 2, AciqSettings(False, False), PAPER_LAYERS["sr"]) == 16
    assert len(net.stn.weight.unique()) <= 4 and torch.equal(net.tail.weight, kept)
    with pytest.raises(ValueError, match="no weight matches"):
        quantize_in_place(net, 2, None, ("nothing.*",))
