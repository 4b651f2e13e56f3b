# SPDX-License-Identifier: MPL-2.0
"""Recipes: a training run as one TOML file, read strictly."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from ocrmypdf_superres.errors import OptionError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Source:
    """A data source: ``kind`` rendered or scans, its ``folder`` below the data root, and how often it is drawn.

    ``pages`` limits scans to so many pages, spread evenly over the folder's; 0 takes all.
    """

    kind: str
    folder: str
    weight: float = 1.0
    languages: Mapping[str, float] = field(default_factory=dict)
    language: str = "eng"
    pages: int = 0


@dataclass(frozen=True)
class Stage:
    """A stage of training.

    ``losses`` maps a loss's name to its weight; ``lr`` is the peak learning rate, reached after
    ``warmup`` steps and brought to ``lr * final`` along a cosine; ``recognizers`` are read in turn,
    one a step, ``recognizer_lines`` lines each.
    """

    name: str
    steps: int
    losses: Mapping[str, float]
    batch: int = 16
    lr: float = 1e-3
    final: float = 0.02
    warmup: int = 100
    recognizers: tuple[str, ...] = ()
    recognizer_lines: int = 8


@dataclass(frozen=True)
class Recipe:
    """Everything that makes a net: see ``examples/recipes``.  ``base`` names the model whose weights it starts from."""

    name: str
    architecture: str
    sources: tuple[Source, ...]
    degradation: tuple[Mapping[str, Any], ...]
    stages: tuple[Stage, ...]
    description: str = ""
    base: str = ""
    seed: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)
    scales: Mapping[str, float] = field(default_factory=dict)
    line_height: tuple[int, int] = (34, 66)
    clean: float = 0.15
    ema: float = 0.999
    precision: str = "float32"
    threads: int = 1
    workers: int = 1
    checkpoint_every: int = 500
    picture_every: int = 1000


_T = TypeVar("_T")
_TYPES: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,)}


def _table(kind: type[_T], values: Mapping[str, Any], where: str) -> _T:
    """Return the dataclass *kind* made of *values*, refusing unknown keys, missing keys and wrong types."""
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise OptionError(f"{where} has the unknown key {key!r}; known are {', '.join(sorted(known))}.")
    converted: dict[str, Any] = {}
    for key, spec in known.items():
        if key not in values:
            if spec.default is MISSING and spec.default_factory is MISSING:
                raise OptionError(f"{where} lacks the key {key!r}.")
            continue
        value = values[key]
        expected = _TYPES.get(str(spec.type))
        if expected is not None and (not isinstance(value, expected) or isinstance(value, bool)):
            raise OptionError(f"{where} has {key} = {value!r}, but a value of type {spec.type} was expected.")
        converted[key] = tuple(value) if isinstance(value, list) else value
    return kind(**converted)


def parse_recipe(values: Mapping[str, Any], where: str) -> Recipe:
    """Return the recipe that the parsed TOML *values* describe; *where* names it in messages.

    Raises:
        OptionError: an unknown or missing key, a wrong type, or a value out of range.
    """
    values = dict(values)
    for key, kind in (("sources", Source), ("stages", Stage)):
        rows = values.get(key, [])
        if not isinstance(rows, list) or not rows or not all(isinstance(r, dict) for r in rows):
            raise OptionError(f"{where} needs at least one [[{key}]] table.")
        values[key] = [_table(kind, row, f"{where}, {key}[{i}]") for i, row in enumerate(rows)]
    recipe = _table(Recipe, values, where)
    if recipe.precision not in PRECISIONS:
        raise OptionError(f"{where} has precision = {recipe.precision!r}; give one of {', '.join(PRECISIONS)}.")
    low, high = recipe.line_height
    if not 24 <= low <= high <= 90:
        raise OptionError(f"{where} has line_height = [{low}, {high}]; give two rising numbers from 24 to 90 pixels.")
    for stage in recipe.stages:
        if stage.steps < 1 or stage.batch < 1 or stage.lr <= 0:
            raise OptionError(f"{where}, stage {stage.name}: steps and batch must be at least 1 and lr above 0.")
    for source in recipe.sources:
        if source.kind not in ("rendered", "scans"):
            raise OptionError(f"{where}: the source kind {source.kind!r} is not known; give rendered or scans.")
    return recipe


def read_recipe(path: Path) -> Recipe:
    """Return the recipe in the TOML file *path*.

    Raises:
        OptionError: the file is missing, is no TOML, or does not hold a valid recipe.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"The recipe {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"The recipe {path} is no valid TOML: {error}.") from error
    return parse_recipe(values, path.name)
