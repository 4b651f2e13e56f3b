# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres lines``: models compared on lines of text by what recognizers read in sr, at x2."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from ocrmypdf_superres.evaluation.networks.line_sets import LineMetrics
    from ocrmypdf_superres.training.data.batches import Batch


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
        choices=("words", "lines", "textzoom"),
        default="words",
        help="the kind of the sets: folders of texts by language to render words from, line images with "
        "NAME.gt.txt, or TextZoom's databases (default words)",
    )
    parser.add_argument(
        "--count", type=int, default=256, help="lines of each set; TextZoom's sets are always read whole (default 256)"
    )
    parser.add_argument(
        "--recognizers", nargs="*", default=[], metavar="RECOGNIZER", help="names or folders of recognizers beside Tesseract"
    )


def run(args: argparse.Namespace) -> int:
    """Print a table for each set, and the means over the sets, unweighted and weighted by their lines.

    Raises:
        SuperresError: a model, recognizer or set cannot be used.
    """
    from ocrmypdf_superres.errors import RecognizerError
    from ocrmypdf_superres.evaluation.networks.line_sets import evaluate_models, mean_metrics
    from ocrmypdf_superres.modelstore.store import find_models
    from ocrmypdf_superres.recognizers.folder import load
    from ocrmypdf_superres.recognizers.line_recognizer import LineRecognizer

    recognizers = {}
    for name in args.recognizers:
        recognizer = load(name, ("abinet", "cdistnet", "crnn", "text-focus"))
        if not isinstance(recognizer, LineRecognizer):
            raise RecognizerError(f"{name} does not read lines of text; give a recognizer that does.")
        recognizers[name] = recognizer
    models = find_models(args.models)
    metrics: dict[str, list[LineMetrics]] = {}
    for place in args.sets:
        for name, row in evaluate_models(models, _batches(args.kind, place, args.count), recognizers).items():
            metrics.setdefault(name, []).append(row)
    console = Console(highlight=False)
    tables = {str(place): {name: rows[index] for name, rows in metrics.items()} for index, place in enumerate(args.sets)}
    if len(args.sets) > 1:
        tables["Mean of the sets"] = {name: mean_metrics(rows, weighted=False) for name, rows in metrics.items()}
        tables["Mean of the lines"] = {name: mean_metrics(rows, weighted=True) for name, rows in metrics.items()}
    for title, rows in tables.items():
        lines = next(iter(rows.values())).lines
        console.print(f"{title}: {lines} lines. Right: read without a mistake, %.", markup=False, soft_wrap=True)
        console.print(_table(rows))
    return 0


def _batches(kind: str, place: Path, count: int) -> list[Batch]:
    from ocrmypdf_superres.evaluation.networks.line_sets import all_pairs, held_out_batches
    from ocrmypdf_superres.training.recipe import Source

    if kind == "textzoom":
        return all_pairs(place, 2)
    return held_out_batches(Source(kind, ".", languages={"eng": 1.0} if kind == "words" else {}), place, 2, count)


def _table(rows: dict[str, LineMetrics]) -> Table:
    first = next(iter(rows.values()))
    table = Table(
        "method", "PSNR", "CER, Tesseract", "right, Tesseract", *(f"right, {Path(name).name}" for name in first.recognizers)
    )
    for name, row in rows.items():
        shares = [f"{100 * share:.2f}" for share in (row.words, *row.recognizers.values())]
        table.add_row(name, f"{row.psnr:.2f}", f"{row.cer:.4f}", *shares)
    return table
