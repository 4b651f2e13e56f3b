# SPDX-License-Identifier: MPL-2.0
"""``ocrmypdf-superres export``: a model folder of a training run that has a checkpoint."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``export``."""
    parser.add_argument("recipe", type=Path, help="the recipe that the run was started with")
    parser.add_argument("run", type=Path, help="folder of the run, which holds checkpoint.pt")
    parser.add_argument("output", type=Path, help="the model folder to write")
    parser.add_argument("--name", help="name of the model (default: the recipe's)")
    parser.add_argument(
        "--aciq", type=int, metavar="BITS", help="store the weights in so many bits, 2 to 8 (runs with torch only)"
    )


def run(args: argparse.Namespace) -> int:
    """Export the weights of the run's last checkpoint; see :func:`export_run` for what it raises."""
    export_run(args.recipe, args.run, args.output, args.name)
    if args.aciq is not None:
        from ocrmypdf_superres.export.aciq_model import quantize_model
        from ocrmypdf_superres.modelstore.store import find_model

        made = find_model(str(args.output))
        quantize_model(made, args.aciq, args.output, made.card.name)
    Console().print(f"Written: {args.output}", highlight=False, markup=False, soft_wrap=True)
    return 0


def export_run(
    recipe_path: Path, run: Path, output: Path, name: str | None = None, metrics: Mapping[str, str] | None = None
) -> None:
    """Write the weights of the last checkpoint in the folder *run* as the model folder *output*.

    They are the best so far where the run is validated, else the averaged ones.

    Raises:
        OptionError: the recipe or the checkpoint cannot be used.
        ModelError: the output exists and is not a model, or the exported graphs disagree with the net.
    """
    from ocrmypdf_superres.architectures import get
    from ocrmypdf_superres.errors import OptionError
    from ocrmypdf_superres.export.onnx import export_model
    from ocrmypdf_superres.training.checkpoint import load_checkpoint
    from ocrmypdf_superres.training.fit import CHECKPOINT
    from ocrmypdf_superres.training.recipe import read_recipe

    recipe = read_recipe(recipe_path)
    spec = get(recipe.architecture)
    config = spec.parse_config(recipe.config)
    net = spec.build(config)
    state = load_checkpoint(run / CHECKPOINT)
    try:
        net.load_state_dict(state.get("watch", {}).get("weights") or state["average"])
    except (RuntimeError, KeyError, TypeError) as error:
        raise OptionError(f"{run / CHECKPOINT} does not fit the net of {recipe_path} ({error}); give its own recipe.") from error
    export_model(
        net.eval(), spec, config, output, name or recipe.name, description=recipe.description, metrics=metrics,
        recipe=recipe_path.read_text(encoding="utf-8"),
    )  # fmt: skip
