# SPDX-License-Identifier: MPL-2.0
"""The benchmark of the measurement of text height."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocrmypdf_superres import cli
from ocrmypdf_superres.evaluation.data.pages import find_pages
from ocrmypdf_superres.evaluation.text_heights.benchmark import HeightResult, measure, summarize
from ocrmypdf_superres.evaluation.text_heights.cases import HeightCase, height_by_tesseract, real_cases, rendered_cases


def _result(height: float, measured: float | None, action: str) -> HeightResult:
    return HeightResult("row", height, height, 100.0, measured, action, "", 1.0, 0.01)


@pytest.mark.parametrize(
    ("height", "action", "wrong"),
    [(7, "leave", "left"), (7, "enlarge", ""), (17, "enlarge", "enlarged"), (12, "leave", ""), (12, "enlarge", ""),
     (0, "enlarge", "enlarged"), (0, "leave", "")],
)  # fmt: skip
def test_wrong_decisions(height: float, action: str, wrong: str) -> None:
    assert _result(height, None, action).wrong == wrong


def test_a_row_is_summed_up() -> None:
    (row,) = summarize(
        [_result(10, 11, "enlarge"), _result(10, 13, "enlarge"), _result(7, None, "leave"), _result(7, 7, "enlarge")]
    )
    assert (row.pages, row.told, row.far, row.left, row.enlarged) == (4, 0.75, 0.25, 0.25, 0.0)
    assert row.median_error == pytest.approx(0.1)


def test_rendered_cases_are_the_same_each_time_and_can_be_planned() -> None:
    rows = ["layout stanzas", "wrong tag", "without text music"]
    first, second = (list(rendered_cases(2, 1, rows)) for _ in range(2))
    assert [case.row for case in first] == [row for row in rows for _ in range(2)]
    assert all(np.array_equal(a.luma, b.luma) for a, b in zip(first, second, strict=True))
    assert all(case.height > 2 for case in first[:4]) and all(case.height == 0 for case in first[4:])
    result = measure(first[0])
    assert result.action in ("enlarge", "leave") and result.reason and result.seconds > 0


def test_a_real_page_is_measured_by_tesseract_and_reduced(benchmark_folder: Path) -> None:
    page = next(page for page in find_pages(benchmark_folder) if page.dpi == 300)
    height = height_by_tesseract(page)
    assert 10 < height < 40
    cases = list(real_cases([page], {page.name: height}, (75.0,)))
    assert [case.dpi for case in cases] == [300, 75]
    assert cases[1].height == pytest.approx(height / 4)
    with Image.open(page.image) as image:
        assert cases[1].luma.shape[0] == pytest.approx(image.height / 4, abs=1)
    assert isinstance(cases[0], HeightCase)


def test_the_command_writes_every_result(tmp_path: Path) -> None:
    output = tmp_path / "heights.json"
    assert cli.main(["heights", "--count", "1", "--rows", "layout table", "without text halftone", "--json", str(output),
                     "--markdown", str(tmp_path / "heights.md")]) == 0  # fmt: skip
    found = json.loads(output.read_text(encoding="utf-8"))
    assert [row["row"] for row in found["rows"]] == ["layout table", "without text halftone"]
    assert len(found["results"]) == 2
    table = (tmp_path / "heights.md").read_text(encoding="utf-8").splitlines()
    assert [line.split(" | ")[0] for line in table[2:]] == ["| layout table", "| without text halftone", "| all"]
    assert table[-1].split(" | ")[1] == "2"


@pytest.mark.parametrize("stored", ["not JSON", "[1, 2]", '{"page": "high"}'])
def test_a_file_of_something_else_is_one_sentence(stored: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("L", (50, 50), 255).save(tmp_path / "a.png")
    (tmp_path / "a.gt.txt").write_text("a")
    (tmp_path / "heights.json").write_text(stored)
    given = ["--data", str(tmp_path), "--truth", str(tmp_path / "heights.json")]
    assert cli.main(["heights", "--count", "0", *given]) == 1
    assert "does not hold heights by page" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--count", "1", "--rows", "layout tables"], "no kind of pages 'layout tables' (did you mean 'layout table'?)"),
        (["--count", "-1"], "--count was given -1"),
        (["--count", "0"], "--count was given 0"),
        (["--count", "1", "--dpis", "0"], "--dpis was given [0.0]"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(given: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["heights", *given]) == 1
    assert message in " ".join(capsys.readouterr().err.split())
