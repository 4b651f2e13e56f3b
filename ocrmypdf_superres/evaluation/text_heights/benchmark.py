# SPDX-License-Identifier: MPL-2.0
"""The benchmark: error of the measured height and wrong decisions of the plan, by kind of page."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ocrmypdf_superres.evaluation.text_heights.cases import HeightCase
from ocrmypdf_superres.page.plan import PlanSettings, plan_page

TOO_SMALL, LARGE_ENOUGH = 8.0, 16.0
"""A page whose x-height is below the first must be enlarged, one above the second left."""
FAR = 0.15


@dataclass(frozen=True)
class HeightResult:
    """What the plan made of one case; the fields of the case are those of :class:`HeightCase`."""

    row: str
    height: float
    needed: float
    dpi: float
    measured: float | None
    action: str
    reason: str
    factor: float
    seconds: float
    sure: bool = True
    axis_right: bool = True

    @property
    def error(self) -> float | None:
        """The relative error of the height, without sign; None where no height was measured, or the page has none."""
        return None if self.measured is None or not self.height else abs(self.measured / self.height - 1.0)

    @property
    def wrong(self) -> str:
        """``left`` for a page left although too small, ``enlarged`` for one enlarged without need, else empty."""
        if self.height and self.needed < TOO_SMALL and self.action == "leave":
            return "left"
        if self.action == "enlarge" and (not self.height or self.needed > LARGE_ENOUGH):
            return "enlarged"
        return ""


def measure(case: HeightCase) -> HeightResult:
    """Plan *case* as the plugin does; the seconds are of the CPU."""
    began = time.process_time()
    plan = plan_page(case.luma, (case.dpi, case.dpi), PlanSettings())
    seconds = time.process_time() - began
    told = plan.text.x_height if plan.text is not None else None
    found = plan.text
    return HeightResult(
        case.row, case.height, case.needed, case.dpi, told, plan.action, plan.reason, plan.factor, seconds,
        found is None or found.sure, found is None or found.x_height is None or found.sideways == bool(case.turns % 2),
    )  # fmt: skip


@dataclass(frozen=True)
class HeightRow:
    """A row of the report: shares are of the row's pages, errors (of the sure heights) and seconds medians."""

    row: str
    pages: int
    told: float
    sure: float
    median_error: float
    far: float
    left: float
    enlarged: float
    turned: float
    seconds: float


def summarize(results: Iterable[HeightResult]) -> list[HeightRow]:
    """Return one row for each kind of page, in the order in which they first come."""
    by_row: dict[str, list[HeightResult]] = {}
    for result in results:
        by_row.setdefault(result.row, []).append(result)
    return [_row(name, found) for name, found in by_row.items()]


def _row(name: str, found: list[HeightResult]) -> HeightRow:
    errors = [result.error for result in found if result.error is not None and result.sure]
    number = len(found)
    return HeightRow(
        name,
        number,
        sum(result.measured is not None for result in found) / number,
        sum(result.measured is not None and result.sure for result in found) / number,
        float(np.median(errors)) if errors else 0.0,
        sum(error > FAR for error in errors) / number,
        sum(result.wrong == "left" for result in found) / number,
        sum(result.wrong == "enlarged" for result in found) / number,
        sum(not result.axis_right for result in found) / number,
        float(np.median([result.seconds for result in found])),
    )


def as_markdown(results: Iterable[HeightResult]) -> str:
    """Return the rows as a table in Markdown, with their sum; shares in percent."""
    found = list(results)
    head = "pages of | pages | sure % | median error % | over 15 % off, % | left below 8 px % | enlarged above 16 px % | CPU ms"
    lines = [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    for row in [*summarize(found), *summarize(replace(result, row="all") for result in found)]:
        shares = (row.sure, row.median_error, row.far, row.left, row.enlarged)
        cells = [row.row, str(row.pages), *(f"{100 * share:.1f}" for share in shares), f"{1000 * row.seconds:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def as_dict(results: list[HeightResult]) -> dict[str, Any]:
    """Return rows and results as plain values, for a JSON file."""
    return {"rows": [asdict(row) for row in summarize(results)], "results": [asdict(result) for result in results]}
