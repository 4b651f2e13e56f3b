# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres lines``: models compared on lines of text by what recognizers read in sr, at x2."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ocrmypdf_superres.commands.networks.systems import add_systems
from ocrmypdf_superres.commands.shared.output import STANDARD_OUTPUT, say, steps, write_json
from ocrmypdf_superres.commands.shared.parsing import add_device, add_json, add_language

if TYPE_CHECKING:
    from ocrmypdf_superres.evaluation.networks.line_sets import LineMetrics
    from ocrmypdf_superres.training.data.batches import Batch

RENDERED = 256
"""Lines that are rendered of each set of texts, unless a user gives another number."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``lines``."""
    parser.add_argument(
        "models",
        nargs="*",
        help="names or folders of models for text lines or pages, or the word all; those "
        "without x2 enlarge by their smallest scale, and the result is resized to x2",
    )
    parser.add_argument(
        "--sets",
        nargs="+",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="sets of lines, for example TextZoom's easy, medium and hard",
    )
    parser.add_argument(
        "--kind",
        choices=("words", "lines", "textzoom", "recognition"),
        default="words",
        help="the kind of the sets: folders of texts by language to render words from, line images with "
        "NAME.gt.txt, or the databases of TextZoom or of recognition benchmarks (IC15, SVT, SVTP, CUTE80), whose words of at "
        "most 1,024 pixels are degraded as in LEMMA's table 5",
    )
    parser.add_argument(
        "--low", type=Path, metavar="FOLDER", help="real low-resolution partners of line images, of the same names; for one set"
    )
    parser.add_argument(
        "--count",
        type=int,
        metavar="N",
        help=f"lines of each set (default: {RENDERED} rendered ones, and all line images); databases are always read whole",
    )
    parser.add_argument(
        "--recognizers", nargs="*", default=[], metavar="RECOGNIZER", help="names or folders of recognizers besides Tesseract"
    )
    add_language(parser, "Tesseract languages of the lines, such as deu+eng, whose texts --kind words renders (default: eng)")
    add_systems(parser)
    add_device(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print a table for each set, and the means over the sets, unweighted and weighted by their lines.

    Raises:
        SuperresError: a model, recognizer or set cannot be used.
    """
    from ocrmypdf_superres.errors import OptionError
    from ocrmypdf_superres.evaluation.networks.line_sets import WHOLE_SETS, evaluate_models, mean_metrics, rule_of
    from ocrmypdf_superres.evaluation.networks.peers import system_predictors
    from ocrmypdf_superres.modelstore.store import find_models
    from ocrmypdf_superres.recognizers.folder import load_line_recognizer
    from ocrmypdf_superres.training.loop.processes import pick_device

    if args.low is not None and (args.kind != "lines" or len(args.sets) > 1):
        raise OptionError("--low is for one set of --kind lines; leave it out, or compare one folder of line images.")
    if args.count is not None and args.count < 1:
        raise OptionError(f"--count was given {args.count}, at least 1 was expected; leave it out for the default.")
    device = pick_device(args.device)
    recognizers = {name: load_line_recognizer(name).to(device) for name in args.recognizers}
    models = find_models(args.models)
    metrics: dict[str, list[LineMetrics]] = {}
    rule = rule_of(args.kind)
    for place in args.sets:
        batches = _batches(args, place)
        systems = system_predictors(args.system, args.spandrel, batches)
        for name, row in evaluate_models(models, batches, recognizers, device, systems, steps, args.language, rule).items():
            metrics.setdefault(name, []).append(row)
    console = Console(highlight=False)
    tables = {str(place): {name: rows[index] for name, rows in metrics.items()} for index, place in enumerate(args.sets)}
    if len(args.sets) > 1:
        tables["Mean of the sets"] = {name: mean_metrics(rows, weighted=False) for name, rows in metrics.items()}
        tables["Mean of the lines"] = {name: mean_metrics(rows, weighted=True) for name, rows in metrics.items()}
    if args.json:
        shown = ("lines", "psnr", "psnr_batches", "ssim", "cer", "words", "recognizers")
        values = {
            title: {n: {key: getattr(row, key) for key in shown} for n, row in rows.items()} for title, rows in tables.items()
        }
        write_json(args.json, values)
    for title, rows in tables.items() if str(args.json) != STANDARD_OUTPUT else ():
        lines = next(iter(rows.values())).lines
        say(f"{title}: {lines} lines. Right: read without a mistake, %.")
        console.print(_table(rows, args.kind in WHOLE_SETS))
    return 0


def _batches(args: argparse.Namespace, place: Path) -> list[Batch]:
    from ocrmypdf_superres.evaluation.networks.line_sets import WHOLE_SETS, all_pairs, folder_lines, held_out_batches
    from ocrmypdf_superres.training.recipe import Source

    if args.kind in WHOLE_SETS:
        return all_pairs(place, 2, args.kind)
    if args.kind == "lines":
        return folder_lines(place, args.low, 2, args.count or 0)
    # Below the current folder, or wherever an absolute path leads.
    languages = dict.fromkeys(args.language.split("+"), 1.0)
    return held_out_batches(Source("words", str(place), languages=languages), Path(), 2, args.count or RENDERED)


def _table(rows: dict[str, LineMetrics], published: bool) -> Table:
    """Return the table of *rows*, with the measures of published sets where *published*."""
    first = next(iter(rows.values()))
    more = ("PSNR by batches", "SSIM") if published else ()
    names = [f"right, {Path(name).name}" for name in first.recognizers]
    table = Table("method", "PSNR", *more, "CER, Tesseract", "right, Tesseract", *names)
    for name, row in rows.items():
        shares = [f"{100 * share:.2f}" for share in (row.words, *row.recognizers.values())]
        added = (f"{row.psnr_batches:.2f}", f"{row.ssim:.4f}") if published else ()
        table.add_row(escape(name), f"{row.psnr:.2f}", *added, f"{row.cer:.4f}", *shares)
    return table
