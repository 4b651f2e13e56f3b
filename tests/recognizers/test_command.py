# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from tesseract_specimens import TEXTS, draw_line, text_fonts

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import read_traineddata
from ocrmypdf_superres.tesseract import find_traineddata


def write_lines(folder: Path, count: int) -> list[str]:
    font = text_fonts("eng", 1)[0]
    names = []
    for index, text in enumerate(TEXTS["eng"][:count]):
        short = " ".join(text.split()[:3])
        draw_line(short, font, 28.0).save(folder / f"{index}.png")
        (folder / f"{index}.gt.txt").write_text(short, encoding="utf-8")
        names.append(str(folder / f"{index}.png"))
    return names


def test_compare(needs_eng: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = write_lines(tmp_path, 3)
    assert main(["recognizer", "compare", "--language", "eng", *names]) == 0
    out = capsys.readouterr().out
    assert "port       The harbour master" in out
    assert "3 lines" in out
    assert "to the truth: port 0.00 %" in out


def test_tune_and_compare(needs_eng: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = write_lines(tmp_path, 6)
    output = tmp_path / "tuned.traineddata"
    arguments = ["--output", str(output), "--epochs", "1", "--lr", "1e-5", "--hold-out", "3"]
    assert main(["recognizer", "tune", str(tmp_path), *arguments]) == 0
    out = capsys.readouterr().out
    assert "1 steps on 4 lines" in out
    assert "2 held-out lines" in out
    assert read_traineddata(output).integer == read_traineddata(find_traineddata("eng")).integer
    assert main(["recognizer", "compare", "--language", str(output), *names]) == 0
    assert "6 lines" in capsys.readouterr().out


def test_export(needs_eng: None, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    assert main(["recognizer", "export", "--output", str(tmp_path / "eng.onnx")]) == 0
    assert (tmp_path / "eng.onnx").stat().st_size > 1e6


def test_wrong_calls_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recognizer", "tune", str(tmp_path), "--output", "x.bin"]) == 1
    assert main(["recognizer", "tune", str(tmp_path), "--output", "x.traineddata", "--epochs", "0"]) == 1
    assert main(["recognizer", "tune", str(tmp_path), "--output", "x.traineddata", "--minutes", "3"]) == 1
    assert main(["recognizer", "tune", "recipe.toml", "--output", "x.traineddata", "--epochs", "3"]) == 1
    assert main(["recognizer", "compare", "--language", "no-such", str(tmp_path / "a.png")]) == 1
    assert "Error:" in capsys.readouterr().err
