# SPDX-License-Identifier: MPL-2.0
"""The trainings of a table's rows: recipes changed as a row says, by seed, gone on with where they were interrupted.

Tables have rows in common, such as LEMMA as published in those of its parts. What a table beside this one trained by the same
recipe, seed, data and networks is taken over.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from ocrmypdf_superres.errors import ModelError, OptionError, RecognizerError
from ocrmypdf_superres.evaluation.reproduction.table import Row, Setting, slug
from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.modelstore.cards import CARD, DETECTOR_CARD, RECOGNIZER_CARD
from ocrmypdf_superres.modelstore.store import also_searched, find_model, find_recognizer
from ocrmypdf_superres.tables import read_toml
from ocrmypdf_superres.training.loop.processes import device_name, pick_device
from ocrmypdf_superres.training.loop.trainer import CHECKPOINT
from ocrmypdf_superres.training.workflows.train import train
from ocrmypdf_superres.training.workflows.train_recognizer import train_recognizer

SPENT = "spent.json"
"""In a training's run: how long it took, and on what."""

CARDS = (CARD, RECOGNIZER_CARD, DETECTOR_CARD)
log = logging.getLogger(__name__)
_RUN = re.compile(r"runs/([\w.-]+)/model")


@dataclass(frozen=True)
class Spent:
    """How many hours a training took, all its beginnings together, and the name of the device that it ended on.

    ``inputs`` is a hash of what it was made from: the recipe, the place of the data, and the networks of this run that it names.
    """

    hours: float = 0.0
    device: str = ""
    inputs: str = ""


