# SPDX-License-Identifier: MPL-2.0
"""Recipes of recognizers and detectors: one TOML file, read as strictly as a net's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.tables import read_toml
from ocrmypdf_superres.training.data.colour import RGB_MASK, check_colour
from ocrmypdf_superres.training.recipe import (
    RunSettings,
    Source,
    TrainingStage,
    check_settings,
    check_source,
    check_training_stage,
    check_validation,
    read_nested,
)
from ocrmypdf_superres.training.registries import make_degradation

IMAGES = ("hr", "lr", "sr")
DETECTOR = "ctpn"


@dataclass(frozen=True)
class RecognizerRecipe(RunSettings):
    """Everything that makes a recognizer or a detector.

    ``network`` is its kind and ``config`` its settings; ``base`` names the one whose weights it starts from. ``images`` says
    how often it is shown hr, lr enlarged bicubically, or the sr that the line model ``sr`` makes of lr. The metric of
    ``[validation]`` is ``accuracy``, the share of held-out lines that are read without a mistake; the best weights are kept.
    ``colour`` is ``luma`` or ``rgb``, for recognizers that take RGB. ``size`` (height, width) is that of a detector's rendered
    pages, which have the rendered text of the source.
    """

    network: str
    sources: tuple[Source, ...]
    stages: tuple[TrainingStage, ...]
    _: KW_ONLY
    config: Mapping[str, Any] = field(default_factory=dict)
    base: str = ""
    sr: str = ""
    images: Mapping[str, float] = field(default_factory=lambda: {"hr": 1.0})
    degradation: tuple[Mapping[str, Any], ...] = ({"name": "downsample", "kernels": ["bicubic"]},)
    clean: float = 0.15
    colour: str = "luma"
    size: tuple[int, int] = (320, 448)
    ema: float = 0.0
    clip: float = 5.0

    @property
    def scales(self) -> Mapping[str, float]:
        """The scale of lr, which is 2 for all line nets."""
        return {"2": 1.0}

    @property
    def line_height(self) -> tuple[int, int]:
        """A range that text lines have no use for; they have their own height."""
        return (34, 66)

    @property
    def usual_height(self) -> int:
        """A height that text lines have no use for."""
        return 47


def parse_recognizer_recipe(values: Mapping[str, Any], where: str) -> RecognizerRecipe:
    """Return the recipe that the parsed TOML *values* describe; *where* names it in messages.

    Raises:
        OptionError: an unknown or missing key, a wrong type, or a value out of range.
    """
    recipe = read_nested(RecognizerRecipe, values, where, sources=Source, stages=TrainingStage)
    check_settings(recipe, where)
    for stage in recipe.stages:
        check_training_stage(stage, f"{where}, stage {stage.name}")
    make_degradation(recipe.degradation, where)
    detector = recipe.network == DETECTOR
    if detector and recipe.validation is not None:
        raise OptionError(f"{where} has a [validation] table, but a detector has no metric to validate with; leave it out.")
    held_out = [] if recipe.validation is None else [recipe.validation.source]
    for source in (*recipe.sources, *held_out):
        if (source.kind != "rendered") if detector else not check_source(source, where).lines:
            wanted = "rendered" if detector else "words, lines, textzoom or others of text lines"
            raise OptionError(f"{where}: a {recipe.network} learns from sources of the kind {wanted}, not {source.kind!r}.")
    if recipe.validation is not None:
        check_validation(recipe.validation, f"{where}, [validation]", ("accuracy",))
    check_colour(recipe.colour, not detector, where)
    if recipe.colour == RGB_MASK:
        raise OptionError(f"{where} has colour = {RGB_MASK!r}, which recognizers do not take; give luma or rgb.")
    _check_images(recipe, where)
    return recipe


def _check_images(recipe: RecognizerRecipe, where: str) -> None:
    shares = recipe.images
    if not shares or any(key not in IMAGES or not share >= 0 for key, share in shares.items()):
        raise OptionError(f"{where} has images = {dict(shares)}; give shares of {', '.join(IMAGES)}.")
    if sum(shares.values()) <= 0 or bool(shares.get("sr")) != bool(recipe.sr):
        raise OptionError(f"{where}: images needs a share above 0, and a share of sr only where sr names a line model.")
    if min(recipe.size) < 16 or any(side % 16 for side in recipe.size):
        raise OptionError(f"{where} has size = {list(recipe.size)}; give a height and a width that are multiples of 16.")


def read_recognizer_recipe(path: Path) -> RecognizerRecipe:
    """Return the recipe in the TOML file *path*.

    Raises:
        OptionError: the file is missing, is not TOML, or does not hold a valid recipe of a recognizer or detector.
    """
    return parse_recognizer_recipe(read_toml(path, "The recipe"), path.name)
