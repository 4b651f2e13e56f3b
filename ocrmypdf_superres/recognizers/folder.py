# SPDX-License-Identifier: MPL-2.0
"""Recognizers and detectors as folders: a card and ``model.safetensors``, looked for where models are.

The card is ``recognizer.toml`` or ``detector.toml``. The weights are used only when their SHA-256 is the card's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from safetensors.torch import save as safetensors_of
from torch import nn

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.modelstore.cards import (
    DETECTOR_CARD,
    RECOGNIZER_CARD,
    WEIGHTS,
    RecognizerCard,
    check_name,
    read_recognizer_card,
)
from ocrmypdf_superres.modelstore.store import find_recognizer, sha256_of
from ocrmypdf_superres.modelstore.writer import model_folder, write_card
from ocrmypdf_superres.recognizers.line_recognizer import LineRecognizer
from ocrmypdf_superres.tables import did_you_mean, read_options

_OWN = "ocrmypdf_superres.recognizers"
# kind -> module, class of the network, class of its configuration
KINDS = {
    "abinet": (f"{_OWN}.abinet", "ABINet", "PriorConfig"),
    "aster": (f"{_OWN}.aster", "ASTER", "ASTERConfig"),
    "cdistnet": (f"{_OWN}.cdistnet", "CDistNet", "CDistNetConfig"),
    "crnn": (f"{_OWN}.crnn", "CRNN", "CRNNConfig"),
    "ctpn": ("ocrmypdf_superres.detectors.ctpn", "CTPN", "CTPNConfig"),
    "moran": (f"{_OWN}.moran", "MORAN", "MORANConfig"),
    "text-focus": (f"{_OWN}.text_focus", "TextFocus", "TextFocusConfig"),
}
DETECTORS = ("ctpn",)


def card_name(kind: str) -> str:
    """Return the file name of the card of a network of *kind*."""
    return DETECTOR_CARD if kind in DETECTORS else RECOGNIZER_CARD


def build(kind: str, config: Mapping[str, Any]) -> nn.Module:
    """Return a fresh network of *kind* with the settings *config*.

    Raises:
        RecognizerError: the kind or a setting is not known, or a value is refused.
    """
    if kind not in KINDS:
        raise RecognizerError(
            f"A network of the kind {kind!r} was named{did_you_mean(kind, KINDS)}; give one of {', '.join(KINDS)}."
        )
    module, network, settings = KINDS[kind]
    table = getattr(import_module(module), settings)
    given = read_options(table, config, f"The configuration of {kind}", error=RecognizerError)
    try:
        values = table(**given)
    except ValueError as error:
        raise RecognizerError(f"The network {kind} refuses its configuration ({error}); correct it.") from error
    net: nn.Module = getattr(import_module(module), network)(values)
    return net


def save(net: nn.Module, kind: str, folder: Path, name: str, **about: Any) -> Path:
    """Write *net*, of *kind*, as the recognizer or detector *name* to *folder*, which appears whole or not at all; return it.

    *about*: description, recipe, metrics and licence of :class:`~ocrmypdf_superres.modelstore.cards.RecognizerCard`.

    Raises:
        RecognizerError: *folder* exists and holds something else.
        ModelError: *name* is not a plain name.
    """
    check_name(name)
    with model_folder(folder, card_name(kind), RecognizerError) as part:
        # Not save_file, whose errors hide the disk's.
        (part / WEIGHTS).write_bytes(safetensors_of({k: v.detach().cpu().contiguous() for k, v in net.state_dict().items()}))
        config = asdict(net.config)  # type: ignore[call-overload]  # a network's own frozen dataclass
        write_card(RecognizerCard(name, kind, sha256_of(part / WEIGHTS), config, **about), part / card_name(kind))
    return folder


def load(name_or_path: str, kinds: tuple[str, ...] = ()) -> nn.Module:
    """Return the frozen network of the recognizer or detector *name_or_path*, in evaluation mode.

    *kinds* are those that will do; without them any will.

    Raises:
        RecognizerError: there is none, it is of another kind, or its files are damaged.
    """
    path = find_recognizer(name_or_path)
    card, weights = read_recognizer_card(path), path.with_name(WEIGHTS)
    if kinds and card.kind not in kinds:
        raise RecognizerError(
            f"{path.parent} holds a network of the kind {card.kind}, but {' or '.join(kinds)} was expected; give another."
        )
    net = build(card.kind, card.config)
    try:
        digest = sha256_of(weights)
        if digest != card.sha256:
            raise RecognizerError(
                f"{weights} has the SHA-256 {digest[:12]}..., but its card says {card.sha256[:12]}...; train it again."
            )
        net.load_state_dict(load_file(weights))
    except OSError as error:
        raise RecognizerError(f"{path.parent} lacks its file {WEIGHTS} ({error.strerror}); train it again.") from error
    except RuntimeError as error:
        raise RecognizerError(f"{weights} does not hold weights of {card.kind} as its card says; train it again.") from error
    net.name = card.name  # type: ignore[assignment]  # torch declares every attribute a tensor or a module
    return net.eval().requires_grad_(False)


def load_line_recognizer(name_or_path: str) -> LineRecognizer:
    """Return the frozen recognizer of text lines *name_or_path*, in evaluation mode.

    Raises:
        RecognizerError: see :func:`load`; or it does not read lines.
    """
    recognizer = load(name_or_path)
    if not isinstance(recognizer, LineRecognizer):
        raise RecognizerError(f"{name_or_path} does not read lines of text; give a recognizer that does.")
    return recognizer


def load_recognizer(which: str, folder: Path | None) -> nn.Module:
    """Return the CTC recognizer *which*, for recognizers named ``folder:WHICH``; *folder* is where it is, if given.

    Raises:
        RecognizerError: see :func:`load`; or it is an attention recognizer, which a loss that needs CTC cannot use.
    """
    return load(str(folder / which) if folder is not None else which, ("crnn",))
