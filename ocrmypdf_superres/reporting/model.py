# SPDX-License-Identifier: MPL-2.0
"""The content of a report: its rows, sentences, charts and lists, as plain data that the templates render."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ocrmypdf_superres.reporting.charts import Chart
from ocrmypdf_superres.reporting.page_comparison import SURE, PageComparison

SAME = 0.1
"""Pages whose measure differs by less than this, in points of CER, count as the same."""
VERDICTS = ("worse", "better", "same", "failed")
"""The verdicts that follow from a row's gain and action, in the order of the filter; rows may bring others."""


@dataclass(frozen=True)
class Measure:
    """The measure of each page: its name, unit, decimals, and whether a higher value is better."""

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

    ``label`` is a verdict that the gain does not give, such as ``least certain``.
    """

    group: str
    page: str
    action: str
    reason: str
    before: float | None
    after: float | None
    gain: float | None
    missed: tuple[float, float] | None = None
    comparison: PageComparison | None = None
    label: str = ""

    @property
    def verdict(self) -> str:
        """The word that the report's filter selects this row by."""
        if self.label or self.action == "failed":
            return self.label or "failed"
        if self.gain is None or abs(self.gain) < SAME:
            return "same"
        return "better" if self.gain > 0 else "worse"

    @property
    def done(self) -> str:
        """What was done to the page, and why."""
        return f"{self.action}: {self.reason}" if self.reason else self.action


@dataclass(frozen=True)
class Card:
    """One number that sums the report up: its name, the number, and a remark in small letters."""

    name: str
    number: str
    beside: str


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

    Attributes:
        title: of the run. before, after: names of the two sides.
        measure: of the rows' numbers.
        rows: a page each, in the order of the table.
        sentences: the summary; cards: its numbers.
        charts: below the summary. notes: how far the numbers can be trusted. listings: further tables.
        root: the folder that the paths of the pages' images start from.
        of: the name of the rows' groups, such as ``File``.
    """

    title: str
    before: str
    after: str
    measure: Measure
    rows: list[Row]
    sentences: list[str]
    cards: list[Card]
    charts: list[Chart] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    root: Path = Path()
    of: str = "Set"
    listings: list[Listing] = field(default_factory=list)

    @property
    def has_images(self) -> bool:
        """Whether a page can be opened."""
        return any(row.comparison for row in self.rows)

    @property
    def groups(self) -> list[str]:
        """The rows' groups, sorted."""
        return sorted({row.group for row in self.rows})

    @property
    def verdicts(self) -> list[str]:
        """The rows' verdicts: the usual ones first."""
        present = {row.verdict for row in self.rows}
        return [*(v for v in VERDICTS if v in present), *sorted(present - set(VERDICTS))]


def worst_first(rows: Iterable[Row], measure: Measure) -> list[Row]:
    """Return *rows*: failed pages, then by gain, then by their measure now; pages without a gain last."""

    def badness(row: Row) -> tuple[bool, float, float, str, str]:
        now = row.after if row.after is not None else 0.0
        gain = row.gain if row.gain is not None else float("inf")
        return (row.action != "failed", gain, now if measure.higher_is_better else -now, row.group, row.page)

    return sorted(rows, key=badness)
