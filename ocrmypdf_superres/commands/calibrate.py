# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres calibrate``: fit how often words of a confidence are right, or compare ways to choose a reading."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ocrmypdf_superres.commands.shared.output import say, steps, write_text
from ocrmypdf_superres.commands.shared.parsing import add_data, add_jobs, add_model, add_output
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.calibration.engine import fit_engine, plot_engine, read_case, rows_beside, write_row
from ocrmypdf_superres.evaluation.calibration.fit import ReadCase, compare, enlarged_page, fit, plot, read_variants
from ocrmypdf_superres.evaluation.calibration.vote import cross_validated, described, read_places
from ocrmypdf_superres.evaluation.data.pages import BenchmarkPage, Case, find_pages, make_cases
from ocrmypdf_superres.evaluation.data.profiles import DEFAULT_CONDITIONS, parse_condition
from ocrmypdf_superres.evaluation.trust.lost_pages import best_limit, case_with_text, cases_without_text, limit_rows
from ocrmypdf_superres.modelstore.networks import NETWORK_CARD, Network, networks_in
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.ocr.calibration import Calibration, read_table
from ocrmypdf_superres.ocr.engines.base import ENGINES, Engine
from ocrmypdf_superres.ocr.engines.calibration import row_name
from ocrmypdf_superres.ocr.variants import NET, VARIANTS
from ocrmypdf_superres.recognizers.tesseract.networks.pack import change_card
from ocrmypdf_superres.tesseract import languages, version

log = logging.getLogger(__name__)

PLOTS = (".png", ".svg", ".pdf")
"""Suffixes of the files of ``--plot``."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``calibrate``."""
    parser.add_argument(
        "action",
        choices=("fit", "compare", "engine", "vote", "lost"),
        help="fit a table; compare ways of choosing by the package's own; fit the row of a further engine; fit the "
        "weights of the vote between Tesseract and that engine; or find below which mean probability a page is lost, on pages of "
        "--data and rendered ones without text",
    )
    add_data(parser, "folder of pages with known text; fit on pages that are not evaluated on", required=True)
    parser.add_argument(
        "--conditions", nargs="*", default=list(DEFAULT_CONDITIONS), metavar="DPI-PROFILE",
        help=f"as for evaluate (default: {' '.join(DEFAULT_CONDITIONS)})",
    )  # fmt: skip
    parser.add_argument("--count", type=int, default=2, metavar="N", help="hr pages of each collection, 0 for all")
    parser.add_argument(
        "--without-text", type=int, default=20, metavar="N", help="for lost: rendered pages of each kind without text"
    )
    add_model(parser)
    parser.add_argument(
        "--networks",
        type=Path,
        metavar="FOLDER",
        help="for fit: a tuned network, whose own table is fitted on pages of its language and written into its card; "
        "for vote: tuned networks, which read held-out documents beside the installed ones",
    )
    parser.add_argument("--held-out", action="store_true", help="only the documents that `recognizer lines` holds out")
    parser.add_argument("--engine", default="rapidocr", metavar="NAME", help="for engine and vote: which one")
    parser.add_argument(
        "--enlarged", action="store_true", help="for engine: lines found on the page are read where the model enlarged it"
    )
    parser.add_argument("--cache", type=Path, default=Path("runs/readings"), metavar="FOLDER", help="folder that keeps readings")
    add_jobs(parser)
    add_output(parser, "the table", metavar="FILE", default=Path("calibration.json"))
    parser.add_argument("--plot", type=Path, metavar="IMAGE", help="also plot the fit")


def run(args: argparse.Namespace) -> int:
    """Read all variants of the pages; fit or compare.

    Raises:
        SuperresError: the data, the model or Tesseract cannot be used.
    """
    if args.plot is not None and args.plot.suffix.lower() not in PLOTS:
        raise OptionError(f"--plot was given {args.plot}, a name ending with {', '.join(PLOTS)} was expected; give one.")
    model = find_model(args.model)
    console = Console()
    network = networks_in(args.networks)[0] if args.networks and args.action != "vote" else None
    pages_to_read = _pages(args, network)
    cases = make_cases(pages_to_read, [parse_condition(c) for c in args.conditions], args.count)
    if not cases:
        raise OptionError(
            f"No page of {args.data} is below 150 dpi or above one of --conditions; give other pages or conditions."
        )
    folder = args.data.resolve().name
    data = f"{len(cases)} pages of {folder}: {', '.join(args.conditions)}"
    if args.action == "engine":
        return _fit_engine(args, cases, data, console)
    if args.action == "vote":
        return _fit_vote(args, cases, _held_out(args, pages_to_read), data, console)
    variants = (NET,) if args.action == "lost" else VARIANTS
    with ThreadPoolExecutor(max(1, args.jobs)) as pool:
        jobs = [pool.submit(_read, args, case, variants) for case in cases]
        pages = [page for job in steps(jobs, "reading") if (page := job.result()) is not None]
    if not pages:
        raise OptionError(
            f"None of the {len(cases)} pages of {args.data} is enlarged under --conditions; give lower ones, or other pages."
        )
    if args.action in ("compare", "lost"):
        known = read_table().calibration(f"Tesseract OCR {version().split()[-1]}", model.card.calibration_sha256)
        compare(pages, known, console) if args.action == "compare" else _find_lost(args, pages, known, console)
        return 0
    kind = "held-out pages" if args.held_out else "pages"
    table, curves = fit(pages, model, f"{len(pages)} {kind} of {folder}: {', '.join(args.conditions)}", console)
    if network is not None:
        change_card(network, calibration=asdict(table))
        say(f"Written: {network.folder / NETWORK_CARD}")
    else:
        write_text(args.output, table.to_json(), "--output")
        say(f"Written: {args.output}")
    if args.plot is not None:
        plot(table, curves, args.plot)
    return 0


