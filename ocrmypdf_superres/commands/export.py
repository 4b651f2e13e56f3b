# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres export``: a model folder of a training run that has a checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``export``."""
    parser.add_argument("recipe", type=Path, help="the recipe that the run was started with")
    parser.add_argument("run", type=Path, help="folder of the run, which holds checkpoint.pt")
    parser.add_argument("output", type=Path, help="the model folder to write")
    parser.add_argument("--name", help="name of the model (default: the recipe's)")


def run(args: argparse.Namespace) -> int:
    """Export the run's best weights so far where it is validated, else the averaged ones of its last checkpoint.

    Raises:
        OptionError: the recipe or the checkpoint cannot be used.
        ModelError: the output exists and is no model, or the exported graphs disagree with the net.
    """
    from ocrmypdf_superres.architectures import get
    from ocrmypdf_superres.errors import OptionError
    from ocrmypdf_superres.export.onnx import export_model
    from ocrmypdf_superres.training.checkpoint import load_checkpoint
    from ocrmypdf_superres.training.fit import CHECKPOINT
    from ocrmypdf_superres.training.recipe import read_recipe

    recipe = read_recipe(args.recipe)
    spec = get(recipe.architecture)
    config = spec.parse_config(recipe.config)
    net = spec.build(config)
    state = load_checkpoint(args.run / CHECKPOINT)
    try:
        net.load_state_dict(state.get("watch", {}).get("weights") or state["average"])
    except (RuntimeError, KeyError, TypeError) as error:
        raise OptionError(f"{args.run / CHECKPOINT} does not fit the net of {args.recipe} ({error}); give its own recipe.") from error
    text = args.recipe.read_text(encoding="utf-8")
    export_model(
        net.eval(), spec, config, args.output, args.name or recipe.name, description=recipe.description, recipe=text
    )
    Console().print(f"Written: {args.output}", highlight=False, markup=False, soft_wrap=True)
    return 0
