# SPDX-License-Identifier: MPL-2.0
"""The calibration table: whom it holds for, and how it is fitted."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from ocrmypdf_superres import log_once
from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.modelstore.cards import WEIGHTS
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL, find_model
from ocrmypdf_superres.ocr.calibration import TABLE, Calibration, lowest, parse_table, read_table, unfitted
from ocrmypdf_superres.ocr.variants import VARIANTS

ENGINE = "Tesseract OCR 5.3.0"


def test_the_table_is_of_the_default_model() -> None:
    table = read_table()
    assert (table.model, table.model_sha256) == (DEFAULT_MODEL, find_model(DEFAULT_MODEL).card.files[WEIGHTS])
    assert table.to_json() == TABLE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("engine", "model", "missing"),
    [
        (ENGINE, "its own", set()),
        (ENGINE, None, set()),
        (ENGINE, "0" * 64, {"net", "blend"}),
        ("Tesseract OCR 6.0.0", "its own", set(VARIANTS)),
        ("EasyOCR 1.7", "its own", set(VARIANTS)),
    ],
)
def test_what_is_not_calibrated_is_trusted_less(
    engine: str, model: str | None, missing: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    log_once.forget()
    table = read_table()
    with caplog.at_level(logging.INFO, logger="ocrmypdf.superres"):
        for _ in range(2):
            found = table.calibration(engine, table.model_sha256 if model == "its own" else model)
    assert set(VARIANTS) - set(found.probabilities) == missing
    assert len(caplog.records) == bool(missing), "once in a process"
    for name in VARIANTS:
        for confidence in range(0, 101, 5):
            own = table.probability[name][confidence // 5]
            assert found.probability(confidence, name) <= own + 1e-12
            assert name in missing or found.probability(confidence, name) == pytest.approx(own)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"probability": {}}', TABLE.read_text().replace("0.9", "9.9"), TABLE.read_text()[:-80]]
)
def test_a_damaged_table_is_one_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "table.json").write_text(text)
    with pytest.raises(SuperresError, match="calibration table"):
        read_table(tmp_path / "table.json")


def pooled(values: list[float], weights: list[float]) -> list[float]:
    """Pool adjacent violators, written out (Ayer et al., 1955)."""
    blocks: list[list[float]] = []
    for value, weight in zip(values, weights, strict=True):
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (v, w, n), (u, x, m) = blocks.pop(-2), blocks.pop()
            blocks.append([(v * w + u * x) / (w + x), w + x, n + m])
    return [block[0] for block in blocks for _ in range(int(block[2]))]


def test_scipys_isotonic_regression_pools_as_ours_did() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(3)
    for _ in range(50):
        values, weights = rng.random(21), rng.random(21) * 100 + 2
        assert optimize.isotonic_regression(values, weights=weights).x == pytest.approx(
            pooled(list(values), list(weights)), abs=1e-9
        )


def test_fitted_knots_are_monotone_probabilities_near_the_truth() -> None:
    pytest.importorskip("scipy.optimize")
    from ocrmypdf_superres.evaluation.calibration.fit import fit_knots

    rng = np.random.default_rng(5)
    confidences = rng.integers(0, 101, 20000).astype(float)
    right = (rng.random(20000) < (confidences / 100) ** 2).astype(float)
    knots = fit_knots(confidences, right)
    assert knots == sorted(knots) and len(knots) == 21
    assert np.abs(np.array(knots) - np.linspace(0, 1, 21) ** 2).max() < 0.05


def test_a_page_of_several_networks_is_trusted_as_the_least_of_them() -> None:
    one = Calibration({"net": [0.0, 0.5, 1.0], "blend": [0.2, 0.2, 0.9]}, [0.0, 0.1, 0.2])
    two = Calibration({"net": [0.1, 0.4, 1.0]}, [0.1, 0.1, 0.1])
    both = lowest([one, two])
    assert list(both.probabilities["net"]) == [0.0, 0.4, 1.0] and "blend" not in both.probabilities
    assert list(both.fallback) == [0.0, 0.1, 0.1] and lowest([one]) is one


def test_confidences_that_were_never_fitted_are_trusted_as_the_worst_variant() -> None:
    table = read_table()
    found = unfitted(table)
    for confidence in (0.0, 37.0, 80.0, 97.5):
        for variant in VARIANTS:
            least = table.calibration(f"{table.engine}.3", table.model_sha256).probability(confidence, variant)
            assert found.probability(confidence, variant) <= least + 1e-9


def test_a_table_of_a_card_comes_back_as_it_was_fitted_and_a_damaged_one_does_not() -> None:
    table = read_table()
    assert parse_table(asdict(table)) == table
    for change in ({"probability": {"net": [0.1, 2.0]}}, {"probability": {"net": [0.1], "blend": [0.2, 0.3]}}, {"more": 1}):
        with pytest.raises((ValueError, TypeError)):
            parse_table({**asdict(table), **change})
