# SPDX-License-Identifier: MPL-2.0
"""Page nets on patches: figures against hr, parts of nets and cascades as methods, and the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.networks.patches import evaluate_patches, patches, predictor, text_masks
from ocrmypdf_superres.export.onnx import export_model
from ocrmypdf_superres.metrics.boxes import area_iou
from ocrmypdf_superres.recognizers.folder import build, load, save
from ocrmypdf_superres.training.data.batches import Batch
from ocrmypdf_superres.training.data.fonts import installed_fonts, open_font

needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed")
TEXTS = ("The quick brown fox jumps over", "the lazy dog and keeps running", "through wet fields until evening")


@pytest.fixture(scope="module")
def page_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one page of three lines at 300 dpi, and its text."""
    folder = tmp_path_factory.mktemp("pages")
    page = Image.new("L", (900, 420), 250)
    pen = ImageDraw.Draw(page)
    file = next(f for f in installed_fonts() if "DejaVuSerif.ttf" in f.path)
    for index, text in enumerate(TEXTS):
        pen.text((60, 60 + 90 * index), text, fill=10, font=open_font(file.path, file.index, 44))
    page.save(folder / "page.png", dpi=(300, 300))
    (folder / "page.gt.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def cascade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a cascade of two doublings with random weights."""
    torch.manual_seed(3)
    spec = get("dpnet")
    config = spec.parse_config({"features": 4, "blocks": 1, "stages": 2, "output_kernel": 3})
    folder = tmp_path_factory.mktemp("models") / "cascade"
    export_model(spec.build(config), spec, config, folder, "cascade")
    return folder


def detector(folder: Path) -> Path:
    torch.manual_seed(1)
    net = build("ctpn", {"widths": [4, 4, 4, 4, 4], "hidden": 4, "deep": 4})
    return save(net, "ctpn", folder / "eye", "eye")


def test_parts_and_cascades_are_what_the_net_does(cascade):
    lr = torch.rand(2, 1, 24, 144)
    whole = predictor(str(cascade), 4)(lr)
    assert whole.shape == (2, 1, 96, 576)
    assert torch.equal(predictor(f"{cascade}:chain2", 4)(lr), whole)
    both = predictor(f"{cascade}:stages.0@2+{cascade}:stages.1@2", 4)(lr)
    assert torch.allclose(both, whole, atol=1e-6)
    mixed = predictor(f"bicubic@2+{cascade}@2", 4)(lr)
    assert mixed.shape == whole.shape and not torch.allclose(mixed, whole, atol=1e-3)
    plain = predictor("bicubic", 4)(lr)
    assert plain.min() >= 0 and plain.max() <= 1 and plain.shape == whole.shape


@needs_tesseract
def test_nets_that_only_deblur_are_compared_at_their_own_size(page_folder, tmp_path, capsys):
    spec = get("epgr")
    config = spec.parse_config({"features": 4, "blocks": 1, "modules": 1, "scale": 1})
    export_model(spec.build(config), spec, config, tmp_path / "deblur", "deblur")
    recipe = Path(__file__).parents[2] / "examples" / "recipes" / "papers" / "004-epgr-deblur.toml"
    command = ["patches", str(tmp_path / "deblur"), "--data", str(page_folder), "--scale", "1", "--count", "2"]
    assert main([*command, "--recipe", str(recipe), "--json", str(tmp_path / "f.json")]) == 0
    rows = json.loads((tmp_path / "f.json").read_text())
    assert set(rows) == {"bicubic", str(tmp_path / "deblur"), "hr"} and rows["bicubic"]["psnr"] < 60
    assert main(command) == 1 and "add --recipe FILE" in capsys.readouterr().err


def test_wrong_methods_are_refused_in_a_sentence(cascade):
    for text, part in (
        (f"{cascade}@2", "enlarges 2 times"), (f"{cascade}:nothing", "no part 'nothing'"), ("bicubic@x", "is not a method"),
        (str(cascade) + "@4+bicubic@2", "enlarges 8 times"),
    ):  # fmt: skip
        with pytest.raises(OptionError, match=part):
            predictor(text, 4)
    with pytest.raises(OptionError, match="offers x2, x4"):
        predictor(str(cascade), 3)


def test_overlap_is_one_where_both_see_the_same(tmp_path):
    net = load(str(detector(tmp_path)), ("ctpn",))
    image = torch.rand(1, 1, 96, 576)
    _, scores, coordinates = net(image)
    (seen,) = text_masks(scores, coordinates, (96, 576))
    assert area_iou(seen, seen) == 1.0


def test_figures_without_text_or_detector():
    batch = Batch(4, torch.rand(2, 1, 24, 144), torch.rand(2, 1, 96, 576), ["", ""], [None, None], ["", ""])
    found = evaluate_patches(lambda lr: batch.hr * 0 + 0.5, [batch])
    errors = (batch.hr - 0.5).square().mean(dim=(1, 2, 3))
    assert found.psnr == pytest.approx(float((-10 * errors.log10()).mean()), abs=1e-4)
    assert found.lines == 0 and found.iou is None and found.lpips is None and not found.distances


@needs_tesseract
def test_hr_reads_and_blank_paper_does_not(page_folder, tmp_path):
    batches = patches(page_folder, 4, 3, cache=tmp_path)
    assert [batch.lr.shape for batch in batches] == [(3, 1, 24, 144)]
    truths = iter(batches)
    hr = evaluate_patches(lambda lr: next(truths).hr, batches)
    blank = evaluate_patches(lambda lr: torch.ones(len(lr), 1, 96, 576), batches)
    assert hr.lines == 3 and hr.cer < 0.1 < blank.cer and hr.s_lcs > 0.9 and hr.s_ld > 0.9 and hr.ssim == pytest.approx(1.0)
    assert blank.s_lcs < 0.2  # in raw line mode Tesseract reads a sign into the paper's edge


@needs_tesseract
def test_the_command_prints_and_writes_a_row_each(page_folder, cascade, tmp_path, capsys):
    arguments = ["patches", str(cascade), "--data", str(page_folder), "--count", "2", "--detector", str(detector(tmp_path))]
    assert main([*arguments, "--cache", str(tmp_path / "cache"), "--json", str(tmp_path / "found.json")]) == 0
    assert "2 patches, 2 lines" in capsys.readouterr().out
    found = json.loads((tmp_path / "found.json").read_text())
    assert list(found) == ["bicubic", str(cascade), "hr"]
    assert found["hr"]["iou"] == 1.0 and found["hr"]["distances"] == {"features": 0.0, "scores": 0.0, "coordinates": 0.0}
    assert main(["patches", "--data", str(page_folder), "--count", "0"]) == 1
