# SPDX-License-Identifier: MPL-2.0
"""The plugin with tuned networks of Tesseract against the plugin with the installed ones, or with the shipped, page by page."""

from __future__ import annotations

from collections.abc import Sequence

from ocrmypdf_superres.evaluation.benchmark import Result
from ocrmypdf_superres.evaluation.methods.names import OWN_NETWORKS_AS
from ocrmypdf_superres.evaluation.summary import WORSE, by_scan, counts_by_scan
from ocrmypdf_superres.metrics.statistics import Interval, interval, paired_difference
from ocrmypdf_superres.metrics.text import TextScore

PAIRS = {"with further engines": ("plugin", "plugin-stock"), "Tesseract alone": ("plugin-tesseract", "plugin-tesseract-stock")}
"""The methods that are compared, tuned and installed networks, by what reads."""


def networks_table(results: Sequence[Result], own: Sequence[str] = ()) -> str:
    """Return a Markdown table of each of :data:`PAIRS` by group, by collection of the reduced pages, and over all pages.

    It is empty where no pair ran. *own* are methods that read with networks of a user's: each has a table against the shipped
    networks.

    Ratio and difference have 95 % bootstrap intervals over scans, each sample with the same scans for both; one that was reduced
    in several ways counts as one. The time is that of one reading by Tesseract, in CPU seconds.
    """
    tables = [_table(results, name, *pair, "installed > tuned") for name, pair in PAIRS.items()]
    tables += [_table(results, "Tesseract alone", name, OWN_NETWORKS_AS, f"shipped > {name}") for name in own]
    return "\n".join(table for table in tables if table)


def _table(results: Sequence[Result], name: str, tuned: str, base: str, sides: str) -> str:
    own, other = ({(r.group, r.page): r for r in results if r.method == method} for method in (tuned, base))
    pairs = [(own[key], other[key]) for key in own if key in other and not own[key].error + other[key].error]
    if not pairs:
        return ""
    lines = [
        f"| {name}: pages | CER, {sides}, % | words missed, {sides}, % | ratio of words missed | CER, points "
        "| better / worse by a point | one reading, ratio of seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    groups: dict[str, list[tuple[Result, Result]]] = {}
    for pair in pairs:
        groups.setdefault(pair[0].group, []).append(pair)
    conditions = len(groups)
    for pair in pairs:
        if pair[0].group != pair[0].collection:
            groups.setdefault(f"{pair[0].collection}, reduced", []).append(pair)
    if conditions > 1:
        groups["all pages"] = pairs
    lines += [_row(group, members) for group, members in groups.items()]
    return "\n".join(lines) + "\n"


def _row(group: str, pairs: Sequence[tuple[Result, Result]]) -> str:
    own, other = (sum((pair[side].counts for pair in pairs), TextScore()) for side in (0, 1))
    scans = counts_by_scan(pairs)
    missed = [(a.words - a.found, b.words - b.found) for a, b in scans]
    ratio = points = "-"
    if sum(b for _, b in missed):
        ratio = _shown(interval([a for a, _ in missed], [b for _, b in missed]), len(scans))
    if own.characters:
        edits = [a.edits for a, _ in scans], [b.edits for _, b in scans]
        points = _shown(paired_difference(*edits, [a.characters for a, _ in scans]), len(scans), 100, "+")
    worse = sum(a.counts.cer > b.counts.cer + WORSE for a, b in pairs)
    better = sum(a.counts.cer < b.counts.cer - WORSE for a, b in pairs)
    timed = by_scan((a, b) for a, b in pairs if min(a.one_reading_seconds, b.one_reading_seconds) > 0)
    known = [(sum(a.one_reading_seconds for a, _ in scan), sum(b.one_reading_seconds for _, b in scan)) for scan in timed]
    time = _shown(interval([a for a, _ in known], [b for _, b in known]), len(known)) if known else "-"
    return (
        f"| {group} ({len(pairs)}) | {100 * other.cer:.2f} > {100 * own.cer:.2f} "
        f"| {100 * (1 - other.recall):.2f} > {100 * (1 - own.recall):.2f} | {ratio} | {points} "
        f"| {better} / {worse} of {len(pairs)} | {time} |"
    )


def _shown(found: Interval, scans: int, factor: float = 1.0, sign: str = "") -> str:
    """Return *found* as text, without an interval where there is one scan only, which shows no spread."""
    return found.format(factor, sign=sign) if scans > 1 else f"{factor * found.value:{sign}.2f}"
