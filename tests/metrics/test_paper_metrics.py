# SPDX-License-Identifier: MPL-2.0
"""The papers' metrics: by hand, on their edge cases, and against the libraries they come from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrmypdf_superres.errors import ImageError
from ocrmypdf_superres.metrics import image as pixels
from ocrmypdf_superres.metrics.boxes import boxes_iou, covered_area, scaled
from ocrmypdf_superres.metrics.text import fold, right_by_letters, right_by_textzoom, s_lcs, s_ld, score, word_accuracy


def test_s_lcs_and_s_ld_by_hand() -> None:
    # kitten, sitting: the subsequence ittn of 4; distance 3; the longer one has 7 characters.
    assert s_lcs("kitten", "sitting") == pytest.approx(4 / 7)
    assert s_ld("kitten", "sitting") == pytest.approx(1 - 3 / 7)
    assert s_lcs("same", "same") == s_ld("same", "same") == 1.0


@pytest.mark.parametrize(("text", "truth", "expected"), [("", "", 1.0), ("", "x", 0.0), ("x", "", 0.0), ("abc", "xyz", 0.0)])
def test_s_scores_at_their_ends(text: str, truth: str, expected: float) -> None:
    assert s_lcs(text, truth) == s_ld(text, truth) == expected


@given(st.text("ab c", max_size=25), st.text("ab c", max_size=25))
def test_rates_are_jiwers(text: str, truth: str) -> None:
    jiwer = pytest.importorskip("jiwer")
    text, truth = fold(text), fold(truth)
    if truth:
        counts = score(text, truth)
        assert counts.cer == pytest.approx(jiwer.cer(truth, text))
        assert counts.wer == pytest.approx(jiwer.wer(truth, text))


def test_s_ld_is_rapidfuzz_normalized() -> None:
    from rapidfuzz.distance import LCSseq, Levenshtein

    a, b = "The clerk wrote them down", "Tbe clerk wrole tham dovvn"
    assert s_ld(a, b) == pytest.approx(Levenshtein.normalized_similarity(a, b))
    assert s_lcs(a, b) == pytest.approx(LCSseq.normalized_similarity(a, b))


def test_textzooms_rules() -> None:
    assert right_by_textzoom("L'Hôtel-7!", "lhtel 7")
    assert not right_by_textzoom("hotel", "hostel")
    assert right_by_textzoom("", "...")
    # In other languages lines count by the letters and digits of their own script.
    assert right_by_textzoom("", "Привет, мир") and not right_by_letters("", "Привет, мир")
    assert right_by_letters("привет мир", "Привет, мир!") and right_by_letters("MASSE 7", "Maße: 7")
    assert not right_by_letters("Hotel", "Hôtel")
    # Easy 3 of 4, hard 0 of 1: 60 % of the images, 37.5 % as the mean of the subsets.
    found = word_accuracy([("easy", True), ("easy", True), ("easy", True), ("easy", False), ("hard", False)])
    assert found.by_subset == {"easy": 0.75, "hard": 0.0}
    assert (found.by_image, found.by_subsets_mean) == (0.6, 0.375)
    with pytest.raises(ValueError, match="at least one"):
        word_accuracy([])


def _pair() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    reference = generator.random((40, 50)).astype(np.float32)
    return np.clip(reference + generator.normal(0, 0.1, reference.shape), 0, 1).astype(np.float32), reference


def test_psnr() -> None:
    reference = np.zeros((4, 5), np.float32)
    # Every pixel 0.1 away: MSE 0.01, 20 dB.
    assert pixels.psnr(reference + 0.1, reference) == pytest.approx(20.0, abs=1e-5)
    assert pixels.psnr(reference, reference) == float("inf")
    # An error of 0.02 is 16.99 dB; a least error bounds what equal images have.
    assert pixels.decibels(0.02) == pytest.approx(-10 * np.log10(0.02))
    assert pixels.decibels(0.0, 1e-10) == pytest.approx(100.0)
    metrics = pytest.importorskip("skimage.metrics")
    image, other = _pair()
    assert pixels.psnr(image, other) == pytest.approx(metrics.peak_signal_noise_ratio(other, image, data_range=1.0), abs=1e-4)
    with pytest.raises(ImageError, match="equal sizes"):
        pixels.psnr(image, other[1:])


def test_ssim_of_textzoom() -> None:
    flat, other = np.full((5, 5, 3), 0.25), np.full((5, 5, 3), 0.75)
    # At the middle of 11 pixels around, all weights but those of five rows and columns fall on black.
    taps = np.exp(-((np.arange(11) - 5) ** 2) / 4.5)
    taps /= taps.sum()
    seen = [sum(taps[5 - i + j] for j in range(5)) for i in range(5)]
    total = 0.0
    for row in seen:
        for column in seen:
            share = row * column
            a, b = 0.25 * share, 0.75 * share
            shared = 0.25 * 0.75 * share - a * b
            spread = (0.25**2 + 0.75**2) * share - a * a - b * b
            total += (2 * a * b + 1e-4) * (2 * shared + 9e-4) / ((a * a + b * b + 1e-4) * (spread + 9e-4))
    assert pixels.ssim_textzoom(flat, other) == pytest.approx(total / 25)
    assert pixels.ssim_textzoom(flat, flat) == pytest.approx(1.0)


def test_ssim() -> None:
    pytest.importorskip("skimage")
    image, reference = _pair()
    assert pixels.ssim(reference, reference) == pytest.approx(1.0)
    # Two constant images: only the term of the means is left, (2ab + C1) / (a^2 + b^2 + C1).
    a, b = np.full((32, 32), 0.5), np.full((32, 32), 0.25)
    by_hand = (2 * 0.5 * 0.25 + 1e-4) / (0.25 + 0.0625 + 1e-4)
    assert pixels.ssim(a, b) == pytest.approx(by_hand)
    inner = (slice(5, -5), slice(5, -5))
    assert pixels.ssim(image[inner], reference[inner]) < 1
    with pytest.raises(ImageError, match="11 pixels"):
        pixels.ssim(image[:8], reference[:8])


def test_iou_by_hand() -> None:
    # Two boxes of 4 x 4 that share 2 x 4: 8 of 24 pixels; boxes that lie over each other count once.
    assert boxes_iou([(0, 0, 4, 4)], [(2, 0, 6, 4)], (10, 10)) == pytest.approx(8 / 24)
    assert boxes_iou([(0, 0, 4, 4), (1, 1, 3, 3)], [(0, 0, 4, 4)], (10, 10)) == 1.0
    assert boxes_iou([], [], (5, 5)) == 1.0
    assert boxes_iou([], [(0, 0, 2, 2)], (5, 5)) == boxes_iou([(0, 0, 2, 2)], [], (5, 5)) == 0.0
    assert covered_area([(-3, -3, 2, 1)], (4, 3)).sum() == 2
    assert scaled([(1, 2, 3, 4)], 2.0, 3.0) == [(2, 6, 6, 12)]
