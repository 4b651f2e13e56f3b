# SPDX-License-Identifier: MPL-2.0
r"""File names in tables, XML and JSON, which hold Unicode only, while a file name may hold any bytes.

A byte that is not valid UTF-8 becomes ``\xNN``, and so do control characters, line ends and backslashes; everything else is
kept. Different names always stay different, and the original name can be recovered.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_ESCAPED = re.compile("[\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def printable(name: str) -> str:
    """Return *name*, as ``os.fsdecode`` returns it, as text that can be printed, stored and sent."""
    return _ESCAPED.sub(
        lambda found: "".join(f"\\x{byte:02x}" for byte in found.group().encode("utf-8", "surrogateescape")), name
    )


def printable_path(path: Path) -> str:
    """Return *path* as :func:`printable` text, for messages."""
    return printable(os.fspath(path))


def encode_path(path: str) -> str:
    """Return an absolute *path* as text for the database: unchanged, or in hexadecimal if it is not plain text."""
    return path if printable(path) == path else os.fsencode(path).hex()


def decode_path(text: str) -> str:
    """Return the path that :func:`encode_path` turned into *text*."""
    return text if not text or Path(text).is_absolute() else os.fsdecode(bytes.fromhex(text))
