# SPDX-License-Identifier: MPL-2.0
"""Finding models, folders with a card, by name or path; a file is used only if it has the SHA-256 that the card gives."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from ocrmypdf_superres.errors import ModelError, OptionError, RecognizerError, SuperresError
from ocrmypdf_superres.modelstore.cards import CARD, DETECTOR_CARD, NAME, RECOGNIZER_CARD, WEIGHTS, Card, onnx_name, read_card

__all__ = ["DEFAULT_MODEL", "Model", "find_model", "list_models"]

DEFAULT_MODEL = "docsr-s2"
SEARCH_VARIABLE = "OCRMYPDF_SUPERRES_MODELS"
ALL = "all"
"""Stands for all installed models where several may be named."""
PUBLISHED = "ocrmypdf_superres_models"
"""The package of the extra ``published``, a folder of models."""
_PUBLISHED_HINT = "the networks of published papers come with pip install 'ocrmypdf-superres[published]'"
_BEFORE = ".before"
_ATTEMPTS = 4
RECOGNIZER_CARDS = (RECOGNIZER_CARD, DETECTOR_CARD)

T = TypeVar("T")


@dataclass(frozen=True)
class Model:
    """A model: its card, and the folder that holds it."""

    card: Card
    folder: Path

    def file(self, name: str) -> Path:
        """Return the path of the model's file *name* after checking its SHA-256.

        Raises:
            ModelError: the card does not list it, it is missing, or its hash differs.
        """
        expected = self.card.files.get(name)
        if expected is None:
            listed = ", ".join(sorted(self.card.files)) or "none"
            raise ModelError(f"Model {self.card.name} has no file {name} in its card (it lists {listed}); choose another model.")
        path = self.folder / name
        check_file(path, expected, f"model {self.card.name}", "install the model again", ModelError)
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


def check_file(path: Path, expected: str, owner: str, advice: str, error: type[SuperresError]) -> None:
    """Check that the file *path* of *owner*, such as ``model docsr``, has the SHA-256 *expected*, which is in its card.

    Raises:
        SuperresError: of the kind *error*, with *advice*: the file is missing, or its hash differs.
    """
    try:
        found = sha256_of(path)
    except OSError as cause:
        raise error(f"{owner[:1].upper()}{owner[1:]} lacks its file {path} ({cause.strerror}); {advice}.") from cause
    if found != expected:
        raise error(
            f"The file {path} has the SHA-256 {found[:12]}..., but the card of {owner} says {expected[:12]}...; it is damaged or "
            f"was changed, {advice}."
        )


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def search_folders() -> list[Path]:
    """Return the folders in which models are searched for: those of the environment variable, then the package's own."""
    given = [Path(p) for p in os.environ.get(SEARCH_VARIABLE, "").split(os.pathsep) if p]
    package = Path(__file__).resolve().parents[1]
    # The wheel holds the plugin's models inside the package, the wheel of the extra "published" holds others, and a checkout has
    # all of them beside the package.
    further = find_spec(PUBLISHED)
    published = [Path(place) for place in (further.submodule_search_locations or ())] if further is not None else []
    return [*given, package / "_models", *published, package.parent / "models"]


@contextmanager
def also_searched(folder: Path, *, last: bool = False) -> Iterator[None]:
    """Also search for models, recognizers and detectors in *folder*: before the folders that the user named, or *last*."""
    known = os.environ.get(SEARCH_VARIABLE)
    named = [known] if known else []
    own = [str(folder.resolve())]
    os.environ[SEARCH_VARIABLE] = os.pathsep.join(named + own if last else own + named)
    try:
        yield
    finally:
        if known is None:
            del os.environ[SEARCH_VARIABLE]
        else:
            os.environ[SEARCH_VARIABLE] = known


def kept_beside(folder: Path) -> Path:
    """Return the path to which a writer moves the earlier *folder* while it renames the new one."""
    return folder.with_name(f".{folder.name}{_BEFORE}")


