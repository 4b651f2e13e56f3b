# SPDX-License-Identifier: MPL-2.0
"""Models as folders: a card, weights, one ONNX file a scale, and where they are looked for.

A model is a folder with ``card.toml``.  Its files are only used when their SHA-256 is the one in the card.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocrmypdf_superres.errors import ModelError, OptionError

DEFAULT_MODEL = "docsr-s2"
SEARCH_VARIABLE = "OCRMYPDF_SUPERRES_MODELS"
ALL = "all"
"""Where several models may be named: all that are found."""
CARD = "card.toml"
WEIGHTS = "model.safetensors"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Card:
    """What a model says of itself.

    Attributes:
        name: unique name; published bytes never change under it.
        architecture, config: registry name and hyperparameters of the network.
        scales: enlargements it offers.
        channels: the net's, 1 (luma) or 3 (RGB); the ONNX files take and give luma either way.
        radius: receptive radius in lr pixels, the tile overlap; ``None`` where the net cannot be tiled.
        size_multiple: lr sizes must be multiples of it.
        line_size: rows and columns of lr of a net for text lines; empty for a net for pages.
        licence, description: for people.
        files: file name to SHA-256.
        figures: measured figures, by name.
        recipe: the TOML text that it was trained from, empty where unknown.
    """

    name: str
    architecture: str
    config: Mapping[str, Any]
    scales: tuple[int, ...]
    radius: int | None
    files: Mapping[str, str]
    channels: int = 1
    size_multiple: int = 1
    line_size: Sequence[int] = ()
    licence: str = "MPL-2.0"
    description: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    recipe: str = ""


@dataclass(frozen=True)
class Model:
    """A card and the folder it lies in."""

    card: Card
    folder: Path

    def file(self, name: str) -> Path:
        """Return the path of the model's file *name* after checking its SHA-256.

        Raises:
            ModelError: the card does not list it, it is missing, or its hash is another.
        """
        expected = self.card.files.get(name)
        if expected is None:
            listed = ", ".join(sorted(self.card.files)) or "none"
            raise ModelError(f"Model {self.card.name} has no file {name} in its card (it lists {listed}); choose another model.")
        path = self.folder / name
        try:
            found = sha256_of(path)
        except OSError as error:
            raise ModelError(
                f"Model {self.card.name} lacks its file {path} ({error.strerror}); install the model again."
            ) from error
        if found != expected:
            raise ModelError(
                f"The file {path} has the SHA-256 {found[:12]}..., but the card of model {self.card.name} says "
                f"{expected[:12]}...; it is damaged or was changed, install the model again."
            )
        return path

    def onnx_path(self, scale: int) -> Path:
        """Return the checked path of the ONNX file for *scale*.

        Raises:
            ModelError: see :meth:`file`; or the model has no such scale.
        """
        if scale not in self.card.scales:
            offered = ", ".join(f"x{s}" for s in self.card.scales)
            raise ModelError(f"Model {self.card.name} was asked for x{scale}, but offers {offered}.")
        return self.file(onnx_name(scale))

    def weights_path(self) -> Path:
        """Return the checked path of the safetensors file.

        Raises:
            ModelError: see :meth:`file`.
        """
        return self.file(WEIGHTS)

    def verify(self) -> None:
        """Check every file of the card.

        Raises:
            ModelError: see :meth:`file`.
        """
        for name in self.card.files:
            self.file(name)


def onnx_name(scale: int) -> str:
    """Return the file name of the ONNX graph for *scale*."""
    return f"model.x{scale}.onnx"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def search_folders() -> list[Path]:
    """Return the folders that models are looked for in: the variable's, then the package's own."""
    given = [Path(p) for p in os.environ.get(SEARCH_VARIABLE, "").split(os.pathsep) if p]
    package = Path(__file__).resolve().parents[1]
    # A wheel carries models/ inside the package; a checkout has it beside.
    return [*given, package / "_models", package.parent / "models"]


def read_card(path: Path) -> Card:
    """Return the card in the TOML file *path*.

    Raises:
        ModelError: the file is missing, is no TOML, or lacks something.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"The model card {path} cannot be read ({error.strerror}); give a model's name or folder.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"The model card {path} is damaged ({error}); install the model again.") from error
    known = set(Card.__dataclass_fields__)
    for key in values:
        if key not in known:
            raise ModelError(f"The model card {path} has the unknown key {key!r}; it may need a newer version of this package.")
    try:
        card = Card(**{"radius": None, **values, "scales": tuple(values["scales"])})
    except (TypeError, KeyError) as error:
        raise ModelError(f"The model card {path} is not complete ({error}); install the model again.") from error
    _check_card(card, path)
    return card


