# SPDX-License-Identifier: MPL-2.0
"""Cards: the TOML file that describes a model, a recognizer or a detector, in its folder, with the SHA-256 of its files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from ocrmypdf_superres.errors import ModelError, RecognizerError
from ocrmypdf_superres.tables import STRICT, read_table, read_toml

__all__ = ["Card"]

CARD = "card.toml"
RECOGNIZER_CARD, DETECTOR_CARD = "recognizer.toml", "detector.toml"
WEIGHTS = "model.safetensors"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Card:
    """The description of a model.

    Attributes:
        name: unique name; published bytes never change under it.
        architecture: registry name of the network.
        config: hyperparameters of the network.
        scales: enlargements it offers, from 1 (none) to 8.
        files: file name to SHA-256, 64 hexadecimal digits.
        radius: radius of the receptive field in lr pixels, the overlap of tiles; ``None`` where the net cannot be tiled.
        channels: number of the net's channels, 1 (luma) or 3 (RGB); input and output of the ONNX files are luma either way.
        size_multiple: lr sizes must be multiples of it.
        line_size: (rows, columns) of the lr image of a net for text lines; empty for a net for pages.
        licence: SPDX name of the weights' licence.
        description: one paragraph for people.
        metrics: what was measured, by name.
        recipe: the TOML text that it was trained from, empty where unknown.
        calibrated_as: SHA-256 of the weights of another model, whose calibrated confidences hold for this one, too: one that
            was distilled from it gives the same images; empty where they are its own.

    Raises:
        ValueError: the name, a file's entry, the line size or a SHA-256 cannot be used.
    """

    __pydantic_config__ = STRICT

    name: str
    architecture: str
    config: Mapping[str, Any]
    scales: Annotated[tuple[Annotated[int, Field(ge=1, le=8)], ...], Field(min_length=1)]
    files: Mapping[str, str]
    radius: Annotated[int, Field(ge=0, le=1024)] | None = None
    channels: Literal[1, 3] = 1
    size_multiple: Annotated[int, Field(ge=1, le=256)] = 1
    line_size: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = ()
    licence: str = "MPL-2.0"
    description: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    recipe: str = ""
    calibrated_as: str = ""

    def __post_init__(self) -> None:
        _check_name(self.name)
        if self.calibrated_as and not SHA256.fullmatch(self.calibrated_as):
            raise ValueError(f"has calibrated_as {self.calibrated_as!r}, but 64 hexadecimal digits were expected")
        if len(self.line_size) not in (0, 2):
            raise ValueError(f"has line_size {list(self.line_size)}, but a line's rows and columns were expected")
        for name, digest in self.files.items():
            if Path(name).name != name or not SHA256.fullmatch(digest):
                raise ValueError(f"lists the file {name!r} without a proper SHA-256")

    @property
    def calibration_sha256(self) -> str:
        """SHA-256 of the weights whose calibrated confidences hold for words on this model's images; empty where unknown."""
        return self.calibrated_as or self.files.get(WEIGHTS, "")


@dataclass(frozen=True)
class RecognizerCard:
    """The description of a recognizer or a detector.

    Attributes:
        name: unique name.
        kind: the network, one of :data:`~ocrmypdf_superres.recognizers.folder.KINDS`.
        sha256: of its file of weights, 64 hexadecimal digits.
        config: hyperparameters of the network.
        licence, description, recipe, metrics: as in :class:`Card`.

    Raises:
        ValueError: the name or the SHA-256 cannot be used.
    """

    __pydantic_config__ = STRICT

    name: str
    kind: str
    sha256: str
    config: Mapping[str, Any] = field(default_factory=dict)
    licence: str = "MPL-2.0"
    description: str = ""
    recipe: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_identity(self.name, self.sha256)


def read_card(path: Path) -> Card:
    """Return the card in the file *path*.

    Raises:
        ModelError: the file is missing, is not TOML, or a key is unknown, missing or has a value that cannot be used.
    """
    values = read_toml(path, "The model card", ModelError)
    return read_table(Card, values, f"The model card {path}", ModelError, advice="install the model again")


def read_recognizer_card(path: Path) -> RecognizerCard:
    """Return the card of a recognizer or a detector in the file *path*.

    Raises:
        RecognizerError: as :func:`read_card` raises ModelError.
    """
    values = read_toml(path, "The recognizer's card", RecognizerError)
    return read_table(RecognizerCard, values, f"The recognizer's card {path}", RecognizerError, advice="train it again")


def onnx_name(scale: int) -> str:
    """Return the file name of the ONNX graph for *scale*."""
    return f"model.x{scale}.onnx"


def int8_name(scale: int) -> str:
    """Return the file name of the ONNX graph for *scale* that computes in 8-bit integers, which a model may have."""
    return f"model.x{scale}.int8.onnx"


def check_name(name: str) -> None:
    """Check that a model may be called *name*.

    Raises:
        ModelError: it may not.
    """
    if not NAME.fullmatch(name):
        raise ModelError(f"A model cannot be called {name!r}; take up to 64 letters, digits, dots, dashes and underscores.")


def check_identity(name: str, sha256: str) -> None:
    """Check the name and the SHA-256 that a card gives.

    Raises:
        ValueError: one of them cannot be used.
    """
    _check_name(name)
    if not SHA256.fullmatch(sha256):
        raise ValueError(f"has the SHA-256 {sha256!r}, but 64 hexadecimal digits were expected")


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ValueError(f"has the name {name!r}, which is not a plain name of letters, digits, dots, dashes and underscores")
