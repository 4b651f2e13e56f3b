# SPDX-License-Identifier: MPL-2.0
"""Reports of a run folder, of the results of ``evaluate --json``, or of the plugin's page records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.benchmark import Result, from_json
from ocrmypdf_superres.evaluation.run_folder import Run
from ocrmypdf_superres.evaluation.summary import about_case, counts_by_scan
from ocrmypdf_superres.evaluation.summary import rows as table_rows
from ocrmypdf_superres.metrics.statistics import Interval, interval, paired_difference, sign_test
from ocrmypdf_superres.reporting.charts import Bars, Chart, Histogram, Intervals, Scatter, Spread
from ocrmypdf_superres.reporting.model import HEIGHT, TRUTH, WORDS, Card, Report, Row, worst_first
from ocrmypdf_superres.reporting.page_comparison import SURE, PageComparison, Side

SOURCE, SEEN = "original", "as OCR saw it"
"""The two sides of a plugin's records."""


def from_results(
    results: Sequence[Result],
    title: str,
    before: str,
    after: str,
    comparisons: Sequence[PageComparison] = (),
    root: Path = Path(),
) -> Report:
    """Return the report of a benchmark.

    Args:
        results: of all methods.
        title: of the report.
        before: name of the method to compare with.
        after: name of the method that is compared.
        comparisons: pages with the images of both methods.
        root: the folder that the paths of these images start from.

    Raises:
        OptionError: a method did not run, both are the same, or no page was read by both.
    """
    pairs = _pairs(results, before, after)
    by_page = {(k.group, k.page): k for k in comparisons}
    rows = []
    for old, new in pairs:
        page = by_page.get((new.group, new.page))
        action = str(new.details.get("action") or (page.action if page else "read"))
        reason = str(new.details.get("reason") or (page.reason if page else ""))
        gain = 100 * (old.counts.cer - new.counts.cer)
        missed = (100 * (1 - old.counts.recall), 100 * (1 - new.counts.recall))
        rows.append(Row(new.group, new.page, action, reason, 100 * old.counts.cer, 100 * new.counts.cer, gain, missed, page))
    sentences, cards = _compared(pairs, rows, before, after)
    charts: list[Chart] = [
        Intervals(
            "Words missed, by set", "Percent of the truth's words, with 95 % intervals over pages. Left is better.",
            _missed_by_group(results), before, after, "words missed, %",
        ),
        Scatter(
            "Errors, page by page", f"Each dot is a page. Below the line {after} reads it better.",
            _points(rows), f"{before}: {TRUTH.short}", f"{after}: {TRUTH.short}", roots=True,
        ),
    ]  # fmt: skip
    about = about_case(results)
    notes = [about] if about else []
    return Report(title, before, after, TRUTH, worst_first(rows, TRUTH), sentences, cards, charts, notes, root=root)


def _pairs(results: Sequence[Result], before: str, after: str) -> list[tuple[Result, Result]]:
    methods = list(dict.fromkeys(r.method for r in results))
    for method in (before, after):
        if method not in methods:
            raise OptionError(f"The run has no method {method!r}; give one of {', '.join(methods)}.")
    if before == after:
        raise OptionError(
            f"A report compares two methods, but {before} was given as both; read the pages by another one, too, or give two of "
            f"{', '.join(methods)} as --before and --after."
        )
    first = {(r.group, r.page): r for r in results if r.method == before and not r.error}
    pairs = [(first[key], r) for r in results if r.method == after and not r.error and (key := (r.group, r.page)) in first]
    if not pairs:
        raise OptionError(f"No page was read by both {before} and {after}; give methods that ran on the same pages.")
    return pairs


def _points(rows: Sequence[Row]) -> list[tuple[float, float, str]]:
    return [
        (row.before, row.after, f"{row.group}, {row.page}") for row in rows if row.before is not None and row.after is not None
    ]


def _missed_by_group(results: Sequence[Result]) -> list[tuple[str, list[Spread]]]:
    """Return the percentage of missed words with its interval, by group and method; groups without words are empty."""
    groups: dict[str, list[Spread]] = {}
    for row in table_rows(results):
        counts = [r.counts for r in results if (r.group, r.method) == (row.group, row.method)]
        spreads = groups.setdefault(row.group, [])
        if row.counts.words:
            found = interval([c.words - c.found for c in counts], [c.words for c in counts])
            spreads.append(Spread(row.method, 100 * found.value, 100 * found.low, 100 * found.high))
    return list(groups.items())


