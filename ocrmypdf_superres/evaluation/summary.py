# SPDX-License-Identifier: MPL-2.0
"""From results to tables: by group, and the figures that sum a run up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ocrmypdf_superres.evaluation.benchmark import Result
from ocrmypdf_superres.evaluation.metrics import TextScore

OURS = ("plugin", "plugin-checked")
BASELINES = ("as-is", "lanczos", "oversample")
WORSE = 0.01
"""A page counts as made worse when its CER is above the best baseline's by more than this."""
LOST, READABLE = 0.5, 0.1
"""A page is lost when its CER is above LOST although the native scan reads below READABLE."""


@dataclass(frozen=True)
class Row:
    """Counts and costs of one method over one group, pooled over its pages."""

    group: str
    method: str
    pages: int
    counts: TextScore
    seconds: float
    superres_share: float


def rows(results: Iterable[Result]) -> list[Row]:
    """Return a row for every group and method, in the order they first appear."""
    grouped: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        grouped.setdefault((result.group, result.method), []).append(result)
    table = []
    for (group, method), members in sorted(grouped.items()):
        counts = sum((m.counts for m in members), TextScore())
        tesseract = sum(m.tesseract_seconds for m in members)
        own = sum(m.superres_seconds for m in members)
        table.append(
            Row(group, method, len(members), counts, (tesseract + own) / len(members), own / tesseract if tesseract else 0.0)
        )
    return table


def pooled(results: Iterable[Result], method: str, groups: Sequence[str]) -> TextScore:
    """Return the counts of *method* summed over the pages of *groups*."""
    return sum((r.counts for r in results if r.method == method and r.group in groups), TextScore())


def made_worse(results: Sequence[Result], method: str) -> tuple[list[str], int]:
    """Return the pages that *method* reads worse than the best baseline by more than 1 point of CER, and all pages."""
    cases: dict[tuple[str, str], dict[str, float]] = {}
    for r in results:
        cases.setdefault((r.group, r.page), {})[r.method] = r.counts.cer
    worse, total = [], 0
    for (group, page), values in cases.items():
        best = [values[m] for m in BASELINES if m in values]
        if method in values and best:
            total += 1
            if values[method] > min(best) + WORSE:
                worse.append(f"{group}: {page} ({min(best):.3f} to {values[method]:.3f})")
    return sorted(worse), total


def lost(results: Sequence[Result], method: str) -> list[str]:
    """Return the reduced pages that *method* loses although their native scan reads well."""
    native = {(r.group, r.page): r.counts.cer for r in results if r.method == "native"}
    return sorted(
        f"{r.group}: {r.page}"
        for r in results
        if r.method == method and r.counts.cer > LOST and native.get((r.group, r.page), 1.0) < READABLE
    )


def headlines(results: Sequence[Result]) -> list[str]:
    """Return sentences with the figures that sum the run up, for each of our methods that ran."""
    low = sorted({r.group for r in results if r.group == r.collection})
    reduced = sorted({r.group for r in results if r.group != r.collection})
    methods = {r.method for r in results}
    baselines = [m for m in BASELINES if m in methods]
    lines = []
    for ours in (m for m in OURS if m in methods and baselines):
        if low:
            missed = {m: 1 - pooled(results, m, low).recall for m in [*baselines, ours]}
            best = min(baselines, key=missed.__getitem__)
            lines.append(
                f"{ours}, low-resolution collections together: words missed {missed[ours]:.1%}, best other ({best}) "
                f"{missed[best]:.1%}, ratio {missed[ours] / max(missed[best], 1e-9):.2f}"
            )
        for group in [*low, *reduced]:
            rate = {m: pooled(results, m, [group]).cer for m in [*baselines, ours]}
            best = min(baselines, key=rate.__getitem__)
            lines.append(
                f"{ours}, {group}: CER {rate[ours]:.4f}, best other ({best}) {rate[best]:.4f}, "
                f"ratio {rate[ours] / max(rate[best], 1e-9):.2f}"
            )
        if low:
            columns = [g for g in low if "form" not in g]
            rate = {m: pooled(results, m, columns).cer for m in [*baselines, ours]}
            best = min(baselines, key=rate.__getitem__)
            lines.append(
                f"{ours}, {' + '.join(columns)}: CER {rate[ours]:.4f}, best other ({best}) {rate[best]:.4f}, "
                f"ratio {rate[ours] / max(rate[best], 1e-9):.2f}"
            )
        worse, total = made_worse(results, ours)
        lines.append(f"{ours}: {len(worse)} of {total} pages worse than the best other by more than 1 point of CER")
        lines.extend(f"    worse: {page}" for page in worse)
        own = sum(r.superres_seconds for r in results if r.method == ours)
        tesseract = sum(r.tesseract_seconds for r in results if r.method == ours)
        lines.append(f"{ours}: super-resolution took {own / max(tesseract, 1e-9):.1%} of Tesseract's time")
    lines.extend(f"{m}: {len(lost(results, m))} pages lost" for m in [*baselines, *OURS] if m in methods)
    return lines


def markdown(results: Sequence[Result]) -> str:
    """Return the table by group as Markdown: CER, words missed and precision of each method."""
    table = rows(results)
    methods = [m for m in (*BASELINES, *OURS, "native") if any(row.method == m for row in table)]
    lines = ["| pages | " + " | ".join(methods) + " |", "|---" * (len(methods) + 1) + "|"]
    for group in dict.fromkeys(row.group for row in table):
        cells = {row.method: row for row in table if row.group == group}
        count = max(row.pages for row in cells.values())
        shown = [
            f"{100 * cells[m].counts.cer:.2f} / {100 * (1 - cells[m].counts.recall):.1f} / {100 * cells[m].counts.precision:.1f}"
            if m in cells
            else "-"
            for m in methods
        ]
        lines.append(f"| {group} ({count}) | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"
