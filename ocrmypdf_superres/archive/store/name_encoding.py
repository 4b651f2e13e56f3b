# SPDX-License-Identifier: MPL-2.0
"""File names in tables, XML and JSON, which hold Unicode only, while a file's name is any bytes.

The rule: a byte that is no UTF-8 appears as ``\\xNN``, and so do control characters, line ends and backslashes; what else
stands in a name stays as it is.  Different names never look the same, and the name can be had back.
"""

from __future__ import annotations

import os
import re

_ESCAPED = re.compile("[\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def printable(name: str) -> str:
    """Return *name*, as ``os.fsdecode`` gives it, as text that can be printed, stored and sent."""
    return _ESCAPED.sub(lambda found: "".join(f"\\x{byte:02x}" for byte in found.group().encode("utf-8", "surrogateescape")), name)


def encode_path(path: str) -> str:
    """Return an absolute *path* as text that a database can hold: as it is, or in hexadecimal where it is no plain text."""
    return path if printable(path) == path else os.fsencode(path).hex()


def decode_path(text: str) -> str:
    """Return the path that :func:`encode_path` gave *text* for."""
    return text if os.path.isabs(text) or not text else os.fsdecode(bytes.fromhex(text))
