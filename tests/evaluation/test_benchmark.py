# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import argparse
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

pytest.importorskip("img2pdf")

from ocrmypdf_superres.commands import evaluate as command
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation import gain
from ocrmypdf_superres.evaluation.benchmark import Result, from_json, to_json
from ocrmypdf_superres.evaluation.data.pages import BenchmarkPage, Case, find_pages, make_cases
from ocrmypdf_superres.evaluation.data.profiles import PROFILES, parse_condition, reduce_page
from ocrmypdf_superres.evaluation.methods.readings import Reading
from ocrmypdf_superres.evaluation.reading_cache import versions_of
from ocrmypdf_superres.evaluation.summary import headlines, lost, made_worse, markdown
from ocrmypdf_superres.metrics.text import TextScore

FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSerif.ttf"


@pytest.fixture
def folder(tmp_path):
    """One rendered 300 dpi page with its text."""
    page = Image.new("L", (1200, 420), 250)
    text = "A cold wind came over the water\nand the lamps along the quay\nwent out one after another"
    ImageDraw.Draw(page).multiline_text((80, 60), text, fill=10, font=ImageFont.truetype(FONT, 46), spacing=36)
    page.save(tmp_path / "page.png", dpi=(300, 300))
    (tmp_path / "page.gt.txt").write_text(text)
    return tmp_path


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_profiles_repeat_and_keep_the_range(profile):
    luma = np.random.default_rng(0).random((120, 90), dtype=np.float32)
    first, second = (reduce_page(luma, 300, 100, profile, "p") for _ in range(2))
    assert first.shape == (40, 30) and first.dtype == np.float32
    assert np.array_equal(first, second) and 0 <= first.min() <= first.max() <= 1
    if PROFILES[profile].bilevel:
        assert set(np.unique(first)) <= {0.0, 1.0}


def test_profile_mistakes():
    luma = np.ones((10, 10), np.float32)
    with pytest.raises(OptionError, match="'nosuch'"):
        reduce_page(luma, 300, 100, "nosuch", "p")
    with pytest.raises(OptionError, match="cannot be reduced"):
        reduce_page(luma, 100, 100, "clean", "p")
    with pytest.raises(OptionError, match="'72'"):
        parse_condition("72")


def test_pages_under_conditions_are_cases(folder):
    pages = find_pages(folder)
    assert [(p.name, p.dpi) for p in pages] == [("page", pytest.approx(300, abs=0.1))]
    assert [case.group for case in make_cases(pages, [(72, "scan"), (100, "fax")], 0)] == ["72 dpi scan", "100 dpi fax"]
    with pytest.raises(OptionError, match="is not a folder"):
        find_pages(folder / "none")


def arguments(folder, *more):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    out = ["--json", str(folder / "out.json"), "--markdown", str(folder / "out.md"), "--cache", str(folder / "cache")]
    return parser.parse_args(["--data", str(folder), "--jobs", "1", *out, *more])


def test_a_real_run_and_the_same_again(folder, capsys):
    args = arguments(folder, "--methods", "as-is", "lanczos", "native", "--conditions", "100-clean")
    assert command.run(args) == 0
    results = json.loads((folder / "out.json").read_text())
    by_method = {r["method"]: r for r in results}
    assert by_method["native"]["counts"]["edits"] <= 1
    assert by_method["lanczos"]["counts"]["edits"] <= 3
    assert by_method["native"]["tesseract_seconds"] > 0
    assert "100 dpi clean (1)" in (folder / "out.md").read_text()
    capsys.readouterr()
    assert command.run(args) == 0
    assert json.loads((folder / "out.json").read_text()) == results


