# SPDX-License-Identifier: MPL-2.0
"""A report as one HTML file: templates with autoescape, and images as text that the browser decodes when a page is opened."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.reporting.images import PAGE_BYTES, QUALITIES, TOTAL_BYTES, Packed, pack
from ocrmypdf_superres.reporting.model import Report

OPEN_ROWS = 20
"""A longer list starts closed, so that the pages are not far below."""


def write_report(report: Report, path: Path) -> None:
    """Write *report* to *path*; the file appears whole or not at all.

    Raises:
        OptionError: the file cannot be written, or an image of the run is missing or damaged.
    """
    text = render_report(report)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_text(path, text)
    except OSError as error:
        raise OptionError(
            f"The report {path} cannot be written ({error}); give a file in a folder that can be written to."
        ) from error


def render_report(report: Report) -> str:
    """Return the whole HTML of *report*; equal reports give equal text.

    Raises:
        OptionError: an image of the run is missing or damaged.
    """
    style, script = _asset("report.css"), _asset("report.js")
    return _templates().get_template("report.html").render(
        report=report, columns=_columns(report), packed=_packed(report), style=Markup(style), script=Markup(script),  # noqa: S704 - our own files
        policy=f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}",
        open_rows=OPEN_ROWS, drawings=[(chart, chart.drawing()) for chart in report.charts],
        names={"before": report.before, "after": report.after, "truth": report.measure.kind == "truth"},
    )  # fmt: skip


@lru_cache(maxsize=1)
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("ocrmypdf_superres.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    return made


@lru_cache(maxsize=2)
def _asset(name: str) -> str:
    # The browser hashes the whole content of the element, which begins and ends with a line break in the template.
    return "\n" + (files("ocrmypdf_superres.reporting") / "templates" / name).read_text(encoding="utf-8")


def _hash(source: str) -> str:
    """Return the source expression by which a Content-Security-Policy allows the inline style or script *source*."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _columns(report: Report) -> dict[str, tuple[str, str]]:
    """Return the table's columns: key -> (head, ``t`` for text or ``n`` for a number); those that no row has are left out."""
    columns = {
        "page": ("Page", "t"), "group": (report.of, "t"), "before": (report.before, "n"), "after": (report.after, "n"),
        "gain": ("Gain", "n"), "missed": ("Words missed, %", "n"), "reason": ("What was done, and why", "t"),
    }  # fmt: skip
    if not any(row.missed for row in report.rows):
        del columns["missed"]
    if report.measure.kind == "certainty" and not any(row.comparison for row in report.rows):
        del columns["before"], columns["gain"]
    return columns


def _packed(report: Report) -> Iterator[tuple[int, Packed]]:
    """Yield each row that has images with them; all together stay below the report's bounds."""
    compared = [(number, row.comparison) for number, row in enumerate(report.rows) if row.comparison is not None]
    left, quality = TOTAL_BYTES, QUALITIES[0]
    for done, (number, page) in enumerate(compared):
        packed = pack(page, report.root, min(PAGE_BYTES, left // (len(compared) - done)), quality)
        left, quality = left - packed.size, packed.quality
        yield number, packed
