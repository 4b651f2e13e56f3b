# SPDX-License-Identifier: MPL-2.0
"""Recipes: a training run as one TOML file, read strictly."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from ocrmypdf_superres.errors import OptionError

PRECISIONS = ("float32", "bfloat16", "float16")
LINE_KINDS = ("words", "lines", "textzoom")
"""Sources of single text lines, for the nets that work on them."""
SOURCE_KINDS = ("rendered", "scans", "pairs", *LINE_KINDS)
METRICS = ("cer", "ctc", "psnr", "loss")


@dataclass(frozen=True)
class Source:
    """A data source: its ``kind``, its ``folder`` below the data root, and how often it is drawn.

    Kinds for page nets are rendered, scans and pairs; for line nets words (rendered from text files), lines (images with
    ``NAME.gt.txt``) and textzoom (its LMDB).

    ``pages`` limits scans to so many pages, spread evenly over the folder's; 0 takes all.  Lines of scans whose text
    only Tesseract gave are used from a mean ``confidence`` (0 to 100) on.  ``low`` is the folder of a pair's
    low-resolution scans, which have the names of those in ``folder``; lines may have one too.
    """

    kind: str
    folder: str
    weight: float = 1.0
    languages: Mapping[str, float] = field(default_factory=dict)
    language: str = "eng"
    pages: int = 0
    confidence: float = 55.0
    low: str = ""


@dataclass(frozen=True)
class Stage:
    """A stage of training.

    ``losses`` maps a loss's name to its weight, or to a table of ``weight`` and the loss's options, and ``balance``
    (a name, or a table of ``name`` and options) says how they share the gradient, see
    :mod:`ocrmypdf_superres.training.balance`; ``lr`` is the peak learning rate, reached after
    ``warmup`` steps and brought to ``lr * final`` along a cosine, or multiplied by ``drop`` at each share
    of the stage in ``drops``; ``lr_scale`` maps patterns to factors on it.  ``recognizers`` are read in turn,
    one a step, ``recognizer_lines`` lines each.

    ``train`` names the parameters that are trained, ``freeze`` those that are not, by patterns such as
    ``tails.*`` (without both all are trained); ``restart`` forgets the optimizer's moments; ``base`` names a
    model whose weights the net takes when the stage begins, which restarts the optimizer too; ``scales``
    replaces the recipe's.

    ``heads`` maps what a net offers beside its sr image to the losses on it, and ``copy`` parts of the net to others
    whose weights they take when the stage begins, see :mod:`ocrmypdf_superres.training.auxiliary`.
    """

    name: str
    steps: int
    losses: Mapping[str, Any] = field(default_factory=dict)
    heads: Mapping[str, Any] = field(default_factory=dict)
    batch: int = 16
    lr: float = 1e-3
    final: float = 0.02
    warmup: int = 100
    drops: tuple[float, ...] = ()
    drop: float = 0.1
    lr_scale: Mapping[str, float] = field(default_factory=dict)
    recognizers: tuple[str, ...] = ()
    recognizer_lines: int = 8
    train: tuple[str, ...] = ()
    freeze: tuple[str, ...] = ()
    restart: bool = False
    base: str = ""
    copy: Mapping[str, str] = field(default_factory=dict)
    scales: Mapping[str, float] = field(default_factory=dict)
    balance: str | Mapping[str, Any] = "fixed"


@dataclass(frozen=True)
class Validation:
    """How a run is judged on pages held back, see :mod:`ocrmypdf_superres.training.validation`.

    ``folder`` (below the data root) and ``kind`` are a source's, ``pages`` and ``lines`` its limits; every
    ``every`` steps ``metric`` is computed on the averaged weights.  A stage ends when ``patience`` values in
    turn were no better than the best (0: never).  ``recognizer`` is what ``ctc`` is read with, by default
    Tesseract's network for ``language``.
    """

    folder: str
    kind: str = "scans"
    language: str = "eng"
    metric: str = "cer"
    every: int = 500
    patience: int = 0
    pages: int = 10
    lines: int = 128
    recognizer: str = ""
    seed: int = 0


@dataclass(frozen=True)
class Recipe:
    """Everything that makes a net: see ``examples/recipes``.

    ``scales`` maps the net's scales to how often each is drawn (all alike where it is empty); ``base`` names the model
    whose weights it starts from; gradients longer than ``clip`` are cut to it (``inf``
    for never); ``betas`` and ``weight_decay`` are AdamW's.  ``readers`` gives parts of the net the weights that the part of
    the same name has in a reader trained here: ``readers = { prior = "abinet" }`` for LEMMA.
    """

    name: str
    architecture: str
    sources: tuple[Source, ...]
    degradation: tuple[Mapping[str, Any], ...]
    stages: tuple[Stage, ...]
    description: str = ""
    base: str = ""
    readers: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)
    scales: Mapping[str, float] = field(default_factory=dict)
    line_height: tuple[int, int] = (34, 66)
    clean: float = 0.15
    ema: float = 0.999
    clip: float = 1.0
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 1e-4
    precision: str = "float32"
    threads: int = 1
    workers: int = 1
    checkpoint_every: int = 500
    image_every: int = 1000
    validation: Validation | None = None


_T = TypeVar("_T")
_TYPES: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,), "bool": (bool,)}


def _fits(kind: str, value: object) -> bool:
    """Whether *value*, as TOML gives it, can stand for a field annotated *kind*."""
    if kind.startswith("tuple[str"):
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if kind.startswith("tuple"):
        return isinstance(value, list)
    if kind.startswith("Mapping"):
        return isinstance(value, dict)
    expected = _TYPES.get(kind)
    return expected is None or (isinstance(value, expected) and (bool in expected or not isinstance(value, bool)))


def read_table(kind: type[_T], values: Mapping[str, Any], where: str) -> _T:
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
        if not _fits(str(spec.type), value):
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
        values[key] = [read_table(kind, row, f"{where}, {key}[{i}]") for i, row in enumerate(rows)]
    if "validation" in values:
        if not isinstance(values["validation"], dict):
            raise OptionError(f"{where} has validation = {values['validation']!r}, but a [validation] table was expected.")
        values["validation"] = read_table(Validation, values["validation"], f"{where}, [validation]")
    recipe = read_table(Recipe, values, where)
    _check_recipe(recipe, where)
    for stage in recipe.stages:
        _check_stage(stage, f"{where}, stage {stage.name}")
    for source in recipe.sources:
        if source.kind not in SOURCE_KINDS:
            raise OptionError(f"{where}: the source kind {source.kind!r} is not known; give one of {', '.join(SOURCE_KINDS)}.")
        if source.kind != "lines" and (source.kind == "pairs") != bool(source.low):
            raise OptionError(f"{where}: sources of the kind pairs, and none but lines beside, need low = the folder of the low-resolution scans.")
    if recipe.validation is not None:
        _check_validation(recipe.validation, f"{where}, [validation]")
        if recipe.validation.metric == "loss" and any(not stage.losses for stage in recipe.stages):
            raise OptionError(f"{where}: the metric loss judges the sr image, but a stage has no losses on it; take psnr or cer.")
    return recipe


def _check_recipe(recipe: Recipe, where: str) -> None:
    if recipe.precision not in PRECISIONS:
        raise OptionError(f"{where} has precision = {recipe.precision!r}; give one of {', '.join(PRECISIONS)}.")
    low, high = recipe.line_height
    if not 24 <= low <= high <= 90:
        raise OptionError(f"{where} has line_height = [{low}, {high}]; give two rising numbers from 24 to 90 pixels.")
    if recipe.clip <= 0 or recipe.weight_decay < 0:
        raise OptionError(f"{where}: clip must be above 0 (inf for no clipping) and weight_decay 0 or more.")
    if len(recipe.betas) != 2 or not all(isinstance(b, (int, float)) and 0 <= b < 1 for b in recipe.betas):
        raise OptionError(f"{where} has betas = {list(recipe.betas)}; give two numbers from 0 to below 1.")
    if recipe.checkpoint_every < 1 or recipe.image_every < 1:
        raise OptionError(f"{where}: checkpoint_every and image_every must be at least 1.")


def _check_stage(stage: Stage, where: str) -> None:
    if stage.steps < 1 or stage.batch < 1 or stage.lr <= 0:
        raise OptionError(f"{where}: steps and batch must be at least 1 and lr above 0.")
    if stage.train and stage.freeze:
        raise OptionError(f"{where} has both train and freeze; give the parts to train or those to freeze.")
    if not all(isinstance(at, (int, float)) and 0 < at < 1 for at in stage.drops) or stage.drop <= 0:
        raise OptionError(f"{where}: drops must be shares of the stage between 0 and 1, and drop above 0.")
    if not all(isinstance(factor, (int, float)) and factor >= 0 for factor in stage.lr_scale.values()):
        raise OptionError(f"{where}: the factors of lr_scale must be numbers of 0 or more.")
    if not stage.losses and not stage.heads:
        raise OptionError(f"{where} has neither losses nor heads; give what it is to learn by.")


def _check_validation(validation: Validation, where: str) -> None:
    if validation.metric not in METRICS:
        raise OptionError(f"{where} has metric = {validation.metric!r}; give one of {', '.join(METRICS)}.")
    if validation.kind not in ("rendered", "scans", *LINE_KINDS):
        raise OptionError(f"{where} has kind = {validation.kind!r}; give rendered, scans, {', '.join(LINE_KINDS)}.")
    if validation.every < 1 or validation.lines < 1 or validation.patience < 0 or validation.pages < 0:
        raise OptionError(f"{where}: every and lines must be at least 1, patience and pages 0 or more.")


def read_toml(path: Path) -> dict[str, Any]:
    """Return what the TOML file *path* holds.

    Raises:
        OptionError: it is missing, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"The recipe {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"The recipe {path} is no valid TOML: {error}.") from error


def read_recipe(path: Path) -> Recipe:
    """Return the recipe in the TOML file *path*.

    Raises:
        OptionError: the file is missing, is no TOML, or does not hold a valid recipe.
    """
    return parse_recipe(read_toml(path), path.name)
