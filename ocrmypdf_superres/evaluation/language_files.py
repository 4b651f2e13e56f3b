# SPDX-License-Identifier: MPL-2.0
"""What decides how Tesseract reads a language, for the caches of readings."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.modelstore.store import sha256_of
from ocrmypdf_superres.recognizers.tesseract.networks.language_file import identity_of
from ocrmypdf_superres.tesseract import find_traineddata, program, version


def reading_versions(languages: str) -> str:
    """Return the version of Tesseract, and the SHA-256 of the file of each of *languages*, such as ``eng+deu``.

    A language without a file, on which reading will fail, and one that is a path, as of a tuned network, count by name alone.

    Raises:
        MissingDependencyError, RecognizerError: Tesseract is not installed, or fails.
    """
    return "\n".join([_version(program()), *(_digest(language) for language in languages.split("+"))])


@lru_cache(maxsize=8)
def _version(_program: str) -> str:
    return version()


def _digest(language: str) -> str:
    try:
        path = find_traineddata(language)
        return f"{language} {_sha256(path, identity_of(path))}"
    except (RecognizerError, OSError):
        return language


@lru_cache(maxsize=64)
def _sha256(path: Path, _identity: tuple[int, int, int]) -> str:
    return sha256_of(path)
