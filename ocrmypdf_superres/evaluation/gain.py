# SPDX-License-Identifier: MPL-2.0
"""Whether one net reads pages better than another: both on the same pages, reduced in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ocrmypdf_superres.errors import OptionError, SuperresError
from ocrmypdf_superres.evaluation.benchmark import Result, run_cases
from ocrmypdf_superres.evaluation.data.pages import Case, find_pages
from ocrmypdf_superres.metrics.text import TextScore

LEAST_GAIN = 0.02
"""Share of the wrong characters that a new net has to avoid: less may be chance on a few pages."""


@dataclass(frozen=True)
class Gain:
    """Counts of all pages together with the base net and with the new one; *groups* holds both by condition."""

    base: TextScore
    new: TextScore
    groups: dict[str, tuple[TextScore, TextScore]]
    pages: int

    @property
    def better(self) -> bool:
        """Whether the new net avoids at least :data:`LEAST_GAIN` of the wrong characters and misses no more words."""
        fewer = self.new.edits <= (1 - LEAST_GAIN) * self.base.edits and self.new.edits < self.base.edits
        return fewer and self.new.found >= self.base.found

    @property
    def summary(self) -> str:
        """Both nets' error rates, in words."""
        return (
            f"CER {100 * self.base.cer:.2f} % before and {100 * self.new.cer:.2f} % after, words missed "
            f"{100 * (1 - self.base.recall):.2f} % before and {100 * (1 - self.new.recall):.2f} % after"
        )

    def table(self) -> Table:
        """Return a table of the conditions and their sum."""
        table = Table("held-out pages at", "n", "CER % before", "after", "words missed % before", "after")
        for name, (base, new) in [*self.groups.items(), ("all together", (self.base, self.new))]:
            table.add_row(
                name, str(self.pages), f"{100 * base.cer:.2f}", f"{100 * new.cer:.2f}",
                f"{100 * (1 - base.recall):.1f}", f"{100 * (1 - new.recall):.1f}",
            )  # fmt: skip
        return table


def reduced_cases(folder: Path, conditions: Sequence[tuple[float, str]]) -> list[Case]:
    """Return the pages of *folder*, which has an index, under each of *conditions* (dpi, profile).

    Raises:
        OptionError: the folder's index cannot be used, or no page is above a condition's dpi.
    """
    cases = [Case(page, dpi, profile) for dpi, profile in conditions for page in find_pages(folder) if page.dpi > dpi]
    if not cases:
        raise OptionError(f"No page in {folder} has more dpi than the conditions to compare at; give lower ones.")
    return cases


def read_with(cases: Sequence[Case], model: str, cache: Path, jobs: int, title: str) -> list[Result]:
    """Read *cases* through OCRmyPDF with *model* and return the results in their order.

    Raises:
        SuperresError: a page could not be read.
    """
    results = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=len(cases))
        for result in run_cases(cases, ["plugin"], model, cache, jobs):
            if result.error:
                raise SuperresError(f"The held-out page {result.page} cannot be read at {result.group}: {result.error}")
            results.append(result)
            progress.advance(task)
    order = {(case.group, case.page.name): number for number, case in enumerate(cases)}
    return sorted(results, key=lambda result: order[result.group, result.page])


def compare(base: Sequence[Result], new: Sequence[Result]) -> Gain:
    """Return the gain of *new* over *base*, results of the same cases."""
    groups: dict[str, tuple[TextScore, TextScore]] = {}
    for before, after in zip(base, new, strict=True):
        sums = groups.get(before.group, (TextScore(), TextScore()))
        groups[before.group] = (sums[0] + before.counts, sums[1] + after.counts)
    total = [sum((pair[side] for pair in groups.values()), TextScore()) for side in (0, 1)]
    return Gain(total[0], total[1], groups, len({result.page for result in base}))
