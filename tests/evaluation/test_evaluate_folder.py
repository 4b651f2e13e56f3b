# SPDX-License-Identifier: MPL-2.0
"""`evaluate` on a folder of a user's own: how many pages are read, what is wrong with files, and truth in capitals."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pytest
from evaluation_pages import LINES, draw
from PIL import Image

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.commands import evaluate as command
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.benchmark import Result, from_json, result_of, to_json
from ocrmypdf_superres.evaluation.data.pages import BenchmarkPage, Case, find_pages, left_out, make_cases
from ocrmypdf_superres.evaluation.goals import markdown_tables
from ocrmypdf_superres.evaluation.methods.readings import ocrmypdf_text
from ocrmypdf_superres.evaluation.reports import from_results
from ocrmypdf_superres.evaluation.summary import about_case
from ocrmypdf_superres.evaluation.trust.trust import silent_substitutions
from ocrmypdf_superres.evaluation.words import correct_words
from ocrmypdf_superres.metrics.text import TextScore, bare_words, score
from ocrmypdf_superres.tesseract import Word

ROW = {"id": "a", "collection": "c", "image": "a.png", "text": "a.gt.txt", "languages": "eng", "dpi": 300}


def run(*given: str, methods: tuple[str, ...] = ("native",)) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([*given, "--jobs", "1", "--methods", *methods, "--conditions", "100-clean"]))


def folder_of(tmp_path: Path, count: int, text: str = "\n".join(LINES)) -> Path:
    for number in range(count):
        draw(200).save(tmp_path / f"{number}.png", dpi=(200, 200))
        (tmp_path / f"{number}.gt.txt").write_text(text, encoding="utf-8")
    return tmp_path


def page(name: str, dpi: float, collection: str = "c") -> BenchmarkPage:
    return BenchmarkPage(name, collection, "", "", "eng", dpi)


def test_all_pages_of_a_folder_and_two_of_an_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = folder_of(tmp_path, 3), tmp_path / "out.json"
    assert run("--data", str(folder), "--json", str(out)) == 0
    assert len(json.loads(out.read_text(encoding="utf-8"))) == 3
    assert "are taken" not in capsys.readouterr().out
    rows = [{**ROW, "id": str(n), "image": f"{n}.png", "text": f"{n}.gt.txt", "dpi": 200} for n in range(3)]
    (folder / "index.json").write_text(json.dumps(rows), encoding="utf-8")
    assert run("--data", str(folder), "--json", str(out)) == 0
    assert len(json.loads(out.read_text(encoding="utf-8"))) == 2
    assert "c: 2 of 3 pages are taken; --count 0 takes all." in capsys.readouterr().out
    assert run("--data", str(folder), "--count", "0") == 0
    assert "are taken" not in capsys.readouterr().out


def test_what_is_left_out_is_said() -> None:
    pages = [page("a", 300), page("b", 300), page("c", 160), page("d", 96), page("e", 300, "other")]
    assert left_out(pages, 1) == [
        "c: 1 of 2 pages are taken; --count 0 takes all.",
        "1 of 5 pages are left out: pages below 150 dpi are read as they are, and pages of at least 200 dpi are reduced.",
    ]
    assert left_out([page("a", 300)], 0) == []
    with pytest.raises(OptionError, match="--count was given -1"):
        make_cases(pages, [(72, "scan")], -1)


def test_truth_in_capitals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out, table = folder_of(tmp_path, 1, "\n".join(LINES).upper()), tmp_path / "out.json", tmp_path / "out.md"
    assert run("--data", str(folder), "--json", str(out)) == 0
    (exact,) = json.loads(out.read_text(encoding="utf-8"))
    assert exact["rates"]["cer"] > 0.5 and exact["ignore_case"] is False
    assert run("--data", str(folder), "--ignore-case", "--json", str(out), "--markdown", str(table)) == 0
    (folded,) = json.loads(out.read_text(encoding="utf-8"))
    assert folded["rates"]["cer"] < 0.02 and folded["rates"]["recall"] > 0.95 and folded["ignore_case"] is True
    assert folded["scores"]["s_ld"] > 0.98
    said = "Letters count as the same in upper and lower case."
    assert table.read_text(encoding="utf-8").startswith(said)
    assert said in capsys.readouterr().out
    run_folder = tmp_path / "run"
    assert run("--data", str(folder), "--ignore-case", "--run", str(run_folder), methods=("as-is", "lanczos")) == 0
    words = json.loads((run_folder / "run.json").read_text(encoding="utf-8"))["pages"][0]["after"]["words"]
    assert sum(word["right"] for word in words) > 0.8 * len(words)


def test_one_collection_of_an_index_ignores_case(tmp_path: Path) -> None:
    folder_of(tmp_path, 2, "AbC")
    rows = [{**ROW, "id": str(n), "image": f"{n}.png", "text": f"{n}.gt.txt", "ignore_case": bool(n)} for n in range(2)]
    (tmp_path / "index.json").write_text(json.dumps(rows), encoding="utf-8")
    reading = {"text": "aBc", "tesseract_seconds": 0.0, "superres_seconds": 0.0, "details": {}}
    results = [result_of(Case(one), "as-is", reading) for one in find_pages(tmp_path)]
    assert [result.counts.edits for result in results] == [3, 0]
    assert about_case(results) == "Letters count as the same in upper and lower case on 1 of 2 pages."
    assert from_json(to_json(results[1])).ignore_case
    older = {name: value for name, value in to_json(results[0]).items() if name != "ignore_case"}
    assert not from_json(older).ignore_case
    assert about_case(results[:1]) == "" and not markdown_tables(results[:1], []).startswith("Letters")


def test_a_report_says_that_case_is_ignored() -> None:
    results = [
        Result("g", "p", "g", method, TextScore(1, 10, 1, 2, 2), 1.0, 0.0, {}, ignore_case=True) for method in ("as-is", "plugin")
    ]
    assert from_results(results, "title", "as-is", "plugin").notes == [about_case(results)] != [""]


def test_case_is_folded_in_full() -> None:
    assert score("STRASSE ΟΔΟΣ É", "Straße οδος e\u0301", ignore_case=True) == TextScore(0, 14, 3, 3, 3, 0, 3, 3)
    assert score("Straße", "STRASSE").edits > 0
    assert bare_words("Per cent.") == ["Per", "cent"] and bare_words("Per cent.", ignore_case=True) == ["per", "cent"]
    words = [Word("House", 97, (0, 0, 1, 1))]
    assert correct_words(words, "HOUSE") == [False] and correct_words(words, "HOUSE", ignore_case=True) == [True]
    assert silent_substitutions(words, "HOUSE", "eng") == words
    assert silent_substitutions(words, "HOUSE", "eng", ignore_case=True) == []


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "a.gt.txt").write_text("words", encoding="utf-8")
    (tmp_path / "a.png").write_text("not an image", encoding="utf-8")
    with pytest.raises(OptionError, match=r"The image .*a\.png cannot be read"):
        find_pages(tmp_path)
    with pytest.raises(OptionError, match="is not a folder"):
        find_pages(tmp_path / "a.gt.txt")
    (tmp_path / "index.json").write_text(json.dumps([{**ROW, "image": "b.png"}]), encoding="utf-8")
    with pytest.raises(OptionError, match=r"names .*b\.png, which is missing"):
        find_pages(tmp_path)
    (tmp_path / "index.json").write_text("[]", encoding="utf-8")
    with pytest.raises(OptionError, match="holds no page images"):
        find_pages(tmp_path)


def test_what_is_given_twice_counts_once(tmp_path: Path) -> None:
    folder, out = folder_of(tmp_path, 1), tmp_path / "out.json"
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    given = ["--data", str(folder), "--jobs", "1", "--json", str(out), "--methods", "lanczos", "lanczos"]
    assert command.run(parser.parse_args([*given, "--conditions", "100-clean", "100-clean"])) == 0
    assert len(json.loads(out.read_text(encoding="utf-8"))) == 1


@pytest.mark.parametrize("option", ["--run", "--worst"])
def test_a_folder_that_cannot_be_made_is_said_before_reading(tmp_path: Path, option: str) -> None:
    folder, taken = folder_of(tmp_path, 1), tmp_path / "taken"
    taken.write_text("a file", encoding="utf-8")
    with pytest.raises(FileExistsError):
        run("--data", str(folder), option, str(taken), "--json", str(tmp_path / "out.json"), methods=("plugin",))
    assert not (tmp_path / "out.json").exists()


def test_the_worst_pages_are_those_of_the_plugin(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--methods has none of the plugin's"):
        run("--data", str(folder_of(tmp_path, 1)), "--worst", str(tmp_path / "worst"))
    assert not (tmp_path / "worst").exists()


def test_a_run_of_ocrmypdf_leaves_the_standard_streams(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    ocrmypdf_text(draw(200), 200, "eng", plugins=["ocrmypdf_superres"], superres_device="cpu")
    assert (sys.stdout, sys.stderr) == before


def test_a_report_of_results_shows_the_method_that_ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = [Result("g", "p", "g", method, TextScore(1, 10, 1, 2, 2), 1.0, 0.0, {}) for method in ("as-is", "plugin-once")]
    source = tmp_path / "results.json"
    source.write_text(json.dumps([to_json(result) for result in results]), encoding="utf-8")
    assert main(["report", str(source), "-o", str(tmp_path / "report.html")]) == 0
    assert "Of 1 page, 0 read better with plugin-once than with as-is" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("methods", "sides", "images"),
    [
        (("lanczos", "bicubic"), ("lanczos", "bicubic"), 2),
        (("as-is", "oversample"), ("as-is", "oversample"), 0),
        (("lanczos", "native"), ("lanczos", "native"), 0),
    ],
)
def test_the_report_of_a_run_compares_two_methods_that_ran(
    benchmark_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    methods: tuple[str, ...], sides: tuple[str, str], images: int,
) -> None:  # fmt: skip
    folder, report = tmp_path / "run", tmp_path / "report.html"
    given = ["evaluate", "--data", str(benchmark_folder), "--conditions", "72-scan", "--collections", "books", "--jobs", "1"]
    assert main([*given, "--methods", *methods, "--run", str(folder)]) == 0
    assert f"For the report: ocrmypdf-superres report {folder}" in capsys.readouterr().out
    assert main(["report", str(folder), "-o", str(report)]) == 0
    assert f"read better with {sides[1]} than with {sides[0]}" in capsys.readouterr().out
    assert len(list((folder / "pages").glob("*.png"))) == images


def test_a_run_of_one_method_has_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, where = folder_of(tmp_path, 1), tmp_path / "run"
    assert run("--data", str(folder), "--run", str(where)) == 0
    assert "For the report" not in capsys.readouterr().out
    assert main(["report", str(where), "-o", str(tmp_path / "report.html")]) == 1
    assert "A report compares two methods, but native was given as both" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        '<PcGts><Page><TextRegion><TextLine><TextEquiv index="x"/><TextEquiv/></TextLine></TextRegion></Page></PcGts>',
        '<PcGts><Page><TextRegion><TextLine><Coords><Point x="left" y="0"/></Coords></TextLine></TextRegion></Page></PcGts>',
        '<PcGts><Page><ReadingOrder><G><RegionRef index="first"/></G></ReadingOrder></Page></PcGts>',
        '<alto><TextLine><String CONTENT="a" HPOS="left" VPOS="1" WIDTH="2" HEIGHT="3"/></TextLine></alto>',
        '<alto><TextLine><String CONTENT="a" HPOS="inf" VPOS="1" WIDTH="2" HEIGHT="3"/></TextLine></alto>',
    ],
)
def test_damaged_truth_is_said_before_anything_is_read(tmp_path: Path, content: str) -> None:
    Image.new("L", (20, 20), 255).save(tmp_path / "a.png", dpi=(300, 300))
    (tmp_path / "a.xml").write_text(content, encoding="utf-8")
    with pytest.raises(OptionError, match=r"The ground truth .*a\.xml is damaged"):
        run("--data", str(tmp_path))
