# SPDX-License-Identifier: MPL-2.0
"""The report as one HTML file: markup, the images as text that the browser decodes when a page is opened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from html import escape
from pathlib import Path

from ocrmypdf_superres.reporting.charts import charts
from ocrmypdf_superres.reporting.images import PAGE_BYTES, QUALITIES, TOTAL_BYTES, pack
from ocrmypdf_superres.reporting.model import SAME, Report, Row

# Nothing may be fetched, whatever a page's text says.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_KEYS = (
    "Open a page to slide between before and after at 1:1. Keys: left and right arrow move the slider, N and P go to the next "
    "and the previous marked word, W changes what is drawn over the page, F fits it to the window, Escape closes it."
)


@lru_cache(maxsize=2)
def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def page_of(report: Report) -> str:
    """Return the whole HTML of *report*.

    Raises:
        OptionError: an image of the run is missing or damaged.
    """
    title = f"Super-resolution report: {report.title}"
    parts = [
        "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>",
        f'<meta http-equiv=Content-Security-Policy content="{_POLICY}">',
        '<meta name=viewport content="width=device-width, initial-scale=1">',
        '<meta name=color-scheme content="light dark">',
        f"<title>{escape(title)}</title>\n<style>\n{_asset('report.css')}</style>\n</head>\n<body>",
        f"<header><div><p class=kicker>Super-resolution report</p><h1>{escape(report.title)}</h1></div>"
        "<button id=theme type=button aria-label='Colours: as the system'>◐<span> Colours</span></button></header>\n<main>",
        *_summary(report),
        *_charts(report),
        *_listings(report),
        *_table(report),
        "</main>\n<footer>One file, nothing is fetched. Made by ocrmypdf-superres.</footer>",
        _names(report),
        # Before the images, so that the page answers while they are still read.
        f"<script>\n{_asset('report.js')}</script>",
        *_images(report),
        "</body>\n</html>\n",
    ]
    return "\n".join(parts)


def _summary(report: Report) -> Iterator[str]:
    yield "<section class=summary aria-label=Summary>"
    for number, sentence in enumerate(report.sentences):
        yield f"<p{' class=lead' if number == 0 else ''}>{escape(sentence)}</p>"
    yield "<dl class=cards>"
    for name, figure, beside in report.cards:
        yield f"<div><dt>{escape(name)}</dt><dd><b>{escape(figure)}</b><small>{escape(beside)}</small></dd></div>"
    yield "</dl>"
    if report.notes:
        yield "<details class=notes><summary>How far it can be trusted</summary><ul>"
        yield from (f"<li>{escape(note)}</li>" for note in report.notes)
        yield "</ul></details>"
    yield "</section>"


def _charts(report: Report) -> Iterator[str]:
    yield "<section class=charts aria-label=Charts>"
    for heading, svg, caption in charts(report):
        yield f"<figure><h2>{escape(heading)}</h2>{svg}<figcaption>{escape(caption)}</figcaption></figure>"
    yield "</section>"


def _listings(report: Report) -> Iterator[str]:
    for listing in report.listings:
        # A long list waits closed, so that the pages are not far below.
        is_open = " open" if len(listing.rows) <= 20 else ""
        yield f"<details class=listing{is_open}><summary>{escape(listing.heading)}</summary>"
        yield f"<p class=hint>{escape(listing.note)}</p><table><thead><tr>"
        yield from (f"<th scope=col>{escape(column)}</th>" for column in listing.columns)
        yield "</tr></thead><tbody>"
        for row in listing.rows:
            cells = zip(listing.columns, row, strict=True)
            yield "<tr>" + "".join(f'<td data-label="{escape(c)}">{escape(text)}</td>' for c, text in cells) + "</tr>"
        yield "</tbody></table></details>"


def _verdict(row: Row) -> str:
    if row.verdict or row.action == "failed":
        return row.verdict or "failed"
    if row.gain is None or abs(row.gain) < SAME:
        return "same"
    return "better" if row.gain > 0 else "worse"


def _table(report: Report) -> Iterator[str]:
    groups = sorted({row.group for row in report.rows})
    yield "<section class=pages aria-label=Pages><h2>Pages, the worst first</h2>"
    yield "<div class=tools><label>Find <input id=find type=search placeholder='page, set or reason'></label>"
    yield f"<label>{escape(report.of)} <select id=group><option value=''>all</option>"
    yield from (f"<option>{escape(group)}</option>" for group in groups)
    yield "</select></label><label>Show <select id=verdict><option value=''>all</option>"
    present = sorted({_verdict(row) for row in report.rows}, key=lambda v: (["worse", "better", "same", "failed", v].index(v), v))
    yield from (f"<option>{name}</option>" for name in present)
    yield "</select></label><output id=count aria-live=polite></output></div>"
    if any(row.kept for row in report.rows):
        yield f"<p class=hint>{_KEYS}</p>"
    yield "<table id=table><thead><tr>"
    columns, by = _columns(report), "" if report.measure.kind == "certainty" else "gain"
    for key, (name, form) in columns.items():
        unit = f"<small>{escape(report.measure.short)}</small>" if key in ("before", "after") else ""
        yield (
            f"<th scope=col data-key={key} data-form={form}{' aria-sort=none' if key != by else ' aria-sort=ascending'}>"
            f"<button type=button><span>{escape(name)}</span>{unit}</button></th>"
        )
    yield "</tr></thead><tbody>"
    yield from (_row(number, row, report, columns) for number, row in enumerate(report.rows))
    yield "</tbody></table></section>"


def _columns(report: Report) -> dict[str, tuple[str, str]]:
    """The table's columns: key -> (head, ``t`` for text or ``n`` for a number); those that no row has are left out."""
    columns = {"page": ("Page", "t"), "group": (report.of, "t"), "before": (report.before, "n"), "after": (report.after, "n"),
               "gain": ("Gain", "n"), "missed": ("Words missed, %", "n"), "reason": ("What was done, and why", "t")}  # fmt: skip
    if not any(row.missed for row in report.rows):
        del columns["missed"]
    if report.measure.kind == "certainty" and not any(row.kept for row in report.rows):
        del columns["before"], columns["gain"]
    return columns


