# SPDX-License-Identifier: MPL-2.0
"""The goals that this project sets its plugin on its own benchmark, checked on one run: each with its limit, met or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ocrmypdf_superres.evaluation.benchmark import Result
from ocrmypdf_superres.evaluation.summary import (
    about_case,
    interval_table,
    lost,
    low_groups,
    made_worse,
    markdown,
    others,
    paired_table,
    pooled,
)
from ocrmypdf_superres.metrics.text import TextScore


@dataclass(frozen=True)
class Goal:
    """A goal: its words, the figure and its limit as they are shown, and whether it is met."""

    words: str
    figure: str
    limit: str
    met: bool


def _ratio(ours: float, other: float) -> float:
    """Return ours / other: 1 where both are 0, infinity where only the other is."""
    if other == 0:
        return 1.0 if ours == 0 else float("inf")
    return ours / other


def _missed(counts: TextScore) -> float:
    return 1.0 - counts.recall


def _at_most(words: str, ours: float, other: float, limit: float, best: str) -> Goal:
    ratio = _ratio(ours, other)
    return Goal(words, f"{ours:.2%} / {other:.2%} ({best}) = {ratio:.2f}", f"at most {limit:.2f}", ratio <= limit)


def goals(results: Sequence[Result], method: str, unordered: Sequence[str] = ()) -> list[Goal]:
    """Return the goals of *method* that *results* can decide.

    *unordered* names the collections in whose pages the reading order is ambiguous: only their words count, not their CER.
    """
    methods = {r.method for r in results}
    baselines = others(results, method, all_pages=True)
    if method not in methods or not baselines:
        return []
    return [
        *_low_resolution(results, method, baselines, unordered),
        *_reduced([r for r in results if r.collection not in unordered], method, methods),
        *_pages(results, method, baselines, methods, unordered),
    ]


def _low_resolution(results: Sequence[Result], method: str, baselines: list[str], unordered: Sequence[str]) -> list[Goal]:
    low = low_groups(results)
    if not low:
        return []
    ordered = [group for group in low if group not in unordered]
    missed = {m: _missed(pooled(results, m, low)) for m in [*baselines, method]}
    best = min(baselines, key=missed.__getitem__)
    found = [_at_most("words missed, low-resolution collections together", missed[method], missed[best], 0.85, best)]
    if ordered:
        rate = {m: pooled(results, m, ordered).cer for m in [*baselines, method]}
        best = min(baselines, key=rate.__getitem__)
        found.append(_at_most(f"CER, {' + '.join(ordered)}", rate[method], rate[best], 0.9, best))
    for group in low:
        missed = {m: _missed(pooled(results, m, [group])) for m in [*baselines, method]}
        best = min(baselines, key=missed.__getitem__)
        found.append(_at_most(f"words missed, {group}", missed[method], missed[best], 1.05, best))
        if group in ordered:
            rate = {m: pooled(results, m, [group]).cer for m in [*baselines, method]}
            best = min(baselines, key=rate.__getitem__)
            found.append(_at_most(f"CER, {group}", rate[method], rate[best], 1.05, best))
    return found


def _reduced(results: Sequence[Result], method: str, methods: set[str]) -> list[Goal]:
    if "lanczos" not in methods:
        return []
    groups = {r.group for r in results if r.method == method}
    found = []
    if "72 dpi scan" in groups:
        ours, other = (pooled(results, m, ["72 dpi scan"]).cer for m in (method, "lanczos"))
        found.append(_at_most("CER, 72 dpi with blur, noise and JPEG, against Lanczos", ours, other, 0.6, "lanczos"))
    if "150 dpi clean" in groups:
        ours, other = (pooled(results, m, ["150 dpi clean"]).cer for m in (method, "lanczos"))
        points = 100 * (ours - other)
        words = "CER, 150 dpi clean, points above Lanczos"
        found.append(Goal(words, f"{ours:.2%} - {other:.2%} = {points:+.2f}", "at most +0.10", points <= 0.1 + 1e-9))
    return found


def _pages(
    results: Sequence[Result], method: str, baselines: list[str], methods: set[str], unordered: Sequence[str]
) -> list[Goal]:
    found = []
    if "native" in methods:
        counts = {m: len(lost(results, m, unordered)) for m in [*baselines, method]}
        others = ", ".join(f"{m} {counts[m]}" for m in baselines)
        fewest = min(counts[m] for m in baselines)
        met = counts[method] < fewest or counts[method] == fewest == 0
        words = "pages lost (CER over 50 % where the scan stays under 10 %)"
        found.append(Goal(words, f"{counts[method]} ({others})", "fewer", met))
    worse, total = made_worse(results, method, unordered=unordered)
    share = len(worse) / total if total else 0.0
    words = "pages worse than the best of the others by more than 1 point of CER"
    found.append(Goal(words, f"{len(worse)} of {total} = {share:.1%}", "at most 5 %", share <= 0.05))
    own = sum(r.superres_seconds for r in results if r.method == method)
    tesseract = sum(r.one_reading_seconds for r in results if r.method == method)
    if tesseract:
        figure = f"{own:.1f} s / {tesseract:.1f} s = {own / tesseract:.1%}"
        words = "CPU time of super-resolution against one reading by Tesseract"
        found.append(Goal(words, figure, "at most 30 %", own <= 0.3 * tesseract))
    return found


def markdown_tables(
    results: Sequence[Result], ours: Sequence[str], unordered: Sequence[str] = (), with_goals: bool = False
) -> str:
    """Return all tables of a run in Markdown: errors and costs, intervals, and for each of *ours* the comparison by pages.

    With *with_goals*, each of *ours* also has a table of its goals; *unordered* is as for :func:`goals`.
    """
    about = about_case(results)
    parts = [f"{about}\n"] if about else []
    parts += [markdown(results), interval_table(results), *(paired_table(results, method) for method in ours)]
    for method in ours if with_goals else ():
        lines = [f"| {method}: promised | figure | limit | |", "|---|---|---|---|"]
        for goal in goals(results, method, unordered):
            lines.append(f"| {goal.words} | {goal.figure} | {goal.limit} | {'met' if goal.met else 'not met'} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)