def _percent(found: Interval) -> str:
    return f"{100 * found.value:.1f} %"


def _span(found: Interval) -> str:
    return f"95 % interval {100 * found.low:+.1f} to {100 * found.high:+.1f}"


def _compared(
    pairs: Sequence[tuple[Result, Result]], rows: Sequence[Row], before: str, after: str
) -> tuple[list[str], list[Card]]:
    """Return the sentences and cards that compare the methods *before* and *after* on the pages that both read."""
    scans = counts_by_scan(pairs)
    old, new = [a for a, _ in scans], [b for _, b in scans]
    words = [c.words for c in new]
    length = [c.characters for c in new]
    better, worse = (sum(row.verdict == verdict for row in rows) for verdict in ("better", "worse"))
    sentences = [
        f"Of {_pages(len(rows))}, {better} read better with {after} than with {before}, {worse} read worse, "
        f"and {len(rows) - better - worse} the same."
    ]
    cards = []
    if sum(words):
        lost = [[c.words - c.found for c in side] for side in (old, new)]
        a, b = (interval(side, words) for side in lost)
        change = paired_difference(lost[1], lost[0], words)
        sentences.append(
            f"Of 100 words, {100 * b.value:.1f} are missed where {before} misses {100 * a.value:.1f} "
            f"(change {100 * change.value:+.1f}, {_span(change)})."
        )
        cards.append(Card("Words missed", _percent(b), f"{before}: {_percent(a)}"))
    if sum(length):
        a, b = (interval([c.edits for c in side], length) for side in (old, new))
        change = paired_difference([c.edits for c in new], [c.edits for c in old], length)
        sentences.append(
            f"Of 100 characters, {100 * b.value:.1f} are wrong where {before} has {100 * a.value:.1f} "
            f"(change {100 * change.value:+.1f}, {_span(change)})."
        )
        cards.append(Card("Character error rate", _percent(b), f"{before}: {_percent(a)}"))
    test = sign_test([c.cer for c in new], [c.cer for c in old])
    cards += [
        Card("Pages better", str(better), f"of {len(rows)}"),
        Card("Pages worse", str(worse), f"sign test p = {test.p:.2g}"),
    ]
    return sentences, cards


def from_run(run: Run, root: Path, before: str | None = None, after: str | None = None) -> Report:
    """Return the report of a run folder.

    Args:
        run: the run.
        root: its folder, from which the paths of images start.
        before: method to compare with instead of the run's; only for a run with ground truth.
        after: likewise the method that is compared.

    Raises:
        OptionError: as for :func:`from_results`.
    """
    if run.results:
        chosen = (before or run.before, after or run.after)
        # The images are those of the run's two sides.
        comparisons = run.pages if chosen == (run.before, run.after) else []
        report = from_results([from_json(r) for r in run.results], run.title, *chosen, comparisons, root)
        return replace(report, notes=[*report.notes, *map(str, run.trust.get("sentences", []))])
    return _without_truth(run, root)


def _sure(side: Side) -> int:
    return sum(word.confidence >= SURE for word in side.words)


def _without_truth(run: Run, root: Path) -> Report:
    rows = []
    for page in run.pages:
        old, new = _sure(page.before), _sure(page.after)
        rows.append(Row(page.group, page.page, page.action, page.reason, old, new, new - old, None, page))
    enlarged = sum(row.action == "enlarged" for row in rows)
    old, new = (sum(int(getattr(row, side) or 0) for row in rows) for side in ("before", "after"))
    better, worse = sum((row.gain or 0) > 0 for row in rows), sum((row.gain or 0) < 0 for row in rows)
    sentences = [
        f"{_pages(len(rows))}, {enlarged} of them enlarged; Tesseract reads {new} words with a confidence of {SURE:.0f} or more "
        f"({run.after}), and {old} without ({run.before}).",
        f"More such words on {_pages(better)}, fewer on {_pages(worse)}. There is no ground truth here: "
        "confidence says how sure Tesseract is, not whether it is right.",
    ]
    cards = [
        Card("Sure words", str(new), f"{run.before}: {old}"), Card("Pages enlarged", str(enlarged), f"of {len(rows)}"),
        Card("Pages better", str(better), f"of {len(rows)}"), Card("Pages worse", str(worse), f"of {len(rows)}"),
    ]  # fmt: skip
    edges = list(range(0, 101, 10))
    confidences = {
        name: _histogram([word.confidence for page in run.pages for word in getattr(page, side).words], edges)
        for side, name in (("before", run.before), ("after", run.after))
    }
    charts: list[Chart] = [
        Histogram(
            "Word confidence", "Words on all pages by Tesseract's confidence. More on the right is better.",
            edges, confidences, "Tesseract's confidence", "words",
        ),
        Scatter(
            "Sure words, page by page", f"Each dot is a page. Above the line there are more {run.after}.",
            _points(rows), f"{run.before}: {WORDS.short}", f"{run.after}: {WORDS.short}",
        ),
    ]  # fmt: skip
    return Report(run.title, run.before, run.after, WORDS, worst_first(rows, WORDS), sentences, cards, charts, root=root)


