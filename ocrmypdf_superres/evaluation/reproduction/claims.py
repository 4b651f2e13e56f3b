# SPDX-License-Identifier: MPL-2.0
"""Whether a reproduced table supports a paper's claims: supported, not supported or not tested, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ocrmypdf_superres.evaluation.reproduction.scoring import Figures
from ocrmypdf_superres.evaluation.reproduction.table import Claim
from ocrmypdf_superres.metrics.statistics import SAMPLES, SEED, Interval

Verdict = Literal["supported", "not supported", "not tested"]
LEAST_SEEDS = 3
"""Trainings that differ in their seed alone have different results; with fewer seeds a claim counts as not tested."""


@dataclass(frozen=True)
class Finding:
    """A claim in one column.

    Attributes:
        text, column: what is claimed, and of which figure.
        verdict: ``supported`` where the interval and every seed are on the claim's side of 0.
        difference: better minus worse row with its 95 % interval over seeds and images together; None where not tested.
        seeds: the difference of each seed.
        why: of what was not tested.
    """

    text: str
    column: str
    verdict: Verdict
    difference: Interval | None = None
    seeds: tuple[float, ...] = ()
    why: str = ""


def findings(claim: Claim, rows: Mapping[str, Sequence[Mapping[str, Figures]]]) -> list[Finding]:
    """Return a finding for each column of *claim*; *rows* holds each row's figures by seed, all on the same images.

    Full and reduced tables have columns of their own: those that no row has are left out where there are others. Lower is better
    of error rates (columns that begin with ``cer``), higher of all else.
    """
    better, worse = rows.get(claim.better, ()), rows.get(claim.than, ())
    measured = {column for seed in (*better, *worse) for column in seed}
    columns = [column for column in claim.columns if column in measured] or list(claim.columns)
    found = []
    for column in columns:
        if not better or not worse:
            found.append(Finding(claim.text, column, "not tested", why="a row was not run"))
        elif any(column not in seed for seed in (*better, *worse)):
            found.append(Finding(claim.text, column, "not tested", why="the column was not measured"))
        else:
            found.append(_finding(claim, column, better, worse))
    return found


def _finding(
    claim: Claim, column: str, better: Sequence[Mapping[str, Figures]], worse: Sequence[Mapping[str, Figures]]
) -> Finding:
    ours, theirs = (np.array([seed[column].above for seed in row]) for row in (better, worse))
    below = np.array(better[0][column].below)
    each = (ours - theirs).sum(axis=1) / below.sum()
    found = crossed_interval(ours - theirs, below)
    side = -1.0 if column.startswith("cer") else 1.0
    seeds = tuple(float(value) for value in each)
    if len(seeds) < LEAST_SEEDS:
        why = f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''}, {LEAST_SEEDS} are needed"
        return Finding(claim.text, column, "not tested", found, seeds, why)
    certain = min(side * found.low, side * found.high) > 0 and all(side * value > 0 for value in seeds)
    return Finding(claim.text, column, "supported" if certain else "not supported", found, seeds)


def crossed_interval(differences: np.ndarray, below: np.ndarray) -> Interval:
    """Return the mean over seeds of sum(differences) / sum(below), with the bounds of its middle 95 %.

    *differences* are float (seeds, images), *below* (images,). Seeds and images are resampled independently, so that the interval
    is of another training on other images of the kind; with few seeds it is too narrow.
    """
    seeds, images = differences.shape
    rng = np.random.default_rng(SEED)
    samples = np.empty(SAMPLES)
    for index in range(SAMPLES):
        rows, columns = rng.integers(0, seeds, seeds), rng.integers(0, images, images)
        samples[index] = differences[np.ix_(rows, columns)].sum() / seeds / max(1e-12, below[columns].sum())
    low, high = np.quantile(samples, (0.025, 0.975))
    return Interval(float(differences.sum() / seeds / below.sum()), float(low), float(high))
