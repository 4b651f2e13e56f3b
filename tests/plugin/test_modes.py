# SPDX-License-Identifier: MPL-2.0
"""Real runs of OCRmyPDF and Tesseract: what is visible stays, and words lie where they are printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import img2pdf
import ocrmypdf
import pikepdf
import plugin_pages
import pytest
from PIL import Image, ImageCms
from plugin_pages import grid_page, image_pdf, image_streams, printed_words

pytestmark = pytest.mark.usefixtures("verify")

DPI = 80.0
TOLERANCE = 6.0


def read(source: Path, lanczos_net: Path, **keywords: Any) -> tuple[Path, list[dict[str, Any]]]:
    """Run OCRmyPDF in this process; return the output and the report's records."""
    target, report = source.with_name("out.pdf"), source.with_name("report.jsonl")
    settings = {"output_type": "pdf", "optimize": 0, "superres_model": str(lanczos_net), "superres_report": str(report)}
    settings["superres_verify"] = plugin_pages.VERIFY
    ocrmypdf.ocr(source, target, plugins=["ocrmypdf_superres"], progress_bar=False, **{**settings, **keywords})
    return target, [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]


def worst_place(pdf: Path, expected: list[Any], page: int = 0) -> float:
    """Largest distance in points of a word from where it is printed; at least 3 of 4 words must be read."""
    found = printed_words(pdf, page)
    distances = []
    for word in expected:
        same = [other for other in found if other.text.strip(".,") == word.text]
        if same:
            distances.append(min(max(abs(other.left - word.left), abs(other.middle - word.middle)) for other in same))
    assert len(distances) >= 0.75 * len(expected), [word.text for word in found]
    return max(distances)


@pytest.fixture
def scan(tmp_path: Path) -> tuple[Path, list[Any]]:
    page, words = grid_page(dpi=DPI)
    return image_pdf(tmp_path / "in.pdf", [page], DPI), words


def test_plain_run_keeps_the_image_and_places_the_words(scan: tuple[Path, list[Any]], lanczos_net: Path) -> None:
    source, words = scan
    target, records = read(source, lanczos_net)
    assert image_streams(target) == image_streams(source)
    assert worst_place(target, words) <= TOLERANCE
    (record,) = records
    assert (record["action"], record["page"], record["model"]) == ("enlarged", 1, "lanczos-net")
    assert record["new_dpi"] == pytest.approx(DPI * record["new_size"][0] / record["size"][0], rel=0.01)


def test_a_scan_with_a_colour_profile_is_read_without_complaints(tmp_path: Path) -> None:
    page, _ = grid_page(dpi=DPI)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    page.convert("RGB").save(tmp_path / "in.jpg", quality=90, dpi=(DPI, DPI), icc_profile=profile)
    (tmp_path / "in.pdf").write_bytes(img2pdf.convert(tmp_path / "in.jpg"))
    arguments = ("--superres-verify", "always", "--superres-engines", "none", "--output-type", "pdf")
    run = plugin_pages.ocrmypdf(*arguments, tmp_path / "in.pdf", tmp_path / "out.pdf")
    assert "1 of 1 page was enlarged" in run.stderr
    assert "libpng" not in run.stderr, run.stderr


def test_apply_page_enlarges_the_visible_page_that_is_made_anew(scan: tuple[Path, list[Any]], lanczos_net: Path) -> None:
    source, words = scan
    target, (record,) = read(source, lanczos_net, superres_use_for="page", force_ocr=True, deskew=True)
    assert record["action"] == "enlarged"
    with pikepdf.open(target) as document:
        page = document.pages[0]
        assert float(page.mediabox[2]) == pytest.approx(612, abs=1)
        (image,) = [stream for stream in page.resources.XObject.values() if stream.Subtype == "/Image"]
        assert [int(image.Width), int(image.Height)] == record["new_size"]
    assert worst_place(target, words) <= TOLERANCE


PRESERVING: list[dict[str, Any]] = [
    {},
    {"skip_text": True},
    {"redo_ocr": True},
    {"clean": True},
    {"rasterizer": "ghostscript"},
    {"pdf_renderer": "sandwich"},
    {"oversample": 200},
    {"superres_use_for": "page"},
    {"superres_use_for": "page", "redo_ocr": True, "clean": True},
    {"max_ocr_image_mpixels": 1.2},
]
REMAKING: list[dict[str, Any]] = [
    {"force_ocr": True},
    {"deskew": True},
    {"clean_final": True},
    {"force_ocr": True, "deskew": True, "clean": True, "rotate_pages": True},
    {"force_ocr": True, "rasterizer": "ghostscript"},
    {"superres_use_for": "page", "force_ocr": True, "rasterizer": "ghostscript"},
    {"superres_use_for": "page", "clean_final": True, "deskew": True},
]


