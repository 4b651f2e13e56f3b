# SPDX-License-Identifier: MPL-2.0
"""The mean word probability below which a page is lost, so that its unsure words are better left out."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ocrmypdf_superres.evaluation.calibration.fit import ReadCase, read_cached
from ocrmypdf_superres.evaluation.words import correct_words
from ocrmypdf_superres.metrics.text import score
from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.ocr.merge.vote import Merged
from ocrmypdf_superres.ocr.unsure_words import without_unsure
from ocrmypdf_superres.ocr.variants import AS_IS, NET
from ocrmypdf_superres.page.image import from_luma
from ocrmypdf_superres.training.data.rendered_pages.page import render
from ocrmypdf_superres.training.data.rendered_pages.scripts import SCRIPTS
from ocrmypdf_superres.training.data.rendered_pages.without_text import WITHOUT_TEXT

LIMITS = tuple(round(0.05 * step, 2) for step in range(3, 15))
"""Mean probabilities that are tried as the limit."""
CAUGHT = 0.95
"""Share of the pages without text that should be below the limit."""
SIZE, DPI = (880, 1240), 150.0


@dataclass(frozen=True)
class LostCase:
    """What leaving out the unsure words of a page would do.

    Attributes:
        kind: of page; empty for one with text.
        probability: mean probability that its words are right.
        edits: by how many characters its text would be further from the truth, negative where it would be nearer.
        right, wrong: words left out that are right, and that are wrong.
        words: words that were read.
    """

    kind: str
    probability: float
    edits: int
    right: int
    wrong: int
    words: int


@dataclass(frozen=True)
class LimitRow:
    """A limit tried: pages with text below it, what they would lose and gain, and the share of pages without text below it."""

    limit: float
    pages: int
    edits: int
    right: int
    wrong: int
    without_text: float


def case_with_text(page: ReadCase, calibration: Calibration) -> LostCase:
    """Return what leaving out unsure words would do to the net's reading of *page*."""
    return _case("", page.readings[NET], NET, page.truth(), calibration, page.case.page.ignore_case)


def cases_without_text(count: int, seed: int, cache: Path, calibration: Calibration) -> Iterator[LostCase]:
    """Yield *count* rendered pages of each kind without text, read as they are; those on which nothing is read are left out.

    Raises:
        SuperresError: Tesseract is missing or fails.
    """
    for kind in WITHOUT_TEXT:
        for index in range(count):
            random_ = random.Random(f"lost {seed} {kind} {index}")
            page = render(kind, SCRIPTS[0], random_.uniform(6, 14), SIZE, random_)
            found, _ = read_cached(from_luma(page.luma), (DPI, DPI), "eng", cache)
            if found.words:
                yield _case(kind, found, AS_IS, "", calibration)


def _case(
    kind: str, reading: Hypothesis, variant: str, truth: str, calibration: Calibration, ignore_case: bool = False
) -> LostCase:
    shorter = without_unsure(Merged(reading, variant), calibration, no_text=True).hypothesis
    before, after = (score(one.text(), truth, ignore_case) for one in (reading, shorter))
    right_before, right_after = (sum(correct_words(one.words, truth, ignore_case)) for one in (reading, shorter))
    right, dropped = right_before - right_after, len(reading.words) - len(shorter.words)
    probability = calibration.mean_probability(reading.words, variant)
    return LostCase(kind, probability, after.edits - before.edits, right, dropped - right, len(reading.words))


def limit_rows(cases: Sequence[LostCase]) -> list[LimitRow]:
    """Return what each of :data:`LIMITS` would do."""
    text = [case for case in cases if not case.kind]
    other = [case for case in cases if case.kind]
    rows = []
    for limit in LIMITS:
        below = [case for case in text if case.probability < limit]
        caught = sum(case.probability < limit for case in other) / max(1, len(other))
        edits, right, wrong = (sum(getattr(case, name) for case in below) for name in ("edits", "right", "wrong"))
        rows.append(LimitRow(limit, len(below), edits, right, wrong, caught))
    return rows


def best_limit(cases: Sequence[LostCase]) -> float:
    """Return the mean probability below which :data:`CAUGHT` of the pages without text are; 0 without any.

    Letters of unsure words of a page with text are often right, so leaving them out costs such a page characters at any
    limit; a page is lost only where its words are as unsure as those that are read where there are none.
    """
    found = [case.probability for case in cases if case.kind]
    return round(float(np.quantile(found, CAUGHT)), 2) if found else 0.0
