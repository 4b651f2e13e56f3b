# SPDX-License-Identifier: MPL-2.0
"""Real OCRmyPDF runs on pages that cannot be read: they are read once, and nobody else is asked."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import case_drawings as drawings
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from plugin_pages import FONT, image_pdf, ocrmypdf, read_page

from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.unsure_words import LOST_PAGE
from ocrmypdf_superres.ocr.variants import NET
from ocrmypdf_superres.plugin.handover import PageState
from ocrmypdf_superres.plugin.readings.gathered import Gathered
from ocrmypdf_superres.plugin.record import PageRecord
from ocrmypdf_superres.training.data.rendered_pages.page import render
from ocrmypdf_superres.training.data.rendered_pages.scripts import SCRIPTS


def rendered(kind: str) -> Image.Image:
    luma = render(kind, SCRIPTS[0], 75 / 14, (620, 877), random.Random(f"invented 5 {kind} 0")).luma
    return Image.fromarray((luma * 255).astype(np.uint8))


def noise() -> Image.Image:
    levels = np.random.default_rng(0).normal(170, 50, (877, 620))
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def record_of(page: Image.Image, dpi: float, folder: Path) -> dict[str, Any]:
    report = folder / "r.jsonl"
    pdf = image_pdf(folder / "in.pdf", [page], dpi=dpi)
    ocrmypdf("--output-type", "pdf", "--superres-report", report, "--superres-device", "cpu", pdf, folder / "o.pdf")
    return json.loads(report.read_text().splitlines()[-1])


@pytest.mark.parametrize(
    "draw", [lambda: rendered("handwriting"), lambda: rendered("music"), noise, drawings.squared_paper],
    ids=["scribble", "music", "noise", "squared paper"],
)  # fmt: skip
def test_a_page_without_text_is_read_once(draw: Callable[[], Image.Image], tmp_path: Path) -> None:
    record = record_of(draw(), 75, tmp_path)
    assert record["action"] == "left"
    assert list(record["reading_seconds"]) == [NET]
    assert not record["line_seconds"] and not record["opinions"]


def test_hopelessly_small_text_is_enlarged_once_and_nobody_else_asked(tmp_path: Path) -> None:
    page = drawings.paragraphs(4.6, (260, 340), margin=16)
    record = record_of(page, 36, tmp_path)
    assert record["action"] == "enlarged" and record["x_height"] < 4
    # The original itself costs next to nothing.
    assert set(record["reading_seconds"]) <= {NET, "as-is"}
    assert not record["line_seconds"] and not record["opinions"]


def test_words_read_with_the_user_s_configuration_stay(tmp_path: Path) -> None:
    big = Image.new("L", (2400, 1000), 255)
    for row, number in enumerate(("51873", "20964", "73512")):
        ImageDraw.Draw(big).text((200, 120 + 260 * row), f"{number} {number}", font=ImageFont.truetype(FONT, 100), fill=0)
    (tmp_path / "figures").write_text("tessedit_char_whitelist 0123456789\n")
    _, record, text = read_page(big.resize((480, 200)), tmp_path, 80, "--tesseract-config", tmp_path / "figures")
    assert max(record["probability"].values()) < LOST_PAGE, "the case is of a page that seems lost"
    assert "51873" in text and "73512" in text


@pytest.mark.parametrize(
    ("height", "ink", "given_up"), [(None, 0.02, True), (2.4, 0.02, True), (9.0, 0.02, False), (None, None, False)]
)
def test_what_is_given_up_when_nothing_was_read(height: float | None, ink: float | None, given_up: bool) -> None:
    record = PageRecord("in.pdf", 1)
    record.x_height, record.ink = height, ink
    state = PageState(record, (100, 100), hopeless=height is not None and height < 4)
    found = Gathered()
    assert not found.given_up(state)
    found.calibration = Calibration({NET: [0.1, 0.9]}, [0.1, 0.9])
    assert found.given_up(state) == given_up
