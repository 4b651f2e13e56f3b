# SPDX-License-Identifier: MPL-2.0
"""Calibration: the probability that a word of a given engine confidence is right, for each variant of a page."""

from __future__ import annotations

import bisect
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.log_once import log_once
from ocrmypdf_superres.ocr.hypothesis import Word
from ocrmypdf_superres.ocr.variants import BLEND, NET, VARIANTS

log = logging.getLogger("ocrmypdf.superres")

COST = 0.25
"""The cost of reading a character, in right characters: words of a lower probability are better left out."""
TABLE = Path(__file__).with_name("calibration.json")


@dataclass(frozen=True)
class Calibration:
    """Calibrated probabilities that words are right.

    Attributes:
        probabilities: by variant or engine, P(right) at knots over confidences from 0 to 100.
        fallback: the same for a variant without a row of its own, at evenly spaced knots.
        knots: by variant or engine, the confidences of its row, rising from 0 to 100; evenly spaced where not given.
    """

    probabilities: Mapping[str, Sequence[float]]
    fallback: Sequence[float]
    knots: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def probability(self, confidence: float, variant: str) -> float:
        """Return the probability, 0 to 1, that a word of *confidence* (0 to 100) is right; linear between knots."""
        row = self.probabilities.get(variant, self.fallback)
        if variant in self.probabilities and variant in self.knots:
            return _interpolated(confidence, self.knots[variant], row)
        place = min(max(confidence, 0.0), 100.0) / 100.0 * (len(row) - 1)
        low = min(int(place), len(row) - 2)
        return row[low] + (place - low) * (row[low + 1] - row[low])

    def expected_gain(self, words: Sequence[Word], variant: str) -> float:
        """Return the expected number of characters in right words less :data:`COST` for each character of any word.

        A reading that lost most of the text has little to gain; one that invented text pays for it.
        """
        return sum(len(w.text) * (self.probability(w.confidence, variant) - COST) for w in words)

    def mean_probability(self, words: Sequence[Word], variant: str) -> float:
        """Return the mean probability, weighted by the length of the words; 0 where there are none."""
        characters = sum(len(w.text) for w in words)
        if not characters:
            return 0.0
        return sum(len(w.text) * self.probability(w.confidence, variant) for w in words) / characters


def _interpolated(confidence: float, knots: Sequence[float], row: Sequence[float]) -> float:
    """Return what numpy's ``interp`` does, which takes ten times as long for a single number."""
    after = bisect.bisect_right(knots, confidence)
    if after in (0, len(knots)):
        return float(row[min(after, len(row) - 1)])
    low, high = knots[after - 1], knots[after]
    return row[after - 1] + (confidence - low) / (high - low) * (row[after] - row[after - 1])


@dataclass(frozen=True)
class CalibrationTable:
    """A fitted table and what it was fitted on.

    Attributes:
        engine: beginning of the engine's name and version, such as ``Tesseract OCR 5``.
        model, model_sha256: name of the model of the variants net and blend, and the SHA-256 of its weights.
        data, date: the pages it was fitted on, and when (ISO 8601).
        probability: see :attr:`Calibration.probabilities`.
        words: by variant, how many words it was fitted on; empty where that was not recorded.
    """

    engine: str
    model: str
    model_sha256: str
    data: str
    date: str
    probability: Mapping[str, Sequence[float]]
    words: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the table as JSON with one line for each row."""
        head = {name: getattr(self, name) for name in ("engine", "model", "model_sha256", "data", "date", "words")}
        lines = "".join(f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)},\n" for name, value in head.items())
        rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(list(row))}" for name, row in self.probability.items())
        return f'{{\n{lines} "probability": {{\n{rows}\n }}\n}}\n'

    def conservative_row(self) -> list[float]:
        """Return the lowest probability of any variant at each knot: what is not calibrated should not be trusted more."""
        return [min(values) for values in zip(*self.probability.values(), strict=True)]

    def calibration(self, engine: str, model_sha256: str | None) -> Calibration:
        """Return the probabilities that hold for *engine* and a model.

        Variants that the table does not cover take :meth:`conservative_row`, which is logged once in a process.

        Args:
            engine: its name and version.
            model_sha256: of the weights of the model that enlarged the page; None for a page that was not enlarged.
        """
        rows = dict(self.probability)
        if not engine.startswith(self.engine):
            rows = {}
        elif model_sha256 is not None and model_sha256 != self.model_sha256:
            rows = {name: row for name, row in rows.items() if name not in (NET, BLEND)}
        if missing := [name for name in VARIANTS if name not in rows]:
            said = f"superres: confidences of {engine} are not calibrated for {', '.join(missing)} with this model"
            log_once(log, logging.INFO, f"{said}; a conservative table is used")
        return Calibration(rows, self.conservative_row())


def read_table(path: Path | None = None) -> CalibrationTable:
    """Return the table in the JSON file *path*; None for the package's own.

    Raises:
        SuperresError: the file is missing or damaged.
    """
    path = path or TABLE
    try:
        return parse_table(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise SuperresError(f"The calibration table {path} cannot be used ({error}); install ocrmypdf-superres again.") from error


def parse_table(values: Mapping[str, Any]) -> CalibrationTable:
    """Return the table that *values* describe, as JSON or the card of a tuned network holds them.

    Raises:
        ValueError, TypeError, AttributeError: they describe none.
    """
    table = CalibrationTable(**values)
    rows = [[float(value) for value in row] for row in table.probability.values()]
    knots = {len(row) for row in rows}
    if len(knots) != 1 or min(knots) < 2 or any(not 0.0 <= value <= 1.0 for row in rows for value in row):
        raise ValueError("it should hold rows of probabilities of one length")
    return table


def unfitted(table: CalibrationTable) -> Calibration:
    """Return probabilities for confidences that were never fitted: :meth:`CalibrationTable.conservative_row` everywhere."""
    row = table.conservative_row()
    return Calibration(dict.fromkeys(VARIANTS, row), row)


def lowest(calibrations: Sequence[Calibration]) -> Calibration:
    """Return the lowest probability of any of *calibrations* (at least one) at each knot.

    A page that is read with several networks does not tell which of them read a word.
    """
    if len(calibrations) == 1:
        return calibrations[0]
    knots = len(calibrations[0].fallback)
    at = [100.0 * index / (knots - 1) for index in range(knots)]
    names = [name for name in calibrations[0].probabilities if all(name in one.probabilities for one in calibrations)]
    rows = {name: [min(one.probability(value, name) for one in calibrations) for value in at] for name in names}
    return Calibration(rows, [min(one.probability(value, "") for one in calibrations) for value in at])


def line_row(variant: str) -> str:
    """Return the name under which lines of *variant* vote."""
    return f"lines:{variant}"


def with_line_rows(calibration: Calibration, variants: Iterable[str]) -> Calibration:
    """Return *calibration* with a row for lines of each of *variants*: that of whole pages of it."""
    rows, knots, variants = calibration.probabilities, calibration.knots, list(variants)
    lines = {line_row(name): rows[name] for name in variants if name in rows}
    own = {line_row(name): knots[name] for name in variants if name in knots}
    return Calibration({**rows, **lines}, calibration.fallback, {**knots, **own})


def mean_confidence(words: Sequence[Word]) -> float:
    """Return the engine's own mean confidence, 0 to 100, weighted by the length of the words; 0 where there are none."""
    characters = sum(len(w.text) for w in words)
    return sum(len(w.text) * w.confidence for w in words) / characters if characters else 0.0
