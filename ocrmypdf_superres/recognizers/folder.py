# SPDX-License-Identifier: MPL-2.0
"""Readers and detectors as folders: ``reader.toml`` and ``model.safetensors``, looked for where models are.

The file of weights is used only when its SHA-256 is the one in ``reader.toml``.
"""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from safetensors.torch import save as safetensors_of
from torch import nn

from ocrmypdf_superres.errors import ModelError, RecognizerError
from ocrmypdf_superres.modelstore.store import WEIGHTS, check_name, search_folders, sha256_of

CARD = "reader.toml"
_OWN = "ocrmypdf_superres.recognizers"
# kind -> module, class of the network, class of its configuration
KINDS = {
    "abinet": (f"{_OWN}.abinet", "ABINet", "PriorConfig"),
    "cdistnet": (f"{_OWN}.cdistnet", "CDistNet", "CDistNetConfig"),
    "crnn": (f"{_OWN}.crnn", "CRNN", "CRNNConfig"),
    "ctpn": ("ocrmypdf_superres.detectors.ctpn", "CTPN", "CTPNConfig"),
    "text-focus": (f"{_OWN}.text_focus", "TextFocusReader", "TextFocusConfig"),
}


@dataclass(frozen=True)
class ReaderCard:
    """What a reader says of itself: name, kind (one of :data:`KINDS`), configuration, SHA-256, and for people the rest."""

    name: str
    kind: str
    sha256: str
    config: Mapping[str, Any] = field(default_factory=dict)
    licence: str = "MPL-2.0"
    description: str = ""
    recipe: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)


def build(kind: str, config: Mapping[str, Any]) -> nn.Module:
    """Return a fresh network of *kind* with the settings *config*.

    Raises:
        RecognizerError: the kind or a setting is not known, or a value is refused.
    """
    if kind not in KINDS:
        raise RecognizerError(f"A network of the kind {kind!r} was named; give one of {', '.join(KINDS)}.")
    module, network, settings = KINDS[kind]
    table = getattr(import_module(module), settings)
    known = {f.name for f in fields(table)}
    for key in config:
        if key not in known:
            raise RecognizerError(f"The network {kind} was given the unknown setting {key!r}; known are {', '.join(sorted(known))}.")
    try:
        values = table(**{k: tuple(v) if isinstance(v, list) else v for k, v in config.items()})
    except (TypeError, ValueError) as error:
        raise RecognizerError(f"The network {kind} refuses its configuration: {error}.") from error
    net: nn.Module = getattr(import_module(module), network)(values)
    return net


def save(net: nn.Module, kind: str, folder: Path, name: str, **about: Any) -> Path:
    """Write *net*, of *kind*, as the reader *name* to *folder*, which appears whole or not at all; return it.

    *about*: description, recipe, figures and licence of :class:`ReaderCard`.

    Raises:
        RecognizerError: *folder* exists and is no reader. ModelError: *name* is no plain name.
    """
    import tomli_w

    check_name(name)
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / CARD).is_file())):
        raise RecognizerError(f"{folder} exists and holds no reader; give a new folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        part = Path(temporary) / "reader"
        part.mkdir()
        # Not save_file, whose errors hide what the disk said.
        (part / WEIGHTS).write_bytes(safetensors_of({k: v.detach().cpu().contiguous() for k, v in net.state_dict().items()}))
        config = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(net.config).items()}  # type: ignore[call-overload, arg-type]
        card = ReaderCard(name, kind, sha256_of(part / WEIGHTS), config, **about)
        (part / CARD).write_text(tomli_w.dumps(asdict(card), multiline_strings=True), encoding="utf-8")
        for path in part.iterdir():
            path.chmod(0o644)
        if folder.exists():
            shutil.rmtree(folder)
        part.replace(folder)
    return folder


def read_card(path: Path) -> ReaderCard:
    """Return the card in the file *path*.

    Raises:
        RecognizerError: it is missing, damaged or not complete.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        card = ReaderCard(**values)
    except OSError as error:
        raise RecognizerError(f"The reader's card {path} cannot be read ({error.strerror}); give a reader's name or folder.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
        raise RecognizerError(f"The reader's card {path} is damaged ({error}); make the reader again.") from error
    if not all(isinstance(getattr(card, key), str) for key in ("name", "kind", "sha256")) or not isinstance(card.config, dict):
        raise RecognizerError(f"The reader's card {path} lacks a proper name, kind, sha256 or [config]; make the reader again.")
    return card


def find(name_or_path: str) -> Path:
    """Return the folder of the reader called *name_or_path*, or that folder.

    Raises:
        RecognizerError: there is none.
    """
    try:
        check_name(name_or_path)
        places = [folder / name_or_path for folder in search_folders()]
    except ModelError:
        places = []
    for folder in [*places, Path(name_or_path).expanduser()]:
        if (folder / CARD).is_file():
            return folder
    raise RecognizerError(f"There is no reader or detector {name_or_path!r}; give the path of a folder that holds a {CARD}.")


def load(name_or_path: str, kinds: tuple[str, ...] = ()) -> nn.Module:
    """Return the frozen network of the reader or detector *name_or_path*, in evaluation mode.

    *kinds* are those that will do; without them any will.

    Raises:
        RecognizerError: there is none, it is of another kind, or its files are damaged.
    """
    folder = find(name_or_path)
    card = read_card(folder / CARD)
    if kinds and card.kind not in kinds:
        raise RecognizerError(f"{folder} holds a network of the kind {card.kind}, but {' or '.join(kinds)} was expected; give another.")
    net = build(card.kind, card.config)
    path = folder / WEIGHTS
    try:
        digest = sha256_of(path)
        if digest != card.sha256:
            raise RecognizerError(f"{path} has the SHA-256 {digest[:12]}..., but its card says {card.sha256[:12]}...; make the reader again.")
        net.load_state_dict(load_file(path))
    except OSError as error:
        raise RecognizerError(f"The reader {folder} lacks its file {WEIGHTS} ({error.strerror}); make the reader again.") from error
    except RuntimeError as error:
        raise RecognizerError(f"{path} does not hold weights of {card.kind} as its card says; make the reader again.") from error
    net.name = card.name  # type: ignore[assignment]
    return net.eval().requires_grad_(False)


def load_recognizer(which: str, folder: Path | None) -> nn.Module:
    """Return the CTC reader *which*, for recognizers named ``reader:WHICH``; *folder* is where it lies, if given.

    Raises:
        RecognizerError: see :func:`load`; attention readers are not for losses that need CTC.
    """
    return load(str(folder / which) if folder is not None else which, ("crnn",))
