# SPDX-License-Identifier: MPL-2.0
"""The report's charts: plain data, and the place of each mark in an SVG.

A chart computes shapes; a template writes them, and the page's style sheet colours them by class, so that they follow
light and dark.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

LETTER = 6.4
"""About the width of a letter at the charts' size of text, in the SVG's units."""
LINE = 20.0
"""Height of a row of text or bars."""
_CORNERS: dict[str, tuple[tuple[float, float], ...]] = {
    "square": ((-3.5, -3.5), (3.5, -3.5), (3.5, 3.5), (-3.5, 3.5)),
    "diamond": ((0.0, -5.0), (5.0, 0.0), (0.0, 5.0), (-5.0, 0.0)),
    "triangle": ((0.0, -4.5), (4.5, 3.5), (-4.5, 3.5)),
    "wedge": ((0.0, 4.5), (4.5, -3.5), (-4.5, -3.5)),
}
COLOURS = ("old", "new", "c1", "c2", "c3", "c4")
"""Classes of the style sheet: before, after, and four more."""


@dataclass(frozen=True)
class Shape:
    """An SVG element: its tag, attributes, and the text in it; ``tip`` is shown when a pointer rests on it."""

    tag: str
    attributes: dict[str, str | float]
    text: str = ""
    tip: str = ""


@dataclass(frozen=True)
class LegendEntry:
    """A name with the class of its colour and its mark."""

    name: str
    colour: str
    mark: str = "square"


@dataclass
class Drawing:
    """The shapes of a chart within (0, 0) to (width, height), and its legend."""

    width: float
    height: float
    shapes: list[Shape] = field(default_factory=list)
    legend: list[LegendEntry] = field(default_factory=list)

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        """Add a line of the class *style*."""
        self.shapes.append(Shape("line", {"x1": _r(x1), "y1": _r(y1), "x2": _r(x2), "y2": _r(y2), "class": style}))

    def text(self, x: float, y: float, text: str, anchor: str = "middle", turned: bool = False) -> None:
        """Add *text* whose middle line is at *y*; *turned* lets it run upwards."""
        values: dict[str, str | float] = {"x": _r(x), "y": _r(y), "text-anchor": anchor, "dominant-baseline": "central"}
        if turned:
            values["transform"] = f"rotate(-90 {_r(x)} {_r(y)})"
        self.shapes.append(Shape("text", values, text))

    def bar(self, x: float, y: float, width: float, height: float, colour: str, tip: str = "") -> None:
        """Add a filled bar."""
        values: dict[str, str | float] = {
            "x": _r(x),
            "y": _r(y),
            "width": _r(width),
            "height": _r(height),
            "class": f"fill {colour}",
        }
        self.shapes.append(Shape("rect", values, tip=tip))

    def mark(self, x: float, y: float, mark: str, style: str, tip: str = "") -> None:
        """Add the mark of a point."""
        if mark == "dot":
            self.shapes.append(Shape("circle", {"cx": _r(x), "cy": _r(y), "r": 4.5, "class": style}, tip=tip))
            return
        points = " ".join(f"{_r(x + a)},{_r(y + b)}" for a, b in _CORNERS[mark])
        self.shapes.append(Shape("polygon", {"points": points, "class": style}, tip=tip))


def _r(value: float) -> float:
    return round(value, 2)


def ticks(top: float, most: int = 6) -> list[float]:
    """Return at most *most* round values from 0 to *top* or just below it."""
    step = 10.0 ** math.floor(math.log10(max(top, 1e-9)))
    for factor in (0.1, 0.2, 0.25, 0.5, 1, 2, 2.5, 5, 10):
        if top / (step * factor) <= most - 1:
            step *= factor
            break
    return [round(step * n, 10) for n in range(int(top / step + 1e-9) + 1)]


def _axes(
    drawing: Drawing, area: tuple[float, float, float, float], x: Iterable[tuple[float, str]], y: Iterable[tuple[float, str]]
) -> None:
    """Add the grid and labels at places *x* and *y* in the drawing's units, around *area* (left, top, right, bottom)."""
    left, top, right, bottom = area
    for place, label in x:
        drawing.line(place, top, place, bottom, "grid")
        drawing.text(place, bottom + 12, label)
    for place, label in y:
        drawing.line(left, place, right, place, "grid")
        drawing.text(left - 7, place, label, "end")