def _read(args: argparse.Namespace, case: Case, variants: Sequence[str]) -> ReadCase | None:
    """Return the readings of *case*; None where the plan is to leave it."""
    page = enlarged_page(case, args.model)
    return read_variants(case, page, args.cache, args.networks, variants) if page is not None else None


def _find_lost(args: argparse.Namespace, pages: Sequence[ReadCase], calibration: Calibration, console: Console) -> None:
    found = [case_with_text(page, calibration) for page in pages]
    found += steps(cases_without_text(args.without_text, 0, args.cache, calibration), "pages without text")
    table = Table("below", "pages", "edits", "right words left out", "wrong words left out", "pages without text %")
    for row in limit_rows(found):
        shares = (f"{row.edits:+d}", str(row.right), str(row.wrong), f"{100 * row.without_text:.0f}")
        table.add_row(f"{row.limit:.2f}", str(row.pages), *shares)
    console.print(f"{len(pages)} pages with text, {len(found) - len(pages)} without on which words were read")
    console.print(table)
    console.print(f"limit {best_limit(found):.2f}")


def _pages(args: argparse.Namespace, network: Network | None) -> list[BenchmarkPage]:
    """Return the pages that are asked for: of the network's language, and of documents that it was not tuned on."""
    pages = find_pages(args.data)
    installed = set(languages())
    unread = {page.name for page in pages if not installed.issuperset(page.languages.split("+"))}
    if unread and len(unread) < len(pages):
        log.warning("%d pages of %s are left out: Tesseract lacks their languages", len(unread), args.data)
        pages = [page for page in pages if page.name not in unread]
    if network is not None:
        pages = [page for page in pages if network.card.language in page.languages.split("+")]
    if args.held_out:
        pages = _of_held_documents(pages)
    if not pages:
        raise OptionError(f"No page of {args.data} is left to fit on; give pages of the language, or leave --held-out away.")
    return pages


def _fit_engine(args: argparse.Namespace, cases: Sequence[Case], data: str, console: Console) -> int:
    engine: Engine = ENGINES.load(args.engine)()
    rows_beside(args.output)  # a file that it cannot be written to is said before hours of reading
    known = [case for case in cases if engine.knows(case.page.languages.split("+"))]
    model = args.model if args.enlarged else None
    found = (read_case(engine, case, model) for case in steps(known, "reading"))
    read = [words for words in found if words is not None]
    if not any(confidences for confidences, _ in read):
        raise OptionError(f"{args.engine} read no word of {data}; give other pages or conditions.")
    row, before, after = fit_engine(engine, read, f"{data}; enlarged by {model}" if model else data)
    write_row(row_name(args.engine, engine, args.enlarged), row, args.output)
    if args.plot is not None:
        plot_engine(row, read, args.plot)
    error = f"calibration error {before:.3f} before, {after:.3f} after"
    say(f"{row.version}: {row.words} words; {error}. Written: {args.output}", console)
    return 0


def _held_out(args: argparse.Namespace, pages: Sequence[BenchmarkPage]) -> list[Case]:
    """Return the cases of documents that the tuned networks of ``--networks`` were not tuned on; none without networks."""
    found: dict[str, BenchmarkPage] = {}
    for network in networks_in(args.networks) if args.networks else ():
        of_language = [page for page in pages if network.card.language in page.languages.split("+")]
        found |= {page.name: page for page in _of_held_documents(of_language)}
    return make_cases(list(found.values()), [parse_condition(c) for c in args.conditions], 0)


def _of_held_documents(pages: Sequence[BenchmarkPage]) -> list[BenchmarkPage]:
    """Return the pages of documents that `recognizer lines` holds out of *pages*, which are all of one language."""
    from ocrmypdf_superres.training.data.files import document_of
    from ocrmypdf_superres.training.data.ocr_lines.scan_lines import held_documents

    kept_apart = held_documents({document_of(Path(page.image)) for page in pages})
    return [page for page in pages if document_of(Path(page.image)) in kept_apart]


def _fit_vote(args: argparse.Namespace, cases: Sequence[Case], held_out: Sequence[Case], data: str, console: Console) -> int:
    """Fit on what the installed networks read, and on what tuned ones read of documents that they were not tuned on."""
    engine: Engine = ENGINES.load(args.engine)()
    jobs = [(case, networks) for found, networks in ((cases, None), (held_out, args.networks)) for case in found]
    jobs = [(case, networks) for case, networks in jobs if engine.knows(case.page.languages.split("+"))]
    if held_out:
        data += f"; {len(held_out)} held-out ones with tuned networks"
    places = [
        place
        for case, networks in steps(jobs, "reading")
        for place in read_places(case, args.model, engine, args.cache, networks)
    ]
    if not places:
        raise OptionError(f"Readings differ nowhere on {data}; give more pages, or conditions under which they do.")
    table = Table("collection", "places", "to be had", "first reading", "sum of probabilities", "weights")
    for name, row in cross_validated(places).items():
        table.add_row(name, *map(str, row))
    console.print("Places in which readings differ, and in how many a text that is right was taken, by weights of the others:")
    console.print(table)
    write_text(args.output, described(places, engine, data).to_json(), "--output")
    console.print(f"Written: {args.output}", highlight=False)
    return 0
