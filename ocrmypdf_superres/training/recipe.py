# SPDX-License-Identifier: MPL-2.0
"""Recipes: a training run as one TOML file, read strictly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.tables import STRICT, read_table, read_toml
from ocrmypdf_superres.training.balance import make_balance
from ocrmypdf_superres.training.data.colour import check_colour
from ocrmypdf_superres.training.protocols import SourceKind, Target
from ocrmypdf_superres.training.registries import SOURCES, LossSetting, loss_setting, make_degradation, typed

PRECISIONS = ("float32", "bfloat16", "float16")
METRICS = ("cer", "ctc", "psnr", "loss")
T = TypeVar("T")


@dataclass(frozen=True)
class Source:
    """A data source: its ``kind``, its ``folder`` below the data root, and its ``weight`` among the sources.

    Kinds for page nets are rendered, scans, pairs and patches; for line nets words (rendered from text files), lines (images with
    ``NAME.gt.txt``), textzoom and recognition (their LMDBs). Other packages add kinds, see :class:`SourceKind`.

    ``pages`` limits scans to this many pages, spread evenly over the folder's; 0 takes all. Lines of scans that have no
    other text than Tesseract's are used from a mean ``confidence`` (0 to 100) on. ``low`` is the folder of the
    low-resolution scans of pairs, which have the names of those in ``folder``; lines and patches may have one too. ``options``
    are a kind's own: ``part`` (``train`` or ``test``) and ``share`` of scans, pairs and patches, ``size`` of patches.
    """

    __pydantic_config__ = STRICT
    kind: str
    folder: str
    weight: float = 1.0
    languages: Mapping[str, float] = field(default_factory=dict)
    language: str = "eng"
    pages: int = 0
    confidence: float = 55.0
    low: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingStage:
    """A stage of any training: how long, how fast, and which parameters.

    ``lr`` is the peak learning rate, reached after ``warmup`` steps and lowered to ``lr * final`` along a cosine, or
    multiplied by ``gamma`` at each share of the stage in ``milestones``; ``lr_scale`` maps patterns to factors on it.

    ``train`` names the parameters that are trained, ``freeze`` those that are not, by patterns such as ``tails.*``
    (without both all are trained); ``reset_optimizer`` forgets the optimizer's moments.
    """

    __pydantic_config__ = STRICT
    name: str
    steps: int
    _: KW_ONLY
    batch: int = 16
    lr: float = 1e-3
    final: float = 0.02
    warmup: int = 100
    milestones: tuple[float, ...] = ()
    gamma: float = 0.1
    lr_scale: Mapping[str, float] = field(default_factory=dict)
    train: tuple[str, ...] = ()
    freeze: tuple[str, ...] = ()
    reset_optimizer: bool = False


@dataclass(frozen=True)
class Stage(TrainingStage):
    """A stage of training a super-resolution net.

    ``losses`` maps a loss's name to its weight, or to a table of ``weight`` and the loss's options, and ``balance``
    (a name, or a table of ``name`` and options) says how they share the gradient, see
    :mod:`ocrmypdf_superres.training.balance`. The recognizers in ``recognizers`` take turns, one a step, and read
    ``recognizer_lines`` lines each. ``heads`` maps auxiliary outputs of the net to the losses on them.

    ``base`` names a model whose weights the net takes when the stage begins, which resets the optimizer too; ``copy`` maps
    parts of the net to others whose weights they take then, see :mod:`ocrmypdf_superres.training.auxiliary`; ``scales``
    replaces the recipe's.
    """

    losses: Mapping[str, Any] = field(default_factory=dict)
    heads: Mapping[str, Any] = field(default_factory=dict)
    _: KW_ONLY
    recognizers: tuple[str, ...] = ()
    recognizer_lines: int = 8
    base: str = ""
    copy: Mapping[str, str] = field(default_factory=dict)
    scales: Mapping[str, float] = field(default_factory=dict)
    balance: str | Mapping[str, Any] = "fixed"

    def loss_settings(self, where: str = "") -> dict[str, LossSetting]:
        """Return the losses on the sr image by name, checked but not made.

        Raises:
            OptionError: an unknown loss or option, or a value of the wrong type.
        """
        where = where or f"Stage {self.name}"
        return {name: loss_setting(name, value, where) for name, value in self.losses.items()}

    def head_settings(self, where: str = "") -> dict[str, dict[str, LossSetting]]:
        """Return the losses on each auxiliary output by name, checked but not made.

        Raises:
            OptionError: an unknown loss or option, a value of the wrong type, or a loss that needs more than two images.
        """
        where = where or f"Stage {self.name}"
        found: dict[str, dict[str, LossSetting]] = {}
        for head, losses in self.heads.items():
            place = f"{where}, head {head},"
            if not isinstance(losses, Mapping) or not losses:
                raise OptionError(f"{place} has {losses!r}; give a table of losses.")
            found[head] = {name: loss_setting(name, value, place) for name, value in losses.items()}
            for name, setting in found[head].items():
                if setting.reads_lines:
                    raise OptionError(f"{place} has the loss {name!r}, which reads lines of the sr image; put it in losses.")
                if setting.target is not Target.HR:
                    raise OptionError(f"{place} has the loss {name!r}, which needs more than one image and hr; put it in losses.")
        return found


@dataclass(frozen=True)
class Validation:
    """How a run is measured on held-out pages or lines, see :mod:`ocrmypdf_superres.training.validation`.

    ``folder`` (below the data root), ``kind``, ``language``, ``languages``, ``low`` and ``options`` are a source's, ``pages``
    and ``lines`` its limits; every ``every`` steps ``metric`` is computed on the averaged weights. A stage ends when
    ``patience`` values in a row were no better than the best (0: never). ``recognizer`` reads for ``ctc``, by default
    Tesseract's network for ``language``.
    """

    __pydantic_config__ = STRICT
    folder: str
    kind: str = "scans"
    language: str = "eng"
    languages: Mapping[str, float] = field(default_factory=dict)
    metric: str = "cer"
    every: int = 500
    patience: int = 0
    pages: int = 10
    lines: int = 128
    recognizer: str = ""
    seed: int = 0
    low: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> Source:
        """The source that the held-out pages or lines come from."""
        return Source(
            self.kind, self.folder, language=self.language, languages=self.languages, pages=self.pages, low=self.low,
            options=self.options,
        )  # fmt: skip


@dataclass(frozen=True)
class RunSettings:
    """The settings of a run, which every recipe has.

    Gradients longer than ``clip`` are cut to it (``inf`` for never); ``betas`` and ``weight_decay`` are AdamW's; ``ema`` is
    the decay of the moving average of the weights (0: the average is the weights themselves).
    """

    __pydantic_config__ = STRICT
    name: str
    _: KW_ONLY
    description: str = ""
    seed: int = 0
    ema: float = 0.999
    clip: float = 1.0
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 1e-4
    precision: str = "float32"
    threads: int = 1
    workers: int = 1
    checkpoint_every: int = 500
    sample_every: int = 1000
    validation: Validation | None = None


@dataclass(frozen=True)
class Recipe(RunSettings):
    """Everything that makes a super-resolution net: see ``examples/recipes``.

    ``scales`` maps the net's scales to their weights (all alike where it is empty); ``base`` names the model whose weights
    it starts from. ``parts`` gives parts of the net the weights that the part of the same name has in a recognizer trained
    here: ``parts = { prior = "abinet" }`` for LEMMA. ``line_height`` is the range of the lines' heights in hr pixels, most of
    which are within 8 of ``usual_height``, and ``clean`` the share of strips that are reduced and not degraded. ``colour`` is
    for text lines: ``luma``, ``rgb``, or ``rgb+mask`` with TextZoom's mask as a fourth channel, over which the image losses
    then are, too; pages are luma.
    """

    architecture: str
    sources: tuple[Source, ...]
    degradation: tuple[Mapping[str, Any], ...]
    stages: tuple[Stage, ...]
    _: KW_ONLY
    base: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    scales: Mapping[str, float] = field(default_factory=dict)
    line_height: tuple[int, int] = (34, 66)
    usual_height: int = 47
    clean: float = 0.15
    colour: str = "luma"

    @property
    def offered_scales(self) -> tuple[int, ...]:
        """The scales that the finished model offers: those of the last stage, since no other is supervised to the end.

        Empty for all of the net's.
        """
        return tuple(sorted(int(scale) for scale in self.stages[-1].scales or self.scales))


def read_nested(kind: type[T], values: Mapping[str, Any], where: str, **rows: type[Any]) -> T:
    """Return the recipe *kind* of *values*, whose arrays of tables *rows* hold the given dataclasses.

    The tables are read by themselves first, so that a message names the table that is wrong.

    Raises:
        OptionError: an unknown or missing key, a wrong type, or an array without a table.
    """
    for key, row in rows.items():
        tables = values.get(key, [] if key in values else None)
        if tables is None:
            raise OptionError(f"{where} lacks the key {key!r}; add at least one [[{key}]] table.")
        if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
            raise OptionError(f"{where} has {key} = {tables!r}; give at least one [[{key}]] table.")
        for number, table in enumerate(tables):
            read_table(row, table, f"{where}, {key}[{number}]")
    if "validation" in values:
        if not isinstance(values["validation"], dict):
            raise OptionError(f"{where} has validation = {values['validation']!r}; give a [validation] table.")
        read_table(Validation, values["validation"], f"{where}, [validation]")
    return read_table(kind, values, where)


def parse_recipe(values: Mapping[str, Any], where: str) -> Recipe:
    """Return the recipe that the parsed TOML *values* describe; *where* names it in messages.

    Losses, balances, degradations and sources are looked up and their options checked, but nothing is made or loaded.

    Raises:
        OptionError: an unknown or missing key, a wrong type, or a value out of range.
    """
    recipe = read_nested(Recipe, values, where, sources=Source, stages=Stage)
    check_settings(recipe, where)
    low, high = recipe.line_height
    if not 24 <= low <= high <= 90:
        raise OptionError(f"{where} has line_height = [{low}, {high}]; give two rising numbers from 24 to 90 pixels.")
    if not low <= recipe.usual_height <= high:
        raise OptionError(f"{where} has usual_height = {recipe.usual_height}; give a height of line_height = [{low}, {high}].")
    for stage in recipe.stages:
        _check_stage(stage, f"{where}, stage {stage.name}")
    for scales, place in ((recipe.scales, where), *((stage.scales, f"{where}, stage {stage.name}") for stage in recipe.stages)):
        if scales and (not all(0 <= weight < math.inf for weight in scales.values()) or not any(scales.values())):
            raise OptionError(f"{place} has scales = {dict(scales)}; give weights of 0 or more, and one above 0.")
    lines = [check_source(source, where).lines for source in recipe.sources]
    if len(set(lines)) > 1:
        raise OptionError(f"{where} mixes sources of page strips and of text lines; give sources of one sort.")
    crops = all(source.kind == "patches" and source.options.get("colour") is True for source in recipe.sources)
    check_colour(recipe.colour, all(lines), where, crops)
    make_degradation(recipe.degradation, where)
    if recipe.validation is not None:
        check_validation(recipe.validation, f"{where}, [validation]", METRICS)
        check_source(recipe.validation.source, f"{where}, [validation]")
        if recipe.validation.metric == "loss" and any(not stage.losses for stage in recipe.stages):
            raise OptionError(f"{where}: the metric loss needs losses on the sr image in every stage; take psnr or cer.")
    return recipe


def check_settings(settings: RunSettings, where: str) -> None:
    """Raise OptionError where a value of *settings*, which *where* names, is out of range."""
    if settings.precision not in PRECISIONS:
        raise OptionError(f"{where} has precision = {settings.precision!r}; give one of {', '.join(PRECISIONS)}.")
    if not settings.clip > 0 or not 0 <= settings.weight_decay < math.inf:
        raise OptionError(f"{where}: clip must be above 0 (inf for no clipping) and weight_decay 0 or more.")
    if not all(0 <= beta < 1 for beta in settings.betas) or not 0 <= settings.ema < 1:
        raise OptionError(f"{where}: betas = {list(settings.betas)} and ema = {settings.ema} must be from 0 to below 1.")
    if min(settings.checkpoint_every, settings.sample_every, settings.threads) < 1 or settings.workers < 0:
        raise OptionError(f"{where}: checkpoint_every, sample_every and threads must be at least 1, and workers 0 or more.")


def check_training_stage(stage: TrainingStage, where: str) -> None:
    """Raise OptionError where a value of *stage*, which *where* names, is out of range."""
    if stage.steps < 1 or stage.batch < 1 or not stage.lr > 0 or stage.warmup < 0:
        raise OptionError(f"{where}: steps and batch must be at least 1, lr above 0, and warmup 0 or more.")
    if stage.train and stage.freeze:
        raise OptionError(f"{where} has both train and freeze; give the parts to train or those to freeze.")
    if not all(0 < at < 1 for at in stage.milestones) or not stage.gamma > 0:
        raise OptionError(f"{where}: milestones must be shares of the stage between 0 and 1, and gamma above 0.")
    if not all(factor >= 0 for factor in stage.lr_scale.values()):
        raise OptionError(f"{where}: the factors of lr_scale must be numbers of 0 or more.")


def _check_stage(stage: Stage, where: str) -> None:
    check_training_stage(stage, where)
    if not stage.losses and not stage.heads:
        raise OptionError(f"{where} has neither losses nor heads; give at least one loss.")
    if stage.recognizer_lines < 1:
        raise OptionError(f"{where} has recognizer_lines = {stage.recognizer_lines}; give at least 1.")
    settings = stage.loss_settings(where)
    reading = [name for name, setting in settings.items() if setting.reads_lines]
    if reading and not stage.recognizers:
        raise OptionError(f"{where} has the loss {reading[0]!r}, which needs recognizers; add recognizers = [...].")
    stage.head_settings(where)
    make_balance(stage.balance, list(settings), where)


def check_source(source: Source, where: str) -> SourceKind:
    """Return the kind of *source*.

    Raises:
        OptionError: the kind is not known, refuses the source's options, or needs or refuses ``low``.
    """
    kind = typed(SourceKind, SOURCES.load(source.kind, where), f"{where}: the source kind {source.kind!r}")
    if (kind.low == "needed" and not source.low) or (kind.low == "none" and source.low):
        raise OptionError(
            f"{where}: a source of the kind {source.kind} {'needs' if kind.low == 'needed' else 'has no'} low = the folder of "
            "the low-resolution scans; pairs need it, and lines may have it."
        )
    kind.read_options(source.options, f"{where}, source {source.kind}, options")
    return kind


def check_validation(validation: Validation, where: str, metrics: tuple[str, ...]) -> None:
    """Raise OptionError where *validation*, which *where* names, has none of *metrics* or a value out of range."""
    if validation.metric not in metrics:
        raise OptionError(f"{where} has metric = {validation.metric!r}; give one of {', '.join(metrics)}.")
    if validation.every < 1 or validation.lines < 1 or validation.patience < 0 or validation.pages < 0:
        raise OptionError(f"{where}: every and lines must be at least 1, patience and pages 0 or more.")


def read_recipe(path: Path) -> Recipe:
    """Return the recipe in the TOML file *path*.

    Raises:
        OptionError: the file is missing, is not TOML, or does not hold a valid recipe.
    """
    return parse_recipe(read_toml(path, "The recipe"), path.name)
