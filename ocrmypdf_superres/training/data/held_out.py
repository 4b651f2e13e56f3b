# SPDX-License-Identifier: MPL-2.0
"""Whether what a recipe validates on is kept out of what it trains on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.data.files import PARTS, SHARE
from ocrmypdf_superres.training.recipe import Source

RENDERED = ("rendered", "words")
"""Kinds of sources whose images are rendered for every step."""


def check_held_out(sources: Iterable[Source], held: Source, data: Path) -> None:
    """Raise OptionError where *held*, the validation's source, has images below *data* that one of *sources* trains on."""
    if held.kind in RENDERED:
        return
    for source in sources:
        if source.kind in RENDERED or _are_parts(source, held):
            continue
        if any(_overlap(data / one, data / other) for one in _folders(source) for other in _folders(held)):
            raise OptionError(
                f"The validation folder {held.folder} and the source {source.folder} share pages; give a folder of pages that "
                'are not trained on, or sources of one kind and share with part = "train" and part = "test".'
            )


def _are_parts(source: Source, held: Source) -> bool:
    """Return whether *source* and *held* are the two parts of one folder."""
    if (source.kind, source.folder) != (held.kind, held.folder):
        return False
    shares = [options.get("share", SHARE) for options in (source.options, held.options)]
    return {source.options.get("part"), held.options.get("part")} == set(PARTS) and shares[0] == shares[1]


def _folders(source: Source) -> tuple[str, ...]:
    return (source.folder, source.low) if source.low else (source.folder,)


def _overlap(one: Path, other: Path) -> bool:
    one, other = one.resolve(), other.resolve()
    return one == other or one in other.parents or other in one.parents