def _histogram(values: Sequence[float], edges: Sequence[float]) -> list[int]:
    """Return the number of *values* in each bin; values beyond the *edges* count in the outermost bins."""
    counts, _ = np.histogram(np.clip(np.asarray(values, dtype=np.float64), edges[0], edges[-1]), np.asarray(edges))
    return [int(count) for count in counts]


def from_records(
    records: Sequence[Mapping[str, Any]], title: str, comparisons: Mapping[tuple[str, int], PageComparison] | None = None,
    root: Path = Path(),
) -> Report:  # fmt: skip
    """Return the report of a plugin's page records.

    Args:
        records: the records.
        title: of the report.
        comparisons: pages that were read again, by the record's file and page number.
        root: the folder that the paths of their images start from.
    """
    by_page = comparisons or {}
    rows = []
    for record in records:
        height, size, new_size = record.get("x_height"), record.get("size"), record.get("new_size")
        before = float(height) if height else None
        after = before * new_size[0] / size[0] if before is not None and new_size and size else before
        group, page = Path(str(record["file"])).name, f"page {record['page']}"
        read_again = by_page.get((str(record["file"]), int(record["page"])))
        gain = after - before if before is not None and after is not None else None
        rows.append(Row(group, page, record["action"], record["reason"], before, after, gain, None, read_again))
    counts = Counter(row.action for row in rows)
    seconds = sum(float(record.get("seconds", 0.0)) for record in records)
    a_page = f"{seconds / max(1, len(rows)):.2f}"
    sentences = [
        f"Of {len(rows)} pages in {len({str(record['file']) for record in records})} files, {counts['enlarged']} were enlarged, "
        f"{counts['left']} left as they are, and {counts['failed']} could not be enlarged and were read as they are.",
        f"Planning and enlarging took {seconds:.0f} seconds, {a_page} a page. "
        "There is no ground truth here: the report shows what was done and why, not what is right.",
    ]
    cards = [
        Card("Pages enlarged", str(counts["enlarged"]), f"of {len(rows)}"),
        Card("Left as they are", str(counts["left"]), f"of {len(rows)}"),
        Card("Failed", str(counts["failed"]), f"of {len(rows)}"),
        Card("Seconds a page", a_page, f"{seconds:.0f} in all"),
    ]
    return Report(title, SOURCE, SEEN, HEIGHT, worst_first(rows, HEIGHT), sentences, cards, _record_charts(rows), root=root)


def _record_charts(rows: Sequence[Row]) -> list[Chart]:
    names = ("enlarged", "left", "failed")
    done = [(name, float(sum(row.action == name for row in rows))) for name in names]
    charts: list[Chart] = [Bars("What was done", "Pages by what the plugin did.", done, ("new", "old", "c1"))]
    heights = [(before, after) for before, after, _ in _points(rows)]
    if heights:
        top = max(30.0, float(np.ceil(max(after for _, after in heights))))
        edges = [top * n / 30 for n in range(31)]
        sides = {name: _histogram([pair[side] for pair in heights], edges) for side, name in enumerate((SOURCE, SEEN))}
        caption = "Pages by the height of an x, in the original and as OCR saw them."
        charts.append(Histogram("Height of the text", caption, edges, sides, HEIGHT.name, "pages"))
    return charts


def _pages(count: int) -> str:
    return f"{count} page" if count == 1 else f"{count} pages"
