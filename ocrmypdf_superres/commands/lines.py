# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres lines``: models compared on lines of text by what readers read in their images, at x2."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from ocrmypdf_superres.evaluation.line_sets import Figures
    from ocrmypdf_superres.training.data.batches import Batch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``lines``."""
    parser.add_argument("models", nargs="*", help="names or folders of models for text lines or pages, or the word all; those "
                                                  "without x2 make their smallest scale, which is brought to x2")  # fmt: skip
    parser.add_argument("--sets", nargs="+", type=Path, required=True, metavar="FOLDER",
                        help="sets of lines, for example TextZoom's easy, medium and hard")  # fmt: skip
    parser.add_argument("--kind", choices=("words", "lines", "textzoom"), default="words",
                        help="what the sets are: folders of texts by language to render words from, line images with "
                             "NAME.gt.txt, or TextZoom's databases (default words)")  # fmt: skip
    parser.add_argument("--count", type=int, default=256, help="lines of each set, but for TextZoom, which is read whole (default 256)")
    parser.add_argument("--readers", nargs="*", default=[], metavar="READER", help="names or folders of readers beside Tesseract")


def run(args: argparse.Namespace) -> int:
    """Print a table for each set, and the means over the sets, plain and weighted by their lines.

    Raises:
        SuperresError: a model, reader or set cannot be used.
    """
    from ocrmypdf_superres.errors import OptionError
    from ocrmypdf_superres.evaluation.line_sets import Drawer, judge, lanczos, model_drawer
    from ocrmypdf_superres.modelstore.store import find_models
    from ocrmypdf_superres.recognizers import folder as folders
    from ocrmypdf_superres.training.recognizers.tasks import enlarged

    readers = {name: folders.load(name, ("abinet", "cdistnet", "crnn", "text-focus")) for name in args.readers}
    drawers: dict[str, Drawer] = {"bicubic": lambda lr, scale: enlarged(lr), "lanczos": lanczos}
    for model in find_models(args.models):
        if model.card.name in (*drawers, "hr"):
            raise OptionError(f"A model is called {model.card.name}, as a row of the table is; give it another name.")
        drawers[model.card.name] = model_drawer(model)
    figures: dict[str, list[Figures]] = {}
    for place in args.sets:
        batches = _batches(args.kind, place, args.count)
        for name, draw in drawers.items():
            figures.setdefault(name, []).append(judge(draw, batches, readers=readers))  # type: ignore[arg-type]
        truths = iter(batches)
        figures.setdefault("hr", []).append(judge(lambda lr, scale, truths=truths: next(truths).hr, batches, readers=readers))  # type: ignore[misc, arg-type]
    console = Console(highlight=False)
    tables = {str(place): {name: rows[index] for name, rows in figures.items()} for index, place in enumerate(args.sets)}
    if len(args.sets) > 1:
        tables["Mean of the sets"] = {name: _mean(rows, weighted=False) for name, rows in figures.items()}
        tables["Mean of the lines"] = {name: _mean(rows, weighted=True) for name, rows in figures.items()}
    for title, rows in tables.items():
        lines = next(iter(rows.values())).lines
        console.print(f"{title}: {lines} lines. Right: read without a mistake, %.", markup=False, soft_wrap=True)
        console.print(_table(rows))
    return 0


def _batches(kind: str, place: Path, count: int) -> list[Batch]:
    from ocrmypdf_superres.evaluation.line_sets import all_pairs, held_batches
    from ocrmypdf_superres.training.recipe import Source

    if kind == "textzoom":
        return all_pairs(place, 2)
    return held_batches(Source(kind, ".", languages={"eng": 1.0} if kind == "words" else {}), place, 2, count)


def _mean(rows: list[Figures], weighted: bool) -> Figures:
    from ocrmypdf_superres.evaluation.line_sets import Figures

    weights = [float(row.lines) if weighted else 1.0 for row in rows]
    total = sum(weights)

    def mean(values: list[float]) -> float:
        return sum(w * v for w, v in zip(weights, values, strict=True)) / max(1.0, total)

    readers = {name: mean([row.readers[name] for row in rows]) for name in rows[0].readers}
    lines = sum(row.lines for row in rows)
    return Figures(lines, mean([r.psnr for r in rows]), mean([r.cer for r in rows]), mean([r.words for r in rows]), readers)


def _table(rows: dict[str, Figures]) -> Table:
    first = next(iter(rows.values()))
    table = Table("method", "PSNR", "CER, Tesseract", "right, Tesseract", *(f"right, {Path(name).name}" for name in first.readers))
    for name, row in rows.items():
        shares = [f"{100 * share:.2f}" for share in (row.words, *row.readers.values())]
        table.add_row(name, f"{row.psnr:.2f}", f"{row.cer:.4f}", *shares)
    return table
