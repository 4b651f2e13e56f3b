# SPDX-License-Identifier: MPL-2.0
"""The report's charts, as SVG that takes its colours from the page, so that it follows light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ocrmypdf_superres.evaluation.summary import rows as table_rows
from ocrmypdf_superres.metrics.statistics import interval
from ocrmypdf_superres.reporting.model import Bars, Report

# Colours that matplotlib draws in, and what the page's style sheet makes of them.
_INK, _GRID, _OLD, _NEW, _OTHERS = "#010203", "#040506", "#070809", "#0a0b0c", ("#0d0e0f", "#101112", "#131415", "#161718")
_VARIABLES = {_INK: "--ink", _GRID: "--line", _OLD: "--old", _NEW: "--new"} | {c: f"--c{i}" for i, c in enumerate(_OTHERS, 1)}
_MARKERS = "sDv^<>ph"


def charts(report: Report) -> list[tuple[str, str, str]]:
    """Return (heading, SVG, what it shows) of each chart that *report* has the figures for."""
    kind = report.measure.kind
    if kind == "certainty":
        return [(bars.heading, _bars(bars), bars.caption) for bars in report.bars]
    if kind == "truth":
        return [
            ("Words missed, by set", _groups(report), "Shares of the truth's words, with 95 % intervals over pages. Left is better."),
            ("Errors, page by page", _scatter(report), f"Each dot is a page. Below the line {report.after} reads it better."),
        ]
    if kind == "sure":
        return [
            ("Word confidence", _confidences(report), "Words on all pages by Tesseract's confidence. More on the right is better."),
            ("Sure words, page by page", _scatter(report), f"Each dot is a page. Above the line there are more {report.after}."),
        ]
    found = [("What was done", _actions(report), "Pages by what the plugin did.")]
    if any(row.before is not None for row in report.rows):
        found.append(("Height of the text", _heights(report), "Pages by the height of an x, as they came and as OCR saw them."))
    return found


def _figure(width: float, height: float) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    style: Any = {
        "svg.fonttype": "none", "svg.hashsalt": "superres", "font.family": "sans-serif", "font.size": 10, "text.color": _INK,
        "axes.labelcolor": _INK, "axes.edgecolor": _GRID, "xtick.color": _INK, "ytick.color": _INK, "axes.spines.top": False,
        "axes.spines.right": False, "axes.grid": True, "grid.color": _GRID, "axes.axisbelow": True,
    }  # fmt: skip
    with matplotlib.rc_context(style):
        figure, axes = pyplot.subplots(figsize=(width, height))
    return figure, axes


def _svg(figure: Any, label: str) -> str:
    import matplotlib
    from matplotlib import pyplot

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "superres"}):
        figure.savefig(buffer, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # All charts at one size of letters, however wide they are.
    width = float(re.findall(r' width="([\d.]+)pt"', text)[0])
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    # Two charts on one page must not share identifiers.
    prefix = re.sub(r"\W", "", label)
    text = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{prefix}", text)
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" style="max-width:{1.35 * width:.0f}px" ', 1)


def _colours(report: Report, methods: Sequence[str]) -> dict[str, str]:
    others = iter(_OTHERS * 3)
    fixed = {report.before: _OLD, report.after: _NEW}
    return {method: fixed.get(method) or next(others) for method in methods}


def _groups(report: Report) -> str:
    table = table_rows(report.results)
    groups = list(dict.fromkeys(row.group for row in table))
    methods = list(dict.fromkeys(row.method for row in table))
    colours = _colours(report, methods)
    figure, axes = _figure(6.4, 1.1 + 0.16 * len(groups) * (len(methods) + 1))
    shown = set()
    for at, group in enumerate(groups):
        for number, method in enumerate(methods):
            counts = [r.counts for r in report.results if r.group == group and r.method == method]
            if not sum(c.words for c in counts):
                continue
            found = interval([c.words - c.found for c in counts], [c.words for c in counts])
            y = at + 0.8 * (number + 0.5) / len(methods) - 0.4
            label = method if method not in shown else None
            shown.add(method)
            marker = "o" if method == report.after else _MARKERS[number % len(_MARKERS)]
            axes.plot([100 * found.low, 100 * found.high], [y, y], color=colours[method], linewidth=1.6)
            axes.plot([100 * found.value], [y], marker, color=colours[method], markersize=6 if marker == "o" else 4.5, label=label)
    axes.set_yticks(range(len(groups)), groups)
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("words missed, %")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.55 / figure.get_figheight()), ncols=4, frameon=False, labelcolor=_INK)
    return _svg(figure, "Words missed by set and method")


def _scatter(report: Report) -> str:
    points = [(row.before, row.after) for row in report.rows if row.before is not None and row.after is not None]
    figure, axes = _figure(4.6, 4.2)
    if report.measure.kind == "truth":
        # Most pages have few errors; the square root keeps them apart and shows the lost ones, too.
        points = [(min(a, 100.0), min(b, 100.0)) for a, b in points]
        for scale in (axes.set_xscale, axes.set_yscale):
            scale("function", functions=(lambda v: np.sqrt(np.clip(v, 0, None)), np.square))
        top = max([1.0, *(value for point in points for value in point)]) * 1.05
        ticks = [t for t in (0, 1, 5, 10, 25, 50, 100) if t <= top]
        axes.set_xticks(ticks, [str(t) for t in ticks])
        axes.set_yticks(ticks, [str(t) for t in ticks])
    else:
        top = max([1.0, *(value for point in points for value in point)]) * 1.05
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.plot([0, top], [0, top], color=_INK, linewidth=0.8, linestyle="--")
    axes.scatter([a for a, _ in points], [b for _, b in points], s=22, color=_NEW, alpha=0.65, linewidths=0)
    axes.set_xlabel(f"{report.before}: {report.measure.short}")
    axes.set_ylabel(f"{report.after}: {report.measure.short}")
    axes.set_aspect("equal")
    return _svg(figure, "Pages before and after")


def _confidences(report: Report) -> str:
    figure, axes = _figure(5.2, 4.2)
    kept = [row.kept for row in report.rows if row.kept is not None]
    bins = np.arange(0, 101, 10)
    for side, colour, label, shift in (("before", _OLD, report.before, -2.2), ("after", _NEW, report.after, 2.2)):
        values = [word.confidence for page in kept for word in getattr(page, side).words]
        counts, _ = np.histogram(np.clip(values, 0, 100), bins)
        axes.bar(bins[:-1] + 5 + shift, counts, width=4.2, color=colour, label=label)
    axes.set_xlabel("Tesseract's confidence")
    axes.set_ylabel("words")
    axes.grid(axis="x", visible=False)
    axes.legend(loc="upper left", frameon=False, labelcolor=_INK)
    return _svg(figure, "Words by confidence")


def _actions(report: Report) -> str:
    names = ("enlarged", "left", "failed")
    values = [(name, float(sum(row.action == name for row in report.rows))) for name in names]
    return _bars(Bars("Pages by what was done", "", values), (_NEW, _OLD, _OTHERS[0]))


def _bars(bars: Bars, colours: Sequence[str] = (_NEW,)) -> str:
    from matplotlib.ticker import MaxNLocator

    names, counts = [name for name, _ in bars.values], [value for _, value in bars.values]
    figure, axes = _figure(5.2, 1.0 + 0.4 * len(names))
    axes.barh(range(len(names)), counts, color=list(colours))
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("pages")
    axes.set_xlim(0, 1.15 * max([1.0, *counts]))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    for at, count in enumerate(counts):
        axes.annotate(f" {count:,.0f}" if count else "", (count, at), va="center", color=_INK)
    return _svg(figure, bars.heading)


def _heights(report: Report) -> str:
    figure, axes = _figure(5.2, 3.0)
    rows = [row for row in report.rows if row.before is not None and row.after is not None]
    top = max(float(row.after or 0) for row in rows)
    bins = np.linspace(0, max(30.0, np.ceil(top)), 31)
    for side, colour, label in (("before", _OLD, report.before), ("after", _NEW, report.after)):
        axes.hist([float(getattr(row, side)) for row in rows], bins, color=colour, alpha=0.75, label=label)
    axes.set_xlabel(report.measure.name)
    axes.set_ylabel("pages")
    axes.grid(axis="x", visible=False)
    axes.legend(frameon=False, labelcolor=_INK)
    return _svg(figure, "Pages by height of the text")
