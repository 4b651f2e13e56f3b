# SPDX-License-Identifier: MPL-2.0
"""What tables say of claims, the engines that were in no loss, and RESULTS.md, which follows from what is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.networks.independent_engines import independent_engines
from ocrmypdf_superres.evaluation.reproduction.claims import crossed_interval, findings
from ocrmypdf_superres.evaluation.reproduction.report import cells
from ocrmypdf_superres.evaluation.reproduction.results import FOLDER, Kept, claims_lines, keep, results_text
from ocrmypdf_superres.evaluation.reproduction.run import Job, reproduce
from ocrmypdf_superres.evaluation.reproduction.scoring import Figures
from ocrmypdf_superres.evaluation.reproduction.table import Claim, PaperTable, Row, Setting, read_paper_table
from ocrmypdf_superres.training.data.fonts import installed_fonts, open_font

PAPERS = Path(__file__).parents[2] / "examples" / "recipes" / "papers"
CLAIM = Claim("new is better", "new", "old", ("psnr", "cer"))


def seeds(*rows: tuple[tuple[float, ...], tuple[float, ...]]) -> list[dict[str, Figures]]:
    return [{"psnr": Figures(p, (1.0,) * len(p)), "cer": Figures(c, (2.0,) * len(c))} for p, c in rows]


def test_a_claim_needs_its_interval_and_every_seed():
    old = seeds(*[((20.0, 22.0, 21.0, 20.5), (10.0, 12.0, 8.0, 9.0))] * 3)
    new = seeds(*[((21.0, 23.1, 21.9, 21.6), (9.0, 11.5, 8.5, 9.0))] * 3)
    psnr, cer = findings(CLAIM, {"old": old, "new": new})
    assert psnr.verdict == "supported" and psnr.difference is not None
    assert psnr.difference.value == pytest.approx((1.0 + 1.1 + 0.9 + 1.1) / 4) and len(psnr.seeds) == 3
    # The error falls by one of eight characters' worth, and rises elsewhere: no certainty.
    assert cer.verdict == "not supported" and cer.difference is not None
    assert cer.difference.value == pytest.approx((-1.0 - 0.5 + 0.5) / 8)
    # One seed that falls the other way is enough, however sure the mean is.
    turned = [*new[:2], seeds(((19.9, 22.0, 21.0, 20.5), (9.0, 11.0, 7.0, 8.0)))[0]]
    psnr, cer = findings(CLAIM, {"old": old, "new": turned})
    assert psnr.verdict == "not supported" and psnr.seeds[2] < 0


def test_what_was_not_run_is_not_tested():
    rows = {"old": seeds(((1.0, 2.0), (1.0, 1.0))), "new": seeds(((2.0, 3.0), (0.0, 0.0)))}
    assert [f.verdict for f in findings(CLAIM, rows)] == ["not tested"] * 2
    assert "1 seed, 3 are needed" in findings(CLAIM, rows)[0].why
    assert findings(CLAIM, {"old": rows["old"]})[0].why == "a row was not run"
    only = Claim("better", "new", "old", ("crnn average", "psnr"))
    assert [f.column for f in findings(only, rows)] == ["psnr"]
    absent = Claim("better", "new", "old", ("crnn average",))
    assert findings(absent, rows)[0].why == "the column was not measured"


def test_a_crossed_interval_is_wider_than_one_over_images_where_seeds_differ():
    rng = np.random.default_rng(3)
    images = rng.normal(1.0, 0.1, 40)
    same = np.stack([images, images, images])
    differ = np.stack([images - 0.5, images, images + 0.5])
    below = np.ones(40)
    narrow, wide = crossed_interval(same, below), crossed_interval(differ, below)
    assert narrow.value == pytest.approx(wide.value) and wide.high - wide.low > 4 * (narrow.high - narrow.low)
    assert narrow.low < images.mean() < narrow.high


def test_results_follow_from_what_is_kept(tmp_path):
    shutil.copytree(PAPERS / "tables", tmp_path / "tables")
    table = read_paper_table(tmp_path / "tables" / "002-2.toml")
    before = results_text(tmp_path)
    assert "| 002-2 | the edge loss helps | psnr" in before and "| not tested | | |" in before and "Not run yet" in before
    figures = [{"psnr": Figures((20.0 + s, 21.0), (1.0, 1.0))} for s in (0.0, 0.1, 0.2)]
    better = [{"psnr": Figures((22.0 + s, 23.0), (1.0, 1.0))} for s in (0.0, 0.1, 0.2)]
    done = {"cascaded DPNets": better, "cascade without the edge loss": figures}
    found = tuple(finding for claim in table.claims for finding in findings(claim, done))
    rows = {name: cells(values, {"psnr": 25.27}) for name, values in done.items()}
    written = keep(tmp_path, "002-2", True, Kept(("Made by a test.",), rows, found))
    text = written.read_text(encoding="utf-8")
    assert text == results_text(tmp_path)
    assert "| 002-2, reduced | the edge loss helps | psnr | supported | +2.00 [+2.00, +2.00] | +2.00, +2.00, +2.00 |" in text
    assert "Made by a test." in text and "(25.27)" in text and "not tested: a row was not run" in text
    assert any("supported" in line for line in claims_lines(table, found))
    (tmp_path / FOLDER / "002-2-reduced.json").write_text("{}", encoding="utf-8")
    with pytest.raises(OptionError, match="not a finished table"):
        results_text(tmp_path)


def test_nothing_in_results_is_typed():
    assert (PAPERS / "RESULTS.md").read_text(encoding="utf-8") == results_text(PAPERS)
    for path in (PAPERS / FOLDER).glob("*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["rows"]


def test_only_whole_tables_are_kept(tmp_path):
    job = Job(PAPERS, tmp_path, tmp_path / "out", rows=("bicubic",), record=True)
    with pytest.raises(OptionError, match="--record keeps whole tables"):
        reproduce("002-1", job)


def test_claims_name_rows(tmp_path):
    rows = (Row("a", method="bicubic"), Row("b", method="hr"))
    assert PaperTable("t", "patches", rows, Setting(), Setting(), claims=(CLAIM,)).claims == (CLAIM,)
    (tmp_path / "t.toml").write_text(
        'title = "t"\nevaluation = "patches"\n[full]\n[reduced]\n[[rows]]\nname = "a"\nmethod = "bicubic"\n'
        '[[claims]]\ntext = "x"\nbetter = "a"\nthan = "c"\ncolumns = ["psnr"]\n'
    )
    with pytest.raises(OptionError, match="claims something of 'c', which is not a row"):
        read_paper_table(tmp_path / "t.toml")


def test_an_engine_finds_and_reads_what_was_in_no_loss():
    pytest.importorskip("rapidocr")
    (rapid,) = independent_engines(["rapidocr"])
    image = Image.new("L", (576, 96), 250)
    file = next(f for f in installed_fonts() if "DejaVuSans.ttf" in f.path)
    ImageDraw.Draw(image).text((20, 20), "several brown foxes", fill=10, font=open_font(file.path, file.index, 44))
    blank = Image.new("L", (576, 96), 250)
    mask, nothing, again = rapid.text_masks([image, blank, image])
    assert not nothing.any() and len(rapid.known) == 1 and (mask & again).sum() > 0.9 * mask.sum()
    assert mask.shape == (96, 576) and mask[30:60, 40:400].mean() > 0.9 and mask[:, 540:].mean() < 0.1
    assert rapid.read_line(image).replace(" ", "") == "severalbrownfoxes"
    assert rapid.read_block(image).replace(" ", "") == "severalbrownfoxes"
    assert rapid.read_line(Image.new("L", (100, 40), 250)) == ""


def test_engines_must_find_and_read_lines(monkeypatch):
    from ocrmypdf_superres.evaluation.networks import independent_engines as module

    monkeypatch.setattr(module, "shared_engine", lambda name: object())
    with pytest.raises(OptionError, match="finds and reads lines"):
        independent_engines(["other"])


def test_a_row_may_have_noise_of_its_own(tmp_path):
    from ocrmypdf_superres.evaluation.reproduction.scoring import Scorer
    from ocrmypdf_superres.training.recipe import read_recipe

    image = Image.new("L", (200, 200), 240)
    ImageDraw.Draw(image).rectangle((40, 40, 160, 160), fill=30)
    (tmp_path / "test").mkdir()
    image.save(tmp_path / "test" / "a.png")
    setting = Setting(source={"kind": "patches", "folder": "test", "options": {"size": [200, 200]}}, scale=1, count=1)
    table = PaperTable("t", "patches", (Row("a", method="bicubic"),), setting, setting)
    recipe = read_recipe(PAPERS / "004-epgr-deblur.toml")
    scorer = Scorer(table, setting, tmp_path, tmp_path / "lines", torch.device("cpu"), recipe)
    found = {
        noise: scorer.score(Row("a", noise=noise, method="bicubic"), "bicubic", None, None)["psnr"].above[0]
        for noise in (0.0, 15.0)
    }
    # The same blur each time; noise of 15 of 255 alone is 24.6 dB.
    assert found[15.0] < found[0.0] and found[15.0] < 25
    without = Scorer(table, setting, tmp_path, tmp_path / "lines", torch.device("cpu"))
    with pytest.raises(OptionError, match="no recipe with noise in its degradation"):
        without.score(Row("a", noise=7.0, method="bicubic"), "bicubic", None, None)
