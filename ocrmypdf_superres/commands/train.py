# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres train``: a net from a recipe."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from rich.console import Console

from ocrmypdf_superres.commands.shared.parsing import add_data, add_device, add_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``train``."""
    parser.add_argument("recipe", type=Path, help="a TOML file, see examples/recipes")
    add_data(parser, "folder that the recipe's sources lie in (default: here)", default=Path())
    add_output(parser, "folder of the run (default: runs/NAME)", metavar="FOLDER")
    parser.add_argument("--resume", action="store_true", help="go on from the run's checkpoint")
    parser.add_argument("--show-data", action="store_true", help="only write a grid of training strips")
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
    from ocrmypdf_superres.training.workflows.train import train

    written = train(args.recipe, args.output, args.data, resume=args.resume, show_data=args.show_data, device=args.device)
    if os.environ.get("RANK", "0") == "0":  # of several processes one speaks
        Console().print(f"Written: {written}", highlight=False, markup=False, soft_wrap=True)
    return 0


def _print_degradation(recipe: Path, folder: Path) -> None:
    import tomli_w

    from ocrmypdf_superres.training.data.estimate import estimate_folder, like
    from ocrmypdf_superres.training.recipe import read_recipe

    tables = like(estimate_folder(folder), read_recipe(recipe).degradation)
    Console().print(tomli_w.dumps({"degradation": tables}), highlight=False, markup=False, soft_wrap=True, end="")
