# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import errno
import re

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from ocrmypdf_superres import __version__
from ocrmypdf_superres.cli import COMMANDS, main
from ocrmypdf_superres.errors import ModelError
from ocrmypdf_superres.tesseract import find_traineddata


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "page.png"
    levels = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    Image.fromarray(levels).save(path, dpi=(100, 100))
    return path


def upscaled(source, target, model, *more):
    return main(["upscale", str(source), "-o", str(target), "--model", str(model.folder), "--device", "cpu", *more])


def test_the_help_fits_a_screen_and_lists_every_command_once(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    listed = re.findall(r"^    ([a-z-]+) {2,}", shown, re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS) and len(shown.splitlines()) <= 40


def test_help_of_every_command(capsys):
    for command in COMMANDS:
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        assert stop.value.code == 0
        assert command in capsys.readouterr().out


def test_a_wrong_call_is_exit_2(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["nosuch"])
    assert stop.value.code == 2


def test_models(random_model, capsys, monkeypatch):
    monkeypatch.setenv("OCRMYPDF_SUPERRES_MODELS", str(random_model.folder.parent))
    assert main(["models"]) == 0 and "random" in capsys.readouterr().out
    assert main(["models", "show", "random"]) == 0 and "sha" not in capsys.readouterr().err
    assert main(["models", "verify", "random"]) == 0


def test_upscale_an_image(random_model, image, tmp_path, capsys):
    out = tmp_path / "out" / "large.png"
    assert upscaled(image, out, random_model, "--scale", "3") == 0
    with Image.open(out) as large:
        assert large.size == (150, 120) and large.mode == "L"
        assert large.info["dpi"][0] == pytest.approx(300, abs=1)


def test_upscale_pdf_pages(random_model, image, tmp_path):
    img2pdf = pytest.importorskip("img2pdf")
    pdf = tmp_path / "two.pdf"
    pdf.write_bytes(img2pdf.convert([str(image), str(image)]))
    assert (
        main(
            [
                "upscale",
                str(pdf),
                "-o",
                str(tmp_path / "pages"),
                "--scale",
                "2",
                "--model",
                str(random_model.folder),
                "--device",
                "cpu",
            ]
        )
        == 0
    )
    with Image.open(tmp_path / "pages" / "page-2.png") as large:
        assert large.size == (100, 80)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--scale", "9"], "offers 2, 3, 4"),
        (["--model", "nosuch"], "no model 'nosuch'"),
        (["--device", "tpu"], "'tpu'"),
    ],
)
def test_mistakes_are_one_sentence(random_model, image, tmp_path, capsys, change, message):
    arguments = [
        "upscale",
        str(image),
        "-o",
        str(tmp_path / "o.png"),
        "--model",
        str(random_model.folder),
        "--device",
        "cpu",
        *change,
    ]
    assert main(arguments) == 1
    printed = " ".join(capsys.readouterr().err.split())
    assert message in printed and "Traceback" not in printed
    assert not (tmp_path / "o.png").exists()


@pytest.mark.parametrize("content", [b"", b"no image at all", b"%PDF-1.7 cut", b"\x89PNG\r\n\x1a\n"])
def test_damaged_inputs_are_one_sentence(random_model, tmp_path, capsys, content):
    bad = tmp_path / "bad.bin"
    bad.write_bytes(content)
    assert upscaled(bad, tmp_path / "o.png", random_model) == 1
    assert "Error:" in capsys.readouterr().err


def test_the_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0 and capsys.readouterr().out == f"ocrmypdf-superres {__version__}\n"


def test_a_missing_package_names_the_extra_to_install(capsys, monkeypatch):
    def run(args):
        try:
            raise ModuleNotFoundError("No module named 'lmdb'", name="lmdb.tool")
        except ModuleNotFoundError as error:
            raise ModelError("The source cannot be loaded.") from error

    monkeypatch.setattr("ocrmypdf_superres.commands.train.run", run)
    assert main(["train", "recipe.toml"]) == 1
    printed = " ".join(capsys.readouterr().err.split())
    assert "needs the package lmdb" in printed and "run: pip install 'ocrmypdf-superres[train]'" in printed


def test_an_error_of_the_system_is_one_sentence(capsys, monkeypatch):
    def run(args):
        raise OSError(errno.ENOSPC, "No space left on device", "/archive/[1].json")

    monkeypatch.setattr("ocrmypdf_superres.commands.models.run", run)
    assert main(["models"]) == 1
    assert capsys.readouterr().err == (
        "Error: /archive/[1].json cannot be read or written (No space left on device); correct that, or give another path.\n"
    )


def test_doctor_names_what_is_missing(random_model, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setattr("ocrmypdf_superres.commands.doctor.missing_packages", lambda extra: ["torch"] if extra == "gpu" else [])
    assert main(["doctor", "--model", str(random_model.folder), "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert (
        "torch missing" in printed
        and "pip install 'ocrmypdf-superres[gpu]'" in printed
        and "pip install 'ocrmypdf-superres[train]'" not in printed
    )


def test_doctor_sees_languages_that_are_missing_or_damaged(random_model, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "250")
    english = find_traineddata("eng").read_bytes()
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    arguments = ["doctor", "--model", str(random_model.folder), "--device", "cpu"]
    assert main(arguments) == 1
    assert "Tesseract finds no language" in capsys.readouterr().out
    (tmp_path / "eng.traineddata").write_bytes(english)
    (tmp_path / "deu.traineddata").write_bytes(english[: len(english) // 2])
    assert main(arguments) == 1
    assert "languages are damaged: deu; install" in capsys.readouterr().out
    (tmp_path / "deu.traineddata").unlink()
    assert main(arguments) == 0


def test_doctor(random_model, capsys):
    assert main(["doctor", "--model", str(random_model.folder), "--device", "cpu"]) == 0
    assert "onnxruntime" in capsys.readouterr().out
