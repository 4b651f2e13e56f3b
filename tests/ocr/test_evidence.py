# SPDX-License-Identifier: MPL-2.0
"""Choosing among texts of one place, and fitting what speaks for them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement
from scipy.optimize import approx_fprime

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.evaluation.calibration.vote import Place, cross_validated, fit_weights, right_places, sum_of_probabilities
from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.lexicon import Lexicon
from ocrmypdf_superres.ocr.merge.evidence import FEATURES, Weights, read_weights
from ocrmypdf_superres.ocr.merge.vote import merge

CALIBRATION = Calibration(
    {name: [0.0, 1.0] for name in ("net", "rapidocr", "lines:blend", "lines:rapidocr:original")}, [0.0, 0.5]
)


def page(*words, top=10):
    """A page of one line: *words* are (text, confidence)."""
    nodes, left = [], 10
    for text, confidence in words:
        nodes.append(
            OcrElement(OcrClass.WORD, bbox=BoundingBox(left, top, left + 100, top + 20), text=text, confidence=confidence)
        )
        left += 120
    line = OcrElement(OcrClass.LINE, bbox=BoundingBox(10, top, left, top + 20), children=nodes)
    paragraph = OcrElement(OcrClass.PARAGRAPH, bbox=line.bbox, children=[line])
    return Hypothesis(OcrElement(OcrClass.PAGE, bbox=BoundingBox(0, 0, 1000, 300), children=[paragraph]))


def read(first, other, lexicon=None, again=None):
    opinions_again = {"lines:rapidocr:original": again} if again else {}
    return merge({"net": first}, CALIBRATION, {"rapidocr": other}, {}, opinions_again, lexicon).hypothesis.text().strip()


def test_a_word_of_the_language_beats_one_that_is_none():
    words = Lexicon([{"house"}])
    for mine, theirs in (("housc", "house"), ("house", "housc")):
        assert read(page((mine, 0.7)), page((theirs, 0.7)), words) == "house"


def test_a_word_that_stands_elsewhere_beats_one_that_does_not():
    known = [("Krawczyk", 0.99), ("and", 0.99)]
    assert read(page(*known, ("Krawezyk", 0.6)), page(*known, ("Krawczyk", 0.6))) == "Krawczyk and Krawczyk"


def test_the_first_reading_stands_where_it_is_sure():
    assert read(page(("1942", 0.98)), page(("1943", 0.98))) == "1942"


def test_two_readings_of_another_engine_outvote_a_doubtful_word():
    assert read(page(("1942", 0.4)), page(("1943", 0.98)), again=page(("1943", 0.98))) == "1943"


def test_the_package_has_weights_with_provenance():
    weights = read_weights()
    assert set(weights.weights) == set(FEATURES) and weights.places > 500
    assert weights.engines.startswith("Tesseract ") and "rapidocr" in weights.engines and weights.data
    values = dict(zip(FEATURES, weights.values(), strict=True))
    assert all(values[f"{part}, log-odds"] > 0 for part in ("first", "again", "other", "other again"))
    assert values["known"] > 0 and values["elsewhere"] > 0 > values["odd signs"]


@pytest.mark.parametrize("change", [{"weights": {}}, {"other": 1}, {"weights": dict.fromkeys(FEATURES, float("nan"))}])
def test_damaged_weights_are_one_sentence(tmp_path, change):
    weights = Weights("Tesseract 5", "pages", "2026-01-01", 600, dict.fromkeys(FEATURES, 1.0))
    path = tmp_path / "weights.json"
    path.write_text(weights.to_json(), encoding="utf-8")
    assert read_weights(path) == weights
    other = tmp_path / "damaged.json"
    other.write_text(json.dumps(json.loads(weights.to_json()) | change), encoding="utf-8")
    with pytest.raises(SuperresError, match="install ocrmypdf-superres again"):
        read_weights(other)
    with pytest.raises(SuperresError, match="install ocrmypdf-superres again"):
        read_weights(tmp_path / "none.json")


def drawn_places(count, seed=0):
    """Places of two texts whose right one is drawn by known weights."""
    rng = np.random.default_rng(seed)
    truth = np.array([0.5, 0.8, 0, 0, 0.5, 0.3, 0, 0, 0.6, 0.9, 1.5, 1.0, -1.0])
    places = []
    for number in range(count):
        rows = np.zeros((2, len(FEATURES)))
        rows[0, :2], rows[1, 4:6] = (1, rng.normal(1, 2)), (1, rng.normal(1, 2))
        rows[0, 8], rows[1, 9] = rng.normal(0, 1, 2)
        rows[:, 10:] = np.stack([rng.choice([-1, 0, 1], 2), rng.choice([0, 1], 2), rng.choice([0, 1], 2)], axis=1)
        odds = rows @ truth
        first = rng.random() < 1 / (1 + np.exp(odds[1] - odds[0]))
        places.append(Place(f"part {number % 3}", rows, np.array([first, not first]), 0))
    return places, truth


def test_weights_are_found_again():
    places, truth = drawn_places(4000)
    found = fit_weights(places)
    # Two texts: only the difference of the constants can be known.
    assert found[0] - found[4] == pytest.approx(truth[0] - truth[4], abs=0.25)
    assert found[[1, 5, 8, 9, 10, 11, 12]] == pytest.approx(truth[[1, 5, 8, 9, 10, 11, 12]], abs=0.25)
    rows = cross_validated(places)
    assert sum(row[0] for row in rows.values()) == len(places)
    assert right_places(places, found) > sum_of_probabilities(places)


def test_fitting_ends_where_the_slope_is_nought():
    places, _ = drawn_places(60, seed=3)
    found = fit_weights(places)

    def loss(weights):
        total = 0.25 * weights @ weights
        for place in places:
            scores = place.features @ weights
            total += np.log(np.exp(scores).sum()) - np.log(np.exp(scores[place.right]).sum())
        return float(total)

    assert np.abs(approx_fprime(found, loss, 1e-5)).max() < 1e-2
