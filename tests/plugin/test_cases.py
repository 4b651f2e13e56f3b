# SPDX-License-Identifier: MPL-2.0
"""Kinds of pages on which the measurement once went wrong on real documents: what is planned for them now."""

from __future__ import annotations

from collections.abc import Callable

import case_drawings as drawings
import pytest
from PIL import Image

from ocrmypdf_superres.ocr.turning import turns_of
from ocrmypdf_superres.page.image import to_luma
from ocrmypdf_superres.page.plan import Plan, PlanSettings, label_for, plan_image
from ocrmypdf_superres.page.shading import EVEN, UNEVEN, even_out, unevenness


def _plan(page: Image.Image, dpi: float, **settings: object) -> Plan:
    return plan_image(page, (dpi, dpi), PlanSettings(**settings))


@pytest.mark.parametrize(
    ("draw", "dpi", "height"),
    [
        (drawings.stanzas, 75, 5.2),
        (lambda: drawings.stanzas(lines=4, gap=22), 75, 5.2),
        (drawings.address_list, 75, 4.9),
        (drawings.short_letter, 72, 5.2),
        (drawings.map_with_labels, 300, 4.9),
        (drawings.chart, 96, 6.0),
        (lambda: drawings.turned(9), 100, 7.8),
        (lambda: drawings.turned(-4), 100, 7.8),
    ],
    ids=["stanzas", "short stanzas", "address list", "short letter", "map", "chart", "turned by 9 degrees", "by 4"],
)
def test_small_text_is_found_and_enlarged(draw: Callable[[], Image.Image], dpi: float, height: float) -> None:
    plan = _plan(draw(), dpi)
    assert plan.action == "enlarge", plan.reason
    assert plan.text is not None
    assert plan.text.x_height == pytest.approx(height, rel=0.3)


@pytest.mark.parametrize(
    ("draw", "dpi"),
    [
        (drawings.hebrew, 300),
        (drawings.squared_paper, 150),
        (drawings.halftone, 150),
        (drawings.staves, 150),
        (drawings.fax, 204),
    ],
    ids=["Hebrew", "squared paper", "halftone", "music", "fax"],
)
def test_what_needs_no_enlarging_is_left(draw: Callable[[], Image.Image], dpi: float) -> None:
    plan = _plan(draw(), dpi)
    assert plan.action == "leave", plan.reason


@pytest.mark.parametrize(("turn", "turns"), [(Image.Transpose.ROTATE_90, 1), (Image.Transpose.ROTATE_270, 3)])
def test_a_page_on_its_side_is_seen(turn: Image.Transpose, turns: int) -> None:
    page = drawings.paragraphs(30).transpose(turn)
    plan = _plan(page, 150)
    assert plan.action == "leave"
    assert plan.text is not None
    assert plan.text.sideways
    assert turns_of(page) == turns
    assert "on its side" in plan.reason


def test_letters_too_small_to_be_read_are_enlarged_moderately() -> None:
    plan = _plan(drawings.newspaper(), 72)
    assert plan.action == "enlarge"
    assert plan.factor <= 4
    assert "hardly enough to be read" in plan.reason


def test_small_print_beside_larger_text_is_enlarged_enough() -> None:
    mixed, plain = _plan(drawings.small_print(), 100), _plan(drawings.paragraphs(15), 100)
    assert plain.factor <= 2.4
    assert 1.2 * plain.factor <= mixed.factor <= 4
    assert "small print" in mixed.reason
    assert "small print" not in plain.reason


def test_light_on_dark_is_enlarged() -> None:
    assert _plan(drawings.terminal(), 96).action == "enlarge"


def test_the_text_says_which_dpi_tesseract_is_told() -> None:
    page = drawings.paragraphs(17)
    wrong, right = _plan(page, 400), _plan(page, 150)
    told = label_for(wrong.text, wrong.factor, 400 * wrong.factor)
    assert told == pytest.approx(300, rel=0.2)
    assert label_for(right.text, right.factor, 150 * right.factor) is None


def test_shade_is_seen_and_evened_out() -> None:
    page, even = drawings.shaded(), drawings.paragraphs(13)
    assert unevenness(to_luma(page)) > UNEVEN
    assert unevenness(to_luma(even)) < EVEN
    assert unevenness(to_luma(even_out(page))) < EVEN
