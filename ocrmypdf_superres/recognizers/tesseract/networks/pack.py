# SPDX-License-Identifier: MPL-2.0
"""Packing the network of a tuned language file with a card: about 0.4 MB, without charset and dictionaries."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.modelstore.networks import NETWORK, NETWORK_CARD, Network, NetworkCard
from ocrmypdf_superres.modelstore.writer import model_folder, write_card
from ocrmypdf_superres.recognizers.tesseract.format.container import LSTM, RECODER, UNICHARSET, read_container
from ocrmypdf_superres.recognizers.tesseract.format.int8 import as_floats, in_floats, int8_copy
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import TrainedData, parse, read_traineddata
from ocrmypdf_superres.recognizers.tesseract.format.tree import Matrix, Node
from ocrmypdf_superres.recognizers.tesseract.networks.language_file import LanguageFile, open_language_file

_NOTICE = (
    "Derived from the network of the file {file} of Tesseract's tessdata_fast ({version}), copyright 1988-1995 Hewlett Packard "
    "Company, 2006-2022 Google Inc., licensed under the Apache License, Version 2.0. Its weights were changed: they were tuned "
    "on low-resolution lines of text by ocrmypdf-superres."
)


@dataclass(frozen=True)
class About:
    """The descriptive fields of a network's card; see :class:`~ocrmypdf_superres.modelstore.networks.NetworkCard`."""

    description: str = ""
    data: str = ""
    recipe: str = ""
    steps: int = 0


def pack_network(
    tuned: Path,
    base: Path,
    folder: Path,
    language: str,
    about: About | None = None,
    name: str = "",
    base_share: float = 0.0,
) -> Network:
    """Write the network of the file *tuned* with a card to *folder*, which a packed network may be replaced in.

    A float network is stored as int8, as :func:`~ocrmypdf_superres.recognizers.tesseract.format.int8.int8_copy` makes it.
    With a *base_share* the weights are the mean of both networks' (Wortsman et al., "Robust fine-tuning of zero-shot models",
    CVPR 2022), which forgets less of what the lines of the tuning lacked.

    Args:
        tuned: a ``.traineddata`` file whose network was tuned.
        base: the installed one that it was tuned from.
        folder: where to; a folder that holds something else is refused.
        language: Tesseract's name, such as ``eng`` or ``script/Latin``.
        about: for the card.
        name: unique name; empty for the folder's.
        base_share: of the weights of *base* in the mean, at least 0 and below 1.

    Raises:
        RecognizerError: a file cannot be used, *tuned* was not made from *base*, or *folder* holds something else.
        OptionError: the share is out of range.
        OSError: the disk does not take the folder.
    """
    data, original = read_traineddata(tuned), read_traineddata(base)
    _check_same_shape(data, original)
    if base_share:
        data = mean_network(data, original, base_share)
    whole = data if data.integer else int8_copy(data)
    network = whole.components[LSTM]
    described = open_language_file(base).describe()
    card = NetworkCard(
        name=name or folder.name,
        language=language,
        sha256=hashlib.sha256(network).hexdigest(),
        base=described,
        notice=_NOTICE.format(file=base.name, version=described.version),
        **vars(about or About()),
    )
    with model_folder(folder, NETWORK_CARD, RecognizerError) as made:
        (made / NETWORK).write_bytes(network)
        write_card(card, made / NETWORK_CARD)
    return Network(card, folder)


def mean_network(tuned: TrainedData, base: TrainedData, base_share: float) -> TrainedData:
    """Return *tuned* in floats, each weight the mean of its own and that of *base*, which counts *base_share* of 1.

    Raises:
        OptionError: the share is out of range.
    """
    if not 0 <= base_share < 1:
        raise OptionError(
            f"The share {base_share:g} of the installed network was given, 0 to below 1 was expected; give a share in that range."
        )
    mean = copy.deepcopy(tuned)
    for node, other in zip(mean.network.walk(), base.network.walk(), strict=True):
        pairs = zip(node.matrices, other.matrices, strict=True)
        node.matrices = [Matrix((1 - base_share) * own.floats() + base_share * old.floats()) for own, old in pairs]
    return as_floats(mean)


def with_outputs(tuned: TrainedData, base: TrainedData, characters: str) -> TrainedData:
    """Return *tuned* in floats, with the weights by which its last layer tells *characters* from *base*.

    Tuned on lines that lack a character, a network no longer writes it, and most of that is in its last layer. From here on the
    outputs can be trained by themselves: as they are, the installed network's row for the underscore takes rules on forms for it.

    Raises:
        RecognizerError: the charset lacks one of the characters.
    """
    rows = tuned.charset.encode(characters)
    changed = in_floats(tuned)
    own, old = (list(data.network.walk())[-1].matrices[0] for data in (changed, base))
    own.values[rows] = old.floats()[rows]
    return as_floats(changed)


def joined(network: Network, installed: LanguageFile) -> TrainedData:
    """Return what a language file holds that has *network* instead of its own.

    Raises:
        RecognizerError: *network* was tuned from another file than *installed*, or one of them is damaged.
        OSError: a file cannot be read.
    """
    installed.check_fits(network.card)
    return parse({**read_container(installed.path), LSTM: network.data()}, network.card.name)


def change_card(network: Network, **values: Any) -> Network:
    """Return *network* with *values* in its card, written to its folder as a whole; raises OSError."""
    data, card = network.data(), replace(network.card, **values)
    with model_folder(network.folder, NETWORK_CARD, RecognizerError) as made:
        (made / NETWORK).write_bytes(data)
        write_card(card, made / NETWORK_CARD)
    return Network(card, network.folder)


def _check_same_shape(tuned: TrainedData, base: TrainedData) -> None:
    different = [
        what
        for what, same in (
            ("charset", tuned.components[UNICHARSET] == base.components[UNICHARSET]),
            ("recoder", tuned.components[RECODER] == base.components[RECODER]),
            ("layers", list(_shape(tuned.network)) == list(_shape(base.network))),
            ("blank", tuned.charset.blank == base.charset.blank),
        )
        if not same
    ]
    if different:
        raise RecognizerError(
            f"The network of {tuned.source} has another {' and another '.join(different)} than {base.source}, from which it "
            "was to be tuned; give the file that it was tuned from."
        )
    if tuned.components[LSTM] == base.components[LSTM]:
        raise RecognizerError(f"The network of {tuned.source} is that of {base.source}, a tuned one was expected; tune it first.")


def _shape(root: Node) -> Iterator[tuple[str, int, int, tuple[int, ...]]]:
    return ((node.kind, node.ni, node.no, node.extents) for node in root.walk())
