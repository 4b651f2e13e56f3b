# SPDX-License-Identifier: MPL-2.0
"""The outer container of a ``.traineddata`` file: a table of offsets and up to 24 components."""

from __future__ import annotations

import struct
from pathlib import Path

from ocrmypdf_superres.errors import RecognizerError

LSTM = 17
WORD_DAWG = 19
UNICHARSET = 21
RECODER = 22
VERSION = 23

_MOST_ENTRIES = 1000
HEAD_BYTES = 4 + 8 * _MOST_ENTRIES
"""Bytes at the beginning of a file that hold the table of components, whatever its length."""
# The largest file that is published has 89 MB (chi_tra_vert best); a far larger file is not a traineddata file.
_MOST_BYTES = 256 * 1024 * 1024


def read_container(path: Path) -> dict[int, bytes]:
    """Return the components of the file at *path* by index.

    Raises:
        RecognizerError: the file cannot be read or its table is not that of a traineddata file.
    """
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise RecognizerError(
                f"The traineddata file {path} has {size} bytes, at most {_MOST_BYTES} were expected; give another file."
            )
        data = path.read_bytes()
    except OSError as error:
        raise RecognizerError(
            f"The traineddata file {path} cannot be read ({error.strerror}); give the path of a readable file."
        ) from error
    return split_container(data, str(path))


def split_container(data: bytes, source: str) -> dict[int, bytes]:
    """Return the components of the container *data* by index; *source* is its name in messages.

    Raises:
        RecognizerError: the table of offsets is damaged, or big-endian, or not there at all.
    """
    return {index: data[start:end] for index, (start, end) in component_ranges(data, len(data), source).items()}


def component_ranges(head: bytes, size: int, source: str) -> dict[int, tuple[int, int]]:
    """Return first and last byte (exclusive) of each component of a container of *size* bytes, by index.

    Args:
        head: its first :data:`HEAD_BYTES`, or all of it.
        size: its size in bytes.
        source: its name in messages.

    Raises:
        RecognizerError: as for :func:`split_container`.
    """

    def fail(given: str, expected: str) -> RecognizerError:
        return RecognizerError(
            f"The file {source} has {given}, {expected} was expected; it is damaged, big-endian or not a "
            f"traineddata file, so install it again."
        )

    if len(head) < 4:
        raise fail(f"{len(head)} bytes", "a table of components")
    entries = struct.unpack_from("<I", head)[0]
    if not 1 <= entries <= _MOST_ENTRIES:
        raise fail(f"{entries} table entries", f"a number from 1 to {_MOST_ENTRIES}")
    first = 4 + 8 * entries
    if len(head) < first:
        raise fail(f"{len(head)} bytes for {entries} table entries", f"at least {first} bytes")
    offsets = struct.unpack_from(f"<{entries}q", head, 4)
    present = [(index, offset) for index, offset in enumerate(offsets) if offset != -1]
    previous = first
    for index, offset in present:
        if not previous <= offset <= size:
            raise fail(f"the offset {offset} for component {index}", f"one from {previous} to {size}")
        previous = offset
    ends = [offset for _, offset in present[1:]] + [size]
    return {index: (offset, end) for (index, offset), end in zip(present, ends, strict=True)}


def join_container(components: dict[int, bytes], entries: int = 24) -> bytes:
    """Return the bytes of a container with *components* in the order of their indices."""
    table: list[int] = []
    offset = 4 + 8 * entries
    body = []
    for index in range(entries):
        piece = components.get(index)
        table.append(-1 if piece is None else offset)
        if piece is not None:
            body.append(piece)
            offset += len(piece)
    return struct.pack(f"<I{entries}q", entries, *table) + b"".join(body)


def without_dictionary(source: Path, folder: Path, name: str) -> Path:
    """Write *folder*/*name*.traineddata with the network of *source* and none of its dictionaries.

    This is the only way to switch the dictionaries of the LSTM engine off: its ``load_*_dawg`` parameters do nothing.
    """
    components = read_container(source)
    kept = {index: components[index] for index in (LSTM, UNICHARSET, RECODER, VERSION) if index in components}
    path = folder / f"{name}.traineddata"
    path.write_bytes(join_container(kept))
    return path
