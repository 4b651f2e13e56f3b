# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres heights``: benchmark the measurement of text height, or train its network."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from ocrmypdf_superres.commands.shared.output import show, steps, write_text
from ocrmypdf_superres.commands.shared.parsing import add_data, add_json, add_output, add_seed, check_number
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.data.pages import find_pages
from ocrmypdf_superres.evaluation.text_heights.benchmark import HeightResult, HeightRow, as_dict, as_markdown, measure, summarize
from ocrmypdf_superres.evaluation.text_heights.cases import height_by_tesseract, real_cases, rendered_cases
from ocrmypdf_superres.files import read_text

TILES_OF_A_SCAN = 24
_COLUMNS = (
    "pages of",
    "pages",
    "told %",
    "sure %",
    "median error %",
    "over 15 % off, %",
    "left below 8 px %",
    "enlarged above 16 px %",
    "axis wrong %",
    "CPU ms",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``heights``."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=("measure", "train", "invented"),
        default="measure",
        help="measure (default), train, or count the words read on pages without text, by OCRmyPDF alone and with the plugin",
    )
    parser.add_argument("--count", type=int, default=100, metavar="N", help="rendered pages of each kind")
    add_seed(parser, "of the rendered pages", 1)
    parser.add_argument(
        "--rows", nargs="*", default=[], metavar="ROW", help="only these kinds, such as 'layout stanzas' (default: all)"
    )
    add_data(parser, "also measure the pages of this folder, as for evaluate")
    parser.add_argument(
        "--truth",
        type=Path,
        metavar="FILE",
        help="JSON file of the x-heights in --data, by page; what it lacks is measured by Tesseract and added",
    )
    parser.add_argument(
        "--dpis", type=float, nargs="*", default=[72.0, 100.0, 150.0], metavar="DPI",
        help="pages of --data are reduced to these (default: 72 100 150)",
    )  # fmt: skip
    add_json(parser, "measure, invented: write every result there; - for standard output, in place of the table")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="measure: also write the table as Markdown")
    add_output(parser, "train: the ONNX file to write (default: the package's own)", metavar="FILE")
    parser.add_argument("--tiles", type=int, default=30000, metavar="N", help="train: rendered tiles")
    parser.add_argument("--steps", type=int, default=5000, metavar="N", help="train: batches of 64 tiles")
    parser.add_argument(
        "--hocr",
        type=Path,
        metavar="FOLDER",
        help="train: also on pages of --data whose lines NAME.hocr in this folder describes",
    )
    parser.add_argument("--start", type=Path, metavar="FILE", help="train: weights to start from; kept as OUTPUT.pt")


def run(args: argparse.Namespace) -> int:
    """Measure and print a table, or train.

    Raises:
        SuperresError: there are no fonts, the data cannot be used, or Tesseract is missing.
    """
    if args.action == "train":
        return _train(args)
    if args.action == "invented":
        return _count_invented(args)
    if args.count < 0 or (args.count == 0 and args.data is None):
        raise OptionError(f"--count was given {args.count}; give the number of rendered pages, or 0 with --data.")
    if not all(dpi > 0 for dpi in args.dpis):
        raise OptionError(f"--dpis was given {args.dpis}; give numbers above 0.")
    cases = rendered_cases(args.count, args.seed, args.rows or None) if args.count else iter(())
    results = [measure(case) for case in steps(cases, "rendered pages")]
    if args.data is not None:
        pages = find_pages(args.data)
        heights: dict[str, float] = {}
        if args.truth is not None and args.truth.exists():
            heights = _stored_heights(args.truth)
        for page in steps([p for p in pages if p.name not in heights], "truth"):
            heights[page.name] = round(height_by_tesseract(page), 2)
        if args.truth is not None:
            write_text(args.truth, json.dumps(heights, indent=1) + "\n", "--truth")
        results += [measure(case) for case in steps(real_cases(pages, heights, tuple(args.dpis)), "real pages")]
    if args.markdown is not None:
        write_text(args.markdown, as_markdown(results), "--markdown")
    show(_table(results), args.json, as_dict(results))
    return 0


def _stored_heights(path: Path) -> dict[str, float]:
    """Return the heights of pages in the JSON file *path*; raises OptionError where it holds something else."""
    try:
        values = json.loads(read_text(path, "--truth"))
        return {str(name): float(height) for name, height in values.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise OptionError(f"--truth {path} does not hold heights by page ({error}); give what this command wrote.") from error


def _train(args: argparse.Namespace) -> int:
    from ocrmypdf_superres.page.height_network import WEIGHTS
    from ocrmypdf_superres.training.text_height.tiles import read_scans, rendered_tiles
    from ocrmypdf_superres.training.text_height.train import as_arrays, export, train

    check_number(args.tiles, "--tiles", 64, 10_000_000)
    check_number(args.steps, "--steps", 1, 10_000_000)
    tiles = list(steps(rendered_tiles(args.tiles, args.seed), "rendered tiles", args.tiles))
    if args.data is not None and args.hocr is not None:
        tiles += read_scans(args.data, args.hocr, TILES_OF_A_SCAN)
    output = args.output or WEIGHTS
    network = train(as_arrays(tiles), args.steps, args.seed, output.with_suffix(".pt"), args.start)
    export(network, output, f"{args.steps} steps on {len(tiles)} tiles, of which {args.tiles} are rendered, seed {args.seed}")
    return 0


def _count_invented(args: argparse.Namespace) -> int:
    from ocrmypdf_superres.evaluation.trust.pages_without_text import by_kind, invented_on_rendered_pages
    from ocrmypdf_superres.training.data.rendered_pages.without_text import WITHOUT_TEXT

    check_number(args.count, "--count", 1, 100_000)
    found = invented_on_rendered_pages(args.count, args.seed)
    pages = by_kind(steps(found, "pages without text", args.count * len(WITHOUT_TEXT)))
    table = Table("pages of", "pages", "enlarged", "words, alone", "words, plugin", "CPU s, alone", "CPU s, plugin", "times")
    for kind, rows in pages.items():
        sums = [sum(getattr(row, name) for row in rows) for name in ("enlarged", "alone", "plugin")]
        seconds = [sum(getattr(row, name) for row in rows) / len(rows) for name in ("seconds_alone", "seconds_plugin")]
        table.add_row(
            kind, str(len(rows)), *map(str, sums), *(f"{value:.2f}" for value in (*seconds, seconds[1] / max(seconds[0], 1e-3)))
        )
    show(table, args.json, [asdict(row) for rows in pages.values() for row in rows])
    return 0


def _table(results: list[HeightResult]) -> Table:
    table = Table(*_COLUMNS)
    for row in summarize(results):
        table.add_row(*_cells(row))
    return table


def _cells(row: HeightRow) -> list[str]:
    shares = (row.told, row.sure, row.median_error, row.far, row.left, row.enlarged, row.turned)
    return [row.row, str(row.pages), *(f"{100 * share:.1f}" for share in shares), f"{1000 * row.seconds:.0f}"]
