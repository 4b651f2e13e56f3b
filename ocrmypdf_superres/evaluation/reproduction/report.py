# SPDX-License-Identifier: MPL-2.0
"""The reproduced table as Markdown and CSV: means over seeds with intervals, and the paper's figures beside them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ocrmypdf_superres.evaluation.reproduction.scoring import Figures
from ocrmypdf_superres.evaluation.reproduction.table import PaperTable
from ocrmypdf_superres.metrics.statistics import Interval, interval

DECIMALS = {"psnr": 2, "ssim": 4, "s_lcs": 4, "s_ld": 4, "iou": 4, "cer": 2}


@dataclass(frozen=True)
class Cell:
    """A figure: its mean over the seeds with the 95 % interval over patches or lines, each seed's own, and the paper's."""

    interval: Interval
    seeds: tuple[float, ...]
    paper: float | None


def cells(seeds: Sequence[Mapping[str, Figures]], paper: Mapping[str, float]) -> dict[str, Cell]:
    """Return the cells of a row of which *seeds* holds each seed's figures, all on the same patches or lines.

    The interval is of the mean over the seeds, resampled over patches or lines: it says how well these images are known, and the
    seeds' own figures say how much trainings differ.
    """
    found = {}
    for name in seeds[0]:
        figures = [seed[name] for seed in seeds]
        above = [sum(values) / len(values) for values in zip(*(f.above for f in figures), strict=True)]
        if not above:
            continue
        own = tuple(sum(f.above) / max(1e-12, sum(f.below)) for f in figures)
        found[name] = Cell(interval(above, figures[0].below), own, paper.get(name))
    return found


def markdown(table: PaperTable, rows: Mapping[str, Mapping[str, Cell]], about: Sequence[str]) -> str:
    """Return the table for people: ours with its interval, the range over seeds, and the paper's figure in brackets."""
    return "\n".join([f"# {table.title}", "", *about, "", *table_lines(table, rows)]) + "\n"


def table_lines(table: PaperTable, rows: Mapping[str, Mapping[str, Cell]]) -> list[str]:
    """Return what :func:`markdown` has below its head, line by line."""
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = ["Each cell: mean over the seeds [95 % interval], the seeds' range, and in brackets the paper's figure."]
    if table.note:
        lines += ["", table.note]
    lines += ["", "| row | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        lines.append(f"| {name} | " + " | ".join(_text(column, row.get(column)) for column in columns) + " |")
    return lines


def _text(column: str, cell: Cell | None) -> str:
    if cell is None:
        return ""
    digits = DECIMALS.get(column.split(" ")[0], 1)
    text = f"{cell.interval.value:.{digits}f} [{cell.interval.low:.{digits}f}, {cell.interval.high:.{digits}f}]"
    if len(cell.seeds) > 1:
        text += f", {min(cell.seeds):.{digits}f} to {max(cell.seeds):.{digits}f}"
    return text if cell.paper is None else f"{text} ({cell.paper:g})"


def as_csv(rows: Mapping[str, Mapping[str, Cell]]) -> str:
    """Return a line for each cell: row, column, value, low, high, the seeds' figures and the paper's."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["row", "column", "value", "low", "high", "seeds", "paper"])
    for name, row in rows.items():
        for column, cell in row.items():
            seeds = " ".join(f"{value:.6g}" for value in cell.seeds)
            bounds = [f"{value:.6g}" for value in (cell.interval.value, cell.interval.low, cell.interval.high)]
            writer.writerow([name, column, *bounds, seeds, "" if cell.paper is None else cell.paper])
    return stream.getvalue()
