# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres compare``: one PDF read without and with super-resolution, and the report of both."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from ocrmypdf_superres.commands.shared.output import STANDARD_OUTPUT, keep_inputs, say, write_json
from ocrmypdf_superres.commands.shared.parsing import add_jobs, add_json, add_language, add_model, add_output
from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.evaluation.methods.pdf_pages import WITH, WITHOUT, PdfSettings, read_pdf
from ocrmypdf_superres.evaluation.reports import from_run
from ocrmypdf_superres.evaluation.run_folder import Run, write_run
from ocrmypdf_superres.reporting.page_comparison import SURE, PageComparison
from ocrmypdf_superres.reporting.render import write_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``compare``."""
    parser.add_argument("pdf", type=Path, help="a scanned PDF")
    add_output(parser, "the report (default: the PDF's name with -report.html, here)", metavar="FILE")
    parser.add_argument("--pdf-output", type=Path, metavar="PDF", help="keep the searchable PDF of the run with super-resolution")
    add_language(parser)
    parser.add_argument("--pages", default="", metavar="PAGES", help="only these, such as 1,3-5 (default: all)")
    add_model(parser)
    parser.add_argument("--verify", choices=("off", "auto", "always"), default="auto", help="as --superres-verify")
    parser.add_argument("--force-ocr", action="store_true", help="read pages that already have text, too")
    add_jobs(parser)
    parser.add_argument("--run", type=Path, metavar="FOLDER", help="keep images and words there, for the command report")
    add_json(parser, "write the counts of words and each page's decision there; - for standard output")


def run(args: argparse.Namespace) -> int:
    """Read twice and write the report.

    Raises:
        SuperresError: the PDF cannot be read, or the report not be written.
    """
    output = args.output or Path(f"{args.pdf.stem}-report.html")
    keep_inputs([output, args.pdf_output, args.json], [args.pdf])
    settings = PdfSettings(
        args.language, args.model, args.verify, args.pages, args.force_ocr, max(1, args.jobs), Console(stderr=True).is_terminal
    )
    with tempfile.TemporaryDirectory(prefix="superres-compare-") as temporary:
        folder = args.run or Path(temporary)
        pages = read_pdf(args.pdf, folder, settings, args.pdf_output)
        if not pages:
            raise SuperresError(f"OCR read no page of {args.pdf}; give a PDF with scanned pages, or other --pages.")
        found = Run(args.pdf.name, WITHOUT, WITH, [], pages)
        if args.run:
            write_run(found, folder)
        report = from_run(found, folder)
        write_report(report, output)
    if args.json:
        write_json(args.json, [_as_dict(page) for page in pages])
    if str(args.json) != STANDARD_OUTPUT:
        for sentence in (*report.sentences, f"Written: {output}"):
            say(sentence)
    return 0


def _as_dict(page: PageComparison) -> dict[str, Any]:
    sides = {
        name: {"words": len(side.words), "sure": sum(word.confidence >= SURE for word in side.words)}
        for name, side in (("before", page.before), ("after", page.after))
    }
    return {"file": page.group, "page": page.page, "action": page.action, "reason": page.reason, **sides}
