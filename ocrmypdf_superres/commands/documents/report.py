# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres report``: one HTML file from a run, from results, or from a plugin's report.jsonl."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, FiniteFloat
from rich.console import Console

from ocrmypdf_superres.commands.shared.output import keep_inputs, say
from ocrmypdf_superres.commands.shared.parsing import add_language, add_output
from ocrmypdf_superres.errors import OptionError, SuperresError
from ocrmypdf_superres.evaluation.benchmark import from_json
from ocrmypdf_superres.evaluation.methods.names import PLUGIN_METHODS
from ocrmypdf_superres.evaluation.methods.pdf_pages import PdfSettings
from ocrmypdf_superres.evaluation.read_again import read_again
from ocrmypdf_superres.evaluation.reports import from_records, from_results, from_run
from ocrmypdf_superres.evaluation.run_folder import read_run
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL
from ocrmypdf_superres.reporting.model import Report
from ocrmypdf_superres.reporting.page_comparison import PageComparison
from ocrmypdf_superres.reporting.render import write_report
from ocrmypdf_superres.tables import STRICT, read_table

_Pixels = Annotated[int, Field(ge=1, le=10**9)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``report``."""
    parser.add_argument(
        "source",
        type=Path,
        metavar="RUN",
        help="folder of evaluate --run or compare --run, file of evaluate --json, or the plugin's report.jsonl",
    )
    add_output(parser, "the page to write", metavar="FILE", default=Path("report.html"))
    parser.add_argument("--before", metavar="METHOD", help="of a benchmark: the method on the left (default: as-is)")
    parser.add_argument(
        "--after",
        metavar="METHOD",
        help="of a benchmark: the method on the right (default: plugin, or the one of its methods that ran)",
    )
    parser.add_argument(
        "--images",
        type=int,
        default=0,
        metavar="N",
        help="of a report.jsonl: read the N least certain pages again, if their PDFs still exist (default: none)",
    )
    add_language(parser, "Tesseract languages for --images")


def run(args: argparse.Namespace) -> int:
    """Make the report.

    Raises:
        OptionError: the source is not something that can be shown, or the page cannot be written.
    """
    console = Console()
    keep_inputs([args.output], [args.source])
    with tempfile.TemporaryDirectory(prefix="superres-report-") as temporary:
        report = _load(args, Path(temporary), console)
        write_report(report, args.output)
    for sentence in report.sentences:
        say(sentence, console)
    size = args.output.stat().st_size / 1e6
    say(f"Written: {args.output}, {size:.1f} MB", console)
    return 0


def _load(args: argparse.Namespace, folder: Path, console: Console) -> Report:
    source: Path = args.source
    if source.is_dir():
        return from_run(read_run(source), source, args.before, args.after)
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"{source} cannot be read ({error}); give a run's folder, results, or a report.jsonl.") from error
    try:
        if text.lstrip().startswith("["):
            results = [from_json(values) for values in json.loads(text)]
            methods = {result.method for result in results}
            ours = next((method for method in ("plugin", *reversed(PLUGIN_METHODS)) if method in methods), "plugin")
            return from_results(results, source.stem, args.before or "as-is", args.after or ours)
    except ValueError as error:
        raise OptionError(f"{source} cannot be read as results of evaluate ({error}); write it again.") from error
    records = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            records += [_checked(json.loads(line), f"The record in line {number} of {source}")] if line.strip() else []
        except ValueError as error:  # as where the power failed
            raise OptionError(
                f"{source} has in line {number} something else than a page record ({error}); "
                "give a report.jsonl, or remove that line."
            ) from error
    if not records:
        raise OptionError(f"{source} holds no page records of the plugin; give what --superres-report wrote.")
    return from_records(records, source.name, _read_pages(records, args, folder, console), folder)


@dataclass(frozen=True)
class _Numbers:
    """The numbers of a record that are computed with."""

    __pydantic_config__ = STRICT

    page: Annotated[int, Field(ge=1)]
    size: tuple[_Pixels, _Pixels] | None = None
    new_size: tuple[_Pixels, _Pixels] | None = None
    x_height: FiniteFloat | None = None
    seconds: FiniteFloat = 0.0


def _checked(record: object, where: str) -> dict[str, Any]:
    """Return *record* if it is one of the plugin's, which *where* names in messages; somebody may have edited it.

    Raises:
        OptionError: it is something else, or a value of it cannot be shown.
    """
    if not isinstance(record, dict) or not all(isinstance(record.get(name), str) for name in ("file", "action", "reason")):
        raise OptionError(f"{where} is not a page record of the plugin; give what --superres-report wrote, or remove that line.")
    known = {name: record[name] for name in _Numbers.__dataclass_fields__ if name in record}
    read_table(_Numbers, known, where, advice="correct the value, or remove that line")
    return record


def _read_pages(
    records: list[dict[str, Any]], args: argparse.Namespace, folder: Path, console: Console
) -> dict[tuple[str, int], PageComparison]:
    """Read the least certain of the enlarged pages again; return them by the record's file and page number.

    Files that have moved are named and left out.
    """
    if args.images <= 0:
        return {}
    chosen = sorted((r for r in records if r["action"] == "enlarged"), key=_certainty)[: args.images]
    by_file: dict[str, list[dict[str, Any]]] = {}
    for record in chosen:
        by_file.setdefault(str(record["file"]), []).append(record)
    pages: dict[tuple[str, int], PageComparison] = {}
    for number, (name, wanted) in enumerate(by_file.items()):
        pdf = next((p for p in (Path(name), args.source.parent / name) if p.is_file()), None)
        if pdf is None:
            say(f"{name} no longer exists; its pages are shown without images.", console)
            continue
        numbers = ",".join(str(n) for n in sorted({int(r["page"]) for r in wanted}))
        model = str(wanted[0].get("model") or DEFAULT_MODEL)
        settings = PdfSettings(args.language, model, pages=numbers, force_ocr=True, jobs=1)
        try:
            again = read_again(pdf, folder, str(number), settings)
        except (SuperresError, OSError) as error:
            say(f"{name}: {error} Its pages are shown without images.", console)
            continue
        pages |= {(name, page): comparison for page, comparison in again.items()}
    return pages


def _certainty(record: Mapping[str, Any]) -> float:
    """Tesseract's mean confidence where the record has it, else the height of the text; the lower, the less certain."""
    confidence = record.get("confidence")
    values = confidence.values() if isinstance(confidence, dict) else ()
    if numbers := [float(value) for value in values if isinstance(value, (int, float))]:
        return max(numbers)
    return float(record.get("x_height") or 1000.0)
