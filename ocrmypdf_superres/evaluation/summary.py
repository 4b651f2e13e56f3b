# SPDX-License-Identifier: MPL-2.0
"""Tables of results by group, and sentences that summarize a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ocrmypdf_superres.evaluation.benchmark import Result
from ocrmypdf_superres.evaluation.methods.names import BASELINES, ENGINE_METHODS, PLUGIN_METHODS, READ_BY_TESSERACT
from ocrmypdf_superres.metrics.statistics import interval, paired_difference, sign_test
from ocrmypdf_superres.metrics.text import TextScore

WORSE = 0.01
"""A page counts as made worse, or better, when its CER is above, or below, the other one by more than this."""
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
    run_seconds: float = 0.0


def _order(group: str) -> tuple[float, str]:
    """Sort key of a group: collections by name, then ``72 dpi scan`` by number and name."""
    number, _, rest = group.partition(" dpi ")
    try:
        return (float(number), rest) if rest else (0.0, group)
    except ValueError:
        return (0.0, group)


def in_order(methods: Iterable[str]) -> list[str]:
    """Return each of *methods* once, as the tables show them: baselines, peers and nets by name, ours, the native scan."""
    names = set(methods)
    known = [*BASELINES, *PLUGIN_METHODS, "native"]
    return [
        *(m for m in BASELINES if m in names),
        *sorted(names - set(known)),
        *(m for m in (*PLUGIN_METHODS, "native") if m in names),
    ]


def rows(results: Iterable[Result]) -> list[Row]:
    """Return a row for every group and method: collections, then conditions by dpi; methods as :func:`in_order`."""
    grouped: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        grouped.setdefault((result.group, result.method), []).append(result)
    shown = in_order(method for _, method in grouped)
    table = []
    for (group, method), members in sorted(grouped.items(), key=lambda item: (_order(item[0][0]), shown.index(item[0][1]))):
        counts = sum((m.counts for m in members), TextScore())
        tesseract = sum(m.tesseract_seconds for m in members)
        own = sum(m.superres_seconds for m in members)
        table.append(
            Row(
                group,
                method,
                len(members),
                counts,
                (tesseract + own) / len(members),
                own / tesseract if tesseract else 0.0,
                sum(m.run_seconds for m in members) / len(members),
            )
        )
    return table


def pooled(results: Iterable[Result], method: str, groups: Sequence[str]) -> TextScore:
    """Return the counts of *method* summed over the pages of *groups*."""
    return sum((r.counts for r in results if r.method == method and r.group in groups), TextScore())


def others(results: Sequence[Result], method: str, *, all_pages: bool = False) -> list[str]:
    """Return the methods that *method*, one of the plugin's, is compared with: baselines, peers, and nets by themselves.

    An OCR engine is not compared with a method in which Tesseract alone reads. *all_pages* leaves out those that do not
    know the languages of some pages.
    """
    left_out = {*PLUGIN_METHODS, "native", *(ENGINE_METHODS if method in READ_BY_TESSERACT else ())}
    names = in_order({r.method for r in results} - left_out)
    pages = {name: {(r.group, r.page) for r in results if r.method == name} for name in [*names, method]}
    return [name for name in names if not all_pages or pages[name] >= pages[method]]


def made_worse(
    results: Sequence[Result], method: str, margin: float = WORSE, unordered: Sequence[str] = ()
) -> tuple[list[str], int]:
    """Return the pages that *method* reads worse than the best other by more than *margin* of CER, and how many it read.

    In the collections *unordered*, whose reading order is ambiguous, the share of missed words stands for the CER.
    """
    compared = others(results, method)
    cases: dict[tuple[str, str], dict[str, float]] = {}
    for r in results:
        rate = 1.0 - r.counts.recall if r.collection in unordered else r.counts.cer
        cases.setdefault((r.group, r.page), {})[r.method] = rate
    worse, total = [], 0
    for (group, page), values in cases.items():
        best = [values[m] for m in compared if m in values]
        if method in values and best:
            total += 1
            if values[method] > min(best) + margin + 1e-12:
                worse.append(f"{group}: {page} ({min(best):.3f} to {values[method]:.3f})")
    return sorted(worse), total


def lost(results: Sequence[Result], method: str, unordered: Sequence[str] = ()) -> list[str]:
    """Return the reduced pages that *method* loses although their native scan reads well; without those of *unordered*.

    In these collections, whose reading order is ambiguous, the CER does not say whether a page is lost.
    """
    native = {(r.group, r.page): r.counts.cer for r in results if r.method == "native"}
    return sorted(
        f"{r.group}: {r.page}"
        for r in results
        if r.method == method
        and r.collection not in unordered
        and r.counts.cer > LOST
        and native.get((r.group, r.page), 1.0) < READABLE
    )


def low_groups(results: Iterable[Result]) -> list[str]:
    """Return the names of the groups whose pages were not reduced: the low-resolution collections."""
    return sorted({r.group for r in results if r.group == r.collection})


def about_case(results: Sequence[Result]) -> str:
    """Return a sentence that says on how many pages case was ignored; empty where on none."""
    ignored = {(r.group, r.page): r.ignore_case for r in results}
    count = sum(ignored.values())
    of = "" if count == len(ignored) else f" on {count} of {len(ignored)} pages"
    return f"Letters count as the same in upper and lower case{of}." if count else ""


TOGETHER = "all low-resolution collections"


def _with_total(results: Sequence[Result]) -> list[Result]:
    """Return *results*, and those of low-resolution collections again in a group of their own if there are several."""
    low = low_groups(results)
    return [*results, *(replace(r, group=TOGETHER) for r in results if r.group in low and len(low) > 1)]


def headlines(results: Sequence[Result], unordered: Sequence[str] = ()) -> list[str]:
    """Return sentences that summarize the run for each method of the plugin that ran, group by group and page by page.

    *unordered* is as for :func:`made_worse`.
    """
    methods = {r.method for r in results}
    lines = []
    for ours in (m for m in PLUGIN_METHODS if m in methods and others(results, m, all_pages=True)):
        baselines = others(results, ours, all_pages=True)
        for group in dict.fromkeys(row.group for row in rows(results)):
            rate = {m: pooled(results, m, [group]).cer for m in [*baselines, ours]}
            best = min(baselines, key=rate.__getitem__)
            ratio = f"{rate[ours] / rate[best]:.2f}" if rate[best] else "-"
            lines.append(f"{ours}, {group}: CER {rate[ours]:.4f}, best other ({best}) {rate[best]:.4f}, ratio {ratio}")
        worse, total = made_worse(results, ours, unordered=unordered)
        lines.append(f"{ours}: {len(worse)} of {total} pages worse than the best other by more than 1 point of CER")
        lines.extend(f"    worse: {page}" for page in worse)
        better, _ = made_worse(results, ours, -WORSE, unordered)
        lines.append(f"{ours}: {total - len(better)} of {total} pages better than the best other by 1 point or more")
        own = sum(r.superres_seconds for r in results if r.method == ours)
        tesseract = sum(r.tesseract_seconds for r in results if r.method == ours)
        if tesseract:
            lines.append(f"{ours}: super-resolution took {own / tesseract:.1%} of Tesseract's time")
    if "native" in methods:
        for method in (m for m in in_order(methods) if m != "native"):
            pages = lost(results, method, unordered)
            lines.append(f"{method}: {len(pages)} pages lost{': ' if pages else ''}{'; '.join(pages)}")
    return lines


def markdown(results: Sequence[Result]) -> str:
    """Return Markdown tables by group: errors, bare words missed, both in %, and CPU seconds a page."""
    table = rows(_with_total(results))
    methods = in_order(row.method for row in table)

    def errors(row: Row) -> str:
        c = row.counts
        return f"{100 * c.cer:.2f} / {100 * (1 - c.recall):.1f} / {100 * c.precision:.1f}"

    def bare(row: Row) -> str:
        return f"{100 * (1 - row.counts.bare_recall):.1f}" if row.counts.bare_words else "-"

    def seconds(row: Row) -> str:
        return f"{row.seconds:.2f}" + (f" ({row.superres_share:.0%})" if row.superres_share else "")

    def whole(row: Row) -> str:
        if not row.run_seconds:
            return "-"
        other = next(
            (r.run_seconds for r in table if (r.group, r.method) == (row.group, "oversample") and r.pages == row.pages), 0
        )
        return f"{row.run_seconds:.2f}" + (f" ({row.run_seconds / other:.2f})" if other else "")

    lines = []
    for caption, cell in (
        ("pages: CER / words missed / precision, %", errors),
        ("pages: bare words missed, punctuation and spaces aside, %", bare),
        ("pages: CPU seconds a page (super-resolution / Tesseract)", seconds),
        ("pages: CPU seconds a page of the whole OCRmyPDF run (in those of oversample)", whole),
    ):
        lines += [f"| {caption} | " + " | ".join(methods) + " |", "|---" * (len(methods) + 1) + "|"]
        for group in dict.fromkeys(row.group for row in table):
            cells = {row.method: row for row in table if row.group == group}
            count = max(row.pages for row in cells.values())
            lines.append(f"| {group} ({count}) | " + " | ".join(cell(cells[m]) if m in cells else "-" for m in methods) + " |")
        lines.append("")
    return "\n".join(lines)


def interval_table(results: Sequence[Result]) -> str:
    """Return a Markdown table by group: CER and words missed in %, each with its 95 % bootstrap interval over pages."""
    results = _with_total(results)
    table = rows(results)
    methods = in_order(row.method for row in table)
    lines = ["| pages: CER [95 % interval] / words missed, % | " + " | ".join(methods) + " |", "|---" * (len(methods) + 1) + "|"]
    for group in dict.fromkeys(row.group for row in table):
        cells = []
        for method in methods:
            counts = [r.counts for r in results if r.group == group and r.method == method]
            if not sum(c.characters for c in counts) or not sum(c.words for c in counts):
                cells.append("-")
                continue
            errors = interval([c.edits for c in counts], [c.characters for c in counts])
            missed = interval([c.words - c.found for c in counts], [c.words for c in counts])
            cells.append(f"{errors.format(100)} / {missed.format(100)}")
        pages = max(row.pages for row in table if row.group == group)
        lines.append(f"| {group} ({pages}) | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


Pair = tuple[Result, Result]


def by_scan(pairs: Iterable[Pair]) -> list[list[Pair]]:
    """Return *pairs* of readings of the same case, those of a scan together, however often it was reduced.

    Readings of one scan depend on each other, so intervals and tests over its conditions would be too sure; sums over scans are
    what is resampled.
    """
    scans: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        scans.setdefault((pair[0].collection, pair[0].page), []).append(pair)
    return list(scans.values())


def counts_by_scan(pairs: Iterable[Pair]) -> list[tuple[TextScore, TextScore]]:
    """Return the counts of both sides of *pairs*, summed over the conditions of each scan."""
    return [
        (sum((own.counts for own, _ in scan), TextScore()), sum((other.counts for _, other in scan), TextScore()))
        for scan in by_scan(pairs)
    ]


def paired_table(results: Sequence[Result], ours: str) -> str:
    """Return a Markdown table of *ours* against each baseline, page by page: differences with 95 % intervals, sign test.

    Negative differences are gains; each bootstrap sample has the same pages for both methods. A scan that was reduced in several
    ways is one page of ``all pages``.
    """
    table = rows(results)
    found = in_order(row.method for row in table)
    lines = [
        f"| {ours} against | pages | CER, points [95 % interval] | words missed, points | pages better / worse | sign test p |",
        "|---|---|---|---|---|---|",
    ]
    for method in (m for m in found if m not in (*PLUGIN_METHODS, "native") and ours in found):
        for group in ["all pages", *dict.fromkeys(row.group for row in table)]:
            own, other = (
                {(r.group, r.page): r for r in results if r.method == m and group in ("all pages", r.group)}
                for m in (ours, method)
            )
            pairs = counts_by_scan((own[key], other[key]) for key in sorted(own) if key in other)
            if sum(a.characters for a, _ in pairs) and sum(a.words for a, _ in pairs):
                lines.append(f"| {method}, {group} | {len(pairs)} | {_differences(pairs)} |")
    return "\n".join(lines) + "\n"


def _differences(pairs: Sequence[tuple[TextScore, TextScore]]) -> str:
    """Return the cells of :func:`paired_table` for *pairs* of counts, ours first, that have characters and words."""
    ours, theirs = zip(*pairs, strict=True)
    errors = paired_difference([a.edits for a in ours], [b.edits for b in theirs], [a.characters for a in ours])
    missed = paired_difference([a.words - a.found for a in ours], [b.words - b.found for b in theirs], [a.words for a in ours])
    test = sign_test([a.cer for a in ours], [b.cer for b in theirs])
    return f"{errors.format(100, sign='+')} | {missed.format(100, sign='+')} | {test.lower} / {test.higher} | {test.p:.2g}"
