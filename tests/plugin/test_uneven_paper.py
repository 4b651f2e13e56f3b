# SPDX-License-Identifier: MPL-2.0
"""Real OCRmyPDF runs on pages in uneven light: what is evened out, what is read again, and that the visible page stays."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pikepdf
import pytest
from PIL import Image
from plugin_pages import WORDS, draw_page, image_pdf, image_streams, ocrmypdf

from ocrmypdf_superres.ocr.variants import EVEN, NET, SAUVOLA, make_variant
from ocrmypdf_superres.page.image import to_luma
from ocrmypdf_superres.page.shading import UNEVEN, unevenness
from ocrmypdf_superres.plugin.options import SuperresOptions
from ocrmypdf_superres.plugin.readings.thresholds import asked_for, has_local_thresholds


def in_shade(page: Image.Image, depth: float = 0.6, sharp: float = 0.02) -> Image.Image:
    """*page* with the shadow of a hand or a telephone over its lower right half."""
    y, x = np.mgrid[0 : 1 : page.height * 1j, 0 : 1 : page.width * 1j]
    light = 1 - depth / (1 + np.exp(-(0.4 * x + 0.6 * y - 0.45) / sharp))
    return Image.fromarray((np.asarray(page, np.float32) * light).astype(np.uint8))


def read(folder: Path, page: Image.Image, dpi: float, *more: object) -> tuple[Counter[str], dict[str, Any]]:
    """Return the words that are read on *page*, and its record; the visible page must be the same."""
    pdf, text, report = image_pdf(folder / "in.pdf", [page], dpi=dpi), folder / "o.txt", folder / "r.jsonl"
    report.unlink(missing_ok=True)
    ocrmypdf(
        "--output-type", "pdf", "--sidecar", text, "--superres-report", report, "--superres-device", "cpu",
        "--superres-engines", "none", *more, pdf, folder / "o.pdf",
    )  # fmt: skip
    assert image_streams(folder / "o.pdf") == image_streams(pdf)
    record = json.loads(report.read_text().splitlines()[-1]) if report.exists() else {}
    return Counter(text.read_text().split()), record


def share_of_words(found: Counter[str], count: int) -> float:
    wanted = Counter(WORDS[number % len(WORDS)] for number in range(count))
    return sum((wanted & found).values()) / count


def test_light_letters_on_a_dark_area_above_white_paper_are_not_evened_out(tmp_path: Path) -> None:
    page = draw_page(lines=36)
    values, half = np.array(page), 540
    values[:half] = 235 - (values[:half].astype(np.float32) * 0.6).astype(np.uint8)  # white letters on dark grey
    found, record = read(tmp_path, Image.fromarray(values), 100)
    assert "evened out" not in record["reason"]
    wanted = read(tmp_path, page, 100)[0]
    assert sum((wanted & found).values()) > 0.97 * sum(wanted.values())


def test_a_large_page_in_the_shade_is_left_and_read_evened_out(tmp_path: Path) -> None:
    page = in_shade(draw_page((1700, 2200), em=40, lines=14))
    assert unevenness(to_luma(page)) > UNEVEN
    plain, _ = read(tmp_path, page, 200, "--superres-trigger", "off")
    found, record = read(tmp_path, page, 200)
    count = sum(read(tmp_path, draw_page((1700, 2200), em=40, lines=14), 200, "--superres-trigger", "off")[0].values())
    assert share_of_words(plain, count) < 0.8, "the case is none of uneven paper"
    assert share_of_words(found, count) > 0.97
    assert record["action"] == "left"
    assert "uneven paper evened out" in record["reason"]


@pytest.mark.parametrize(("more", "wanted"), [([], True), (["--tesseract-thresholding", "adaptive-otsu"], False)])
def test_uneven_paper_is_read_by_local_thresholds_too(more: list[str], wanted: bool, tmp_path: Path) -> None:
    found, record = read(tmp_path, in_shade(draw_page()), 100, "--superres-verify", "always", *more)
    assert record["action"] == "enlarged"
    assert (SAUVOLA in record["words"]) == wanted
    assert EVEN not in record["words"]
    assert share_of_words(found, sum(found.values())) > 0.97


def test_even_paper_is_not_read_by_local_thresholds(tmp_path: Path) -> None:
    _, record = read(tmp_path, draw_page(), 100, "--superres-verify", "always")
    assert not {SAUVOLA, EVEN} & set(record["words"])


def test_variants_that_fit_the_paper() -> None:
    ours = SuperresOptions()
    assert SAUVOLA not in ours.wanted_variants() and EVEN not in ours.wanted_variants()
    assert ours.wanted_variants(evened=True)[0] == SAUVOLA
    assert ours.wanted_variants(uneven=True)[0] == EVEN
    assert SAUVOLA not in SuperresOptions(variants="net,blend").wanted_variants(evened=True)


def test_the_evened_variant_is_of_the_net_s_image() -> None:
    net = in_shade(draw_page((400, 500), em=20, lines=4))
    original = net.resize((200, 250))
    even = make_variant(EVEN, original, net)
    assert even.size == net.size
    assert unevenness(to_luma(even)) < unevenness(to_luma(net)) / 2
    assert make_variant(NET, original, net) is net
    assert np.array_equal(make_variant(SAUVOLA, original, net), net)


class _Thresholding(int):
    """In place of OCRmyPDF's enumeration."""


