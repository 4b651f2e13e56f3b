# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres reproduce``: a table of a published system, trained, evaluated and set beside the paper's figures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ocrmypdf_superres.commands.shared.output import say
from ocrmypdf_superres.commands.shared.parsing import add_data, add_device, add_output

if TYPE_CHECKING:
    from torch import nn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``reproduce``."""
    parser.add_argument("table", help="name of a table in the recipes' folder tables, such as 002-1, or its file")
    add_data(parser, "what the table's head says", required=True)
    add_output(parser, "folder of runs and tables (default: runs/reproduce/TABLE)", metavar="FOLDER")
    parser.add_argument("--rows", nargs="+", default=[], metavar="ROW", help="only rows whose names contain one of these")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="trainings of each row")
    parser.add_argument("--reduced", action="store_true", help="the reduced recipes and sets, for one CPU core")
    parser.add_argument(
        "--recipes", type=Path, default=Path("examples/recipes/papers"), metavar="FOLDER", help="folder of the recipes and tables"
    )
    add_device(parser)
    parser.add_argument(
        "--steps", type=int, default=0, metavar="N", help="at most this many steps of every stage, for a trial run"
    )
    parser.add_argument(
        "--batch", type=int, default=0, metavar="N", help="at most this many strips or lines a step, for a trial run"
    )
    parser.add_argument(
        "--count", type=int, default=0, metavar="N", help="this many patches, or lines of each set, for a trial run"
    )
    parser.add_argument("--record", action="store_true", help="keep the table with the recipes, and rewrite their RESULTS.md")


def run(args: argparse.Namespace) -> int:
    """Reproduce the table; a second call continues where the first was interrupted.

    Raises:
        SuperresError: see :func:`ocrmypdf_superres.evaluation.reproduction.run.reproduce`.
    """
    from ocrmypdf_superres.errors import OptionError
    from ocrmypdf_superres.evaluation.reproduction.run import Job, reproduce

    if args.seeds < 1 or min(args.steps, args.batch, args.count) < 0:
        raise OptionError("--seeds must be at least 1, and --steps, --batch and --count 0 or more; correct them.")
    out = args.output or Path("runs") / "reproduce" / Path(args.table).stem
    job = Job(
        args.recipes, args.data, out, tuple(args.rows), args.seeds, args.reduced, args.device, args.steps, args.batch, args.count,
        args.record,
    )  # fmt: skip
    written = reproduce(args.table, job, _shrink)
    console = Console(highlight=False)
    say(written.read_text(encoding="utf-8"), console)
    say(f"Written: {written} and {written.with_suffix('.csv')}", console)
    return 0


def _shrink(net: nn.Module, bits: int, part: str) -> None:
    from ocrmypdf_superres.export.aciq import PAPER_LAYERS, AciqSettings, quantize_in_place

    quantize_in_place(net, bits, AciqSettings(per_channel=False, correct=False), PAPER_LAYERS[part])
