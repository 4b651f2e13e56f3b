# SPDX-License-Identifier: MPL-2.0
"""Recipes of the alternation: a super-resolution net and a Tesseract network, each trained with the other as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, Literal

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.tables import STRICT, read_table, read_toml
from ocrmypdf_superres.training.networks.recipe import TuningRecipe, parse_tuning_recipe
from ocrmypdf_superres.training.recipe import Recipe, parse_recipe

NET, NETWORK = "{net}", "{network}"
Control = Literal["lanczos", "hr", "sr", "net"]
CONTROLS: tuple[Control, ...] = ("lanczos", "hr", "sr", "net")


@dataclass(frozen=True)
class AlternatingRecipe:
    """What an alternation does.

    In each of *rounds* the net is trained by the table ``[net]``, a recipe of a super-resolution net in which ``{net}``
    stands for the net so far (in ``base``) and ``{network}`` for the network so far (in ``recognizers``, as
    ``tesseract:{network}``); then the network is tuned by the table ``[network]``, a recipe of a network, on lines that the
    new net enlarges. The first round begins with the model *start* and the installed file of *language*.

    *controls* are trained for as many steps in all: networks on lines of ``lanczos``, of ``hr``, and of ``sr`` by the first
    net, which is the second stage of Hildebrandt et al., DocEng 2022; and ``net``, the net alone before the installed
    network. *text* and *scans* are folders below the data root to make *lines* of for each network, and *held_out* to
    compare on.
    """

    __pydantic_config__ = STRICT
    name: str
    net: Mapping[str, Any]
    network: Mapping[str, Any]
    _: KW_ONLY
    description: str = ""
    language: str = "eng"
    start: str = "docsr-s2"
    rounds: int = 2
    lines: int = 4000
    held_out: int = 500
    controls: tuple[Control, ...] = CONTROLS
    text: str = "text"
    scans: str = ""
    seed: int = 0

    def net_recipe(self, net: str, network: str, rounds: int = 1) -> Recipe:
        """Return the recipe of the net that starts from the model *net* and learns from the file *network*.

        Args:
            net: name or folder of a model.
            network: path of a ``.traineddata`` file, or a language.
            rounds: factor for the number of steps of each stage.
        """
        text = json.dumps(dict(self.net))
        for place, value in ((NET, net), (NETWORK, network)):
            text = text.replace(place, json.dumps(value)[1:-1])  # paths may have backslashes and quotes
        return parse_recipe(_longer(json.loads(text), rounds), f"{self.name}, [net]")

    def network_recipe(self, base: str, lines: str, held_out: str, rounds: int = 1) -> TuningRecipe:
        """Return the recipe of the network that starts from the file *base* and is tuned on the folder *lines*.

        Args:
            base: path of the file, or empty for the installed one.
            lines: folder of lines.
            held_out: folder of lines to validate on.
            rounds: factor for the number of steps of each stage.
        """
        values = _longer(dict(self.network), rounds)
        validation = {"metric": "cer", "lines": self.held_out, **values.get("validation", {}), "folder": held_out}
        values = {**values, "base": base, "lines": lines, "language": self.language, "validation": validation}
        return parse_tuning_recipe(values, f"{self.name}, [network]")


def _longer(values: Mapping[str, Any], rounds: int) -> dict[str, Any]:
    stages = [{**stage, "steps": stage.get("steps", 1) * rounds} for stage in values.get("stages", [])]
    return {**values, "stages": stages} if stages else dict(values)


def parse_alternating_recipe(values: Mapping[str, Any], where: str) -> AlternatingRecipe:
    """Return the recipe that the parsed TOML *values* describe; *where* names it in messages.

    Raises:
        OptionError: an unknown or missing key, a wrong type, or a value out of range, in one of its tables too.
    """
    recipe = read_table(AlternatingRecipe, values, where)
    if min(recipe.rounds, recipe.lines, recipe.held_out) < 1:
        raise OptionError(f"{where}: rounds, lines and held_out must be at least 1.")
    recipe.net_recipe(recipe.start, recipe.language)
    recipe.network_recipe("", "lines", "held")
    if NETWORK not in json.dumps(dict(recipe.net)) or NET not in json.dumps(dict(recipe.net)):
        raise OptionError(
            f"{where}, [net] lacks {NET} or {NETWORK}, so it would not continue from the net and the network of the round "
            f'before; write base = "{NET}" and recognizers = ["tesseract:{NETWORK}"].'
        )
    return recipe


def read_alternating_recipe(path: Path) -> AlternatingRecipe:
    """Return the recipe in the TOML file *path*; errors as :func:`parse_alternating_recipe`."""
    return parse_alternating_recipe(read_toml(path, "The recipe"), path.name)
