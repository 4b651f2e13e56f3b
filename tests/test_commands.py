# SPDX-License-Identifier: MPL-2.0
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("onnx")

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.cli import COMMANDS, main
from ocrmypdf_superres.export.onnx import export_model
from ocrmypdf_superres.modelstore.store import SEARCH_VARIABLE


@pytest.fixture(scope="module")
def net(tmp_path_factory) -> Path:
    """A model folder with an untrained net, whose name looks like console markup."""
    spec = get("docsr")
    config = spec.parse_config({"features": 4, "convolutions": 2})
    folder = tmp_path_factory.mktemp("models [red]") / "plain"
    export_model(spec.build(config).eval(), spec, config, folder, "plain", description="for [bold]tests[/bold]")
    return folder


@pytest.fixture
def image(tmp_path) -> Path:
    path = tmp_path / "page [1].png"
    levels = np.random.default_rng(0).integers(0, 256, (30, 41), dtype=np.uint8)
    Image.fromarray(levels).save(path, dpi=(100, 100))
    return path


def test_only_the_asked_for_command_is_imported():
    code = "import sys, ocrmypdf_superres.cli as c; c.build_parser('models'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    for module in ("torch", "onnxruntime", "ocrmypdf_superres.evaluation", "ocrmypdf_superres.training"):
        assert module not in done.stdout.split()


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert command in capsys.readouterr().out


def test_run_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "ocrmypdf_superres", "nosuch"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "nosuch" in done.stderr


def test_models_are_listed_shown_and_verified(net, monkeypatch, capsys):
    monkeypatch.setenv(SEARCH_VARIABLE, str(net.parent))
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["models"]) == 0
    assert "[bold]tests[/bold]" in capsys.readouterr().out
    assert main(["models", "show", "plain"]) == 0
    assert "[config]" in capsys.readouterr().out
    assert main(["models", "verify", "plain"]) == 0


def test_verify_names_a_changed_file(net, tmp_path, capsys):
    import shutil

    copy = tmp_path / "copy [x]"
    shutil.copytree(net, copy)
    with open(copy / "model.x3.onnx", "ab") as stream:
        stream.write(b"x")
    assert main(["models", "verify", str(copy)]) == 1
    out = capsys.readouterr().out
    assert "copy [x]/model.x3.onnx has the SHA-256" in out


