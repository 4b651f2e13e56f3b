# SPDX-License-Identifier: MPL-2.0
"""What a report shows, made from a run, from the results of ``evaluate --json``, or from a plugin's records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.benchmark import Result, from_json
from ocrmypdf_superres.evaluation.run_folder import KeptPage, Run, Side
from ocrmypdf_superres.evaluation.words import SURE
from ocrmypdf_superres.metrics.statistics import Interval, interval, paired_difference, sign_test

#: Pages whose figures differ by less than this, in points of CER, count as the same.
SAME = 0.1


@dataclass(frozen=True)
class Measure:
    """What the report's figures are: their name, unit, decimals, and whether a higher one is better."""

    kind: Literal["truth", "sure", "height", "certainty"]
    name: str
    short: str
    decimals: int
    higher_is_better: bool


TRUTH = Measure("truth", "character error rate, %", "errors, %", 1, False)
WORDS = Measure("sure", f"words read with a confidence of {SURE:.0f} or more", "sure words", 0, True)
HEIGHT = Measure("height", "height of an x, in pixels", "x-height, px", 1, True)
CERTAINTY = Measure("certainty", "mean confidence of the words, %", "confidence, %", 1, True)


@dataclass(frozen=True)
class Row:
    """A page: its measure before and after (None: not known), the gain (positive is better), words missed, what was done.

    ``verdict`` is a word for it where the gain does not say it (``failed``).
    """

    group: str
    page: str
    action: str
    reason: str
    before: float | None
    after: float | None
    gain: float | None
    missed: tuple[float, float] | None = None
    kept: KeptPage | None = None
    verdict: str = ""


@dataclass(frozen=True)
class Bars:
    """A bar chart: its heading, what it shows, and (name, value) from top to bottom."""

    heading: str
    caption: str
    values: Sequence[tuple[str, float]]


