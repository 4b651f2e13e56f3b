# SPDX-License-Identifier: MPL-2.0
"""The report without a browser: what it says, its order, its bounds, and what it is made from."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from report_runs import all_verdicts, make_run

pytest.importorskip("jinja2")

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.reports import from_records, from_run
from ocrmypdf_superres.evaluation.run_folder import Run, read_run, write_run
from ocrmypdf_superres.plugin.record import PageRecord
from ocrmypdf_superres.reporting.charts import Bars, ticks
from ocrmypdf_superres.reporting.images import LEAST_HEIGHT, pack
from ocrmypdf_superres.reporting.page_comparison import PageComparison, Side
from ocrmypdf_superres.reporting.render import render_report


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    make_run(folder, 4, truth=True, size=(700, 400))
    return folder


def test_a_run_comes_back_as_it_was_written(run_folder: Path, tmp_path: Path) -> None:
    run = read_run(run_folder)
    write_run(run, tmp_path)
    assert (tmp_path / "run.json").read_bytes() == (run_folder / "run.json").read_bytes()
    with pytest.raises(OptionError, match=r"holds no run\.json"):
        read_run(tmp_path / "none")


def test_figures_and_order(run_folder: Path) -> None:
    report = from_run(read_run(run_folder), run_folder)
    assert [row.gain for row in report.rows] == sorted(row.gain for row in report.rows)
    # As-is 120, 137, 154 and 171 errors in 1000 characters; the plugin 20, 57, 94 and 131.
    assert report.sentences[0] == "Of 4 pages, 4 read better with plugin than with as-is, 0 read worse, and 0 the same."
    assert "Of 100 characters, 7.5 are wrong where as-is has 14.5" in report.sentences[2]
    assert report.rows[0].comparison is not None and report.rows[0].reason.startswith("text")
    with pytest.raises(OptionError, match="no method 'bicubic'"):
        from_run(read_run(run_folder), run_folder, before="bicubic")


def test_the_page_is_whole_safe_and_the_same_again(run_folder: Path) -> None:
    report = from_run(read_run(run_folder), run_folder)
    text = render_report(report)
    assert text == render_report(report)
    assert "letters &lt;1890&gt;" in text and "letters <1890>" not in text.replace("\\u003c", "")
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", text), "nothing is fetched"
    assert "default-src &#39;none&#39;" in text
    identifiers = re.findall(r"\bid=[\"']?([\w.-]+)", text)
    assert len(identifiers) == len(set(identifiers))
    assert text.count("<svg ") == 2 and "var(--new)" in text and "#0a0b0c" not in text


class Parsed(HTMLParser):
    """What a browser makes of the page: rows' verdicts, the filter's choices, inline code, attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[str] = []
        self.choices: list[str] = []
        self.inline: dict[str, str] = {}
        self.policy = ""
        self.attributes: set[str] = set()
        self._inside = ""
        self._select = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.attributes.update(values)
        if tag == "tr" and "data-verdict" in values:
            self.rows.append(values["data-verdict"] or "")
        if tag == "select":
            self._select = values.get("id") or ""
        if tag == "option" and self._select == "verdict":
            self.choices.append(values["value"] or "")
        if tag == "meta" and values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"] or ""
        self._inside = tag if tag in ("script", "style") and "type" not in values else ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.inline[self._inside] = self.inline.get(self._inside, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


def test_the_filter_knows_every_verdict() -> None:
    page = Parsed(render_report(all_verdicts()))
    assert page.rows == ["worse", "same", "better", "failed", "least certain", "has a finding", 'said "no" & <left>']
    assert page.choices[0] == "" and sorted(page.choices[1:]) == sorted(page.rows)
    # The script compares the very strings: the choice's value with the row's data-verdict.
    assert 'const verdict = byId("verdict").value;' in page.inline["script"]
    assert "row.dataset.verdict === verdict" in page.inline["script"]


def test_only_the_reports_own_style_and_script_may_run() -> None:
    page = Parsed(render_report(all_verdicts()))
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.inline[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in page.policy
    assert page.policy.startswith("default-src 'none'") and "unsafe" not in page.policy
    assert not [name for name in page.attributes if name == "style" or name.startswith("on")]


def test_charts_take_their_colours_from_the_page(run_folder: Path) -> None:
    for chart in from_run(read_run(run_folder), run_folder).charts:
        drawing = chart.drawing()
        assert drawing.width > 0 and drawing.height > 0
        for shape in drawing.shapes:
            assert not {"fill", "stroke", "style"} & set(shape.attributes)
            for name in ("x", "x1", "x2", "cx"):
                assert 0 <= float(shape.attributes.get(name, 0)) <= drawing.width
            for name in ("y", "y1", "y2", "cy"):
                assert 0 <= float(shape.attributes.get(name, 0)) <= drawing.height


@given(st.floats(1e-3, 1e7), st.integers(3, 8))
def test_ticks_are_round_and_few(top: float, most: int) -> None:
    found = ticks(top, most)
    assert found[0] == 0 and found[-1] <= top * (1 + 1e-6) and 2 <= len(found) <= most


def test_images_are_bounded(run_folder: Path) -> None:
    page = read_run(run_folder).pages[0]
    whole = pack(page, run_folder, 1_000_000)
    small = pack(page, run_folder, 9_000)
    assert whole.values["cut"] == 0 and small.values["cut"] == 1
    assert small.size < whole.size
    with Image.open(io.BytesIO(base64.b64decode(small.after))) as image:
        assert image.size == (small.values["w"], small.values["h"]) and image.height >= LEAST_HEIGHT
    assert 0 < len(small.values["a"]) < len(whole.values["a"])
    assert all(0 <= word[1] <= small.values["h"] for word in small.values["a"])
    (run_folder / page.after.image).rename(run_folder / "elsewhere.png")
    with pytest.raises(OptionError, match="cannot be read"):
        pack(page, run_folder, 9_000)
    (run_folder / "elsewhere.png").rename(run_folder / page.after.image)


def test_a_run_without_truth(tmp_path: Path) -> None:
    run = make_run(tmp_path, 2, truth=False, size=(700, 400))
    report = from_run(run, tmp_path)
    assert "There is no ground truth here" in report.sentences[1]
    assert report.measure.kind == "sure" and report.rows[0].after == sum(
        w.confidence >= 90 for w in report.rows[0].comparison.after.words
    )
    assert "mark doubtful words" in render_report(report)


RECORDS = [
    PageRecord(
        "a.pdf", 1, "enlarged", "text 6.0 px high at 72 dpi", size=(600, 800), new_size=(1800, 2400), x_height=6.0, seconds=0.5
    ),
    PageRecord("a.pdf", 2, "left", "blank page", size=(600, 800), seconds=0.1),
    PageRecord("b.pdf", 1, "failed", "the image is damaged"),
]


def test_a_plugins_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = from_records([json.loads(r.to_json()) for r in RECORDS], "records")
    assert report.sentences[0].startswith(
        "Of 3 pages in 2 files, 1 were enlarged, 1 left as they are, and 1 could not be enlarged"
    )
    assert [row.action for row in report.rows] == ["failed", "enlarged", "left"]
    assert (report.rows[1].before, report.rows[1].after, report.rows[1].gain) == (6.0, 18.0, 12.0)
    source = tmp_path / "report.jsonl"
    source.write_text("".join(r.to_json() + "\n" for r in RECORDS), encoding="utf-8")
    assert main(["report", str(source), "-o", str(tmp_path / "out" / "r.html"), "--images", "2"]) == 0
    assert "a.pdf no longer exists" in capsys.readouterr().out
    assert "the image is damaged" in (tmp_path / "out" / "r.html").read_text(encoding="utf-8")


def test_files_of_one_name_in_a_plugins_report_stay_apart() -> None:
    records = [json.loads(PageRecord(f"{folder}/scan.pdf", 1, "enlarged", "small").to_json()) for folder in ("a", "b")]
    side = Side("pages/x.png", (10, 10), [])
    page = PageComparison("scan.pdf", "page 1", "enlarged", "small", side, side)
    report = from_records(records, "records", {("b/scan.pdf", 1): page})
    assert [row.comparison for row in report.rows] == [None, page] and "2 pages in 2 files" in report.sentences[0]


def test_a_chart_without_bars_is_drawn() -> None:
    assert Bars("What was done", "No page.", []).drawing().shapes


def test_results_alone(run_folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "results.json"
    source.write_text(json.dumps(read_run(run_folder).results), encoding="utf-8")
    target = tmp_path / "r.html"
    assert main(["report", str(source), "-o", str(target), "--before", "lanczos"]) == 0
    assert "than with lanczos" in target.read_text(encoding="utf-8")


@pytest.mark.parametrize("content", ["", "{}\n", "[{}]", "no json", '[{"method": 1}]'])
def test_other_files_are_one_sentence(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.jsonl").write_text(content, encoding="utf-8")
    assert main(["report", str(tmp_path / "x.jsonl"), "-o", str(tmp_path / "r.html")]) == 1
    assert "Error:" in capsys.readouterr().err and not (tmp_path / "r.html").exists()


def test_a_record_that_was_cut_off_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.jsonl").write_text('{"file": "a", "page": 1, "action": "leave", "reason": "b"}\n{"file": "a', encoding="utf-8")
    assert main(["report", str(tmp_path / "x.jsonl"), "-o", str(tmp_path / "r.html")]) == 1
    assert "in line 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("page", "first", "line 1"), ("page", None, "page"), ("page", 0, "page = 0"), ("x_height", "tall", "x_height"),
        ("x_height", float("inf"), "finite"), ("size", [0, 5], "size.0"), ("size", "wide", "size"), ("new_size", [9], "new_size"),
        ("seconds", None, "seconds"), ("action", [], "not a page record"), ("file", 3, "not a page record"),
    ],
)  # fmt: skip
def test_a_record_that_was_edited_is_one_sentence(
    tmp_path: Path, key: str, value: object, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads(RECORDS[0].to_json()) | {key: value}
    (tmp_path / "x.jsonl").write_text(json.dumps(record), encoding="utf-8")
    assert main(["report", str(tmp_path / "x.jsonl"), "-o", str(tmp_path / "r.html")]) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert error.startswith("Error:") and words in error and "x.jsonl" in error


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (["results"], 3), (["results", 0], None), (["results", 0, "group"], None), (["results", 0, "method"], []),
        (["results", 0, "counts", "edits"], None), (["results", 0, "superres_seconds"], "long"), (["trust"], None),
        (["trust"], {"sentences": 3}), (["pages", 0, "group"], []), (["pages", 0, "before", "size"], []),
        (["pages", 0, "before", "words", 0, "box"], "left"), (["form"], 0), (["pages", 0], {}),
    ],
)  # fmt: skip
def test_a_run_that_was_edited_is_one_sentence(
    run_folder: Path, tmp_path: Path, place: list[str | int], value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    values = json.loads((run_folder / "run.json").read_text(encoding="utf-8"))
    where = values
    for part in place[:-1]:
        where = where[part]
    where[place[-1]] = value
    (tmp_path / "run.json").write_text(json.dumps(values), encoding="utf-8")
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "r.html")]) == 1
    assert capsys.readouterr().err.startswith("Error:") and not (tmp_path / "r.html").exists()


def test_a_title_cannot_break_the_page(tmp_path: Path) -> None:
    run = make_run(tmp_path, 1, truth=False, size=(500, 300))
    nasty = Run("</title><script>x()</script>", run.before, run.after, [], run.pages)
    assert "<script>x()" not in render_report(from_run(nasty, tmp_path))
