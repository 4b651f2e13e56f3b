# SPDX-License-Identifier: MPL-2.0
"""Profiles: sizes, seeds, and what each does to a page."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from evaluation_pages import draw
from hypothesis import given, settings
from hypothesis import strategies as st

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.data.profiles import PROFILES, reduce_page
from ocrmypdf_superres.page.image import to_luma


@pytest.fixture(scope="module")
def page() -> np.ndarray:
    return to_luma(draw(200))


@pytest.mark.parametrize("profile", PROFILES)
def test_size_range_and_repeatability(page: np.ndarray, profile: str) -> None:
    first = reduce_page(page, 200, 72, profile, "one")
    assert first.shape == (round(page.shape[0] * 0.36), round(page.shape[1] * 0.36))
    assert first.dtype == np.float32
    assert first.min() >= 0
    assert first.max() <= 1
    np.testing.assert_array_equal(first, reduce_page(page, 200, 72, profile, "one"))


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("clean", "c76f6a31246f4f2b"), ("scan", "fd53643e83a6160d"), ("hard", "21f83d8822f1ca0c"), ("jpeg", "5250b6ed2796d8a6"),
        ("1-bit", "daae7644b797e5f6"), ("fax", "ce266dee0a6a9054"),
        ("microfilm", "363310e940a03f16"), ("phone", "35b2523c0e478a26"),
        ("skewed", "91c177f36a6115db"), ("curled", "b4bee3eb6715f506"),
    ],
)  # fmt: skip
def test_published_profiles_never_change(profile: str, expected: str) -> None:
    luma = (np.random.default_rng(5).integers(0, 256, (120, 90)) / np.float32(255)).astype(np.float32)
    levels = (reduce_page(luma, 300, 100, profile, "p") * 255 + 0.5).astype(np.uint8)
    assert hashlib.sha256(levels.tobytes()).hexdigest()[:16] == expected


def test_microfilm_and_phone(page: np.ndarray) -> None:
    clean, film, phone = (reduce_page(page, 200, 100, name, "p") for name in ("clean", "microfilm", "phone"))
    corners = [phone[:20, :20], phone[:20, -20:], phone[-20:, :20], phone[-20:, -20:]]
    assert max(c.mean() for c in corners) - min(c.mean() for c in corners) > 0.2
    paper = clean > 0.9
    assert film[paper].std() > clean[paper].std() + 0.02
    assert film.mean() < clean.mean()


def test_skewed_and_curled() -> None:
    luma = np.ones((300, 400), np.float32)
    luma[150:156, 20:-20] = 0
    rows = {}
    for profile in ("scan", "skewed", "curled"):
        small = reduce_page(luma, 200, 100, profile, "p")
        dark = 1 - small
        dark[dark < 0.2] = 0
        rows[profile] = (np.arange(150)[:, None] * dark).sum(axis=0)[15:-15] / dark.sum(axis=0)[15:-15]
    assert np.ptp(rows["scan"]) < 1
    assert np.ptp(rows["skewed"]) == pytest.approx(169 * np.tan(np.radians(2)), abs=1.5)
    ends = sorted((float(rows["curled"][0]), float(rows["curled"][-1])))
    assert ends[1] - ends[0] == pytest.approx(25 * np.exp(-np.log(3) * 15 / 40), abs=2)


@pytest.mark.parametrize("profile", ["skewed", "curled"])
def test_edges_have_no_fringes_where_they_are_moved(profile: str) -> None:
    luma = np.ones((400, 400), np.float32)
    luma[100:300, 40:360:8] = 0
    luma[100:300, 41:360:8] = 0
    straight, moved = (reduce_page(luma, 200, 190, name, "p") for name in ("scan", profile))
    np.testing.assert_allclose(np.percentile(moved, (1, 5, 10)), np.percentile(straight, (1, 5, 10)), atol=0.08)
    assert moved.mean() == pytest.approx(straight.mean(), abs=0.01)


def test_noise_depends_on_page_and_dpi(page: np.ndarray) -> None:
    first = reduce_page(page, 200, 100, "scan", "one")
    assert (first != reduce_page(page, 200, 100, "scan", "two")).any()
    np.testing.assert_array_equal(reduce_page(page, 200, 100, "clean", "one"), reduce_page(page, 200, 100, "clean", "two"))


def test_clean_is_the_mean_over_areas(page: np.ndarray) -> None:
    half = reduce_page(page, 200, 100, "clean", "")
    height, width = half.shape
    expected = page[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean((1, 3))
    np.testing.assert_allclose(half, expected, atol=1e-5)


def test_bilevel_and_contrast(page: np.ndarray) -> None:
    for profile in ("1-bit", "fax"):
        assert set(np.unique(reduce_page(page, 200, 100, profile, "p"))) <= {0.0, 1.0}
    clean, hard = (reduce_page(page, 200, 72, name, "p") for name in ("clean", "hard"))
    assert np.quantile(hard, 0.02) > np.quantile(clean, 0.02) + 0.1


def test_unknown_profiles_and_enlarging_are_refused(page: np.ndarray) -> None:
    with pytest.raises(OptionError, match="sepia"):
        reduce_page(page, 200, 72, "sepia", "p")
    with pytest.raises(OptionError, match="cannot be reduced"):
        reduce_page(page, 200, 200, "clean", "p")


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from(sorted(PROFILES)), st.floats(20, 299))
def test_any_size(height: int, width: int, profile: str, dpi: float) -> None:
    result = reduce_page(np.full((height, width), 0.5, np.float32), 300, dpi, profile, "tiny")
    assert result.shape == (max(1, round(height * dpi / 300)), max(1, round(width * dpi / 300)))
    assert np.isfinite(result).all()
