# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres evaluate``: methods against each other on pages with known text."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from ocrmypdf_superres.commands.shared.output import STANDARD_OUTPUT, progress, say, write_json, write_text
from ocrmypdf_superres.commands.shared.parsing import add_data, add_jobs, add_json, add_language, add_model
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.benchmark import Result, applies, run_cases, to_json
from ocrmypdf_superres.evaluation.data.pages import (
    HIGH_DPI,
    INDEX,
    LOW_DPI,
    Case,
    find_pages,
    left_out,
    make_cases,
    of_collections,
)
from ocrmypdf_superres.evaluation.data.profiles import DEFAULT_CONDITIONS, PROFILES, parse_condition
from ocrmypdf_superres.evaluation.goals import goals, markdown_tables
from ocrmypdf_superres.evaluation.inspection import check_weights, inspected_methods, save_run
from ocrmypdf_superres.evaluation.methods.names import FURTHER, METHODS, PLUGIN_METHODS
from ocrmypdf_superres.evaluation.methods.peers import Peer, all_peers
from ocrmypdf_superres.evaluation.networks_table import networks_table
from ocrmypdf_superres.evaluation.summary import about_case, headlines, in_order, rows
from ocrmypdf_superres.evaluation.worst import save_worst
from ocrmypdf_superres.metrics.ground_truth import read_truth
from ocrmypdf_superres.metrics.text import word_accuracy

OF_A_COLLECTION = 2
"""hr pages that are read of each collection of a folder with an index, unless a user gives another number."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``evaluate``."""
    _add_pages(parser)
    _add_methods(parser)
    _add_outputs(parser)


