# SPDX-License-Identifier: MPL-2.0
"""Tuned Tesseract networks as folders: a card, and the bare network of a language file; found by folder, checked by hash.

What is shipped is the network alone (component ``lstm``, about 0.4 MB as int8). Charset and dictionaries stay those of the
language file that the user has installed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.modelstore.cards import SHA256, check_identity
from ocrmypdf_superres.modelstore.store import model_folders, read_complete
from ocrmypdf_superres.tables import STRICT, read_table, read_toml

NETWORK_CARD = "network.toml"
NETWORK = "network.lstm"
SHIPPED = "recognizers"
"""The folder of tuned networks in each folder of :func:`~ocrmypdf_superres.modelstore.store.search_folders`."""
AUTO, STOCK = "auto", "stock"
"""Instead of a folder of networks: the installed ones, and none."""
_LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True)
class BaseFile:
    """The language file that a network was tuned from.

    A network fits every language file with these three components, whatever its dictionaries and its packaging.

    Attributes:
        version: its component ``version``, such as ``4.00.00alpha:eng:synth20170629``.
        file_sha256: of the whole file, as it was packaged where the network was tuned; for the record only.
        network_sha256, network_bytes: of its component ``lstm``.
        unicharset_sha256, unicharset_bytes: of its component ``lstm-unicharset``.
        recoder_sha256, recoder_bytes: of its component ``lstm-recoder``.

    Raises:
        ValueError: a SHA-256 is not 64 hexadecimal digits.
    """

    __pydantic_config__ = STRICT

    version: str
    file_sha256: str
    network_sha256: str
    network_bytes: Annotated[int, Field(ge=1)]
    unicharset_sha256: str
    unicharset_bytes: Annotated[int, Field(ge=1)]
    recoder_sha256: str
    recoder_bytes: Annotated[int, Field(ge=1)]

    def __post_init__(self) -> None:
        for name in ("file_sha256", "network_sha256", "unicharset_sha256", "recoder_sha256"):
            if not SHA256.fullmatch(getattr(self, name)):
                raise ValueError(f"has the {name} {getattr(self, name)!r}, but 64 hexadecimal digits were expected")


@dataclass(frozen=True)
class NetworkCard:
    """The description of a tuned Tesseract network.

    Attributes:
        name: unique name; published bytes never change under it.
        language: Tesseract's name of the language or script that it reads, such as ``eng`` or ``script/Latin``.
        sha256: of the network, 64 hexadecimal digits.
        base: the language file that it was tuned from.
        steps: training steps; 0 where unknown.
        licence: SPDX name of the network's licence.
        notice: of the base's authors, as its licence asks for.
        description, data, recipe: for people: what it is, what it was tuned on, and how.
        metrics: what was measured, by name.
        calibration: how often words of a confidence are right, as ``ocr.calibration.CalibrationTable`` has it; or empty.

    Raises:
        ValueError: the name or the SHA-256 cannot be used.
    """

    __pydantic_config__ = STRICT

    name: str
    language: str
    sha256: str
    base: BaseFile
    steps: Annotated[int, Field(ge=0)] = 0
    licence: str = "Apache-2.0"
    notice: str = ""
    description: str = ""
    data: str = ""
    recipe: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_identity(self.name, self.sha256)


@dataclass(frozen=True)
class Network:
    """A tuned network: its card, and the folder that holds it."""

    card: NetworkCard
    folder: Path

    def data(self) -> bytes:
        """Return the network's bytes after checking their SHA-256.

        Raises:
            RecognizerError: the file is missing, or its hash is not the card's.
        """
        path = self.folder / NETWORK
        try:
            if path.stat().st_size > _LARGEST:
                raise RecognizerError(
                    f"The network {path} has more than {_LARGEST} bytes, about 400,000 were expected; install it again."
                )
            data = path.read_bytes()
        except OSError as error:
            raise RecognizerError(
                f"The network {self.card.name} lacks its file {path} ({error.strerror}); install it again."
            ) from error
        found = hashlib.sha256(data).hexdigest()
        if found != self.card.sha256:
            raise RecognizerError(
                f"The file {path} has the SHA-256 {found[:12]}..., but the card of the network {self.card.name} says "
                f"{self.card.sha256[:12]}...; it is damaged or was changed, install it again."
            )
        return data


def read_network(folder: Path) -> Network | None:
    """Return the network in *folder*; None where there is no card.

    Raises:
        RecognizerError: the card cannot be used.
    """
    found = read_complete(folder, NETWORK_CARD, _read_card)
    return Network(*found) if found is not None else None


def _read_card(path: Path) -> NetworkCard:
    values = read_toml(path, "The network's card", RecognizerError)
    return read_table(NetworkCard, values, f"The network's card {path}", RecognizerError, advice="install it again")


def networks_in(folder: Path) -> list[Network]:
    """Return the network in *folder*, or those in the folders in it, by name.

    Raises:
        RecognizerError: there is none, or a card cannot be used.
    """
    one = read_network(folder)
    if one is not None:
        return [one]
    inside = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    found = [network for path in inside if not path.name.startswith(".") and (network := read_network(path)) is not None]
    if not found:
        raise RecognizerError(
            f"There is no tuned network in {folder}; give a folder that holds a {NETWORK_CARD}, or one of such folders."
        )
    return found


def network_folders() -> list[Path]:
    """Return the folders of the installed networks, whether or not their cards can be used."""
    return model_folders((NETWORK_CARD,), SHIPPED)


def installed_networks() -> list[Network]:
    """Return the installed networks, the first one of each name; those that cannot be used are left out."""
    found: dict[str, Network] = {}
    for folder in network_folders():
        try:
            network = read_network(folder)
        except RecognizerError:
            continue  # `models verify` names it; a job continues
        if network is not None:
            found.setdefault(network.card.name, network)
    return list(found.values())


def networks_for(given: str, languages: Iterable[str] | None = None) -> list[Network]:
    """Return the networks of an option, in the order in which they are tried.

    Args:
        given: ``auto`` for the installed ones, ``stock`` for none, or a folder, whose networks come before the installed ones.
        languages: only those for one of these languages, whatever folder their files are in; None for all.

    Raises:
        RecognizerError: as for :func:`networks_in`.
    """
    if given == STOCK:
        return []
    networks = [*(networks_in(Path(given).expanduser()) if given != AUTO else []), *installed_networks()]
    if languages is None:
        return networks
    names = {language.rpartition("/")[2] for language in languages}
    return [network for network in networks if network.card.language.rpartition("/")[2] in names]


def versions_of_networks(networks: Iterable[Network]) -> list[str]:
    """Return what decides how *networks* read: the hash of each, and its calibration as JSON."""
    return [part for one in networks for part in (one.card.sha256, json.dumps(one.card.calibration, sort_keys=True))]
