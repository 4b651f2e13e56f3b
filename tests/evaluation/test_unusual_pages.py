# SPDX-License-Identifier: MPL-2.0
"""Pages of unusual files, what a cached reading belongs to, and numbers that cannot be used."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

pytest.importorskip("img2pdf")

from ocrmypdf_superres.cli import main
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.benchmark import run_cases
from ocrmypdf_superres.evaluation.data.pages import BenchmarkPage, Case, find_pages, make_cases
from ocrmypdf_superres.evaluation.methods.images import lr_image
from ocrmypdf_superres.evaluation.methods.peers import command_peer
from ocrmypdf_superres.evaluation.reading_cache import key_of, versions_of
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.tesseract import find_traineddata

TEXT = "A cold wind came over the water"


def printed(mode: str = "L") -> Image.Image:
    page = Image.new("L", (900, 200), 250)
    ImageDraw.Draw(page).text((60, 60), TEXT, fill=10, font=ImageFont.truetype("DejaVuSerif.ttf", 40))
    return page.convert(mode)


def with_truth(folder: Path, name: str, image: Image.Image, **saved: object) -> Path:
    folder.mkdir(exist_ok=True)
    image.save(folder / name, **saved)  # type: ignore[arg-type]
    (folder / name).with_suffix(".gt.txt").write_text(TEXT)
    return folder


@pytest.mark.parametrize("saved", [{}, {"dpi": (1, 1)}], ids=["no resolution", "1 dpi"])
def test_a_tiff_without_a_resolution_counts_as_one_of_300_dpi(saved: dict[str, object], tmp_path: Path) -> None:
    (page,) = find_pages(with_truth(tmp_path / "scans", "page.tif", printed(), **saved))
    assert page.dpi == 300.0 and Image.open(page.image).info["dpi"] == (1.0, 1.0)


@pytest.mark.parametrize("dpi", [0, -5, 1e-9, float("nan"), 1e12])
def test_a_resolution_of_the_index_that_cannot_be_is_refused(dpi: float, tmp_path: Path) -> None:
    with_truth(tmp_path, "page.png", printed())
    row = {"id": "p", "collection": "c", "image": "page.png", "text": "page.gt.txt", "languages": "eng", "dpi": dpi}
    (tmp_path / "index.json").write_text(json.dumps([row]))
    with pytest.raises(OptionError, match="10 to 4800 was expected"):
        find_pages(tmp_path)


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "CMYK", "RGBA", "P", "LA", "I;16"])
def test_pages_of_all_modes_are_given_in_one_that_png_and_pdf_hold(mode: str, tmp_path: Path) -> None:
    image = printed() if mode == "I;16" else printed(mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    folder = with_truth(tmp_path / "scans", "page.tif", image, dpi=(100, 100))
    (case,) = make_cases(find_pages(folder), [], 0)
    given, dpi = lr_image(case)
    assert given.mode in ("1", "L", "RGB") and dpi == 100.0
    difference = np.asarray(given.convert("L")).astype(int) - np.asarray(printed())
    assert np.abs(difference).mean() < (12 if mode == "1" else 3)


def test_a_page_that_fails_is_a_result_and_the_others_are_read(tmp_path: Path) -> None:
    with_truth(tmp_path / "scans", "page.png", printed(), dpi=(100, 100))
    # A PDF page must have three points at least.
    with_truth(tmp_path / "scans", "thin.png", Image.new("L", (900, 2), 250), dpi=(100, 100))
    cases = make_cases(find_pages(tmp_path / "scans"), [], 0)
    found = {result.page: result for result in run_cases(cases, ["oversample"], "docsr-s2", None, 1, [])}
    assert found["page"].error == "" and "Page size must be between" in found["thin"].error


def test_a_cached_reading_belongs_to_the_files_of_its_languages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with_truth(tmp_path / "scans", "page.png", printed(), dpi=(100, 100))
    (case,) = make_cases(find_pages(tmp_path / "scans"), [], 0)
    before = key_of(case, "as-is", "")
    other = tmp_path / "tessdata"
    other.mkdir()
    shutil.copy(find_traineddata("osd"), other / "eng.traineddata")
    monkeypatch.setenv("TESSDATA_PREFIX", str(other))
    assert key_of(case, "as-is", "") != before


def test_a_cached_reading_belongs_to_the_name_that_its_noise_comes_from() -> None:
    page = BenchmarkPage("one", "c", __file__, "", "eng", 300.0, False)
    other = replace(page, name="two")
    keys = {key_of(Case(one, 72.0, "scan"), "lanczos", "") for one in (page, other)}
    assert len(keys) == 2
    assert len({key_of(Case(replace(one, dpi=100.0)), "lanczos", "") for one in (page, other)}) == 1


def test_a_cached_reading_belongs_to_all_of_the_model_s_card(tmp_path: Path) -> None:
    shutil.copytree(find_model("docsr-s2").folder, tmp_path / "like")
    card = tmp_path / "like" / "card.toml"
    card.write_text(card.read_text().replace('calibrated_as = ""', f'calibrated_as = "{"ab" * 32}"'))
    assert find_model(str(tmp_path / "like")).card.calibrated_as
    assert versions_of("plugin-once", str(tmp_path / "like")) != versions_of("plugin-once", "docsr-s2")


def test_a_cached_reading_belongs_to_the_script_of_its_command(tmp_path: Path) -> None:
    script = tmp_path / "enlarge.py"
    script.write_text("one")
    peer = command_peer(f"python {script} {{in}} {{out}}")
    before = peer.decides()
    script.write_text("two")
    assert peer.decides() != before and peer.decides() == peer.decides()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("upscale", "page.png", "-o", "out.png", "--target-x-height", "nan"), "--target-x-height was given nan"),
        (("upscale", "page.png", "-o", "out.png", "--dpi", "-5"), "--dpi was given -5, a number from 10 to 4800"),
        (("fuse", "page.png", "page.png", "-o", "out.png", "--dpi", "1e12"), "--dpi was given 1e+12"),
        (("heights", "invented", "--count", "-2"), "--count was given -2"),
        (("heights", "train", "--tiles", "0", "--steps", "1", "-o", "h.onnx"), "--tiles was given 0"),
    ],
)
def test_numbers_that_cannot_be_used_are_one_sentence(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(list(arguments)) == 1
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_plot_of_an_unknown_kind_is_refused_before_anything_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "fit", "--data", "nowhere", "-o", "table.json", "--plot", "fit.xyz"]) == 1
    assert "fit.xyz" in capsys.readouterr().err


def test_pages_that_ocrmypdf_does_not_take_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = Path(__file__).parents[2] / "examples" / "sample-72dpi.pdf"
    assert main(["compare", str(sample), "-o", str(tmp_path / "c.html"), "--pages", "x"]) == 1
    assert "OCRmyPDF cannot work on" in " ".join(capsys.readouterr().err.split())
