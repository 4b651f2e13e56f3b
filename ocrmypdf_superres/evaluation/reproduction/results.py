# SPDX-License-Identifier: MPL-2.0
"""RESULTS.md of the recipes: the finished tables, and whether they support the papers' claims.

The file is generated from the finished tables in the folder ``results``; nothing in it is written by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.reproduction.claims import Finding
from ocrmypdf_superres.evaluation.reproduction.report import DECIMALS, Cell, table_lines
from ocrmypdf_superres.evaluation.reproduction.table import PaperTable, read_paper_table
from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.metrics.statistics import Interval

FOLDER = "results"
TABLES = "tables"
RESULTS = "RESULTS.md"
HEAD = """# Results

Written by `ocrmypdf-superres reproduce TABLE --data FOLDER [--reduced] --seeds 3 --record` from the tables that `results/`
keeps; change nothing here by hand. Reduced tables are of small networks that one CPU core trains in minutes: they say what these
sizes do, not what the published ones would.

A claim is *supported* where the 95 % interval of the difference, over seeds and images together, and the difference of every
one of at least three seeds are on its side of 0; *not supported* where they are not; *not tested* without the rows or seeds.
Images of one page depend on each other, and three seeds are few, so that the intervals are rather too narrow. Figures of single
trainings of the offered models are in [SINGLE-RUNS.md](SINGLE-RUNS.md).
"""


@dataclass(frozen=True)
class Kept:
    """A finished table: how it was made, its cells by row and column, and the findings."""

    about: tuple[str, ...]
    rows: Mapping[str, Mapping[str, Cell]]
    findings: tuple[Finding, ...]


def keep(recipes: Path, name: str, reduced: bool, kept: Kept) -> Path:
    """Keep a finished table beside *recipes*, rewrite RESULTS.md, and return its path."""
    folder = recipes / FOLDER
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}{'-reduced' if reduced else ''}.json"
    values = {
        "about": kept.about,
        "rows": {row: {column: asdict(cell) for column, cell in cells.items()} for row, cells in kept.rows.items()},
        "findings": [asdict(finding) for finding in kept.findings],
    }
    atomic_write_text(path, json.dumps(_rounded(values), indent=1) + "\n")
    atomic_write_text(recipes / RESULTS, results_text(recipes))
    return recipes / RESULTS


def results_text(recipes: Path) -> str:
    """Return RESULTS.md of the folder *recipes*.

    Raises:
        OptionError: a table or what is kept of one cannot be read.
    """
    tables = {path.stem: read_paper_table(path) for path in sorted((recipes / TABLES).glob("*.toml"))}
    kept = {name: dict(_kept(recipes, name)) for name in tables}
    lines = [HEAD, "## Claims", "", "| table | claim | figure | verdict | difference [95 %] | each seed |", "|---" * 6 + "|"]
    for name, table in tables.items():
        for way, found in kept[name].items():
            lines += [_claim_row(f"{name}, {way}", finding) for finding in found.findings]
        if not kept[name]:
            lines += [f"| {name} | {claim.text} | {', '.join(claim.columns)} | not tested | | |" for claim in table.claims]
    for name, table in tables.items():
        for way, found in kept[name].items():
            lines += ["", f"## {table.title}, {way}", "", *found.about, ""]
            lines += table_lines(table, found.rows)
    missing = [name for name, found in kept.items() if not found]
    if missing:
        lines += ["", f"Not run yet: {', '.join(missing)}."]
    return "\n".join(lines) + "\n"


def _kept(recipes: Path, name: str) -> Iterator[tuple[str, Kept]]:
    for end, way in (("", "as published"), ("-reduced", "reduced")):
        path = recipes / FOLDER / f"{name}{end}.json"
        if not path.is_file():
            continue
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            rows = {row: {column: _cell(cell) for column, cell in cells.items()} for row, cells in values["rows"].items()}
            yield way, Kept(tuple(values["about"]), rows, tuple(_finding(finding) for finding in values["findings"]))
        except (ValueError, KeyError, TypeError) as error:
            raise OptionError(f"{path} is not a finished table ({error}); make it again with --record.") from error


def _cell(values: Mapping[str, Any]) -> Cell:
    return Cell(Interval(**values["interval"]), tuple(values["seeds"]), values["paper"])


def _finding(values: Mapping[str, Any]) -> Finding:
    difference = None if values["difference"] is None else Interval(**values["difference"])
    return Finding(**{**values, "difference": difference, "seeds": tuple(values["seeds"])})


def _claim_row(name: str, finding: Finding) -> str:
    digits = DECIMALS.get(finding.column.split(" ")[0], 1)
    shown, seeds = "", ", ".join(f"{value:+.{digits}f}" for value in finding.seeds)
    if finding.difference is not None:
        d = finding.difference
        shown = f"{d.value:+.{digits}f} [{d.low:+.{digits}f}, {d.high:+.{digits}f}]"
    verdict = f"{finding.verdict}: {finding.why}" if finding.why else finding.verdict
    return f"| {name} | {finding.text} | {finding.column} | {verdict} | {shown} | {seeds} |"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_rounded(part) for part in value]
    return value


def claims_lines(table: PaperTable, found: Sequence[Finding]) -> list[str]:
    """Return the claims of *table* as lines of Markdown; none where it has none."""
    if not table.claims:
        return []
    head = ["", "| claim | figure | verdict | difference [95 %] | each seed |", "|---" * 5 + "|"]
    return head + ["|" + _claim_row("", finding).split("|", 2)[2] for finding in found]
