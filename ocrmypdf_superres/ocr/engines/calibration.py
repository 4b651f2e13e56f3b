# SPDX-License-Identifier: MPL-2.0
"""Calibration of further engines: the probability that a word of a given confidence is right."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.log_once import log_once
from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.engines.base import ENGINES, Engine, LineEngine, shared_engine

log = logging.getLogger("ocrmypdf.superres")

TABLE = Path(__file__).with_name("calibration.json")


@dataclass(frozen=True)
class EngineRow:
    """A fitted row and what it was fitted on.

    Attributes:
        version: the engine's version as it names itself.
        data, date: the pages it was fitted on, and when (ISO 8601).
        words: how many words it was fitted on.
        confidences: knots from 0 to 100, rising; engines that are sure of nearly everything need them dense at the top.
        probabilities: P(right) at the knots, 0 to 1.
    """

    version: str
    data: str
    date: str
    words: int
    confidences: Sequence[float]
    probabilities: Sequence[float]


def read_rows(path: Path = TABLE) -> dict[str, EngineRow]:
    """Return the rows of the JSON file *path* by the name of the engine.

    Raises:
        SuperresError: the file is missing or damaged.
    """
    try:
        rows = {name: EngineRow(**row) for name, row in json.loads(path.read_text(encoding="utf-8")).items()}
        sound = all(_is_sound(row) for row in rows.values())
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise SuperresError(f"The calibration table {path} cannot be used ({error}); install ocrmypdf-superres again.") from error
    if not sound:
        raise SuperresError(f"The calibration table {path} should hold rising confidences and probabilities; install it again.")
    return rows


def calibrated_engines() -> list[str]:
    """Return the engines that are installed and have a row in the package's table of calibrations.

    Raises:
        SuperresError: the table is damaged.
    """
    rows = read_rows()
    return [name for name in ENGINES.names() if name in rows and shared_engine(name).missing() is None]


def with_engines(calibration: Calibration, versions: Mapping[str, str], rows: Mapping[str, EngineRow]) -> Calibration:
    """Return *calibration* with the rows of further engines.

    An engine without a row, or with the row of another version, takes the lowest row of all at each confidence; this is
    logged once in a process.

    Args:
        calibration: of the engine that reads first.
        versions: the engines by name, with the versions that run.
        rows: as :func:`read_rows` gives them.
    """
    fitted = {name: rows[name] for name, version in versions.items() if name in rows and rows[name].version == version}
    for name, version in versions.items():
        if name not in fitted:
            log_once(log, logging.INFO, f"superres: confidences of {version} are not calibrated; a conservative table is used")
    return replace(
        calibration,
        probabilities={**calibration.probabilities, **{name: row.probabilities for name, row in fitted.items()}},
        knots={**calibration.knots, **{name: row.confidences for name, row in fitted.items()}},
    )


def row_name(name: str, engine: Engine, enlarged: bool) -> str:
    """Return the name of the row of *engine* for pages as they are, or for lines that it reads on *enlarged* pages."""
    return f"{name}:enlarged" if enlarged and isinstance(engine, LineEngine) else name


def _is_sound(row: EngineRow) -> bool:
    knots, values = [float(v) for v in row.confidences], [float(v) for v in row.probabilities]
    rising = all(a < b for a, b in itertools.pairwise(knots))
    return len(knots) == len(values) >= 2 and rising and all(0.0 <= value <= 1.0 for value in values)
