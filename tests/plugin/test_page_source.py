# SPDX-License-Identifier: MPL-2.0
"""The pixels that are read where a scan and its raster differ in size, and the limits that hold for both."""

from __future__ import annotations

from pathlib import Path

import pikepdf
import pytest
from PIL import Image, ImageDraw, ImageFont
from plugin_pages import FONT, draw_page, grid_page, image_pdf
from test_modes import TOLERANCE, read, worst_place


def wide_scan(folder: Path) -> Path:
    """Return a scan with more pixels along one side than Tesseract takes, as of a roll or a map."""
    scan = Image.new("1", (45000, 200), 1)
    for left in range(100, 44000, 6000):
        ImageDraw.Draw(scan).text((left, 60), "brown fox", font=ImageFont.truetype(FONT, 60), fill=0)
    return image_pdf(folder / "in.pdf", [scan], dpi=300)


def test_a_scan_larger_than_tesseract_takes_is_read_reduced(tmp_path: Path, lanczos_net: Path) -> None:
    _, records = read(wide_scan(tmp_path), lanczos_net, sidecar=tmp_path / "text.txt", superres_engines="none")
    assert (tmp_path / "text.txt").read_text(encoding="utf-8").split() == ["brown", "fox"] * 8
    assert (records[0]["source"], records[0]["size"]) == ("raster", [45000, 200]), "the record has the scan's size"


@pytest.mark.parametrize(
    ("limit", "value", "longest"), [("tesseract_downsample_above", 800, 800), ("max_ocr_image_mpixels", 0.5, 841)]
)
def test_ocr_is_given_no_more_than_the_user_allows(
    limit: str, value: float, longest: int, tmp_path: Path, lanczos_net: Path
) -> None:
    source = image_pdf(tmp_path / "in.pdf", [draw_page((1700, 1200), em=40, lines=8)], dpi=200)
    read(source, lanczos_net, superres_keep=str(tmp_path / "kept"), superres_engines="none", **{limit: value})
    with Image.open(tmp_path / "kept" / "page-0001.png") as given:
        assert max(given.size) == pytest.approx(longest, rel=0.01)


def test_an_oversampled_page_is_told_the_dpi_of_its_own_letters(tmp_path: Path, lanczos_net: Path) -> None:
    source = image_pdf(tmp_path / "in.pdf", [draw_page((700, 500), em=34, lines=5)], dpi=200)
    _, records = read(source, lanczos_net, oversample=600, superres_engines="none")
    assert records[0]["action"] == "left"
    assert records[0]["x_height"] == pytest.approx(18, abs=2), "the case is of letters that the scan shows well"
    assert "told_dpi" not in records[0]


@pytest.mark.parametrize("rotate", [0, 90])
def test_text_in_a_mask_over_a_coarse_image_is_read_from_the_mask(rotate: int, tmp_path: Path, lanczos_net: Path) -> None:
    ink, words = grid_page((1700, 2200), dpi=200, em=34)
    width, height = 1700 * 72 / 200, 2200 * 72 / 200

    def add_mask(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
        mask = pikepdf.Stream(pdf, ink.point(lambda level: 255 * (level > 128)).convert("1").tobytes())
        mask.Type, mask.Subtype, mask.ImageMask = pikepdf.Name.XObject, pikepdf.Name.Image, True
        mask.Width, mask.Height, mask.BitsPerComponent = *ink.size, 1
        page.add_resource(mask, pikepdf.Name.XObject, pikepdf.Name.Ink)
        page.contents_add(f"q 0.1 g {width} 0 0 {height} 0 0 cm /Ink Do Q".encode())

    paper = Image.new("L", (306, 396), 225)
    source = image_pdf(tmp_path / "in.pdf", [paper], dpi=36, rotate=rotate, extra=add_mask)
    target, records = read(source, lanczos_net, superres_engines="none", sidecar=tmp_path / "text.txt")
    assert max(records[0]["size"]) == pytest.approx(2200, rel=0.01), "the page is read at the mask's 200 dpi"
    assert {word.text for word in words} <= set((tmp_path / "text.txt").read_text(encoding="utf-8").split())
    assert rotate or worst_place(target, words) <= TOLERANCE
