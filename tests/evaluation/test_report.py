# SPDX-License-Identifier: MPL-2.0
"""The report without a browser: what it says, its order, its bounds, and what it is made from."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image
from report_runs import make_run

pytest.importorskip("matplotlib")

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.run_folder import Run, read_run, write_run
from ocrmypdf_superres.plugin.record import PageRecord
from ocrmypdf_superres.reporting.html import page_of
from ocrmypdf_superres.reporting.images import LEAST_HEIGHT, pack
from ocrmypdf_superres.reporting.model import from_records, from_run


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    make_run(folder, 4, truth=True, size=(700, 400))
    return folder


def test_a_run_comes_back_as_it_was_written(run_folder: Path, tmp_path: Path) -> None:
    run = read_run(run_folder)
    write_run(run, tmp_path)
    assert (tmp_path / "run.json").read_bytes() == (run_folder / "run.json").read_bytes()
    with pytest.raises(OptionError, match="cannot be used as a run"):
        read_run(tmp_path / "none")


def test_figures_and_order(run_folder: Path) -> None:
    report = from_run(read_run(run_folder), run_folder)
    assert [row.gain for row in report.rows] == sorted(row.gain for row in report.rows)
    # As-is 120, 137, 154 and 171 errors in 1000 characters; the plugin 20, 57, 94 and 131.
    assert report.sentences[0] == "Of 4 pages, 4 read better with plugin than with as-is, 0 read worse, and 0 the same."
    assert "Of 100 characters, 7.5 are wrong where as-is has 14.5" in report.sentences[2]
    assert report.rows[0].kept is not None and report.rows[0].reason.startswith("text")
    with pytest.raises(OptionError, match="no method 'bicubic'"):
        from_run(read_run(run_folder), run_folder, before="bicubic")


def test_the_page_is_whole_safe_and_the_same_again(run_folder: Path) -> None:
    report = from_run(read_run(run_folder), run_folder)
    text = page_of(report)
    assert text == page_of(report)
    assert "letters &lt;1890&gt;" in text and "letters <1890>" not in text.replace("\\u003c", "")
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", text), "nothing is fetched"
    assert "default-src 'none'" in text
    identifiers = re.findall(r"\bid=[\"']?([\w.-]+)", text)
    assert len(identifiers) == len(set(identifiers))
    assert text.count("<svg ") == 2 and "var(--new)" in text and "#0a0b0c" not in text


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
    assert report.measure.kind == "sure" and report.rows[0].after == sum(w.confidence >= 90 for w in report.rows[0].kept.after.words)
    assert "mark doubtful words" in page_of(report)


RECORDS = [
    PageRecord("a.pdf", 1, "enlarged", "text 6.0 px high at 72 dpi", size=(600, 800), new_size=(1800, 2400), x_height=6.0, seconds=0.5),
    PageRecord("a.pdf", 2, "left", "blank page", size=(600, 800), seconds=0.1),
    PageRecord("b.pdf", 1, "failed", "the image is damaged"),
]


def test_a_plugins_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = from_records([json.loads(r.to_json()) for r in RECORDS], "records")
    assert report.sentences[0].startswith("Of 3 pages in 2 files, 1 were enlarged, 1 left as they are, and 1 could not be enlarged")
    assert [row.action for row in report.rows] == ["failed", "enlarged", "left"]
    assert (report.rows[1].before, report.rows[1].after, report.rows[1].gain) == (6.0, 18.0, 12.0)
    source = tmp_path / "report.jsonl"
    source.write_text("".join(r.to_json() + "\n" for r in RECORDS), encoding="utf-8")
    assert main(["report", str(source), "-o", str(tmp_path / "out" / "r.html"), "--images", "2"]) == 0
    assert "a.pdf is not there any more" in capsys.readouterr().out
    assert "the image is damaged" in (tmp_path / "out" / "r.html").read_text(encoding="utf-8")


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


def test_a_title_cannot_break_the_page(tmp_path: Path) -> None:
    run = make_run(tmp_path, 1, truth=False, size=(500, 300))
    nasty = Run("</title><script>x()</script>", run.before, run.after, [], run.pages)
    assert "<script>x()" not in page_of(from_run(nasty, tmp_path))