def complete_folder(folder: Path, cards: Sequence[str] = (CARD,)) -> Path | None:
    """Return *folder*, or its :func:`kept_beside` during a replacement, if it holds one of the files *cards*, else None."""
    # A writer may rename the folders between the two checks, so they are repeated.
    for candidate in (folder, kept_beside(folder)) * _ATTEMPTS:
        if any((candidate / card).is_file() for card in cards):
            return candidate
    return None


def read_complete(folder: Path, card: str, read: Callable[[Path], T]) -> tuple[T, Path] | None:
    """Return what *read* makes of the file *card* in *folder*, and the folder that held it; None where there is no card.

    Raises:
        SuperresError: what *read* raises; it chains the OSError of a file that it cannot open.
    """
    while (found := complete_folder(folder, (card,))) is not None:
        try:
            return read(found / card), found
        except SuperresError as error:
            # A card that has just disappeared was renamed by a writer: search again.
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
    return None


def _model_in(folder: Path) -> Model | None:
    """Return the model in *folder*, None if there is none; raises ModelError if its card cannot be used."""
    found = read_complete(folder, CARD, read_card)
    return Model(*found) if found is not None else None


def model_folders(cards: Sequence[str] = (CARD,), inside: str = "") -> list[Path]:
    """Return every folder with one of the files *cards* in :func:`search_folders`, whether or not its card can be used.

    They are looked for in the folder *inside* each of these, if it is named.
    """
    found = []
    for place in (folder / inside for folder in search_folders()):
        names = {path.parent.name for card in cards for path in place.glob(f"*/{card}")} if place.is_dir() else set()
        names = {name[1:].removesuffix(_BEFORE) if name.startswith(".") and name.endswith(_BEFORE) else name for name in names}
        folders = [complete_folder(place / name, cards) for name in sorted(names) if not name.startswith(".")]
        found += [folder for folder in folders if folder is not None]
    return found


def find_model(name_or_path: str) -> Model:
    """Return the model called *name_or_path*, or in that folder.

    Raises:
        ModelError: there is none, or its card cannot be used.
    """
    path = Path(name_or_path).expanduser()
    if path.name == CARD and path.is_file():
        path = path.parent
    # A name means the installed model even where a folder of that name lies in the current one.
    if NAME.fullmatch(name_or_path):
        for place in search_folders():
            model = _model_in(place / name_or_path)
            if model is not None:
                return model
    model = _model_in(path.absolute())
    if model is not None:
        return model
    known = ", ".join(model.card.name for model in list_models()) or "none"
    raise ModelError(
        f"There is no model {name_or_path!r}; give one of {known}, or the path of a folder that holds a {CARD}; "
        f"{_PUBLISHED_HINT}."
    )


def find_recognizer(name_or_path: str) -> Path:
    """Return the card of the recognizer or detector called *name_or_path*, or in that folder.

    Raises:
        RecognizerError: there is none.
    """
    places = [place / name_or_path for place in search_folders()] if NAME.fullmatch(name_or_path) else []
    for place in [*places, Path(name_or_path).expanduser()]:
        folder = complete_folder(place, RECOGNIZER_CARDS)
        if folder is not None:
            return next(folder / card for card in RECOGNIZER_CARDS if (folder / card).is_file())
    raise RecognizerError(
        f"There is no recognizer or detector {name_or_path!r}; give the path of a folder that holds a "
        f"{' or a '.join(RECOGNIZER_CARDS)}; {_PUBLISHED_HINT}."
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
    """Return the models of :func:`model_folders`, first found first; those with a broken card are left out."""
    found: dict[str, Model] = {}
    for folder in model_folders():
        try:
            model = Model(read_card(folder / CARD), folder)
        except ModelError:
            continue  # `models verify` names it; a listing continues
        found.setdefault(model.card.name, model)
    return list(found.values())