@dataclass(frozen=True)
class Chart(ABC):
    """A chart: its heading and its caption."""

    heading: str
    caption: str

    @abstractmethod
    def drawing(self) -> Drawing:
        """Return its shapes."""


@dataclass(frozen=True)
class Bars(Chart):
    """Numbers of pages by name, from top to bottom; ``colours`` are classes of the style sheet, one a bar or one for all."""

    values: Sequence[tuple[str, float]]
    colours: Sequence[str] = ("new",)

    def drawing(self) -> Drawing:
        """Return horizontal bars with their numbers."""
        gutter = 14 + LETTER * max((len(name) for name, _ in self.values), default=0)
        drawing = Drawing(gutter + 330, 46 + LINE * 1.3 * len(self.values))
        top = max([1.0, *(value for _, value in self.values)]) * 1.15
        left, right, bottom = gutter, drawing.width - 22, drawing.height - 40
        at = [(left + (right - left) * value / top, f"{value:,.0f}") for value in ticks(top, 5) if value == int(value)]
        _axes(drawing, (left, 4, right, bottom), at, [])
        for number, (name, value) in enumerate(self.values):
            y = 8 + LINE * 1.3 * number
            width = (right - left) * value / top
            drawing.text(left - 7, y + LINE / 2, name, "end")
            drawing.bar(left, y, width, LINE, self.colours[number % len(self.colours)], f"{name}: {value:,.0f} pages")
            if value:
                drawing.text(left + width + 5, y + LINE / 2, f"{value:,.0f}", "start")
        drawing.text((left + right) / 2, drawing.height - 10, "pages")
        return drawing


@dataclass(frozen=True)
class Histogram(Chart):
    """How often values lie in bins, of two sides: ``edges`` of the bins, and counts by name, before first."""

    edges: Sequence[float]
    counts: Mapping[str, Sequence[int]]
    x_name: str
    y_name: str

    def drawing(self) -> Drawing:
        """Return columns side by side."""
        drawing = Drawing(480, 320)
        left, top, right, bottom = 60.0, 8.0, 470.0, 268.0
        low, high = self.edges[0], self.edges[-1]
        most = max([1, *(count for counts in self.counts.values() for count in counts)]) * 1.05

        def x_of(value: float) -> float:
            return left + (right - left) * (value - low) / (high - low)

        def y_of(value: float) -> float:
            return bottom - (bottom - top) * value / most

        marks = [(x_of(value), f"{value:g}") for value in ticks(high) if value >= low]
        _axes(drawing, (left, top, right, bottom), marks, [(y_of(v), f"{v:,g}") for v in ticks(most) if v == int(v)])
        share = 0.86 / len(self.counts)
        for side, (name, counts) in enumerate(self.counts.items()):
            for (start, end), count in zip(pairwise(self.edges), counts, strict=True):
                width = x_of(end) - x_of(start)
                place = x_of(start) + width * (0.07 + share * side)
                if count:
                    tip = f"{name}, {start:g} to {end:g}: {count:,}"
                    drawing.bar(place, y_of(count), width * share, bottom - y_of(count), COLOURS[side], tip)
            drawing.legend.append(LegendEntry(name, COLOURS[side]))
        drawing.text((left + right) / 2, 305, self.x_name)
        drawing.text(12, (top + bottom) / 2, self.y_name, turned=True)
        return drawing