def _add_pages(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("pages")
    add_data(group, "folder of images with .gt.txt, PAGE-XML or ALTO, or with an index.json", required=True)
    group.add_argument("--collections", nargs="+", metavar="NAME", help="only these collections (default: all)")
    group.add_argument(
        "--conditions",
        nargs="*",
        default=list(DEFAULT_CONDITIONS),
        metavar="DPI-PROFILE",
        help=f"resolutions and profiles that hr pages are reduced to; profiles: {', '.join(PROFILES)} "
        f"(default: {' '.join(DEFAULT_CONDITIONS)})",
    )
    group.add_argument("--lines", action="store_true", help="the images are single lines of text")
    group.add_argument(
        "--count", type=int, metavar="N", help="hr pages of each collection, 0 for all (default: 2 with an index.json, else all)"
    )
    group.add_argument(
        "--ignore-case",
        action="store_true",
        help="letters count as the same in upper and lower case, for a ground truth that is all in capitals, such as SROIE's",
    )
    add_language(group, "Tesseract languages of pages without an index")
    group.add_argument(
        "--unordered",
        nargs="*",
        default=["funsd_forms_eng"],
        metavar="COLLECTION",
        help="collections of ambiguous reading order: their words count, their CER does not (default: funsd_forms_eng)",
    )


def _add_methods(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("methods")
    group.add_argument(
        "--methods",
        nargs="+",
        choices=(*METHODS, *FURTHER),
        default=list(METHODS),
        metavar="METHOD",
        help=f"ways to prepare and read a page: {', '.join((*METHODS, *FURTHER))} (default: {' '.join(METHODS)})",
    )
    group.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="COMMAND",
        help='a command that enlarges an image, such as "realesrgan-ncnn-vulkan -i {in} -o {out}"; may be repeated',
    )
    group.add_argument(
        "--dnn-superres",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="a model of OpenCV's dnn_superres, such as FSRCNN_x3.pb; may be repeated",
    )
    group.add_argument(
        "--spandrel",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="a community model that spandrel reads; may be repeated",
    )
    group.add_argument(
        "--tessdata",
        action="append",
        type=Path,
        default=[],
        metavar="FOLDER",
        help="other language files of Tesseract, such as those of tessdata_best: pages in their languages are enlarged by "
        "Lanczos; may be repeated",
    )
    group.add_argument(
        "--own-networks",
        action="append",
        type=Path,
        default=[],
        metavar="FOLDER",
        help="tuned networks, such as finetune --network makes: pages in their languages are read as by plugin-tesseract",
    )
    group.add_argument(
        "--models",
        nargs="+",
        default=[],
        metavar="MODEL",
        help="nets alone as further methods, by name or folder, or the word all: each enlarges a page once, and it is read once",
    )
    add_model(group, "name or folder of the model of the methods plugin...")


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("outputs")
    add_jobs(group)
    group.add_argument("--cache", type=Path, metavar="FOLDER", help="folder that keeps readings, so that a run can be resumed")
    group.add_argument("--worst", type=Path, metavar="FOLDER", help="write images of the pages that the plugin reads worst there")
    group.add_argument("--worst-count", type=int, default=10, metavar="N", help="number of these pages")
    group.add_argument(
        "--run",
        type=Path,
        metavar="FOLDER",
        help="keep results, words and images there, for the command report, and measure how far readings can be trusted",
    )
    group.add_argument(
        "--lpips",
        type=Path,
        nargs=2,
        metavar=("ALEXNET", "LINEAR"),
        help="two files of weights; with --run the distance to the hr scan is measured, too",
    )
    add_json(group, "write every result there; - for standard output, and the tables go to standard error")
    group.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there")
    group.add_argument(
        "--goals", action="store_true", help="add the limits that this project sets its plugin on its own benchmark pages"
    )


def run(args: argparse.Namespace) -> int:
    """Run the comparison and print its tables.

    Raises:
        OptionError: the data or an argument cannot be used.
        ModelError: the model cannot be used.
        RecognizerError: a folder of --own-networks holds none, or a damaged one.
    """
    console = Console(stderr=str(args.json) == STANDARD_OUTPUT)
    args.methods = list(dict.fromkeys(args.methods))  # one that is named twice is read, and counted, once
    ours = [method for method in PLUGIN_METHODS if method in args.methods]
    if args.worst and not ours:
        raise OptionError(
            f"--worst was given {args.worst} for the pages that the plugin reads worst, but --methods has none of the plugin's; "
            "add plugin, or leave --worst out."
        )
    cases = _cases(args, console)
    taken = (*METHODS, *FURTHER)
    peers = all_peers(args.peer, args.dnn_superres, args.spandrel, args.models, taken, args.tessdata, args.own_networks)
    if args.lpips:
        check_weights(*args.lpips)
    for folder in (args.run, args.worst):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)  # a folder that cannot be is said before hours of reading
    results = _read(args, cases, peers)
    for result in results:
        if result.error:
            said = escape(f"{result.group}: {result.page}, {result.method}: {result.error}")
            console.print(f"[red]{said}[/red]", highlight=False)
    _show_table(console, results)
    if args.goals:
        _show_goals(console, results, ours, args.unordered)
    for line in (about_case(results), *headlines(results, args.unordered)):
        if line:
            say(line, console)
    if args.lines:
        _show_word_accuracy(console, results)
    written = [to_json(result) for result in results]
    if args.json:
        write_json(args.json, written)
    compared = networks_table(results, [peer.name for peer in peers if peer.networks is not None])
    say(compared, console, end="")
    trust = _save_run(console, args, cases, peers, written) if args.run else ""
    if args.markdown:
        # Its intervals need scipy, which an installation of the plugin alone does not have.
        tables = [markdown_tables(results, ours, args.unordered, args.goals), compared, trust]
        write_text(args.markdown, "\n".join(table for table in tables if table), "--markdown")
    if args.worst:
        for path in save_worst(results, cases, ours[0], args.model, args.worst, args.worst_count):
            say(str(path), console)
    return 1 if any(result.error for result in results) else 0


