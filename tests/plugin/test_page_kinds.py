# SPDX-License-Identifier: MPL-2.0
"""Every kind of page that scanners and programs make is read, and its words lie where they are printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pikepdf
import pytest
from PIL import Image
from plugin_pages import Word, grid_page, image_pdf, image_streams
from test_modes import DPI, TOLERANCE, read, worst_place

pytestmark = pytest.mark.usefixtures("verify")

Change = Callable[[pikepdf.Pdf, pikepdf.Page], None]


def _moved_box(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
    width, height = (float(value) for value in page.mediabox[2:])
    page.MediaBox = [100, 100, width + 100, height + 100]
    page.Contents = pikepdf.Stream(pdf, f"q {width} 0 0 {height} 100 100 cm /Im0 Do Q".encode())


def _crop_box(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
    width, height = (float(value) for value in page.mediabox[2:])
    page.CropBox = [0, 36, width, height]  # viewers show from the top, 36 points are cut at the foot


def _user_unit(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
    page.UserUnit = 2
    width, height = (float(value) / 2 for value in page.mediabox[2:])
    page.MediaBox = [0, 0, width, height]
    page.Contents = pikepdf.Stream(pdf, f"q {width} 0 0 {height} 0 0 cm /Im0 Do Q".encode())


def _soft_mask(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
    image = page.resources.XObject.Im0
    mask = pikepdf.Stream(pdf, bytes([255]) * (int(image.Width) * int(image.Height)))
    mask.Type, mask.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
    mask.Width, mask.Height, mask.ColorSpace, mask.BitsPerComponent = image.Width, image.Height, pikepdf.Name.DeviceGray, 8
    image.SMask = mask


def _stencil(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
    image = page.resources.XObject.Im0
    del image.ColorSpace
    image.ImageMask = True


def _frame(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
    page.contents_add(b"2 w 10 10 550 700 re S")


KINDS: dict[str, tuple[str, Change | None]] = {
    "1-bit": ("1", None),
    "stencil": ("1", _stencil),
    "palette": ("P", None),
    "colour": ("RGB", None),
    "CMYK": ("CMYK", None),
    "16-bit": ("I;16", None),
    "soft mask": ("L", _soft_mask),
    "moved box": ("L", _moved_box),
    "crop box": ("L", _crop_box),
    "user unit": ("L", _user_unit),
    "frame": ("L", _frame),
}


def scanned(mode: str) -> tuple[Image.Image, list[Word]]:
    page, words = grid_page(dpi=DPI)
    if mode == "I;16":
        return Image.fromarray((np.asarray(page, np.uint16) * 257).astype("<u2")), words
    if mode == "1":
        return page.point(lambda level: 255 if level > 150 else 0).convert("1"), words
    return page.convert(mode), words


@pytest.mark.slow
@pytest.mark.parametrize("rasterizer", ["pypdfium", "ghostscript"])
@pytest.mark.parametrize("kind", KINDS)
def test_kind(kind: str, rasterizer: str, tmp_path: Path, lanczos_net: Path) -> None:
    if (kind, rasterizer) == ("crop box", "pypdfium"):
        pytest.skip("OCRmyPDF 17.13 squeezes such pages with this rasterizer, without the plugin too")
    mode, change = KINDS[kind]
    page, words = scanned(mode)
    source = image_pdf(tmp_path / "in.pdf", [page], DPI, extra=change)
    target, records = read(source, lanczos_net, rasterizer=rasterizer)
    assert [record["page"] for record in records] == [1]
    assert image_streams(target) == image_streams(source)
    scale = 0.5 if kind == "user unit" else 1.0
    places = [Word(word.text, word.left * scale, word.middle * scale) for word in words]
    # OCRmyPDF rasterizes stencils at 400 dpi, so nothing is left to enlarge; a drawing is laid over the enlarged scan.
    assert records[0]["action"] == ("left" if kind == "stencil" else "enlarged")
    assert ("with marks laid over" in records[0]["reason"]) == (kind == "frame")
    assert worst_place(target, places) <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("across", [100.0, 160.0])
def test_dpi_that_differs_across_and_down(across: float, tmp_path: Path, lanczos_net: Path) -> None:
    page, words = grid_page(dpi=DPI)
    fax = page.resize((round(page.width * across / DPI), page.height), Image.Resampling.BICUBIC)
    size = (page.width * 72 / DPI, page.height * 72 / DPI)
    target, records = read(image_pdf(tmp_path / "in.pdf", [fax], page_size=size), lanczos_net)
    assert records[0]["source"] == "raster"
    assert worst_place(target, words) <= TOLERANCE


@pytest.mark.slow
def test_page_edges_between_pixels(tmp_path: Path, lanczos_net: Path) -> None:
    page, words = grid_page(size=(683, 881), dpi=DPI)
    size = (683 * 72 / DPI + 0.31, 881 * 72 / DPI - 0.17)
    source = image_pdf(tmp_path / "in.pdf", [page], page_size=size)
    target, records = read(source, lanczos_net)
    assert (records[0]["source"], records[0]["size"]) == ("native", [683, 881])
    assert worst_place(target, words) <= TOLERANCE


def _records(found: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    return [(record["action"], record["source"]) for record in found]


@pytest.mark.slow
def test_oversampled_pages_are_enlarged_from_the_scan(tmp_path: Path, lanczos_net: Path) -> None:
    page, words = grid_page(dpi=DPI)
    target, records = read(image_pdf(tmp_path / "in.pdf", [page], DPI), lanczos_net, oversample=300)
    assert _records(records) == [("enlarged", "native")]
    assert worst_place(target, words) <= TOLERANCE