@dataclass(frozen=True)
class Listing:
    """A plain table: heading, a line below it, column heads, and rows of text."""

    heading: str
    note: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Report:
    """All that the page is made of.

    ``root`` is the folder that the images of the rows' pages lie under, ``of`` what the rows' groups are, ``bars`` and
    ``listings`` are further charts and tables.
    """

    title: str
    before: str
    after: str
    measure: Measure
    rows: list[Row]
    sentences: list[str]
    cards: list[tuple[str, str, str]]
    results: list[Result] = field(default_factory=list)
    records: list[Mapping[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    root: Path = Path()
    of: str = "Set"
    bars: list[Bars] = field(default_factory=list)
    listings: list[Listing] = field(default_factory=list)


def _worst_first(rows: Iterable[Row], measure: Measure) -> list[Row]:
    """Failed pages, then by gain, then by what they are like now; pages without figures last."""

    def badness(row: Row) -> tuple[bool, float, float, str, str]:
        now = row.after if row.after is not None else 0.0
        gain = row.gain if row.gain is not None else float("inf")
        return (row.action != "failed", gain, now if measure.higher_is_better else -now, row.group, row.page)

    return sorted(rows, key=badness)


def _percent(found: Interval) -> str:
    return f"{100 * found.value:.1f} %"


def _span(found: Interval) -> str:
    return f"95 % interval {100 * found.low:+.1f} to {100 * found.high:+.1f}"


def from_results(
    results: Sequence[Result], title: str, before: str, after: str, kept: Sequence[KeptPage] = (), root: Path = Path()
) -> Report:
    """Return the report of a benchmark: *before* and *after* name two of its methods.

    Raises:
        OptionError: a method did not run, or there is no page that both read.
    """
    methods = list(dict.fromkeys(r.method for r in results))
    for method in (before, after):
        if method not in methods:
            raise OptionError(f"The run has no method {method!r}; give one of {', '.join(methods)}.")
    by_page = {(k.group, k.page): k for k in kept}
    first = {(r.group, r.page): r for r in results if r.method == before and not r.error}
    pairs = [(first[key], r) for r in results if r.method == after and not r.error and (key := (r.group, r.page)) in first]
    if not pairs:
        raise OptionError(f"No page was read by both {before} and {after}; give methods that ran on the same pages.")
    rows = []
    for old, new in pairs:
        page = by_page.get((new.group, new.page))
        action = str(new.details.get("action") or (page.action if page else "read"))
        reason = str(new.details.get("reason") or (page.reason if page else ""))
        gain = 100 * (old.counts.cer - new.counts.cer)
        missed = (100 * (1 - old.counts.recall), 100 * (1 - new.counts.recall))
        rows.append(
            Row(new.group, new.page, action, reason, 100 * old.counts.cer, 100 * new.counts.cer, gain, missed, page)
        )
    sentences, cards = _benchmark_words(pairs, rows, before, after)
    return Report(title, before, after, TRUTH, _worst_first(rows, TRUTH), sentences, cards, list(results), root=root)


def _benchmark_words(
    pairs: Sequence[tuple[Result, Result]], rows: Sequence[Row], before: str, after: str
) -> tuple[list[str], list[tuple[str, str, str]]]:
    old, new = [a.counts for a, _ in pairs], [b.counts for _, b in pairs]
    words = [c.words for c in new]
    length = [c.characters for c in new]
    sentences, cards = [], []
    better = sum(row.gain is not None and row.gain >= SAME for row in rows)
    worse = sum(row.gain is not None and row.gain <= -SAME for row in rows)
    sentences.append(
        f"Of {len(rows)} pages, {better} read better with {after} than with {before}, {worse} read worse, "
        f"and {len(rows) - better - worse} the same."
    )
    if sum(words):
        lost = [[c.words - c.found for c in side] for side in (old, new)]
        a, b = (interval(side, words) for side in lost)
        change = paired_difference(lost[1], lost[0], words)
        sentences.append(
            f"Of 100 words, {100 * b.value:.1f} are missed where {before} misses {100 * a.value:.1f} "
            f"(change {100 * change.value:+.1f}, {_span(change)})."
        )
        cards.append(("Words missed", _percent(b), f"{before}: {_percent(a)}"))
    if sum(length):
        a, b = (interval([c.edits for c in side], length) for side in (old, new))
        change = paired_difference([c.edits for c in new], [c.edits for c in old], length)
        sentences.append(
            f"Of 100 characters, {100 * b.value:.1f} are wrong where {before} has {100 * a.value:.1f} "
            f"(change {100 * change.value:+.1f}, {_span(change)})."
        )
        cards.append(("Character error rate", _percent(b), f"{before}: {_percent(a)}"))
    test = sign_test([c.cer for c in new], [c.cer for c in old])
    cards += [("Pages better", str(better), f"of {len(rows)}"), ("Pages worse", str(worse), f"sign test p = {test.p:.2g}")]
    return sentences, cards


def _sure(side: Side) -> int:
    return sum(word.confidence >= SURE for word in side.words)


def from_run(run: Run, root: Path, before: str | None = None, after: str | None = None) -> Report:
    """Return the report of a run folder; with *before* and *after*, of these methods (only where there is truth).

    Raises:
        OptionError: as :func:`from_results`.
    """
    if run.results:
        chosen = (before or run.before, after or run.after)
        # The images are those of the run's two sides.
        kept = run.pages if chosen == (run.before, run.after) else []
        report = from_results([from_json(r) for r in run.results], run.title, *chosen, kept, root)
        return Report(**{**report.__dict__, "notes": list(run.trust.get("sentences", []))})
    rows = []
    for page in run.pages:
        old, new = _sure(page.before), _sure(page.after)
        rows.append(Row(page.group, page.page, page.action, page.reason, old, new, new - old, None, page))
    enlarged = sum(row.action == "enlarged" for row in rows)
    old, new = (sum(int(getattr(row, side) or 0) for row in rows) for side in ("before", "after"))
    better = sum((row.gain or 0) > 0 for row in rows)
    worse = sum((row.gain or 0) < 0 for row in rows)
    sentences = [
        f"Of {len(rows)} pages, {enlarged} were enlarged; Tesseract reads {new} words with a confidence of {SURE:.0f} or more "
        f"({run.after}), and {old} without ({run.before}).",
        f"On {better} pages there are more such words, on {worse} fewer. There is no ground truth here: "
        "confidence says how sure Tesseract is, not whether it is right.",
    ]
    cards = [
        ("Sure words", str(new), f"{run.before}: {old}"), ("Pages enlarged", str(enlarged), f"of {len(rows)}"),
        ("Pages better", str(better), f"of {len(rows)}"), ("Pages worse", str(worse), f"of {len(rows)}"),
    ]  # fmt: skip
    return Report(run.title, run.before, run.after, WORDS, _worst_first(rows, WORDS), sentences, cards, root=root)


def from_records(records: Sequence[Mapping[str, Any]], title: str, kept: Sequence[KeptPage] = (), root: Path = Path()) -> Report:
    """Return the report of a plugin's page records; *kept* are those pages that were read anew, to be seen."""
    by_page = {(k.group, k.page): k for k in kept}
    rows = []
    for record in records:
        height, size, new_size = record.get("x_height"), record.get("size"), record.get("new_size")
        before = float(height) if height else None
        after = before * new_size[0] / size[0] if before is not None and new_size and size else before
        group, page = Path(str(record["file"])).name, f"page {record['page']}"
        gain = after - before if before is not None and after is not None else None
        rows.append(Row(group, page, record["action"], record["reason"], before, after, gain, None, by_page.get((group, page))))
    counts = Counter(row.action for row in rows)
    seconds = sum(float(record.get("seconds", 0.0)) for record in records)
    sentences = [
        f"Of {len(rows)} pages in {len({row.group for row in rows})} files, {counts['enlarged']} were enlarged, "
        f"{counts['left']} left as they are, and {counts['failed']} could not be enlarged and went on as they came.",
        f"Planning and enlarging took {seconds:.0f} seconds, {seconds / max(1, len(rows)):.2f} a page. "
        "There is no ground truth here: the report shows what was done and why, not what is right.",
    ]
    cards = [
        ("Pages enlarged", str(counts["enlarged"]), f"of {len(rows)}"), ("Left as they are", str(counts["left"]), f"of {len(rows)}"),
        ("Failed", str(counts["failed"]), f"of {len(rows)}"), ("Seconds a page", f"{seconds / max(1, len(rows)):.2f}", f"{seconds:.0f} in all"),
    ]  # fmt: skip
    return Report(
        title, "as it came", "as OCR saw it", HEIGHT, _worst_first(rows, HEIGHT), sentences, cards, records=list(records), root=root
    )