def _cases(args: argparse.Namespace, console: Console) -> list[Case]:
    """Return the pages to read, and say which are left out.

    Raises:
        OptionError: there are none, or the text of one cannot be read.
    """
    pages = of_collections(find_pages(args.data, args.language, args.lines), args.collections)
    if args.ignore_case:
        pages = [replace(page, ignore_case=True) for page in pages]
    count = args.count
    if count is None:
        count = OF_A_COLLECTION if (args.data / INDEX).is_file() else 0
    cases = make_cases(pages, [parse_condition(text) for text in args.conditions], count)
    if not cases:
        raise OptionError(
            f"No page of {args.data} is below {LOW_DPI:g} dpi, or has at least {HIGH_DPI:g} dpi and more than one of "
            "--conditions, so that nothing can be measured; give other pages or conditions."
        )
    for truth in dict.fromkeys(case.page.truth for case in cases):
        read_truth(Path(truth))  # what is wrong with it is said before hours of reading
    for sentence in left_out(pages, count):
        say(sentence, console)
    return cases


def _read(args: argparse.Namespace, cases: list[Case], peers: list[Peer]) -> list[Result]:
    """Read *cases* by every method, and return the results by group, page and method."""
    methods = [*((name, None) for name in args.methods), *((peer.name, peer) for peer in peers)]
    results: list[Result] = []
    with progress() as bar:
        task = bar.add_task("reading", total=sum(applies(case, *method) for case in cases for method in methods))
        for result in run_cases(cases, args.methods, args.model, args.cache, max(1, args.jobs), peers):
            results.append(result)
            bar.advance(task)
    order = [*METHODS, *in_order(r.method for r in results)]
    return sorted(results, key=lambda r: (r.group, r.page, order.index(r.method)))


def _save_run(
    console: Console, args: argparse.Namespace, cases: list[Case], peers: list[Peer], written: list[dict[str, Any]]
) -> str:
    """Keep the run in its folder and return its Markdown table of trust."""
    with progress() as bar:
        task = bar.add_task("inspecting", total=len(cases) * len(inspected_methods(args.methods, peers)))
        run = save_run(
            args.run, args.data.resolve().name, cases, args.methods, args.model, peers, written, args.cache, max(1, args.jobs),
            tuple(args.lpips) if args.lpips else None, lambda: bar.advance(task),
        )  # fmt: skip
    for sentence in run.trust["sentences"]:
        say(sentence, console)
    table: str = run.trust["table"]
    say(table, console, end="")
    if run.before != run.after:
        say(f"For the report: ocrmypdf-superres report {args.run}", console)
    return table


def _show_word_accuracy(console: Console, results: list[Result]) -> None:
    """Print each method's share of lines of which all letters and digits are right, over all lines and as the mean of sets."""
    for method in in_order(r.method for r in results):
        found = word_accuracy([(r.group, r.scores["right"] > 0) for r in results if r.method == method])
        shares = ", ".join(f"{name} {share:.1%}" for name, share in found.by_subset.items())
        say(f"{method}: {found.by_image:.1%} of images read right by their letters and digits, "
            f"{found.by_subsets_mean:.1%} as the mean of sets "
            f"({shares})", console)  # fmt: skip


def _show_table(console: Console, results: list[Result]) -> None:
    """Print the table by group."""
    longest = max((len(result.method) for result in results), default=0)
    table = Table(
        "pages",
        Column("method", min_width=longest),
        "n",
        "CER %",
        "words missed %",
        "precision %",
        "CPU s a page",
        "SR / Tesseract",
    )
    for row in rows(results):
        c = row.counts
        table.add_row(
            escape(row.group), escape(row.method), str(row.pages), f"{100 * c.cer:.2f}", f"{100 * (1 - c.recall):.1f}",
            f"{100 * c.precision:.1f}", f"{row.seconds:.2f}", f"{row.superres_share:.0%}" if row.superres_share else "",
        )  # fmt: skip
    console.print(table)


def _show_goals(console: Console, results: list[Result], ours: list[str], unordered: list[str]) -> None:
    """Print for each of *ours* the goals that *results* can decide."""
    for method in ours:
        promised = Table("promised", "figure", "limit", "", title=method)
        for goal in goals(results, method, unordered):
            promised.add_row(escape(goal.words), escape(goal.figure), goal.limit, "met" if goal.met else "not met")
        console.print(promised)