def test_tuned_networks_are_listed_and_verified(net, tmp_path, monkeypatch, capsys):
    import shutil

    shipped = Path(__file__).parent.parent / "models" / "recognizers" / "eng"
    monkeypatch.setenv(SEARCH_VARIABLE, str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    copy = tmp_path / "recognizers" / "ours"
    shutil.copytree(shipped, copy)
    card = copy / "network.toml"
    card.write_text(card.read_text().replace('name = "eng"', 'name = "ours-2"', 1))
    assert main(["models"]) == 0
    assert "ours-2" in capsys.readouterr().out
    (copy / "network.lstm").write_bytes(b"x")
    assert main(["models", "verify"]) == 1
    out = capsys.readouterr().out
    assert "ours/network.lstm has the SHA-256" in out and "tuned network eng: as in the card" in out


def test_recognizers_and_detectors_are_verified(tmp_path, monkeypatch, capsys):
    import shutil

    models = Path(__file__).parent.parent / "models"
    monkeypatch.setenv(SEARCH_VARIABLE, str(tmp_path))
    shutil.copytree(models / "crnn-small", tmp_path / "ours")
    with open(tmp_path / "ours" / "model.safetensors", "ab") as stream:
        stream.write(b"x")
    assert main(["models", "verify"]) == 1
    out = capsys.readouterr().out
    assert "ours/model.safetensors has the SHA-256" in out and "but the card of recognizer crnn-small says" in out
    assert "detector ctpn-small: as in the card" in out and "recognizer crnn-small: as in the card" in out
    assert main(["models", "verify", "ours"]) == 1
    assert main(["models", "verify", str(models / "ctpn-small")]) == 0
    assert capsys.readouterr().out.endswith("detector ctpn-small: as in the card\n")
    assert main(["models", "verify", "nothing"]) == 1
    assert "There is no model 'nothing'" in capsys.readouterr().out


def test_upscale_a_image(net, image, tmp_path, capsys):
    out = tmp_path / "new" / "large.png"
    assert main(["upscale", str(image), "-o", str(out), "--model", str(net), "--device", "cpu", "--scale", "3"]) == 0
    with Image.open(out) as large:
        assert large.size == (123, 90)
        assert round(large.info["dpi"][0]) == 300
    assert [p.name for p in out.parent.iterdir()] == ["large.png"]
    assert "x3 as asked" in capsys.readouterr().out


def test_no_command_writes_over_its_input(net, image, tmp_path, capsys):
    pdf, records, link = tmp_path / "a.pdf", tmp_path / "report.jsonl", tmp_path / "link.png"
    with Image.open(image) as first:
        first.save(pdf, resolution=100)
    records.write_text('{"file": "a.pdf", "page": 1, "action": "leave", "reason": "large"}\n', encoding="utf-8")
    link.symlink_to(image)
    before = [path.read_bytes() for path in (image, pdf, records)]
    for arguments in (
        ["upscale", image, "-o", link, "--model", net, "--device", "cpu", "--scale", "2"],
        ["plan", pdf, "--json", pdf],
        ["compare", pdf, "-o", pdf],
        ["report", records, "-o", records],
    ):
        assert main([str(argument) for argument in arguments]) == 1
        assert "is an input and would be lost" in capsys.readouterr().err
    assert [path.read_bytes() for path in (image, pdf, records)] == before


def test_upscale_the_pages_of_a_pdf(net, image, tmp_path):
    pdf = tmp_path / "pages.pdf"
    with Image.open(image) as first:
        first.save(pdf, save_all=True, append_images=[first.resize((60, 50))], resolution=100)
    assert (
        main(["upscale", str(pdf), "-o", str(tmp_path / "out.png"), "--model", str(net), "--device", "cpu", "--scale", "2"]) == 0
    )
    with Image.open(tmp_path / "out-1.png") as one, Image.open(tmp_path / "out-2.png") as two:
        assert (one.size, two.size) == ((82, 60), (120, 100))


def damaged_pdf(path: Path) -> None:
    path.write_bytes(b"%PDF-1.7\nnothing more")


def encrypted_pdf(path: Path) -> None:
    import pikepdf

    with pikepdf.new() as pdf:
        pdf.add_blank_page()
        pdf.save(path, encryption=pikepdf.Encryption(owner="a", user="b"))


def no_image(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n cut")


@pytest.mark.parametrize("make", [damaged_pdf, encrypted_pdf, no_image, lambda path: None])
def test_bad_inputs_are_one_sentence(make, net, tmp_path, capsys):
    path = tmp_path / "in [bad].pdf"
    make(path)
    assert main(["upscale", str(path), "-o", str(tmp_path / "out.png"), "--model", str(net), "--scale", "2"]) == 1
    said = capsys.readouterr().err
    assert "Error:" in said
    assert "in [bad].pdf" in said.replace("\n", "")
    assert not (tmp_path / "out.png").exists()


def test_an_output_of_an_unknown_kind_leaves_nothing(net, image, tmp_path, capsys):
    folder = tmp_path / "out"
    arguments = ["upscale", str(image), "-o", str(folder / "large.nosuch"), "--model", str(net), "--scale", "2"]
    assert main(arguments) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("extra", "message"),
    [(["--scale", "7"], "offers 2, 3, 4"), (["--model", "nosuch"], "no model 'nosuch'"), (["--device", "gpu"], "not known")],
)
def test_bad_values_are_named(extra, message, net, image, tmp_path, capsys):
    assert main(["upscale", str(image), "-o", str(tmp_path / "o.png"), "--model", str(net), *extra]) == 1
    assert message in capsys.readouterr().err


def test_a_missing_package_names_the_extra(monkeypatch, capsys):
    import ocrmypdf_superres.cli as cli

    def missing(name: str):
        raise ModuleNotFoundError("No module named 'nosuch'", name="nosuch")

    monkeypatch.setattr(cli, "import_module", missing)
    assert main(["evaluate"]) == 1
    assert "pip install 'ocrmypdf-superres[eval]'" in capsys.readouterr().err


def test_doctor_runs_a_tile(net, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    main(["doctor", "--model", str(net), "--device", "cpu"])
    out = capsys.readouterr().out
    assert "tesseract" in out
    assert "lr megapixels a second" in out
    assert main(["doctor", "--model", "nosuch"]) == 1
    assert "cannot be used" in capsys.readouterr().out
