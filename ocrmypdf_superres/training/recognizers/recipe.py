# SPDX-License-Identifier: MPL-2.0
"""Recipes of readers and detectors: one TOML file, read as strictly as a net's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.recipe import LINE_KINDS, Recipe, Source, Stage, read_table, read_toml

SEEN = ("hr", "lr", "sr")


@dataclass(frozen=True)
class TeachRecipe:
    """Everything that makes a reader or a detector.

    ``network`` is its kind and ``config`` its settings; ``images`` says how often it is shown hr, lr enlarged bicubically,
    or what the line model ``sr`` makes of lr; ``base`` names the reader that it starts from.  ``held`` is a source that is
    only read, at the end and every ``every`` steps, of ``lines`` lines; the best weights are kept.  ``size`` is that of a
    detector's rendered pages, which have rendered text of ``sources``.
    """

    name: str
    network: str
    sources: tuple[Source, ...]
    steps: int
    description: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    held: tuple[Source, ...] = ()
    lines: int = 256
    every: int = 500
    batch: int = 32
    lr: float = 1e-3
    final: float = 0.02
    warmup: int = 100
    clip: float = 5.0
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 1e-4
    seed: int = 0
    threads: int = 1
    base: str = ""
    sr: str = ""
    images: Mapping[str, float] = field(default_factory=lambda: {"hr": 1.0})
    degradation: tuple[Mapping[str, Any], ...] = ()
    clean: float = 0.15
    size: tuple[int, int] = (320, 448)

    def batches_recipe(self, sources: tuple[Source, ...], seed: int) -> Recipe:
        """Return the recipe by which the batches are drawn from *sources*, x2."""
        stages = (Stage(self.name, self.steps, {"l2": 1.0}),)
        degradation = self.degradation or ({"name": "downsample", "kernels": ["bicubic"]},)
        return Recipe(self.name, "", sources, degradation, stages, seed=seed, scales={"2": 1.0}, clean=self.clean)


def read_teach_recipe(path: Path) -> TeachRecipe:
    """Return the recipe in the TOML file *path*.

    Raises:
        OptionError: the file is missing, is no TOML, or does not hold a valid recipe of a reader or detector.
    """
    values = read_toml(path)
    where = path.name
    for key in ("sources", "held"):
        if key in values:
            if not isinstance(values[key], list) or not all(isinstance(row, dict) for row in values[key]):
                raise OptionError(f"{where} has {key} = {values[key]!r}, but [[{key}]] tables were expected.")
            values[key] = [read_table(Source, row, f"{where}, {key}[{i}]") for i, row in enumerate(values[key])]
    recipe = read_table(TeachRecipe, values, where)
    _check(recipe, where)
    return recipe


def _check(recipe: TeachRecipe, where: str) -> None:
    if not recipe.sources:
        raise OptionError(f"{where} needs at least one [[sources]] table.")
    allowed = ("rendered",) if recipe.network == "ctpn" else LINE_KINDS
    for source in (*recipe.sources, *recipe.held):
        if source.kind not in allowed:
            raise OptionError(f"{where}: a {recipe.network} learns from sources of the kind {', '.join(allowed)}, not {source.kind!r}.")
    if min(recipe.steps, recipe.batch, recipe.lines, recipe.every) < 1 or recipe.lr <= 0 or recipe.clip <= 0:
        raise OptionError(f"{where}: steps, batch, lines and every must be at least 1, lr and clip above 0.")
    shares = recipe.images
    if not shares or any(key not in SEEN or not isinstance(share, (int, float)) or share < 0 for key, share in shares.items()):
        raise OptionError(f"{where} has images = {dict(shares)}; give shares of {', '.join(SEEN)}.")
    if sum(shares.values()) <= 0 or bool(shares.get("sr")) != bool(recipe.sr):
        raise OptionError(f"{where}: images needs a share above 0, and a share of sr just where sr names a line model.")
