# SPDX-License-Identifier: MPL-2.0
"""The words in Tesseract's own dictionary of a language, which it prefers where an image is ambiguous."""

from __future__ import annotations

import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

from ocrmypdf_superres.errors import MissingDependencyError, SuperresError
from ocrmypdf_superres.tesseract import find_traineddata


@lru_cache(maxsize=8)
def words_of_language(language: str) -> frozenset[str]:
    """Return the words of *language*'s LSTM dictionary, in lower case; several languages as ``deu+eng``.

    Raises:
        MissingDependencyError: Tesseract's combine_tessdata and dawg2wordlist are not installed.
        SuperresError: the language's file cannot be taken apart.
    """
    found: set[str] = set()
    for name in language.split("+"):
        with tempfile.TemporaryDirectory(prefix="superres-dictionary-") as temporary:
            prefix = Path(temporary) / f"{name}."
            listed = Path(temporary) / "words"
            data = find_traineddata(name)
            try:
                subprocess.run(["combine_tessdata", "-u", str(data), str(prefix)], capture_output=True, check=True)
                dawg = Path(f"{prefix}lstm-word-dawg")
                if not dawg.is_file():
                    continue
                subprocess.run(
                    ["dawg2wordlist", f"{prefix}lstm-unicharset", str(dawg), str(listed)], capture_output=True, check=True
                )
            except FileNotFoundError as error:
                raise MissingDependencyError(
                    "combine_tessdata and dawg2wordlist were not found, but they list the words that Tesseract knows; "
                    "install tesseract-ocr with its tools."
                ) from error
            except subprocess.CalledProcessError as error:
                raise SuperresError(
                    f"The dictionary of {data} cannot be listed; install this language of Tesseract again."
                ) from error
            found.update(line.strip().lower() for line in listed.read_text(encoding="utf-8", errors="replace").splitlines())
    return frozenset(found)


def known(word: str, language: str) -> bool:
    """Whether *language*'s dictionary has *word*, case and punctuation around it aside.

    Raises:
        SuperresError: as :func:`words_of_language`.
    """
    bare = word.strip(".,;:!?\"'()[]{}-_*/\\|<>„“”‚‘’«»—–").lower()
    return bare in words_of_language(language)