def _row(number: int, row: Row, report: Report, columns: dict[str, tuple[str, str]]) -> str:
    def cell(key: str, value: float | None, sign: str = "") -> str:
        if key not in columns:
            return ""
        shown = "–" if value is None else f"{value:{sign}.{report.measure.decimals}f}"
        data = "" if value is None else f"{value:.4f}"
        return f'<td class="n {key}" data-{key}="{data}" data-label="{escape(columns[key][0])}">{shown}</td>'

    verdict = _verdict(row)
    name = escape(row.page)
    opener = f"<button type=button class=open aria-expanded=false aria-controls=v{number}>{name}</button>" if row.kept else name
    missed = ""
    if row.missed and "missed" in columns:
        missed = (
            f'<td class="n missed" data-missed="{row.missed[1]:.4f}" data-label="Words missed, %">'
            f"{row.missed[0]:.1f} → {row.missed[1]:.1f}</td>"
        )
    reason = row.action if not row.reason else f"{row.action}: {row.reason}"
    return (
        f'<tr id=p{number} class="{verdict}" data-verdict={verdict}><th scope=row data-page="{name}">{opener}</th>'
        f'<td data-group="{escape(row.group)}" data-label="{escape(report.of)}">{escape(row.group)}</td>'
        f"{cell('before', row.before)}{cell('after', row.after)}{cell('gain', row.gain, '+')}{missed}"
        f'<td class=reason data-reason="{escape(reason)}" data-label="What was done">{escape(reason)}</td></tr>'
    )


def _names(report: Report) -> str:
    names = json.dumps({"before": report.before, "after": report.after, "truth": report.measure.kind == "truth"})
    return f"<script type=application/json id=names>{_safe(names)}</script>"


def _images(report: Report) -> Iterator[str]:
    """Each page's data in elements that are never drawn, so that opening the file decodes no image."""
    kept = [(number, row.kept) for number, row in enumerate(report.rows) if row.kept is not None]
    left, quality = TOTAL_BYTES, QUALITIES[0]
    for done, (number, page) in enumerate(kept):
        packed = pack(page, report.root, min(PAGE_BYTES, left // (len(kept) - done)), quality)
        left, quality = left - packed.size, packed.quality
        values = json.dumps(packed.values, ensure_ascii=False, separators=(",", ":"))
        yield f"<script type=application/json id=w{number}>{_safe(values)}</script>"
        yield f"<script type=text/plain id=b{number}>{packed.before}</script>"
        yield f"<script type=text/plain id=a{number}>{packed.after}</script>"


def _safe(text: str) -> str:
    """JSON that cannot end the element it stands in."""
    return text.replace("<", "\\u003c")
