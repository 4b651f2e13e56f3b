# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres export``: a model folder of a training run that has a checkpoint."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from ocrmypdf_superres.commands.shared.output import say, steps
from ocrmypdf_superres.commands.shared.parsing import add_output
from ocrmypdf_superres.modelstore.store import find_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``export``."""
    parser.add_argument("recipe", type=Path, help="the recipe that the run was started with")
    parser.add_argument("run", type=Path, help="folder of the run, which holds checkpoint.pt")
    add_output(parser, "the model folder to write", metavar="MODEL", required=True)
    parser.add_argument("--name", metavar="NAME", help="name of the model (default: the recipe's)")
    parser.add_argument(
        "--aciq", type=int, metavar="BITS", help="store the weights in this many bits, 2 to 8 (runs with torch only)"
    )
    parser.add_argument(
        "--calibrated-as",
        metavar="MODEL",
        help="a model that this one was distilled from: confidences that are calibrated for its images hold for this one, too",
    )


def run(args: argparse.Namespace) -> int:
    """Export the weights of the run's last checkpoint.

    Raises:
        OptionError, ModelError: see :func:`~ocrmypdf_superres.training.workflows.export_run.export_run`.
    """
    from ocrmypdf_superres.training.workflows.export_run import export_run

    same = find_model(args.calibrated_as).card.calibration_sha256 if args.calibrated_as else ""
    track = partial(steps, what="exporting graphs")
    export_run(args.recipe, args.run, args.output, args.name, calibrated_as=same, track=track)
    if args.aciq is not None:
        from ocrmypdf_superres.export.aciq_model import quantize_model

        made = find_model(str(args.output))
        quantize_model(made, args.aciq, args.output, made.card.name)
    say(f"Written: {args.output}")
    return 0
