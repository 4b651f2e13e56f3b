# SPDX-License-Identifier: MPL-2.0
"""The word lists that are installed with Tesseract's languages."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ocrmypdf_superres.errors import MissingDependencyError, RecognizerError
from ocrmypdf_superres.log_once import log_once
from ocrmypdf_superres.recognizers.tesseract.format.charset import is_right_to_left, read_unicharset
from ocrmypdf_superres.recognizers.tesseract.format.container import UNICHARSET, WORD_DAWG
from ocrmypdf_superres.recognizers.tesseract.format.dawg import WordGraph, read_word_graph
from ocrmypdf_superres.recognizers.tesseract.networks.language_file import identity_of, open_language_file
from ocrmypdf_superres.tesseract import data_folder

log = logging.getLogger("ocrmypdf.superres")


def word_lists(languages: Sequence[str]) -> list[WordGraph]:
    """Return the word lists of *languages*, without those that have none or cannot be read, which is logged once."""
    try:
        folder = data_folder()
    except (MissingDependencyError, RecognizerError):
        return []
    lists = []
    for language in languages if folder is not None else ():
        path = Path(folder or "") / f"{language}.traineddata"
        try:
            found = _read(path, identity_of(path))
        except (OSError, RecognizerError) as error:
            log_once(log, logging.INFO, f"superres: the words of the language {language} are not used: {error}")
            continue
        if found is not None:
            lists.append(found)
    return lists


@lru_cache(maxsize=16)
def _read(path: Path, identity: tuple[int, int, int]) -> WordGraph | None:
    """Return the word list of the file at *path*; None where it has none. *identity* tells versions of it apart.

    Raises:
        OSError: it cannot be read.
        RecognizerError: it is damaged.
    """
    del identity
    file = open_language_file(path)
    data, charset = file.component(WORD_DAWG), file.component(UNICHARSET)
    if not data or not charset:
        return None
    texts, _ = read_unicharset(charset, path.name)
    return read_word_graph(data, texts, path.name, is_right_to_left(texts))
