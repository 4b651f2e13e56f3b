# SPDX-License-Identifier: MPL-2.0
"""The evidence for each candidate text of a place: a log-linear model over the readings that have it, and over the text itself.

Each reading gives its text a constant and its log-odds times a factor, by the part that the reading plays, and the log-odds of
its engine's whole page times a factor: of a page that was read badly, what looks sure is less often right. The text adds whether
the languages' word lists know it, whether it stands elsewhere on the page, and whether it has odd signs. The probability of a
text being the right one is the softmax over the texts of the place (a conditional logit, McFadden 1974).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import log
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.lexicon import Lexicon, has_odd_signs
from ocrmypdf_superres.ocr.merge.align import Slot

FIRST, AGAIN, OTHER, OTHER_AGAIN = "first", "again", "other", "other again"
PARTS = (FIRST, AGAIN, OTHER, OTHER_AGAIN)
"""The parts that readings play: the one whose layout stands, further ones of the same engine, another engine's reading, and
the lines that the other engine read once more."""
PAGES = (FIRST, OTHER)
"""The readings of whole pages, of Tesseract and of another engine."""
FEATURES = (
    *(f"{part}{what}" for part in PARTS for what in ("", ", log-odds")),
    *(f"{part}, page" for part in PAGES),
    *("known", "elsewhere", "odd signs"),
)
TABLE = Path(__file__).with_name("weights.json")
_LEAST, _MOST = 0.02, 0.985


@dataclass(frozen=True)
class Weights:
    """Fitted weights and what they were fitted on.

    Attributes:
        engines: versions of the engines whose readings they were fitted on.
        data, date: the pages, and when (ISO 8601).
        places: how many places of words in which readings differ.
        weights: by the name of a feature, see :data:`FEATURES`.
    """

    engines: str
    data: str
    date: str
    places: int
    weights: Mapping[str, float]

    def values(self) -> NDArray[np.float64]:
        """Return the weights in the order of :data:`FEATURES`, float64 (13,)."""
        return np.array([self.weights[name] for name in FEATURES], dtype=np.float64)

    def to_json(self) -> str:
        """Return them as JSON."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


@lru_cache(maxsize=4)
def read_weights(path: Path = TABLE) -> Weights:
    """Return the weights in the JSON file *path*.

    Raises:
        SuperresError: it is missing or damaged.
    """
    try:
        found = Weights(**json.loads(path.read_text(encoding="utf-8")))
        sound = np.isfinite(found.values()).all()
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SuperresError(f"The weights {path} cannot be used ({error!r}); install ocrmypdf-superres again.") from error
    if not sound:
        raise SuperresError(f"The weights {path} should be finite numbers; install ocrmypdf-superres again.")
    return found


def candidates(slot: Slot) -> dict[str, list[str]]:
    """Return the texts of *slot* and the readings that have each."""
    found: dict[str, list[str]] = {}
    for name in slot.words:
        found.setdefault(slot.text(name), []).append(name)
    return found


def features(
    slot: Slot,
    texts: Mapping[str, Sequence[str]],
    parts: Mapping[str, str],
    pages: Mapping[str, float],
    calibration: Calibration,
    lexicon: Lexicon,
) -> NDArray[np.float64]:
    """Return what speaks for each of *texts*, float64 (number of texts, 13), columns as in :data:`FEATURES`.

    Args:
        slot: the words of each reading in one place.
        texts: see :func:`candidates`.
        parts: by the name of a reading, the part that it plays.
        pages: by the parts in :data:`PAGES`, the log-odds of that reading of the page.
        calibration: says how sure each reading is.
        lexicon: what is known of words.
    """
    rows = np.zeros((len(texts), len(FEATURES)))
    for row, (text, names) in zip(rows, texts.items(), strict=True):
        for name in names:
            place = 2 * PARTS.index(parts[name])
            row[place : place + 2] += 1.0, log_odds(calibration.mean_probability(slot.words[name], name))
        engines = {parts[name] in (OTHER, OTHER_AGAIN) for name in names}
        row[-5:-3] = pages[FIRST] * (False in engines), pages[OTHER] * (True in engines)
        row[-3:] = lexicon.known(text), lexicon.elsewhere(text), has_odd_signs(text)
    return rows


def log_odds(probability: float) -> float:
    """Return log(p / (1 - p)) of *probability*, 0 to 1, which is kept off 0 and 1."""
    inside = min(max(probability, _LEAST), _MOST)
    return log(inside / (1.0 - inside))
