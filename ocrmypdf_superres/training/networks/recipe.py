# SPDX-License-Identifier: MPL-2.0
"""Recipes of tuned Tesseract networks: one TOML file for all languages, read as strictly as a net's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict, dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.tables import read_toml
from ocrmypdf_superres.training.recipe import (
    RunSettings,
    TrainingStage,
    Validation,
    check_settings,
    check_training_stage,
    check_validation,
    read_nested,
)

LANGUAGE = "{language}"
"""What stands for a language in the folders of a recipe."""


@dataclass(frozen=True)
class TuningSettings(RunSettings):
    """The settings of a run that is validated on held-out lines, as every tuning of a recognizer is."""

    @property
    def held_out(self) -> Validation:
        """The table ``[validation]``, which every recipe of a tuning has."""
        if self.validation is None:
            raise OptionError(f"The recipe {self.name} has no [validation] table; add one.")
        return self.validation


@dataclass(frozen=True)
class TuningRecipe(TuningSettings):
    """Everything that makes a tuned network.

    ``language`` is Tesseract's; ``{language}`` in ``lines``, in ``base`` and in the folder of ``[validation]`` stands for it.
    ``lines`` is the folder of prepared lines below the data root, ``base`` the file or the folder of a packed network to start
    from, by default the installed file. ``outputs`` are characters whose outputs alone are trained; they start from the
    installed network's. Lines wider than ``widest`` pixels at the network's height are left out. The metric of
    ``[validation]`` is ``cer``, the program's on the first ``lines`` lines of ``folder``, with the network as int8; the best
    weights are kept.
    """

    lines: str
    stages: tuple[TrainingStage, ...]
    _: KW_ONLY
    language: str = "eng"
    base: str = ""
    outputs: str = ""
    widest: int = 1400
    ema: float = 0.99
    weight_decay: float = 0.0
    workers: int = 0


def recipe_text(recipe: TuningRecipe) -> str:
    """Return *recipe* as TOML, which a checkpoint keeps so that no other recipe continues it."""
    return tomli_w.dumps(_without_none(asdict(recipe)))


def _without_none(value: Any) -> Any:
    """Return *value* without what TOML has no word for."""
    if isinstance(value, Mapping):
        return {name: _without_none(one) for name, one in value.items() if one is not None}
    return [_without_none(one) for one in value] if isinstance(value, list | tuple) else value


def parse_tuning_recipe(values: Mapping[str, Any], where: str, language: str = "") -> TuningRecipe:
    """Return the recipe that the parsed TOML *values* describe, for *language* instead of its own where that is given.

    Raises:
        OptionError: an unknown or missing key, a wrong type, or a value out of range.
    """
    recipe = read_nested(TuningRecipe, values, where, stages=TrainingStage)
    check_settings(recipe, where)
    for stage in recipe.stages:
        check_training_stage(stage, f"{where}, stage {stage.name}")
    check_validation(recipe.held_out, f"{where}, [validation]", ("cer",))
    if recipe.workers:
        raise OptionError(f"{where} has workers = {recipe.workers}, but a run must know which files of lines it read; give 0.")
    if recipe.widest < 100:
        raise OptionError(f"{where} has widest = {recipe.widest}, but at least 100 pixels were expected; correct it.")
    own = language or recipe.language
    # A script's file lies in a folder of its own in some distributions; as a folder's name it is without.
    name = own.rpartition("/")[2]
    if recipe.lines.replace(LANGUAGE, name) == recipe.held_out.folder.replace(LANGUAGE, name):
        raise OptionError(f"{where} trains on the lines of [validation]; give lines and folder two folders.")
    return replace(
        recipe,
        language=own,
        lines=recipe.lines.replace(LANGUAGE, name),
        base=recipe.base.replace(LANGUAGE, name),
        validation=replace(recipe.held_out, folder=recipe.held_out.folder.replace(LANGUAGE, name), language=own),
    )


def read_tuning_recipe(path: Path, language: str = "") -> TuningRecipe:
    """Return the recipe in the TOML file *path*; see :func:`parse_tuning_recipe`.

    Raises:
        OptionError: the file is missing, is not TOML, or does not hold a valid recipe.
    """
    return parse_tuning_recipe(read_toml(path, "The recipe"), path.name, language)
