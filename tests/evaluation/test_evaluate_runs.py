# SPDX-License-Identifier: MPL-2.0
"""Pages, cases, the cache, and the command as a whole on a small benchmark."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from evaluation_pages import LINES, draw
from PIL import Image
from test_layers import FILES, LAYERS, PACKAGE, imports, module_file, room_of

from ocrmypdf_superres.commands import evaluate as command
from ocrmypdf_superres.errors import MissingDependencyError, OptionError
from ocrmypdf_superres.evaluation.benchmark import run_cases
from ocrmypdf_superres.evaluation.data.pages import BenchmarkPage, Case, find_pages, make_cases
from ocrmypdf_superres.evaluation.data.profiles import parse_condition
from ocrmypdf_superres.evaluation.methods.code_digest import PLUGIN_CODE, _digest, code_digest
from ocrmypdf_superres.evaluation.methods.dispatch import read
from ocrmypdf_superres.evaluation.methods.images import lr_image
from ocrmypdf_superres.evaluation.methods.readings import ocrmypdf_text, tesseract_text
from ocrmypdf_superres.metrics.text import cer


def arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(given)


def test_pages_from_an_index_and_from_files(benchmark_folder: Path, tmp_path: Path) -> None:
    pages = find_pages(benchmark_folder)
    assert [(p.name, p.collection, p.dpi, p.languages) for p in pages] == [
        ("good", "books", 300, "eng"),
        ("poor", "faxes", 100, "eng"),
    ]
    (tmp_path / "set").mkdir()
    draw(90).save(tmp_path / "set" / "p.png", dpi=(90, 90))
    draw(90).save(tmp_path / "set" / "without_text.png")
    (tmp_path / "set" / "p.gt.txt").write_text("words", encoding="utf-8")
    (page,) = find_pages(tmp_path, "deu+eng")
    assert (page.name, page.collection, round(page.dpi), page.languages) == ("p", "set", 90, "deu+eng")


def test_data_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="holds no page images"):
        find_pages(tmp_path)
    (tmp_path / "index.json").write_text('[{"id": 1}]', encoding="utf-8")
    with pytest.raises(OptionError, match="index"):
        find_pages(tmp_path)


def test_cases_take_the_first_pages_of_each_collection() -> None:
    def page(name: str, collection: str, dpi: float) -> BenchmarkPage:
        return BenchmarkPage(name, collection, "", "", "eng", dpi)

    pages = [page("a", "x", 300), page("b", "x", 300), page("c", "y", 200), page("d", "z", 96), page("e", "z", 180)]
    cases = make_cases(pages, [(72, "scan"), (200, "clean")], per_collection=1)
    assert [(c.page.name, c.group) for c in cases] == [
        ("d", "z"), ("a", "72 dpi scan"), ("c", "72 dpi scan"), ("a", "200 dpi clean")
    ]  # fmt: skip
    assert len(make_cases(pages, [(72, "scan")], per_collection=0)) == 4


@pytest.mark.parametrize("text", ["72", "72-", "scan", "-72-scan", "72-sepia", "5-clean", "900-clean", "7x-clean"])
def test_bad_conditions(text: str) -> None:
    with pytest.raises(OptionError, match="DPI-PROFILE"):
        parse_condition(text)


def test_as_is_is_what_ocrmypdf_reads() -> None:
    image = draw(200)
    direct = tesseract_text(image, 200, "eng")
    through = ocrmypdf_text(image, 200, "eng")
    assert direct.text.split() == through.text.split()
    assert cer(direct.text, " ".join(LINES)) < 0.02
    assert through.superres_seconds == 0
    # The clock starts when Tesseract does, so both count the same work.
    assert through.tesseract_seconds < 2 * direct.tesseract_seconds + 0.3


def test_low_pages_keep_their_pixels(tmp_path: Path) -> None:
    for mode in ("1", "L", "RGB", "RGBA", "P"):
        draw(90).convert(mode).save(tmp_path / "p.png")
        page = BenchmarkPage("p", "c", str(tmp_path / "p.png"), "", "eng", 90.0)
        image, dpi = lr_image(Case(page))
        assert dpi == 90.0
        assert image.mode == (mode if mode in ("1", "L", "RGB") else "RGB")
        assert image.size == draw(90).size
        reduced, dpi = lr_image(Case(page, 45.0, "clean"))
        assert (reduced.mode, dpi) == ("L", 45.0)


def test_plugin_run_carries_its_record(benchmark_folder: Path, lanczos_net: Path) -> None:
    case = Case(find_pages(benchmark_folder)[0], 72.0, "clean")
    reading = read(case, "plugin", str(lanczos_net))
    assert reading.details["action"] == "enlarged"
    assert reading.superres_seconds > 0
    assert reading.tesseract_seconds > 0
    assert reading.run_seconds > reading.superres_seconds + reading.tesseract_seconds
    assert " ".join(text for text, _, _ in reading.words) == " ".join(reading.text.split())
    assert all(0 <= box[0] < box[2] <= reading.size[0] for _, _, box in reading.words)
    assert cer(reading.text, " ".join(LINES)) < 0.1


def test_cache_serves_and_a_native_scan_is_read_once(benchmark_folder: Path, tmp_path: Path) -> None:
    page = find_pages(benchmark_folder)[0]
    cases = [Case(page, 100.0, "clean"), Case(page, 100.0, "scan"), Case(find_pages(benchmark_folder)[1])]
    first = list(run_cases(cases, ["native"], "none", tmp_path, 1))
    assert [r.group for r in first] == ["100 dpi clean", "100 dpi scan"]
    (kept,) = tmp_path.iterdir()
    changed = json.loads(kept.read_text(encoding="utf-8")) | {"text": "other words"}
    kept.write_text(json.dumps(changed), encoding="utf-8")
    assert all(r.counts.recognised == 2 for r in run_cases(cases, ["native"], "none", tmp_path, 1))
    kept.write_text("{cut sho", encoding="utf-8")
    assert [r.counts for r in run_cases(cases, ["native"], "none", tmp_path, 1)] == [r.counts for r in first]


def test_a_page_that_fails_is_a_result_and_is_not_kept(benchmark_folder: Path, tmp_path: Path) -> None:
    good = find_pages(benchmark_folder)[1]
    bad = BenchmarkPage("bad", "faxes", good.image, good.truth, "no_such_language", 100.0)
    (result,) = run_cases([Case(bad)], ["as-is"], "none", tmp_path, 1)
    assert "no_such_language" in result.error
    assert result.counts.cer == 1.0
    assert list(tmp_path.iterdir()) == []


def test_without_tesseract(benchmark_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="tesseract"):
        list(run_cases([Case(find_pages(benchmark_folder)[1])], ["as-is"], "none", None, 1))


def test_command(benchmark_folder: Path, lanczos_net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [
        "--data", str(benchmark_folder), "--conditions", "72-scan", "--methods", "as-is", "lanczos", "plugin", "native",
        "--model", str(lanczos_net), "--jobs", "1", "--cache", str(tmp_path / "cache"),
        "--json", str(tmp_path / "one.json"), "--markdown", str(tmp_path / "table.md"),
        "--worst", str(tmp_path / "worst"), "--worst-count", "1",
    ]  # fmt: skip
    assert command.run(arguments(*given)) == 0
    shown = capsys.readouterr().out
    assert "72 dpi scan" in shown
    tables = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "| faxes (1) |" in tables
    # The goals of this project say nothing about a user's pages.
    assert "promised" not in shown + tables
    written = json.loads((tmp_path / "one.json").read_text(encoding="utf-8"))
    assert [(r["group"], r["method"]) for r in written] == [
        ("72 dpi scan", "as-is"), ("72 dpi scan", "lanczos"), ("72 dpi scan", "plugin"), ("72 dpi scan", "native"),
        ("faxes", "as-is"), ("faxes", "lanczos"), ("faxes", "plugin"),
    ]  # fmt: skip
    (image,) = (tmp_path / "worst").iterdir()
    with Image.open(image) as sheet:
        assert sheet.mode == "RGB"
        assert sheet.width > 1800
    # A run without the cache gives the same but for what varies.
    again = [*given[:4], "--methods", "plugin", *given[9:13], "--json", str(tmp_path / "two.json"), "--goals"]
    assert command.run(arguments(*again)) == 0
    assert "promised" in capsys.readouterr().out
    second = json.loads((tmp_path / "two.json").read_text(encoding="utf-8"))
    for run in (written, second):
        for entry in run:
            for key in [key for key in entry if key.endswith("seconds")]:
                del entry[key]
    assert [r for r in written if r["method"] == "plugin"] == second


def test_a_name_that_looks_like_markup_is_printed_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("L", (300, 100), 255).save(tmp_path / "page [red].png", dpi=(100, 100))
    (tmp_path / "page [red].gt.txt").write_text("nothing")
    given = ["--data", str(tmp_path), "--language", "no_such_language", "--methods", "as-is", "--conditions", "--jobs", "1"]
    assert command.run(arguments(*given)) == 1
    assert "page [red], as-is" in " ".join(capsys.readouterr().out.split())


def test_command_refuses(benchmark_folder: Path) -> None:
    with pytest.raises(OptionError, match="no collection 'nothing'"):
        command.run(arguments("--data", str(benchmark_folder), "--collections", "nothing"))
    with pytest.raises(OptionError, match="nothing can be measured"):
        command.run(arguments("--data", str(benchmark_folder), "--collections", "books", "--conditions"))


def test_all_code_that_the_plugin_runs_decides_its_readings() -> None:
    reached, todo = set(), [path for path in FILES if room_of(path) == "plugin"]
    while todo:
        path = todo.pop()
        if path not in reached:
            reached.add(path)
            todo += [found for module, _ in imports(path) if (found := module_file(module))]
    # Helpers at the bottom write files, parse tables or name errors, which decides no text; metrics are not of that kind.
    helpers = {room for room, layer in LAYERS.items() if layer == 0} - {"metrics"}
    relative = [path.relative_to(PACKAGE).as_posix() for path in reached if room_of(path) not in helpers]
    # Files named __init__ say what is in a folder and no more.
    decides = [name for name in relative if not name.endswith("__init__.py")]
    assert [name for name in decides if not name.startswith(PLUGIN_CODE)] == []
    assert not {"archive", "commands", "evaluation", "export", "reporting", "training"} & set(PLUGIN_CODE)
    assert code_digest(["tesseract.py"]) != code_digest(["errors.py"]) and code_digest(PLUGIN_CODE) == code_digest(PLUGIN_CODE)


def test_words_about_the_code_do_not_decide_readings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocrmypdf_superres.evaluation.methods.code_digest.PACKAGE", tmp_path)
    sources = (
        "def half(x):\n    return x / 2\n",
        'def half(x):\n    """Return half of *x*."""\n    # Never rounded.\n    return (x / 2)\n',
        "def half(x):\n    return x // 2\n",
    )
    digests = []
    for source in sources:
        (tmp_path / "code.py").write_text(source)
        digests.append(_digest.__wrapped__(("code.py",)))
    assert digests[0] == digests[1] != digests[2]
