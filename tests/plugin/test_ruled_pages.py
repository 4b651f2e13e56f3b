# SPDX-License-Identifier: MPL-2.0
"""Real OCRmyPDF runs on a table with pale rules, lines on which Tesseract crashes, and print that shows through."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from plugin_pages import TEXT, draw_page, image_streams
from test_faults import tesseract_that_dies
from test_lost_pages import read, share
from test_second_readings import low_pdf, run

from ocrmypdf_superres.ocr.lines import doubt

__all__ = ["low_pdf"]

ENTRIES = ["Washers", "Brackets", "North", "West", "Hinges", "Screws", "Bolts", "Handles"]


def table() -> tuple[Image.Image, list[str]]:
    """A table of 16 rows and 6 columns at 90 dpi between pale thin rules, and the text of its rows."""
    choice = random.Random(4)
    page = Image.new("L", (640 * 4, 400 * 4), 252)
    pen, font = ImageDraw.Draw(page), ImageFont.truetype("DejaVuSans.ttf", 44)
    rows = []
    for row in range(17):
        pen.line((80, 80 + 88 * row, 80 + 6 * 400, 80 + 88 * row), 140, 2)
    for column in range(7):
        pen.line((80 + 400 * column, 80, 80 + 400 * column, 80 + 16 * 88), 140, 2)
    for row in range(16):
        cells = [choice.choice(ENTRIES), *(str(choice.randrange(100, 99999)) for _ in range(5))]
        for column, cell in enumerate(cells):
            pen.text((100 + 400 * column, 98 + 88 * row), cell, 20, font)
        rows.append(" ".join(cells))
    return page.resize((640, 400), Image.Resampling.BOX), rows


def test_a_table_is_read_without_its_rules_and_shown_with_them(tmp_path: Path) -> None:
    page, rows = table()
    words, record = read(tmp_path, page, "--superres-engines", "none", "--superres-verify", "off")
    assert "pale rules erased for OCR" in record["reason"]
    assert share(words, rows) >= 0.95
    assert image_streams(tmp_path / "o.pdf") == image_streams(tmp_path / "in.pdf")


def test_lines_on_which_tesseract_crashes_are_read_as_blocks(
    low_pdf: Path, tmp_path: Path, random_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tesseract_that_dies(tmp_path, monkeypatch, "lines", 'case "$*" in *"--psm 7"*) kill -FPE $$;; esac')
    monkeypatch.setattr(doubt, "DOUBT", 1.1)
    text, record = run(low_pdf, tmp_path, random_model, superres_verify="auto", superres_budget=50)
    assert record["lines_read"]["blend"] >= 3 and not record.get("faults") and "ferry" in text


def test_what_shows_through_from_the_other_side_is_not_text(tmp_path: Path) -> None:
    front = np.asarray(draw_page((700, 600), em=17, lines=12), int)
    back = np.asarray(draw_page((700, 600), em=17, lines=16).transpose(Image.Transpose.FLIP_LEFT_RIGHT), int)
    page = np.minimum(front, 255 - (255 - back) * 3 // 10) - 25
    page = page + np.random.default_rng(2).normal(0, 5, page.shape)
    image = Image.fromarray(np.clip(page, 0, 255).astype(np.uint8))
    words, record = read(tmp_path, image, "--superres-engines", "none")
    kept, _ = read(tmp_path, image, "--superres-engines", "none", "--superres-unsure-words", "keep")
    known = Counter(TEXT.split() * 9)
    assert record["words_dropped"] > 0 and (kept - known).total() > (words - known).total()
    assert (words & known).total() >= (kept & known).total() - 1
