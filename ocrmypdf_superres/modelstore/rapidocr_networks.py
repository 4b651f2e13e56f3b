# SPDX-License-Identifier: MPL-2.0
"""RapidOCR's recognizer, tuned on low-resolution lines, as folders: a card and an ONNX file, checked by its hash."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from ocrmypdf_superres.errors import MissingDependencyError, RecognizerError
from ocrmypdf_superres.modelstore.cards import SHA256, check_identity
from ocrmypdf_superres.modelstore.store import check_file, model_folders, read_complete
from ocrmypdf_superres.tables import STRICT, read_table, read_toml

RAPIDOCR_CARD = "rapidocr.toml"
RAPIDOCR_NETWORK, RAPIDOCR_INT8 = "model.onnx", "model.int8.onnx"
FOLDER = "rapidocr"
"""The folder of these networks in each folder of :func:`~ocrmypdf_superres.modelstore.store.search_folders`."""


@dataclass(frozen=True)
class RapidocrCard:
    """The description of a tuned recognizer for RapidOCR.

    Attributes:
        name: unique name; published bytes never change under it.
        sha256: of the ONNX file, 64 hexadecimal digits. int8_sha256: of that with convolutions in 8-bit integers; empty for none.
        languages: Tesseract's names of those that it was tuned on; it is asked about pages in their letters alone.
        base: file name of the recognizer that it was tuned from, without the ending. base_sha256: of that file.
        steps: training steps; 0 where unknown.
        licence: SPDX name of the network's licence.
        notice: of the base's authors, as its licence asks for.
        description, data, recipe: for people: what it is, what it was tuned on, and how.
        metrics: what was measured, by name.

    Raises:
        ValueError: the name or a SHA-256 cannot be used.
    """

    __pydantic_config__ = STRICT

    name: str
    sha256: str
    languages: Annotated[tuple[str, ...], Field(min_length=1)]
    base: str
    base_sha256: str
    int8_sha256: str = ""
    steps: Annotated[int, Field(ge=0)] = 0
    licence: str = "Apache-2.0"
    notice: str = ""
    description: str = ""
    data: str = ""
    recipe: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_identity(self.name, self.sha256)
        for name in ("base_sha256", "int8_sha256"):
            value = getattr(self, name)
            if not SHA256.fullmatch(value) and (value or name == "base_sha256"):
                raise ValueError(f"has the {name} {value!r}, but 64 hexadecimal digits were expected")


@dataclass(frozen=True)
class RapidocrNetwork:
    """A tuned recognizer: its card, and the folder that holds it."""

    card: RapidocrCard
    folder: Path

    def file(self) -> Path:
        """Return the path of the ONNX file after checking its SHA-256.

        Raises:
            RecognizerError: the file is missing, or its hash is not the card's.
        """
        return self._checked(RAPIDOCR_NETWORK, self.card.sha256)

    def int8_file(self) -> Path | None:
        """Return the path of the ONNX file in 8-bit integers, checked likewise; None where there is none."""
        return self._checked(RAPIDOCR_INT8, self.card.int8_sha256) if self.card.int8_sha256 else None

    def _checked(self, name: str, sha256: str) -> Path:
        path = self.folder / name
        check_file(path, sha256, f"the network {self.card.name}", "install it again", RecognizerError)
        return path


def read_rapidocr_network(folder: Path) -> RapidocrNetwork | None:
    """Return the network in *folder*; None where there is no card.

    Raises:
        RecognizerError: the card cannot be used.
    """
    found = read_complete(folder, RAPIDOCR_CARD, _read_card)
    return RapidocrNetwork(*found) if found is not None else None


def _read_card(path: Path) -> RapidocrCard:
    values = read_toml(path, "The network's card", RecognizerError)
    return read_table(RapidocrCard, values, f"The network's card {path}", RecognizerError, advice="install it again")


def rapidocr_network_folders() -> list[Path]:
    """Return the folders of the installed networks, whether or not their cards can be used."""
    return model_folders((RAPIDOCR_CARD,), FOLDER)


def installed_rapidocr_network() -> RapidocrNetwork | None:
    """Return the network that the plugin uses: the first one whose card can be used; None where there is none."""
    for folder in rapidocr_network_folders():
        try:
            network = read_rapidocr_network(folder)
        except RecognizerError:
            continue  # `models verify` names it; a job continues
        if network is not None:
            return network
    return None


def package_models() -> list[Path]:
    """Return the recognizers' models inside the package, which is found without importing it; none where there is no package."""
    spec = importlib.util.find_spec("rapidocr")
    return sorted((Path(spec.origin).parent / "models").glob("*_rec_*.onnx")) if spec is not None and spec.origin else []


def installed_model() -> Path:
    """Return the recognizer's ONNX file that the package rapidocr carries.

    Raises:
        MissingDependencyError: RapidOCR is not installed, or has no models.
    """
    models = package_models()
    if not models:
        raise MissingDependencyError("The package rapidocr is not installed, or has no models; install rapidocr 3.10 or newer.")
    return models[-1]
