# SPDX-License-Identifier: MPL-2.0
"""Pages with curled lines are read with their lines level, and the words lie where they are printed."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from plugin_pages import WORDS, draw_page, grid_page, image_streams, printed_words, read_page, x_height

from ocrmypdf_superres.page.plan import Plan
from ocrmypdf_superres.page.text_height import TextHeight
from ocrmypdf_superres.plugin.geometry.straightening import level_lines
from ocrmypdf_superres.plugin.handover import PageState
from ocrmypdf_superres.plugin.record import PageRecord

DPI = 100.0


def curled(image: Image.Image, drop: float) -> Image.Image:
    """Return *image* bent as the page of an open book is, the left edge *drop* pixels lower, and falling a little."""
    values = np.asarray(image, dtype=np.float64)
    height, width = values.shape
    rows = np.arange(height)[:, None] - shift(np.arange(width), width, drop)[None, :]
    rows = np.clip(rows, 0, height - 1.001)
    above, part, columns = rows.astype(int), rows % 1, np.arange(width)[None, :]
    return Image.fromarray((values[above, columns] * (1 - part) + values[above + 1, columns] * part).astype(np.uint8))


def shift(columns: Any, width: int, drop: float) -> Any:
    """By how many pixels :func:`curled` moves *columns* down."""
    return drop * np.exp(-columns / (0.25 * width)) + 0.03 * columns


def right_words(text: str) -> int:
    """Return how many words of :func:`draw_page` follow the one that they follow there."""
    pairs = set(zip(WORDS, WORDS[1:] + WORDS[:1], strict=True))
    return sum(pair in pairs for pair in pairwise(text.split()))


def test_a_curled_page_is_read_as_the_level_one(tmp_path: Path) -> None:
    page = draw_page(em=16, lines=36)
    _, level, straight = read_page(page, tmp_path, DPI)
    target, record, text = read_page(curled(page, 50), tmp_path, DPI)
    assert "made level" not in level["reason"]
    assert "lines made level for OCR" in record["reason"]
    assert right_words(text) >= 0.95 * right_words(straight)
    assert image_streams(target) == image_streams(tmp_path / "in.pdf"), "the page that people see is the scan"


@pytest.mark.parametrize("em", [16, 34])
def test_words_lie_where_they_are_printed(em: int, tmp_path: Path) -> None:
    # Of letters that are enlarged, and of letters that are large enough.
    scale = em / 16
    page = draw_page((round(850 * scale), round(1100 * scale)), em=em, lines=36)
    level = printed_words(read_page(page, tmp_path, DPI)[0])
    target, record, _ = read_page(curled(page, 50 * scale), tmp_path, DPI)
    assert (record["action"] == "enlarged") == (em == 16)
    assert "made level" in record["reason"]
    bent = printed_words(target)
    same = SequenceMatcher(None, [word.text for word in level], [word.text for word in bent], autojunk=False)
    pairs = [(level[m.a + i], bent[m.b + i]) for m in same.get_matching_blocks() for i in range(m.size)]
    assert len(pairs) > 0.9 * len(level)
    lower = [(b.middle - a.middle) * DPI / 72 for a, b in pairs]
    wanted = [shift(a.left * DPI / 72, page.width, 50 * scale) for a, _ in pairs]
    assert np.percentile(np.abs(np.subtract(lower, wanted)), 95) < 0.5 * em
    assert np.percentile([abs(a.left - b.left) * DPI / 72 for a, b in pairs], 95) < 0.5 * em


def test_an_upside_down_curled_page_is_turned_and_laid_back(tmp_path: Path) -> None:
    page = curled(draw_page(em=16, lines=36), 50).transpose(Image.Transpose.ROTATE_180)
    target, record, text = read_page(page, tmp_path, DPI)
    assert "made level" in record["reason"]
    assert "turned upright" in record["reason"]
    assert " ".join(WORDS[:6]) in " ".join(text.split())
    first = next(word for word in printed_words(target) if word.text == "fox")
    assert first.middle * DPI / 72 > 0.8 * page.height


def test_an_engine_that_writes_the_pdf_itself_gets_the_page_as_it_is(tmp_path: Path) -> None:
    _, record, _ = read_page(curled(draw_page(em=16, lines=36), 50), tmp_path, DPI, "--pdf-renderer", "sandwich")
    assert "made level" not in record["reason"]


def test_words_that_stand_alone_are_no_lines(tmp_path: Path) -> None:
    page, _ = grid_page()
    _, record, _ = read_page(page, tmp_path, DPI)
    assert "made level" not in record["reason"]


def test_columns_of_a_skewed_page_are_read_apart(tmp_path: Path) -> None:
    column = draw_page((440, 1100), em=16, lines=36)
    page = Image.new("L", (840, 1100), 255)
    for left in (0, 400):
        page.paste(column.crop((20, 0, 420, 1100)), (left, 0))
    skewed = page.rotate(-1.5, Image.Resampling.BICUBIC, fillcolor=255)
    _, record, text = read_page(skewed, tmp_path, DPI)
    assert "made level" in record["reason"]
    first = " ".join(WORDS[:12])
    assert " ".join(text.split()).count(first) >= 4, "both columns begin with it, and come to it again"


@pytest.mark.parametrize(("sideways", "turns"), [(False, 0), (True, 0), (True, 1)])
def test_lines_that_still_run_up_the_page_are_left(sideways: bool, turns: int) -> None:
    page = curled(draw_page(em=16, lines=36), 50)
    text = TextHeight(x_height(16), 36, 0.1, 36, sideways=sideways)
    plan = Plan("leave", "", None, 1.0, page.size, (DPI, DPI), text)
    state = PageState(PageRecord("in.pdf", 1), page.size, turns=turns)
    result = level_lines(page, plan, state, SimpleNamespace(pdf_renderer="auto"))
    assert (result is page) == (sideways and not turns)
    assert (state.surface is None) == (result is page)
