# SPDX-License-Identifier: MPL-2.0
"""Recipes that tune RapidOCR's recognizer: one TOML file, read as strictly as a net's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.tables import read_toml
from ocrmypdf_superres.training.networks.recipe import LANGUAGE, TuningSettings
from ocrmypdf_superres.training.recipe import (
    TrainingStage,
    check_settings,
    check_training_stage,
    check_validation,
    read_nested,
)


@dataclass(frozen=True)
class LineTuningRecipe(TuningSettings):
    """Everything that makes a tuned recognizer for RapidOCR.

    ``languages`` maps Tesseract's names of languages to their shares of the lines; ``{language}`` in ``lines`` and in the folder
    of ``[validation]`` stands for each of them. ``base`` is the ONNX file to start from, by default the one that the package
    rapidocr carries; its table of characters is reduced to Latin letters, digits, marks and symbols. ``start`` is the ONNX file
    of a network tuned from it before, to be trained on; by default training starts from ``base``. ``base_share`` is the share
    of the base's weights in the mean that is written, and ``int8_lines`` the number of lines that the ranges of its form in 8-bit
    integers are taken from (0: no such form). A batch has at most the stage's ``batch`` lines and ``pixels`` columns; lines
    wider than ``widest`` pixels at the network's height are left out. The metric of ``[validation]`` is ``cer``, on as many of
    its ``lines`` in each language; the best weights are kept.
    """

    lines: str
    languages: Mapping[str, float]
    stages: tuple[TrainingStage, ...]
    _: KW_ONLY
    base: str = ""
    start: str = ""
    base_share: float = 0.0
    int8_lines: int = 120
    pixels: int = 9000
    widest: int = 1500
    ema: float = 0.995
    weight_decay: float = 0.0

    def folders(self) -> dict[str, Path]:
        """Return the folder of lines of each language, below the data root."""
        return {language: Path(self.lines.replace(LANGUAGE, language)) for language in self.languages}

    def held_out_folders(self) -> dict[str, Path]:
        """Return the folder of held-out lines of each language, below the data root."""
        return {language: Path(self.held_out.folder.replace(LANGUAGE, language)) for language in self.languages}


def parse_line_tuning_recipe(values: Mapping[str, Any], where: str) -> LineTuningRecipe:
    """Return the recipe that the parsed TOML *values* describe; *where* names it in messages.

    Raises:
        OptionError: an unknown or missing key, a wrong type, or a value out of range.
    """
    recipe = read_nested(LineTuningRecipe, values, where, stages=TrainingStage)
    check_settings(recipe, where)
    for stage in recipe.stages:
        check_training_stage(stage, f"{where}, stage {stage.name}")
    check_validation(recipe.held_out, f"{where}, [validation]", ("cer",))
    if not recipe.languages or any(not share > 0 for share in recipe.languages.values()):
        raise OptionError(f"{where} has languages = {dict(recipe.languages)}; give shares above 0 of at least one language.")
    if not 0 <= recipe.base_share < 1 or recipe.int8_lines < 0:
        raise OptionError(
            f"{where} has base_share = {recipe.base_share} and int8_lines = {recipe.int8_lines}, but 0 to below 1 and 0 or more "
            "were expected; correct them."
        )
    if recipe.widest < 320 or recipe.pixels < recipe.widest:
        raise OptionError(
            f"{where} has widest = {recipe.widest} and pixels = {recipe.pixels}, but at least 320 and no less than that were "
            "expected; correct them."
        )
    if set(recipe.folders().values()) & set(recipe.held_out_folders().values()):
        raise OptionError(f"{where} trains on the lines of [validation]; give lines and folder two folders.")
    if len(recipe.languages) > 1 and LANGUAGE not in recipe.lines:
        raise OptionError(f"{where} has lines = {recipe.lines!r} for several languages; put {LANGUAGE} into it.")
    return recipe


def read_line_tuning_recipe(path: Path) -> LineTuningRecipe:
    """Return the recipe in the TOML file *path*; see :func:`parse_line_tuning_recipe`.

    Raises:
        OptionError: the file is missing, is not TOML, or does not hold a valid recipe.
    """
    return parse_line_tuning_recipe(read_toml(path, "The recipe"), path.name)
