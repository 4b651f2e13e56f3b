# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres train``: a net from a recipe."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from rich.console import Console

from ocrmypdf_superres.commands.shared.output import say
from ocrmypdf_superres.commands.shared.parsing import add_data, add_device, add_output, add_resume


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``train``."""
    parser.add_argument("recipe", type=Path, help="a TOML file, see examples/recipes")
    add_data(parser, "folder that the recipe's sources are in (default: here)", default=Path())
    add_output(parser, "folder of the run (default: runs/NAME)", metavar="FOLDER")
    add_resume(parser, "continue an interrupted run from its checkpoint")
    parser.add_argument("--show-data", action="store_true", help="only write a grid of training strips")
    parser.add_argument(
        "--one-step", action="store_true",
        help="only do a step of every stage on noise, with random weights for networks that are not there, and print memory and "
        "time; for recipes of recognizers and detectors, too",
    )  # fmt: skip
    parser.add_argument("--batch", type=int, default=0, metavar="N", help="images a step of --one-step (default: the recipe's)")
    add_device(parser)
    parser.add_argument(
        "--estimate-degradation", type=Path, metavar="FOLDER",
        help="only print the recipe's [[degradation]] tables, set to be like the low-resolution scans there",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Train, or print the degradation of a folder of scans.

    Raises:
        SuperresError: see :func:`ocrmypdf_superres.training.workflows.train.train`.
    """
    if args.estimate_degradation is not None:
        _print_degradation(args.recipe, args.estimate_degradation)
        return 0
    if args.one_step:
        _print_step(args.recipe, args.device, args.batch)
        return 0
    from ocrmypdf_superres.training.workflows.train import train

    written = train(args.recipe, args.output, args.data, resume=args.resume, show_data=args.show_data, device=args.device)
    if os.environ.get("RANK", "0") == "0":  # of several processes one speaks
        say(f"Written: {written}")
    return 0


def _print_step(recipe: Path, device: str, batch: int) -> None:
    from rich.table import Table

    from ocrmypdf_superres.errors import OptionError
    from ocrmypdf_superres.training.loop.processes import pick_device
    from ocrmypdf_superres.training.workflows.one_step import one_step

    if batch < 0:
        raise OptionError(f"--batch {batch} was given; give a number of images, or 0 for the recipe's.")
    table = Table("stage", "batch", "parameters", "trained", "seconds a step", "peak memory, MiB")
    for cost in one_step(recipe, device, batch):
        parameters = [f"{count:,}" for count in cost.parameters]
        table.add_row(cost.stage, str(cost.batch), *parameters, f"{cost.seconds:.3f}", f"{cost.memory:,.0f}")
    console = Console(highlight=False)
    say(f"{recipe.name} on {pick_device(device)}, one step forwards and backwards.", console)
    console.print(table)


def _print_degradation(recipe: Path, folder: Path) -> None:
    import tomli_w

    from ocrmypdf_superres.training.data.estimate import estimate_folder, like
    from ocrmypdf_superres.training.recipe import read_recipe

    tables = like(estimate_folder(folder), read_recipe(recipe).degradation)
    say(tomli_w.dumps({"degradation": tables}), end="")
