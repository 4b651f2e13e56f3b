# SPDX-License-Identifier: MPL-2.0
"""What the recognizers' tests share: a tiny network of our own, and what has to be installed."""

from __future__ import annotations

import shutil

import pytest
import torch
from tesseract_specimens import text_fonts

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.tesseract import find_traineddata


def missing(*languages: str) -> str:
    """What is not installed that a test with the binary needs, or an empty string."""
    if shutil.which("tesseract") is None:
        return "tesseract is not installed"
    try:
        for language in languages:
            find_traineddata(language)
        text_fonts("eng", 1)
    except SuperresError as error:
        return str(error)
    return ""


@pytest.fixture
def needs_eng() -> None:
    """Skip where the binary, its English or a text font is missing."""
    reason = missing("eng")
    if reason:
        pytest.skip(reason)


@pytest.fixture
def needs_languages() -> None:
    """Skip where one of eng, deu, fra and script/Latin is missing."""
    reason = missing("eng", "deu", "fra", "script/Latin")
    if reason:
        pytest.skip(reason)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Many threads make small networks slower."""
    torch.set_num_threads(1)