@dataclass(frozen=True)
class Scatter(Chart):
    """Two measures of each page: (before, after, name); with ``roots`` both axes are square roots, up to 100."""

    points: Sequence[tuple[float, float, str]]
    x_name: str
    y_name: str
    roots: bool = False

    def drawing(self) -> Drawing:
        """Return a dot a page, and the line on which nothing changed."""
        drawing = Drawing(430, 420)
        left, top, right, bottom = 60.0, 8.0, 420.0, 368.0
        most = max([1.0, *(min(value, 100.0) if self.roots else value for *pair, _ in self.points for value in pair)]) * 1.05
        # Most pages have few errors: the square root keeps them apart and still shows the lost ones.
        bend: Callable[[float], float] = math.sqrt if self.roots else float

        def share(value: float) -> float:
            return bend(max(0.0, min(value, most))) / bend(most)

        values = [v for v in (0, 1, 5, 10, 25, 50, 100) if v <= most] if self.roots else ticks(most)
        across = [(left + (right - left) * share(v), f"{v:g}") for v in values]
        _axes(drawing, (left, top, right, bottom), across, [(bottom - (bottom - top) * share(v), f"{v:g}") for v in values])
        drawing.line(left, bottom, right, top, "even")
        for before, after, name in self.points:
            x, y = left + (right - left) * share(before), bottom - (bottom - top) * share(after)
            drawing.mark(x, y, "dot", "fill new point", f"{name}: {before:.1f} to {after:.1f}")
        drawing.text((left + right) / 2, 405, self.x_name)
        drawing.text(12, (top + bottom) / 2, self.y_name, turned=True)
        return drawing


@dataclass(frozen=True)
class Spread:
    """A rate in percent with its interval; ``series`` is whose it is."""

    series: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Intervals(Chart):
    """Rates with intervals by group, of several series; ``before`` and ``after`` name the two that are compared."""

    groups: Sequence[tuple[str, Sequence[Spread]]]
    before: str
    after: str
    x_name: str

    def drawing(self) -> Drawing:
        """Return a line with a mark a rate, group by group."""
        names = list(dict.fromkeys(spread.series for _, spreads in self.groups for spread in spreads))
        entries = dict(zip(names, self._entries(names), strict=True))
        gutter = 14 + LETTER * max(len(group) for group, _ in self.groups)
        row = 13.0
        heights = [row * len(spreads) + 12 for _, spreads in self.groups]
        drawing = Drawing(gutter + 420, sum(heights) + 46, legend=list(entries.values()))
        left, right, bottom = gutter, drawing.width - 22, drawing.height - 40
        most = max([1.0, *(spread.high for _, spreads in self.groups for spread in spreads)]) * 1.04

        def x_of(value: float) -> float:
            return left + (right - left) * value / most

        _axes(drawing, (left, 2, right, bottom), [(x_of(v), f"{v:g}") for v in ticks(most)], [])
        y = 2.0
        for (group, spreads), height in zip(self.groups, heights, strict=True):
            drawing.text(left - 7, y + height / 2, group, "end")
            for number, spread in enumerate(spreads):
                at, entry = y + 6 + row * (number + 0.5), entries[spread.series]
                tip = f"{spread.series}, {group}: {spread.value:.1f} % ({spread.low:.1f} to {spread.high:.1f})"
                drawing.line(x_of(spread.low), at, x_of(spread.high), at, f"stroke {entry.colour}")
                drawing.mark(x_of(spread.value), at, entry.mark, f"fill {entry.colour}", tip)
            y += height
            drawing.line(left, y, right, y, "grid")
        drawing.text((left + right) / 2, drawing.height - 10, self.x_name)
        return drawing

    def _entries(self, names: Sequence[str]) -> list[LegendEntry]:
        others = [name for name in names if name not in (self.before, self.after)]
        found = []
        for name in names:
            if name in (self.before, self.after):
                after = name == self.after
                found.append(LegendEntry(name, "new" if after else "old", "dot" if after else "square"))
            else:
                at = others.index(name)
                found.append(LegendEntry(name, COLOURS[2 + at % 4], tuple(_CORNERS)[(at + 1) % len(_CORNERS)]))
        return found