class _Tesseract(SimpleNamespace):
    def model_copy(self, update: dict[str, Any]) -> _Tesseract:
        return _Tesseract(**{**vars(self), **update})


def test_options_for_local_thresholds_are_a_copy() -> None:
    options = SimpleNamespace(tesseract=_Tesseract(thresholding=_Thresholding(0), psm=3), languages=["eng"])
    asked = asked_for(SAUVOLA, options)
    assert asked.tesseract.thresholding == 2 and asked.tesseract.psm == 3 and asked.languages == ["eng"]
    assert options.tesseract.thresholding == 0
    assert asked_for(NET, options) is options


@pytest.mark.parametrize(
    ("name", "thresholding", "writes_trees", "wanted"),
    [("Tesseract OCR 5.3.0", 0, False, True), ("Tesseract OCR 5.3.0", 1, False, False), ("Tesseract OCR 4.1.1", 0, False, False),
     ("Another 5", 0, False, False), ("Tesseract OCR 5.3.0", 0, True, False)],
)  # fmt: skip
def test_who_has_local_thresholds(name: str, thresholding: int, writes_trees: bool, wanted: bool) -> None:
    class Engine:
        def __str__(self) -> str:
            return name

        def supports_generate_ocr(self) -> bool:
            return writes_trees

    engine: Any = Engine()
    options = SimpleNamespace(tesseract=_Tesseract(thresholding=_Thresholding(thresholding)))
    assert has_local_thresholds(engine, options) == wanted
    assert not has_local_thresholds(engine, SimpleNamespace())


def test_a_stamp_over_a_scan_in_the_shade_is_evened_out_with_it(tmp_path: Path) -> None:
    size = (850, 1100)
    page = np.asarray(draw_page(size, em=16, lines=20), np.float32)
    y, x = np.mgrid[0 : 1 : size[1] * 1j, 0 : 1 : size[0] * 1j]
    scan = Image.fromarray((page * (1 - 0.58 * (x * x + y * y) / 2)).astype(np.uint8))

    def stamp(_: pikepdf.Pdf, page: pikepdf.Page) -> None:
        font = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
        page.add_resource(font, pikepdf.Name.Font, pikepdf.Name.F1)
        page.contents_add(b"BT 0.1 g /F1 7 Tf 430 40 Td (BATES ABC 004711) Tj ET")

    pdf, text = image_pdf(tmp_path / "in.pdf", [scan], dpi=100, extra=stamp), tmp_path / "o.txt"
    ocrmypdf(
        "--output-type", "pdf", "--force-ocr", "--sidecar", text, "--superres-device", "cpu", "--superres-engines", "none",
        "--superres-verify", "off", pdf, tmp_path / "o.pdf",
    )  # fmt: skip
    assert "004711" in text.read_text()
