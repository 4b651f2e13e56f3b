# SPDX-License-Identifier: MPL-2.0
"""The benchmark of receipts, from the public format made in miniature."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ocrmypdf_superres.evaluation.data.pages import find_pages

SCRIPT = Path(__file__).parent.parent / "examples" / "receipts.py"
ROWS = "10,20,200,20,200,52,10,52,TOTAL, INCL. GST\n300,22,390,22,390,54,300,54,12.40\n10,80,120,80,120,112,10,112,THANK YOU\n"


def run(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *map(str, args)], capture_output=True, text=True, check=False)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for folder in ("img", "box"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (400, 160), "white").save(tmp_path / "data" / "img" / f"{number:03d}.jpg")
        (tmp_path / "data" / "box" / f"{number:03d}.{'txt' if number else 'csv'}").write_text(ROWS)
    return tmp_path / "data"


def test_receipts_are_scaled_and_indexed(data: Path, tmp_path: Path) -> None:
    done = run(data, tmp_path / "out", "--first", 0, "--every", 2)
    assert done.returncode == 0 and "2 receipts" in done.stdout, done.stderr
    pages = find_pages(tmp_path / "out")
    assert [page.name for page in pages] == ["000", "002"] and all(page.dpi == 96 for page in pages)
    assert all(row["ignore_case"] for row in json.loads((tmp_path / "out" / "index.json").read_text()))
    with Image.open(pages[0].image) as image:
        assert image.size == (200, 80) and "dpi" not in image.info
    assert Path(pages[0].truth).read_text() == "TOTAL, INCL. GST 12.40\nTHANK YOU\n"


def test_a_small_receipt_is_not_enlarged(data: Path, tmp_path: Path) -> None:
    assert run(data, tmp_path / "out", "--first", 0, "--height", 60).returncode == 0
    with Image.open(tmp_path / "out" / "receipts" / "000.jpg") as image:
        assert image.size == (400, 160)


@pytest.mark.parametrize(("rows", "said"), [("a,b\n", "has no rows"), ("1,2,3,4,5,6,7,x,TEXT\n", "whole numbers")])
def test_other_files_are_one_sentence(data: Path, tmp_path: Path, rows: str, said: str) -> None:
    (data / "box" / "000.csv").write_text(rows)
    done = run(data, tmp_path / "out", "--first", 0)
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr


def test_a_folder_without_receipts_is_one_sentence(tmp_path: Path) -> None:
    done = run(tmp_path, tmp_path / "out")
    assert done.returncode == 1 and "give the folder with img/ and box/" in done.stderr
