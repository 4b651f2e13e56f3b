# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres archive report``: a run as one HTML page, and as a catalogue."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console

from ocrmypdf_superres.archive.report.content import report_of
from ocrmypdf_superres.archive.report.masters import master_of, pages_by_file
from ocrmypdf_superres.archive.report.summary import WorstPage, summarize, worst_pages
from ocrmypdf_superres.archive.store.catalogue import FILE_FIELDS, PAGE_FIELDS, file_rows, page_rows, write_csv, write_json
from ocrmypdf_superres.archive.store.layout import Layout, open_layout
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.store.name_encoding import printable
from ocrmypdf_superres.commands.shared.output import say
from ocrmypdf_superres.commands.shared.parsing import add_output, examples_of
from ocrmypdf_superres.errors import ArchiveError, SuperresError
from ocrmypdf_superres.evaluation.methods.pdf_pages import PdfSettings
from ocrmypdf_superres.evaluation.read_again import read_again
from ocrmypdf_superres.reporting.page_comparison import PageComparison
from ocrmypdf_superres.reporting.render import write_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``archive report``."""
    parser.add_argument("out", type=Path, metavar="OUT", help="output folder of the run")
    add_output(parser, "the page to write", metavar="FILE", default=Path("report.html"))
    parser.add_argument("--count", type=int, default=300, metavar="N", help="list the N pages to check first")
    parser.add_argument(
        "--images",
        type=int,
        default=0,
        metavar="N",
        help="read the first N of them again, without and with super-resolution, and show both (default: none)",
    )
    parser.add_argument(
        "--csv", type=Path, metavar="FOLDER", help="write files.csv and pages.csv there, with a row for each file and each page"
    )
    parser.add_argument(
        "--jsonl", type=Path, metavar="FOLDER", help="write files.jsonl and pages.jsonl there, with an object on each line"
    )
    parser.epilog = examples_of(
        "archive report",
        r"In catalogues, bytes of file names that are not UTF-8, control characters and backslashes appear as \xNN.",
    )


def run(args: argparse.Namespace) -> int:
    """Write the report and, where asked for, the catalogue.

    Raises:
        ArchiveError: there is no run, or the catalogue cannot be written.
        OptionError: the page cannot be written.
    """
    layout, console = open_layout(args.out), Console()
    with Manifest(layout.manifest) as manifest, tempfile.TemporaryDirectory(prefix="superres-report-") as temporary:
        summary = summarize(manifest)
        worst = worst_pages(manifest, max(0, args.count, args.images))
        again = _read_again(manifest, layout, worst[: max(0, args.images)], Path(temporary), console)
        report = report_of(args.out, manifest, summary, worst, again, Path(temporary))
        write_report(report, args.output)
        for written in _catalogue(manifest, args.csv, args.jsonl):
            _say(console, f"Written: {written}")
    for sentence in report.sentences:
        _say(console, sentence)
    _say(console, f"Written: {args.output}, {args.output.stat().st_size / 1e6:.1f} MB")
    return 0


def _read_again(
    manifest: Manifest, layout: Layout, pages: Sequence[WorstPage], folder: Path, console: Console
) -> dict[tuple[int, int], PageComparison]:
    """Read *pages* again, under the settings they were made with; files that cannot be read are named and left out."""
    found: dict[tuple[int, int], PageComparison] = {}
    for row, numbers in pages_by_file(pages):
        try:
            master = master_of(manifest, layout, row)
            wanted = ",".join(map(str, numbers))
            settings = PdfSettings(
                master.languages, master.model, master.verify, wanted, force_ocr=True, jobs=1, options=master.options
            )
            again = read_again(master.pdf, folder, str(row.number), settings)
        except (SuperresError, OSError) as error:
            _say(console, f"{printable(row.path)}: {error} Its pages are shown without images.")
            continue
        found |= {(row.number, number): page for number, page in again.items()}
    return found


def _say(console: Console, text: str) -> None:
    say(text, console)


def _catalogue(manifest: Manifest, csv: Path | None, json: Path | None) -> Iterable[Path]:
    for folder in filter(None, (csv, json)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArchiveError(
                f"The folder {folder} for the catalogue cannot be made ({error.strerror}); give another."
            ) from error
    if csv:
        write_csv(file_rows(manifest), FILE_FIELDS, csv / "files.csv")
        write_csv(page_rows(manifest), PAGE_FIELDS, csv / "pages.csv")
        yield from (csv / "files.csv", csv / "pages.csv")
    if json:
        write_json(file_rows(manifest), json / "files.jsonl")
        write_json(page_rows(manifest), json / "pages.jsonl")
        yield from (json / "files.jsonl", json / "pages.jsonl")
