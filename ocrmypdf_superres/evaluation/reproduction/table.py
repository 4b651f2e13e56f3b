# SPDX-License-Identifier: MPL-2.0
"""A table to reproduce as one TOML file, read strictly; see ``examples/recipes/papers/tables``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.tables import STRICT, read_table, read_toml


@dataclass(frozen=True)
class Row:
    """A row of the table.

    ``recipes`` are trained in their order, the last with ``config`` merged into its own and without the losses in ``drop``;
    ``reduced`` stand for them in a reduced run, and so do ``reduced_config``, ``reduced_method`` and ``reduced_recognizer``.
    ``method`` says what is evaluated: ``bicubic``, ``lanczos``, ``hr``, or what ``patches`` takes, with ``{NAME}`` for the model
    that the recipe NAME made; without it the last recipe's model.
    ``recognizer`` are recipes of recognizers, the last of which reads this row's images. ``bits`` are those of the weights of
    ``sr`` and ``recognizer`` (paper 001's table 2). ``reduced_share`` changes the steps of ``reduced``, where arms would differ
    in their number of steps. ``noise`` is the standard deviation, of 255, that the noise of the patches has in this row, instead
    of what the recipe samples. ``train`` replaces keys of the row's recipes, after the setting's. ``paper`` holds its figures, by
    the names of the columns.
    """

    __pydantic_config__ = STRICT
    name: str
    _: KW_ONLY
    recipes: tuple[str, ...] = ()
    reduced: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    reduced_config: Mapping[str, Any] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    method: str = ""
    reduced_method: str = ""
    recognizer: tuple[str, ...] = ()
    reduced_recognizer: tuple[str, ...] = ()
    bits: Mapping[str, int] = field(default_factory=dict)
    reduced_share: Annotated[float, Field(gt=0.0)] = 1.0
    noise: Annotated[float, Field(ge=0.0)] | None = None
    train: Mapping[str, Any] = field(default_factory=dict)
    paper: Mapping[str, float] = field(default_factory=dict)

    def as_reduced(self) -> Row:
        """Return the row that a reduced run trains and evaluates: with its recipes, configuration, method and recognizers."""
        return replace(
            self, recipes=self.reduced, config=self.reduced_config or self.config, method=self.reduced_method or self.method,
            recognizer=self.reduced_recognizer,
        )  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """On what a table is trained and evaluated, once as published and once reduced.

    ``train`` replaces keys of every recipe of a net, such as ``sources`` and ``colour``, ``train_of`` those of the recipes it
    names, and ``recognizer`` those of the rows' recognizers; ``needs`` are recipes of recognizers and detectors that the recipes
    name, and are trained first unless one of that name is found. ``share`` is how much of the recipes'
    steps is trained, the same for every row. Evaluation: of patches ``source``
    (a recipe's table), ``scale``, ``count``, ``recipe`` (whose degradation reduces them) and ``detector``; of lines ``kind``,
    ``sets``, ``count`` and ``evaluators``, names of recognizers. ``engines`` are OCR engines that were in no loss, such as
    ``rapidocr``: they find and read the text, too.
    """

    __pydantic_config__ = STRICT
    train: Mapping[str, Any] = field(default_factory=dict)
    train_of: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recognizer: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    share: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    source: Mapping[str, Any] = field(default_factory=dict)
    scale: int = 4
    count: int = 96
    recipe: str = ""
    detector: str = ""
    kind: str = "textzoom"
    sets: tuple[str, ...] = ()
    evaluators: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """What the paper says: the row ``better`` is better than the row ``than`` in each of ``columns``."""

    __pydantic_config__ = STRICT
    text: str
    better: str
    than: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class PaperTable:
    """A table: its rows, the two settings, what is evaluated, how sets of lines are averaged, and what the paper claims."""

    __pydantic_config__ = STRICT
    title: str
    evaluation: Literal["patches", "lines"]
    rows: tuple[Row, ...]
    full: Setting
    reduced: Setting
    _: KW_ONLY
    average: Literal["plain", "weighted"] = "weighted"
    note: str = ""
    claims: tuple[Claim, ...] = ()


def slug(name: str) -> str:
    """Return the *name* of a row as networks and files are named by it: small letters and digits, with hyphens between."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def read_paper_table(path: Path) -> PaperTable:
    """Return the table in the TOML file *path*.

    Raises:
        OptionError: the file is missing or not TOML, a key is unknown or missing, two rows have one name but for signs, or a
            claim names a row that is not there.
    """
    table = read_table(PaperTable, read_toml(path, "The table"), path.name)
    names = [row.name for row in table.rows]
    if len({slug(name) for name in names}) < len(names):
        raise OptionError(f"{path.name} has two rows of one name, signs aside; give each its own.")
    for claim in table.claims:
        for row in (claim.better, claim.than):
            if row not in names:
                raise OptionError(
                    f"{path.name} claims something of {row!r}, which is not a row; its rows are {', '.join(names)}."
                )
    return table