def _check_card(card: Card, path: Path) -> None:
    def refuse(what: str) -> ModelError:
        return ModelError(f"The model card {path} {what}; install the model again.")

    if not isinstance(card.name, str) or not _NAME.fullmatch(card.name):
        raise refuse(f"has the name {card.name!r}, which is no plain name")
    for key in ("architecture", "licence", "description", "recipe"):
        if not isinstance(getattr(card, key), str):
            raise refuse(f"has {key} {getattr(card, key)!r}, expected is text")
    if not card.scales or not all(isinstance(s, int) and 1 <= s <= 8 for s in card.scales):
        raise refuse(f"has scales {list(card.scales)}, expected are whole numbers from 1 (no enlargement) to 8")
    if card.radius is not None and (not isinstance(card.radius, int) or not 0 <= card.radius <= 1024):
        raise refuse(f"has radius {card.radius!r}, expected is a whole number of pixels")
    if not isinstance(card.size_multiple, int) or not 1 <= card.size_multiple <= 256:
        raise refuse(f"has size_multiple {card.size_multiple!r}, expected is a whole number from 1 to 256")
    if card.line_size and not (len(card.line_size) == 2 and all(isinstance(n, int) and 1 <= n <= 1024 for n in card.line_size)):
        raise refuse(f"has line_size {card.line_size!r}, expected are a line's rows and columns")
    if card.channels not in (1, 3):
        raise refuse(f"has {card.channels} channels, but 1 (luma) or 3 (RGB) were expected")
    if not all(isinstance(table, dict) for table in (card.files, card.config, card.figures)):
        raise refuse("has no proper tables [files], [config] or [figures]")
    for name, digest in card.files.items():
        if Path(name).name != name or not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise refuse(f"lists the file {name!r} without a proper SHA-256")


def check_name(name: str) -> None:
    """Check that a model may be called *name*.

    Raises:
        ModelError: it may not.
    """
    if not _NAME.fullmatch(name):
        raise ModelError(f"A model cannot be called {name!r}; take up to 64 letters, digits, dots, dashes and underscores.")


def find_model(name_or_path: str) -> Model:
    """Return the model called *name_or_path*, or in that folder.

    Raises:
        ModelError: there is none, or its card cannot be used.
    """
    path = Path(name_or_path).expanduser()
    if path.name == CARD and path.is_file():
        path = path.parent
    # A name means the installed model even where a folder of that name lies in the current one.
    if _NAME.fullmatch(name_or_path):
        for folder in search_folders():
            if (folder / name_or_path / CARD).is_file():
                return Model(read_card(folder / name_or_path / CARD), folder / name_or_path)
    if (path / CARD).is_file():
        return Model(read_card(path / CARD), path.resolve())
    known = ", ".join(model.card.name for model in list_models()) or "none"
    raise ModelError(
        f"There is no model {name_or_path!r}: give one of {known}, or the path of a folder that holds a {CARD}."
    )


def find_models(names: Sequence[str]) -> list[Model]:
    """Return the models of *names*, each as for :func:`find_model`; ``all`` stands for every model of :func:`list_models`.

    Raises:
        ModelError: there is no such model, or its card cannot be used.
        OptionError: two of them have the same name.
    """
    models = [model for name in names for model in (list_models() if name == ALL else [find_model(name)])]
    found = [model.card.name for model in models]
    for name in found:
        if found.count(name) > 1:
            raise OptionError(f"The model {name} was given twice, but tables tell models by their names; give each name once.")
    return models


def list_models() -> list[Model]:
    """Return the models found in :func:`search_folders`, first found first; broken cards are left out."""
    found: dict[str, Model] = {}
    for folder in search_folders():
        for card in sorted(folder.glob(f"*/{CARD}")) if folder.is_dir() else []:
            try:
                model = Model(read_card(card), card.parent)
            except ModelError:
                continue  # `models verify` names it; a listing goes on
            found.setdefault(model.card.name, model)
    return list(found.values())
