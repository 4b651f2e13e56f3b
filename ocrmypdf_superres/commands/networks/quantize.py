# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres quantize``: 8-bit arithmetic for CPUs, weights in few bits, or a table of what those cost."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from ocrmypdf_superres.commands.shared.output import say, steps
from ocrmypdf_superres.commands.shared.parsing import add_device, add_output

if TYPE_CHECKING:
    from ocrmypdf_superres.export.aciq import AciqSettings
    from ocrmypdf_superres.modelstore.store import Model

STRIPS = 32
ROWS = 8
"""Of the table: 2 to 8 bits, and 32."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``quantize``."""
    parser.add_argument("model", help="name or folder of a model")
    add_output(parser, "the model folder to write (default: none, only the table)", metavar="MODEL")
    parser.add_argument("--bits", type=int, default=8, metavar="N", help="bits of a weight, 2 to 8")
    parser.add_argument("--name", metavar="NAME", help="name of the new model (default: the folder's)")
    parser.add_argument(
        "--per-tensor", action="store_true", help="one clipped range for each tensor, nothing corrected, as in paper 001"
    )
    parser.add_argument(
        "--int8", type=Path, metavar="DATA",
        help="add graphs that compute in 8-bit integers, for CPUs; DATA is the folder of the sources of the model's recipe",
    )  # fmt: skip
    parser.add_argument("--steps", type=int, default=1000, metavar="N", help="steps of training after rounding, with --int8")
    parser.add_argument(
        "--run", type=Path, metavar="FOLDER", help="folder for checkpoints, with --int8 (default: runs/NAME-int8)"
    )
    shown = "bytes, PSNR and errors of Tesseract for 2 to 8 bits, on text rendered from FOLDER (eng/*.txt)"
    add_device(parser, "of the table: ")
    parser.add_argument("--table", type=Path, metavar="FOLDER", help=shown)


def run(args: argparse.Namespace) -> int:
    """Write the model, print the table, or both; see :func:`ocrmypdf_superres.export.aciq_model.quantize_model`.

    Raises:
        OptionError: neither an output nor a table is asked for. SuperresError: the model or the folder cannot be used.
    """
    from ocrmypdf_superres.errors import OptionError
    from ocrmypdf_superres.export.aciq import AciqSettings
    from ocrmypdf_superres.export.aciq_model import quantize_model
    from ocrmypdf_superres.modelstore.store import find_model

    if args.output is None and args.table is None:
        raise OptionError("Neither --output MODEL nor --table FOLDER was given; give one of them.")
    if args.steps < 0:
        raise OptionError(f"--steps was given {args.steps}; give 0 or more.")
    settings = AciqSettings(not args.per_tensor, not args.per_tensor)
    model = find_model(args.model)
    console = Console(highlight=False)
    if args.table is not None:
        console.print(_table(model, args.table, settings, args.device))
    if args.output is not None and args.int8 is not None:
        from ocrmypdf_superres.training.int8 import Int8Settings, add_int8

        name = args.name or args.output.name
        made = add_int8(model, args.int8, args.output, name, args.run or Path("runs") / f"{name}-int8", Int8Settings(args.steps))
        say(f"Written: {made.folder}", console)
    elif args.output is not None:
        made = quantize_model(model, args.bits, args.output, args.name or args.output.name, settings)
        say(f"Written: {made.folder}", console)
    return 0


def _table(model: Model, folder: Path, settings: AciqSettings, device: str) -> Table:
    from ocrmypdf_superres.evaluation.networks.line_sets import evaluate, held_out_batches
    from ocrmypdf_superres.export.aciq_model import table
    from ocrmypdf_superres.training.loop.processes import pick_device
    from ocrmypdf_superres.training.recipe import Source

    place = pick_device(device)
    source = Source("words", ".", languages={"eng": 1.0}) if model.card.line_size else Source("rendered", ".")
    batches = held_out_batches(source, folder, model.card.scales[0], STRIPS)
    shown = Table("bits", "bytes", "PSNR to 32 bits", "PSNR to hr", "CER (Tesseract)")
    for row, net in steps(table(model, batches[0].lr, settings=settings), "evaluating", ROWS):
        metrics = evaluate(net.to(place), batches, model.card.channels)
        net.cpu()
        same = "" if row.bits == 32 else f"{row.fidelity:.2f}"
        shown.add_row(str(row.bits), f"{row.size:,}", same, f"{metrics.psnr:.2f}", f"{metrics.cer:.3f}")
    return shown
