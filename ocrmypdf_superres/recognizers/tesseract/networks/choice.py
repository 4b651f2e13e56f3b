# SPDX-License-Identifier: MPL-2.0
"""Which network reads a language: a tuned one that fits the installed file, joined with it, or the installed one."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.modelstore.networks import AUTO, Network, networks_for
from ocrmypdf_superres.modelstore.store import search_folders
from ocrmypdf_superres.recognizers.tesseract.networks.cache import CACHE_VARIABLE, joined_file
from ocrmypdf_superres.recognizers.tesseract.networks.language_file import identity_of, open_language_file

_SUFFIX = ".traineddata"
_RETRY_SECONDS = 60.0
"""After a fault, such as a full disk, the next try is this much later: not each page has to write what has no room."""


@dataclass(frozen=True)
class Tuned:
    """A language that is read with a tuned network.

    Attributes:
        language: as the user names it.
        argument: what the program is given for it.
        network: the network.
        file: the joined file, and what it looked like when it was checked.
    """

    language: str
    argument: str
    network: Network
    file: Path
    identity: tuple[int, int, int]

    def is_there(self) -> bool:
        """Whether the file still is the one that was checked."""
        try:
            return identity_of(self.file) == self.identity
        except OSError:
            return False


@dataclass(frozen=True)
class Untuned:
    """A language that is read with its installed network, why, as a sentence for the user (empty for no news), and since when."""

    language: str
    reason: str = ""
    fault: bool = False
    since: float = field(default_factory=time.monotonic, compare=False)

    def is_over(self) -> bool:
        """Whether the reason was a fault so long ago that it may be over."""
        return self.fault and time.monotonic() - self.since > _RETRY_SECONDS


def choose_network(language: str, folder: Path, given: str = AUTO) -> Tuned | Untuned:
    """Return what reads *language*: the first network that fits its installed file, or that file as it is.

    Networks and files are compared once in a process, as long as the installed file stays the same; a joined file that is
    gone is made again, and after a fault it is tried again a minute later.

    Args:
        language: as the user names it, such as ``eng`` or ``script/Latin``.
        folder: the program's folder of language files.
        given: see :func:`~ocrmypdf_superres.modelstore.networks.networks_for`.
    """
    path = folder / f"{language}{_SUFFIX}"
    try:
        identity = identity_of(path)
    except OSError:
        return Untuned(language)  # the program itself says what is missing
    places = (tuple(map(str, search_folders())), os.environ.get(CACHE_VARIABLE, ""))
    found = _joined(language, folder, identity, given, places)
    # The cache may have been emptied or written by another process.
    if found.is_over() if isinstance(found, Untuned) else not found.is_there():
        _joined.cache_clear()
        found = _joined(language, folder, identity, given, places)
    return found


@lru_cache(maxsize=64)
def _joined(language: str, folder: Path, _identity: tuple[int, int, int], given: str, _places: Any) -> Tuned | Untuned:
    """Return the language with the first network that fits its file; done once in a process for the same file."""
    name = language.rpartition("/")[2]
    path = folder / f"{language}{_SUFFIX}"
    try:
        networks = networks_for(given)
        base = open_language_file(path)
        network = next((one for one in networks if base.fits(one.card.base)), None)
        if network is None:
            if all(one.card.language.rpartition("/")[2] != name for one in networks):
                return Untuned(language)
            return Untuned(
                language,
                f"the installed {path.name} is not the file of tessdata_fast that the tuned network of {language} was made "
                "from, so it is read as it is installed",
            )
        file = joined_file(base, network.data())
        # The program appends this to the name of its folder; links in that name lead where the system says.
        argument = Path(os.path.relpath(file, os.path.realpath(folder))).as_posix().removesuffix(_SUFFIX)
        return Tuned(language, argument, network, file, identity_of(file))
    except (RecognizerError, OSError, ValueError) as error:
        return Untuned(language, f"{language} is read with its installed network: {error}", True)
