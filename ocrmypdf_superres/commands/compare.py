# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres compare``: one PDF read without and with super-resolution, and the report of both."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rich.console import Console

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.evaluation.methods.pdf_pages import WITH, WITHOUT, PdfSettings, read_pdf
from ocrmypdf_superres.evaluation.reports import from_run
from ocrmypdf_superres.evaluation.run_folder import Run, write_run
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL
from ocrmypdf_superres.reporting.render import write_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``compare``."""
    parser.add_argument("pdf", type=Path, help="a scanned PDF")
    parser.add_argument("-o", "--output", type=Path, help="the report (default: the PDF's name with -report.html, here)")
    parser.add_argument("--pdf-output", type=Path, metavar="PDF", help="keep the searchable PDF of the run with super-resolution")
    parser.add_argument("-l", "--language", default="eng", help="Tesseract languages, such as deu+eng (default: %(default)s)")
    parser.add_argument("--pages", default="", help="only these, such as 1,3-5 (default: all)")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or folder of the model (default: %(default)s)")
    parser.add_argument(
        "--verify", choices=("off", "auto", "always"), default="auto", help="as --superres-verify (default: %(default)s)"
    )
    parser.add_argument("--force-ocr", action="store_true", help="read pages that already have text, too")
    parser.add_argument("--jobs", type=int, default=2, help="pages at a time (default: %(default)s)")
    parser.add_argument("--run", type=Path, metavar="FOLDER", help="keep images and words there, for the command report")


def run(args: argparse.Namespace) -> int:
    """Read twice and write the report.

    Raises:
        SuperresError: the PDF cannot be read, or the report not be written.
    """
    output = args.output or Path(f"{args.pdf.stem}-report.html")
    settings = PdfSettings(args.language, args.model, args.verify, args.pages, args.force_ocr, max(1, args.jobs))
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
    console = Console()
    for sentence in report.sentences:
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)
    console.print(f"Written: {output}", highlight=False, markup=False, soft_wrap=True)
    return 0
