# SPDX-License-Identifier: MPL-2.0
"""Fitting the weights of the evidence for a text in the vote between readings of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ocrmypdf_superres.evaluation.calibration.fit import chosen_networks, enlarged_page, read_variants
from ocrmypdf_superres.evaluation.data.pages import Case
from ocrmypdf_superres.evaluation.words import correct_words
from ocrmypdf_superres.metrics.boxes import touches
from ocrmypdf_superres.ocr.calibration import Calibration, line_row, read_table, with_line_rows
from ocrmypdf_superres.ocr.engines.base import Engine
from ocrmypdf_superres.ocr.engines.opinion import ask, calibrated, on_original
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.lexicon import Lexicon, lexicon_for
from ocrmypdf_superres.ocr.lines.doubt import doubtful_lines
from ocrmypdf_superres.ocr.merge.ballot import make_ballot
from ocrmypdf_superres.ocr.merge.evidence import FEATURES, FIRST, PARTS, Weights, candidates, features
from ocrmypdf_superres.ocr.merge.joined_lines import divide_joined
from ocrmypdf_superres.ocr.merge.seams import join_seams
from ocrmypdf_superres.ocr.network_calibration import network_calibration
from ocrmypdf_superres.ocr.variants import BLEND, NET
from ocrmypdf_superres.tesseract import version

PENALTY = 0.5
"""Weight of the squared weights in the loss."""


@dataclass(frozen=True)
class Place:
    """A place of a line in which readings differ.

    Attributes:
        collection: of the page.
        features: float64 (number of texts, 13); see :func:`~ocrmypdf_superres.ocr.merge.evidence.features`.
        right: bool (number of texts,): which of them are in the truth.
        first: index of the first reading's text; None where it has none.
    """

    collection: str
    features: NDArray[np.float64]
    right: NDArray[np.bool_]
    first: int | None


def read_places(case: Case, model: str, engine: Engine, cache: Path, networks: Path | None = None) -> list[Place]:
    """Return the places of a case in which readings differ: without the further engine, with it alone, and with all.

    Args:
        case: the page and its condition; a page that the plan leaves has no places. Of a truth in capitals case does not count.
        model: the model that enlarges it.
        engine: the further engine.
        cache: folder that keeps Tesseract's readings.
        networks: folder of the tuned networks that read, of which at least one is for a language of the page; None for the
            installed ones.

    Raises:
        SuperresError: an engine or the model cannot be used or fails.
    """
    page = enlarged_page(case, model)
    if page is None:
        return []
    found = read_variants(case, page, cache, networks, (NET, BLEND))
    languages = case.page.languages.split("+")
    first, _ = divide_joined(join_seams(found.readings[NET])[0])
    chosen = chosen_networks(case.page.languages, networks) if networks is not None else ()
    calibration = network_calibration(chosen, f"Tesseract OCR {version().split()[-1]}", read_table().model_sha256)
    again = _doubtful(found.readings[BLEND], first, calibration)
    opinion = ask(engine, page.original, page.net, first, languages, page.net.info["dpi"][0])
    other, second = opinion.whole, opinion.doubtful or first.only([])
    names = {"again": line_row(BLEND), "other": engine.name, "second": line_row(on_original(engine.name))}
    calibration = with_line_rows(calibrated(calibration, {engine.name: engine}, True), [BLEND, on_original(engine.name)])
    truth, lexicon = found.truth(), lexicon_for(languages)
    ignore_case = case.page.ignore_case or truth.isupper()
    right = {
        (name, word.box, word.text): verdict
        for name, reading in ((NET, first), (names["again"], again), (names["other"], other), (names["second"], second))
        for word, verdict in zip(reading.words, correct_words(reading.words, truth, ignore_case), strict=True)
    }
    places = []
    with_again, with_other, with_second = {names["again"]: again}, {names["other"]: other}, {names["second"]: second}
    for readings in (({}, with_again, {}), (with_other, {}, with_second), (with_other, with_again, with_second)):
        places += _places(case, first, readings, calibration, lexicon, right)
    return places


def _doubtful(reading: Hypothesis, first: Hypothesis, calibration: Calibration) -> Hypothesis:
    """Return the lines of *reading* that lie where lines of *first* are in doubt."""
    boxes = [line.box for line in doubtful_lines(first, calibration, NET)]
    return reading.only(line for line in reading.lines if any(touches(line.box, box) for box in boxes))


def _places(
    case: Case,
    first: Hypothesis,
    readings: tuple[Mapping[str, Hypothesis], Mapping[str, Hypothesis], Mapping[str, Hypothesis]],
    calibration: Calibration,
    lexicon: Lexicon,
    right: Mapping[tuple[str, tuple[int, int, int, int], str], bool],
) -> list[Place]:
    """Return the places in which *first* and *readings* (opinions, lines again, opinions again) differ."""
    ballot = make_ballot({NET: first}, NET, *readings, calibration)
    slots = [slot for _, _, found in ballot.slots() for slot in found]
    lexicon = Lexicon(lexicon.lists, ballot.seen(calibration, slots))
    places = []
    for slot in slots:
        texts = candidates(slot)
        if len(texts) < 2:
            continue
        verdicts = [
            any(all(right[name, word.box, word.text] for word in slot.words[name]) for name in names) for names in texts.values()
        ]
        own = next((i for i, names in enumerate(texts.values()) if NET in names), None)
        rows = features(slot, texts, ballot.parts, ballot.pages, calibration, lexicon)
        places.append(Place(case.page.collection, rows, np.array(verdicts), own))
    return places


def fit_weights(places: Sequence[Place]) -> NDArray[np.float64]:
    """Return the weights, float64 (13,), that make the right texts likeliest, by the places where some are right and some not."""
    chosen = [place for place in places if 0 < place.right.sum() < len(place.right)]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        total, slope = PENALTY * float(weights @ weights) / 2, PENALTY * weights
        for place in chosen:
            scores = place.features @ weights
            shares = np.exp(scores - scores.max())
            shares /= shares.sum()
            wanted = shares * place.right
            total -= float(np.log(wanted.sum()))
            slope = slope + place.features.T @ (shares - wanted / wanted.sum())
        return total, slope

    return np.asarray(minimize(loss, np.zeros(len(FEATURES)), jac=True, method="L-BFGS-B").x)


def right_places(places: Sequence[Place], weights: NDArray[np.float64]) -> int:
    """Return in how many of *places* the text that *weights* choose is right."""
    return sum(bool(place.right[int(np.argmax(place.features @ weights))]) for place in places)


def sum_of_probabilities(places: Sequence[Place]) -> int:
    """Return the same for the sum of probabilities, with 0.1 more for the first reading's text: the vote without weights."""
    right = 0
    for place in places:
        odds, there = place.features[:, 1 : 2 * len(PARTS) : 2], place.features[:, 0 : 2 * len(PARTS) : 2] > 0
        votes = (there / (1.0 + np.exp(-odds))).sum(axis=1) + 0.1 * (place.features[:, 2 * PARTS.index(FIRST)] > 0)
        right += bool(place.right[int(np.argmax(votes))])
    return right


def cross_validated(places: Sequence[Place]) -> dict[str, tuple[int, int, int, int, int]]:
    """Return five numbers of places for each collection, by weights fitted on the other collections.

    All of them; those where some reading is right; and those where the first reading, the sum of probabilities, and the
    weights are right.
    """
    rows = {}
    for name in sorted({place.collection for place in places}):
        own = [place for place in places if place.collection == name]
        weights = fit_weights([place for place in places if place.collection != name])
        first = sum(place.first is not None and bool(place.right[place.first]) for place in own)
        possible = sum(bool(place.right.any()) for place in own)
        rows[name] = (len(own), possible, first, sum_of_probabilities(own), right_places(own, weights))
    return rows


def described(places: Sequence[Place], engine: Engine, data: str) -> Weights:
    """Return the weights fitted on *places*, with what they were fitted on; *data* are the pages in words."""
    values = {name: round(float(value), 3) for name, value in zip(FEATURES, fit_weights(places), strict=True)}
    engines = f"Tesseract {version().split()[-1]}, {engine.version()}"
    return Weights(engines, data, datetime.now(UTC).date().isoformat(), len(places), values)
