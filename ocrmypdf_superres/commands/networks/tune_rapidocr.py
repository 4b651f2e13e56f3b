# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres recognizer tune-rapidocr``: RapidOCR's recognizer tuned on prepared lines."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from ocrmypdf_superres.commands.shared.output import say
from ocrmypdf_superres.commands.shared.parsing import add_data, add_device, add_minutes, add_output, add_resume, subcommand


def add_action(actions: Any) -> None:
    """Add the action ``tune-rapidocr`` to the subparsers *actions*."""
    text = "tune RapidOCR's recognizer by a recipe on prepared lines, to a folder of models/rapidocr"
    action = subcommand(actions, "tune-rapidocr", "recognizer tune-rapidocr", text)
    action.add_argument("recipe", type=Path, help="a TOML file (examples/recipes/rapidocr-latin.toml)")
    add_data(action, "folder that the recipe's lines are in (default: here)", default=Path())
    add_output(action, "folder to write", metavar="FOLDER", required=True)
    add_device(action)
    add_resume(action, "continue an interrupted run from its checkpoint in OUTPUT.run")
    add_minutes(action)


def run(console: Console, args: argparse.Namespace) -> int:
    """Tune the recognizer.

    Raises:
        SuperresError: the recipe, its lines, the device or the folder cannot be used.
    """
    from ocrmypdf_superres.training.networks.reading import table
    from ocrmypdf_superres.training.workflows.tune_network import time_limit
    from ocrmypdf_superres.training.workflows.tune_rapidocr import tune_rapidocr

    limit = time_limit(args.minutes)
    tuned = tune_rapidocr(args.recipe, args.output, args.data, args.resume, args.device, limit)
    say(f"{args.output}: {tuned.steps} steps. CER on held-out lines, read greedily, in %:", console)
    for row in table({"before": tuned.before, "after": tuned.after}):
        say(row, console)
    return 0