def test_a_page_that_cannot_be_read_is_never_right(tmp_path):
    for name, text in (("blank", ""), ("lost", ""), ("unread", "Привет, мир")):
        Image.new("L", (300, 60), 250).save(tmp_path / f"{name}.png", dpi=(100, 100))
        (tmp_path / f"{name}.gt.txt").write_text(text, encoding="utf-8")
    lost = tmp_path / "lost.png"
    lost.write_bytes(lost.read_bytes()[:-40])  # its head is whole
    assert command.run(arguments(tmp_path, "--methods", "lanczos")) == 1
    right = {r["page"]: r["scores"]["right"] for r in json.loads((tmp_path / "out.json").read_text())}
    assert right == {"blank": 1.0, "lost": 0.0, "unread": 0.0}


def test_engines_stand_beside_the_plugin(folder):
    pytest.importorskip("rapidocr")
    args = arguments(folder, "--methods", "rapidocr", "plugin-tesseract", "--conditions", "100-clean")
    assert command.run(args) == 0
    by_method = {r["method"]: r for r in json.loads((folder / "out.json").read_text())}
    assert by_method["rapidocr"]["counts"]["found"] >= 0.8 * by_method["rapidocr"]["counts"]["words"] > 0
    assert by_method["rapidocr"]["tesseract_seconds"] > 0
    assert by_method["plugin-tesseract"]["details"]["opinions"] == {}
    assert {versions_of(m, "docsr-s2") for m in ("plugin", "rapidocr")} != {versions_of("plugin-tesseract", "docsr-s2")}
    assert "rapidocr" in versions_of("plugin", "docsr-s2") and "rapidocr" not in versions_of("plugin-tesseract", "docsr-s2")


def result(page, method, edits, group="72 dpi scan"):
    return Result(group, page, "books", method, TextScore(edits, 100, 100 - edits, 100, 100), 1.0, 0.1, {})


def test_summary_counts_worse_and_lost_pages():
    results = [
        *(result("a", m, e) for m, e in (("as-is", 90), ("lanczos", 60), ("plugin", 20), ("native", 2))),
        *(result("b", m, e) for m, e in (("as-is", 9), ("lanczos", 3), ("plugin", 5), ("native", 2))),
        *(result("c", m, e) for m, e in (("as-is", 9), ("lanczos", 3), ("plugin", 4), ("native", 2))),
    ]
    worse, total = made_worse(results, "plugin")
    assert total == 3 and len(worse) == 1 and worse[0].startswith("72 dpi scan: b")
    assert lost(results, "lanczos") == ["72 dpi scan: a"] and lost(results, "plugin") == []
    text = "\n".join(headlines(results))
    assert "CER 0.0967, best other (lanczos) 0.2200, ratio 0.44" in text
    assert "super-resolution took 10.0% of Tesseract's time" in text
    assert "| 72 dpi scan (3) | 36.00" in markdown(results)


def test_times_stand_in_fields_of_seconds_alone():
    counts = TextScore(edits=1, characters=10, found=2, words=2, recognised=2, word_edits=0)
    twins = [
        Result("g", "p", "c", "plugin", counts, t, 0.1, {"reading_cost": cost, "reason": "low"})
        for t, cost in ((6.0, 3.0), (9.0, 3.5))
    ]
    written = [to_json(twin) for twin in twins]
    assert from_json(json.loads(json.dumps(written[0]))) == twins[0]
    for values in written:
        assert values["one_reading_seconds"] > 0
        for name in [name for name in values if name.endswith("seconds")]:
            del values[name]
    assert written[0] == written[1]


def test_readings_of_similar_names_stay_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(gain, "worker_pool", ThreadPoolExecutor)
    monkeypatch.setattr(gain, "_read_page", lambda case, model, networks: Reading(case.page.name, 0.0))
    cases = []
    for name in ("a b", "a_b"):
        (tmp_path / f"{name}.gt.txt").write_text(name, encoding="utf-8")
        cases.append(Case(BenchmarkPage(name, "c", f"{name}.png", str(tmp_path / f"{name}.gt.txt"), "eng", 300.0), 72.0, "scan"))
    results = gain.read_with_networks(cases, "model", "auto", tmp_path / "cache", 1, lambda: None)
    assert [result.counts.edits for result in results] == [0, 0]
