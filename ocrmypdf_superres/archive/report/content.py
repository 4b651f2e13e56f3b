# SPDX-License-Identifier: MPL-2.0
"""A run's summary and worst pages in sentences, lists and charts: the content of its HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ocrmypdf_superres.archive.report.summary import Summary, WorstPage, ended_otherwise
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.store.name_encoding import printable
from ocrmypdf_superres.archive.tasks import State
from ocrmypdf_superres.reporting.charts import Bars, Chart
from ocrmypdf_superres.reporting.model import CERTAINTY, Card, Listing, Report, Row
from ocrmypdf_superres.reporting.page_comparison import PageComparison

BEFORE, AFTER = "without super-resolution", "in this run"
LISTED = 200
"""Failed and skipped files that are named; more are counted."""


def report_of(
    out: Path,
    manifest: Manifest,
    summary: Summary,
    worst: Sequence[WorstPage],
    comparisons: Mapping[tuple[int, int], PageComparison],
    root: Path,
) -> Report:
    """Return the report of the run in *out*.

    Args:
        out: the run's output folder, whose name is the title.
        manifest: of the run, open.
        summary: of the run.
        worst: the pages to list, in this order.
        comparisons: those of them that were read again, by file and page number.
        root: the folder that the paths of their images start from.
    """
    bins = [(f"{10 * n} to {10 * n + 10} %", float(count)) for n, count in enumerate(summary.confidences)]
    charts: list[Chart] = [
        Bars(
            "What was done to pages",
            "Pages of all files.",
            [(name or "not seen", float(n)) for name, n in summary.actions.most_common()],
        ),
        Bars("How sure Tesseract was", "Pages by the mean confidence of their words.", list(reversed(bins))),
    ]
    rows = [_row(page, comparisons.get((page.file.number, page.page.page))) for page in worst]
    return Report(
        printable(out.absolute().name), BEFORE, AFTER, CERTAINTY, rows, _sentences(summary), _cards(summary),
        charts, root=root, of="File", listings=_listings(manifest, summary),
    )  # fmt: skip


def _listings(manifest: Manifest, summary: Summary) -> list[Listing]:
    """Return the tables of how files ended, of findings, and of the files that failed or were skipped."""
    ends = [(state.value, code, f"{files:,}", reason) for state, code, files, reason in summary.ends]
    listings = [Listing("How the files ended", "One reason is shown for each kind.", ("end", "kind", "files", "reason"), ends)]
    if summary.findings:
        found = [(text, f"{count:,}") for text, count in summary.findings.most_common(50)]
        listings.append(Listing("Why pages should be checked", "A page may count more than once.", ("finding", "pages"), found))
    for state, heading in ((State.FAILED, "Files that failed"), (State.SKIPPED, "Files that were skipped")):
        number = summary.files(state)
        if not number:
            continue
        if number > LISTED:
            note = f"The first {LISTED} of {number:,}; the catalogue has all."
        else:
            note = "The only one." if number == 1 else f"All {number:,}."
        rows = [(printable(r.path), r.code, printable(r.reason), str(r.tries)) for r in ended_otherwise(manifest, state, LISTED)]
        listings.append(Listing(heading, note, ("file", "kind", "reason", "tries"), rows))
    return listings


def _row(worst: WorstPage, comparison: PageComparison | None) -> Row:
    page = worst.page
    after = 100 * page.confidence if page.confidence is not None else None
    before = _mean(comparison) if comparison else None
    gain = after - before if after is not None and before is not None else None
    label = "failed" if page.action == "failed" else "has a finding" if page.findings else "least certain"
    reason = "; ".join([*page.findings, printable(page.reason)]) if page.reason else "; ".join(page.findings)
    return Row(printable(worst.file.path), f"page {page.page}", page.action, reason, before, after, gain, None, comparison, label)


def _mean(comparison: PageComparison) -> float | None:
    words = comparison.before.words
    return sum(word.confidence for word in words) / len(words) if words else None


def _sentences(summary: Summary) -> list[str]:
    files = {state: summary.files(state) for state in State}
    waiting = files[State.WAITING] + files[State.STAGED]
    said = [
        f"Of {sum(files.values()):,} files: {files[State.DONE]:,} done, {files[State.SKIPPED]:,} skipped, "
        f"{files[State.FAILED]:,} failed" + (f", {waiting:,} not finished yet." if waiting else "."),
        f"The finished files have {summary.pages:,} pages with {summary.words:,} words; "
        f"{summary.actions['enlarged']:,} pages were enlarged before they were read, "
        f"{summary.actions['failed']:,} could not be enlarged and were read as they are.",
        f"The run took {_duration(summary.wall)}, which is {_pace(summary)} pages a minute; the workers together spent "
        f"{_duration(summary.work)}.",
    ]
    looked = sum(summary.findings.values())
    said.append(
        f"{summary.files_with_findings:,} files and {looked:,} pages have something that a person should check; "
        f"for {summary.files_with_warnings:,} files there are warnings."
        if looked or summary.files_with_findings or summary.files_with_warnings
        else "Nothing was found that a person should check."
    )
    return [*said, "Confidence is Tesseract's own: it says how sure Tesseract is, not whether it is right."]


def _cards(summary: Summary) -> list[Card]:
    return [
        Card("Files done", f"{summary.files(State.DONE):,}", f"{summary.files(State.SKIPPED):,} skipped"),
        Card("Files failed", f"{summary.files(State.FAILED):,}", "reasons below"),
        Card("Pages", f"{summary.pages:,}", f"{summary.actions['enlarged']:,} enlarged"),
        Card("Pages a minute", _pace(summary), _duration(summary.wall)),
    ]


def _pace(summary: Summary) -> str:
    return f"{60 * summary.pages / summary.wall:,.1f}" if summary.wall > 0 else "0"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    days, rest = divmod(minutes, 24 * 60)
    parts = [
        f"{days:,} d" if days else "",
        f"{rest // 60} h" if rest >= 60 or days else "",
        f"{rest % 60} min" if not days else "",
    ]
    return " ".join(filter(None, parts))