@pytest.mark.slow
@pytest.mark.parametrize("jpeg", [False, True])
@pytest.mark.parametrize("keywords", PRESERVING, ids=str)
def test_modes_that_preserve(keywords: dict[str, Any], jpeg: bool, tmp_path: Path, lanczos_net: Path) -> None:
    page, words = grid_page(dpi=DPI)
    source = image_pdf(tmp_path / "in.pdf", [page], DPI, jpeg=jpeg)
    target, records = read(source, lanczos_net, **keywords)
    assert image_streams(target) == image_streams(source)
    assert worst_place(target, words) <= TOLERANCE
    assert [record["action"] for record in records] == ["enlarged"]


@pytest.mark.slow
@pytest.mark.parametrize("jpeg", [False, True])
@pytest.mark.parametrize("keywords", REMAKING, ids=str)
def test_modes_that_remake(keywords: dict[str, Any], jpeg: bool, tmp_path: Path, lanczos_net: Path) -> None:
    page, words = grid_page(dpi=DPI)
    source = image_pdf(tmp_path / "in.pdf", [page], DPI, jpeg=jpeg)
    target, records = read(source, lanczos_net, **keywords)
    assert worst_place(target, words) <= TOLERANCE
    assert [record["action"] for record in records] == ["enlarged"]


@pytest.mark.slow
@pytest.mark.parametrize("turn", [90, 180, 270])
@pytest.mark.parametrize("rasterizer", ["pypdfium", "ghostscript"])
@pytest.mark.parametrize("force", [False, True])
def test_pages_that_lie_on_their_side(turn: int, rasterizer: str, force: bool, tmp_path: Path, lanczos_net: Path) -> None:
    page, words = grid_page(dpi=DPI)
    sideways = page.rotate(turn, expand=True)
    source = image_pdf(tmp_path / "in.pdf", [sideways], DPI, rotate=turn)
    target, _ = read(source, lanczos_net, rasterizer=rasterizer, force_ocr=force)
    assert worst_place(target, words) <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("apply", ["ocr", "page"])
@pytest.mark.parametrize("force", [False, True])
def test_rotate_pages_turns_what_was_scanned_sideways(force: bool, apply: str, tmp_path: Path, lanczos_net: Path) -> None:
    page, words = grid_page(dpi=DPI)
    source = image_pdf(tmp_path / "in.pdf", [page.rotate(90, expand=True)], DPI)
    target, _ = read(source, lanczos_net, rotate_pages=True, rotate_pages_threshold=0.1, force_ocr=force, superres_use_for=apply)
    assert worst_place(target, words) <= TOLERANCE


@pytest.mark.parametrize(
    ("own", "rasterizer", "force"),
    [
        (90, "pypdfium", False),
        (180, "pypdfium", True),
        pytest.param(270, "pypdfium", True, marks=pytest.mark.slow),
        pytest.param(90, "ghostscript", True, marks=pytest.mark.slow),
        pytest.param(270, "ghostscript", False, marks=pytest.mark.slow),
    ],
)
def test_rotate_pages_turns_what_a_wrong_rotation_of_the_page_turned(
    own: int, rasterizer: str, force: bool, tmp_path: Path, lanczos_net: Path
) -> None:
    page, words = grid_page(dpi=DPI)
    source = image_pdf(tmp_path / "in.pdf", [page], DPI, rotate=own)
    turning = {"rotate_pages": True, "rotate_pages_threshold": 0.1, "rasterizer": rasterizer}
    target, _ = read(source, lanczos_net, force_ocr=force, **turning)
    assert worst_place(target, words) <= TOLERANCE


@pytest.mark.parametrize("use_threads", [True, False])
def test_workers_of_both_kinds(use_threads: bool, tmp_path: Path, lanczos_net: Path) -> None:
    page, words = grid_page(dpi=DPI)
    blank = Image.new("L", page.size, 255)
    source = image_pdf(tmp_path / "in.pdf", [page, blank, page], DPI)
    target, records = read(source, lanczos_net, use_threads=use_threads, jobs=2)
    assert sorted((record["page"], record["action"]) for record in records) == [
        (1, "enlarged"),
        (2, "left"),
        (3, "enlarged"),
    ]
    assert worst_place(target, words, 0) <= TOLERANCE
    assert worst_place(target, words, 2) <= TOLERANCE
