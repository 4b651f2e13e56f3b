# SPDX-License-Identifier: MPL-2.0
"""A model folder of a training run that has a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ocrmypdf_superres.architectures import get
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.export.onnx import export_model
from ocrmypdf_superres.files import read_text
from ocrmypdf_superres.training.loop.checkpoint import load_checkpoint, mismatch
from ocrmypdf_superres.training.loop.trainer import CHECKPOINT
from ocrmypdf_superres.training.recipe import read_recipe


def export_run(
    recipe_path: Path,
    run: Path,
    output: Path,
    name: str | None = None,
    metrics: Mapping[str, str] | None = None,
    calibrated_as: str = "",
    track: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> None:
    """Write the weights of the last checkpoint in the folder *run* as the model folder *output*.

    They are the best so far where the run is validated, else the averaged ones. *calibrated_as* and *track* are
    as for :func:`~ocrmypdf_superres.export.onnx.export_model`.

    Raises:
        OptionError: the recipe or the checkpoint cannot be used.
        ModelError: the output exists and is not a model, or the exported graphs disagree with the net.
    """
    recipe = read_recipe(recipe_path)
    spec = get(recipe.architecture)
    config = spec.parse_config(recipe.config)
    net = spec.build(config)
    state = load_checkpoint(run / CHECKPOINT)
    try:
        net.load_state_dict(state["watch"]["weights"] or state["average"])
    except (RuntimeError, KeyError, TypeError) as error:
        raise OptionError(
            f"{run / CHECKPOINT} does not fit the net of {recipe_path} ({mismatch(error)}); give its own recipe."
        ) from error
    text = read_text(recipe_path, "The recipe")
    export_model(
        net.eval(), spec, config, output, name or recipe.name, description=recipe.description, metrics=metrics, recipe=text,
        scales=recipe.offered_scales, calibrated_as=calibrated_as, track=track,
    )  # fmt: skip
