# SPDX-License-Identifier: MPL-2.0
"""Errors of this package.

Every message is one sentence that says what was given, what was expected and what to do.
"""

from __future__ import annotations

__all__ = [
    "ArchiveError",
    "DeviceError",
    "ImageError",
    "MissingDependencyError",
    "ModelError",
    "OptionError",
    "RecognizerError",
    "SuperresError",
]


class SuperresError(Exception):
    """Base of every error that this package raises on purpose."""


class OptionError(SuperresError):
    """An option, recipe key or argument has a value that cannot be used."""


class ImageError(SuperresError):
    """An image is damaged, of an unsupported form, or too large to handle."""


class ModelError(SuperresError):
    """A model is missing, damaged, of another architecture, or does not match its card."""


class DeviceError(SuperresError):
    """The requested compute device is not available or ran out of memory."""


class RecognizerError(SuperresError):
    """A recognizer's file is missing, damaged or not supported."""


class MissingDependencyError(SuperresError):
    """An optional package that this command needs is not installed."""


class ArchiveError(SuperresError):
    """A run over many files cannot start or continue: its folder, settings, manifest or disk."""


def what_is_wrong(error: Exception) -> str:
    """Return the first paragraph of what *error*, which OCRmyPDF raised, says."""
    said = " ".join(str(error).strip().partition("\n\n")[0].split()).removeprefix("Failed to create OcrOptions: ")
    # Of a file that it cannot open OCRmyPDF says so in its log only.
    return said or f"it is damaged, or neither a PDF nor an image ({type(error).__name__}); give another file."