@dataclass
class Trainings:
    """Trains recipes into a folder, each once.

    Attributes:
        recipes: the folder that recipes are named in. data: that of their sources. folder: where models and runs go to.
        seed: added to each recipe's own. device: see :func:`~ocrmypdf_superres.training.workflows.train.train`.
        cache: for lines that were found in scans.
        steps, batch: of every stage at most, for a try of the whole way; 0 for the recipes'. share: of the recipes' steps.
        spent: what each network's training took.
    """

    recipes: Path
    data: Path
    folder: Path
    seed: int
    cache: Path
    device: str = "auto"
    steps: int = 0
    batch: int = 0
    share: float = 1.0
    spent: dict[str, Spent] = field(default_factory=dict)

    def need(self, setting: Setting) -> None:
        """Train the recognizers and detectors that *setting* needs, but for those that are found by their names."""
        for recipe in setting.needs:
            values = self._values(recipe)
            try:
                find_recognizer(str(values["name"]))
            except RecognizerError:
                self.recognizer(recipe)

    def model(self, row: Row, setting: Setting, share: float = 1.0) -> dict[str, Path]:
        """Return the model folders that the recipes of *row*, *share* of their steps, made; the last is changed as it says."""
        made: dict[str, Path] = {}
        for number, recipe in enumerate(row.recipes):
            last = number == len(row.recipes) - 1
            values = {**self._values(recipe), **setting.train, **setting.train_of.get(recipe, {}), **row.train}
            name = str(values["name"])
            if last and (row.config or row.drop):
                values["config"] = {**values.get("config", {}), **row.config}
                values["stages"] = [_without(stage, row.drop) for stage in values["stages"]]
                name = f"{name}-{slug(row.name)}"
            made[Path(recipe).name] = self._net(name, values, share)
        return made

    def _net(self, name: str, values: dict[str, Any], share: float) -> Path:
        values = self._changed(values, name, share)
        if "base" in values and (found := _RUN.fullmatch(str(values["base"]))):
            values["base"] = found[1]

        def made(recipe: Path, run: Path, goes_on: bool) -> None:
            train(recipe, run, self.data, goes_on, device=self.device, cache=self.cache).rename(self.folder / name)

        return self._made(name, values, made)

    def recognizer(self, recipe: str, changes: Mapping[str, Any] | None = None) -> Path:
        """Return the folder of the recognizer or detector that *recipe*, with *changes* to its keys, made."""
        values = {**self._values(recipe), **(changes or {})}
        name = str(values["name"])

        def made(recipe: Path, run: Path, goes_on: bool) -> None:
            train_recognizer(recipe, self.folder / name, self.data, goes_on, self.device)

        return self._made(name, self._changed(values, name), made)

    def _made(self, name: str, values: Mapping[str, Any], training: Callable[[Path, Path, bool], None]) -> Path:
        """Return the folder of the network that *values*, a recipe, make, trained unless it is here or beside this table.

        Raises:
            OptionError: the one that is here was made from something else.
        """
        made, run = self.folder / name, self.folder / f"{name}.run"
        text = tomli_w.dumps(dict(values))
        inputs = self._inputs(name, text)
        if _is_finished(made):
            if _spent(run).inputs not in ("", inputs):
                raise OptionError(f"{made} was made by another recipe or from other data; delete it, or give another -o.")
        elif not self._taken_over(name, inputs):
            recipe = self.folder / f"{name}.toml"
            atomic_write_text(recipe, text)
            with self._timed(run, inputs):
                training(recipe, run, (run / CHECKPOINT).is_file())
        self.spent[name] = _spent(run)
        return made

    def _inputs(self, name: str, recipe: str) -> str:
        """Return :attr:`Spent.inputs` of the network *name*, which *recipe* makes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        named = [path for path in sorted(self.folder.iterdir()) if path.name != name and f'"{path.name}"' in recipe]
        cards = [path / card for path in named for card in CARDS]
        parts = [recipe, str(self.data.resolve()), *(card.read_text(encoding="utf-8") for card in cards if card.is_file())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _taken_over(self, name: str, inputs: str) -> bool:
        """Copy the network *name* of a table beside this one, if it was made from the same; return whether there is one."""
        for other in sorted(self.folder.parent.parent.glob(f"*/{self.folder.name}")):
            run = other / f"{name}.run"
            if other != self.folder and _is_finished(other / name) and _spent(run).inputs == inputs:
                log.info("%s is taken over from %s.", name, other)
                (self.folder / f"{name}.run").mkdir(exist_ok=True)
                shutil.copy2(run / SPENT, self.folder / f"{name}.run" / SPENT)
                shutil.copytree(other / name, self.folder / f"{name}.partial", dirs_exist_ok=True)
                (self.folder / f"{name}.partial").rename(self.folder / name)
                return True
        return False

    def _values(self, recipe: str) -> dict[str, Any]:
        return read_toml(self.recipes / f"{recipe}.toml", "The recipe")

    def _changed(self, values: dict[str, Any], name: str, share: float = 1.0) -> dict[str, Any]:
        """Return *values* with this run's name, seed and limits."""
        share, stages = share * self.share, []
        for stage in values["stages"]:
            steps = max(1, round(share * stage["steps"]))
            changed = {
                "steps": min(steps, self.steps or steps),
                "batch": min(stage.get("batch", 16), self.batch or 1 << 30),
                "warmup": 0 if self.steps else round(share * stage.get("warmup", 100)),
            }
            stages.append({**stage, **changed})
        limits: dict[str, Any] = {}
        if self.steps and "validation" in values:
            limits = {"validation": {**values["validation"], "lines": min(8, values["validation"].get("lines", 128))}}
        return {**values, **limits, "name": name, "seed": values.get("seed", 0) + self.seed, "stages": stages}

    @contextmanager
    def _timed(self, run: Path, inputs: str) -> Iterator[None]:
        """Find what was trained before by name, and note the hours, those before an interruption included, and the device."""
        before, began = _spent(run).hours, time.monotonic()
        with also_searched(self.folder):
            try:
                yield
            finally:
                hours = before + (time.monotonic() - began) / 3600
                if run.is_dir():
                    spent = Spent(round(hours, 6), device_name(pick_device(self.device)), inputs)
                    atomic_write_text(run / SPENT, json.dumps(asdict(spent)) + "\n")


def _is_finished(network: Path) -> bool:
    return any((network / card).is_file() for card in CARDS)


def _spent(run: Path) -> Spent:
    path = run / SPENT
    return Spent(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else Spent()


def _without(stage: Mapping[str, Any], drop: tuple[str, ...]) -> dict[str, Any]:
    losses = {name: value for name, value in stage.get("losses", {}).items() if name not in drop}
    if not losses and not stage.get("heads"):
        raise OptionError(f"The row drops every loss of the stage {stage.get('name')!r}; leave one.")
    return {**stage, "losses": losses}


def named_models(method: str, made: Mapping[str, Path]) -> str:
    """Return *method* with ``{NAME}`` replaced by the folder of the model NAME, made here or found.

    Raises:
        OptionError: there is no such model.
    """

    def folder(found: re.Match[str]) -> str:
        if found[1] in made:
            return str(made[found[1]])
        try:
            return str(find_model(found[1]).folder)
        except ModelError as error:
            raise OptionError(
                f"The method {method!r} names {found[1]!r}, which is neither a recipe of the row nor a model; correct it."
            ) from error

    return re.sub(r"\{([\w.-]+)\}", folder, method)
