# SPDX-License-Identifier: MPL-2.0
"""An installed language file, read only as far as needed: the one of ``script/Latin`` has 89 MB."""

from __future__ import annotations

import errno
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.modelstore.networks import BaseFile, NetworkCard
from ocrmypdf_superres.modelstore.store import sha256_of
from ocrmypdf_superres.recognizers.tesseract.format.container import (
    HEAD_BYTES,
    LSTM,
    RECODER,
    UNICHARSET,
    VERSION,
    component_ranges,
)

_CHUNK = 1 << 20


@dataclass(frozen=True)
class LanguageFile:
    """A language file as it was when it was read.

    Attributes:
        path: of the file.
        identity: size, modification time and inode; while they stay, the file is taken to be the same.
        ranges: first and last byte (exclusive) of each component, by index.
        entries: length of its table of components.
    """

    path: Path
    identity: tuple[int, int, int]
    ranges: dict[int, tuple[int, int]]
    entries: int

    def component(self, index: int) -> bytes:
        """Return one component, empty where there is none; raises OSError."""
        start, end = self.ranges.get(index, (0, 0))
        with self.path.open("rb") as stream:
            stream.seek(start)
            return stream.read(end - start)

    def fits(self, base: BaseFile) -> bool:
        """Whether network, charset and recoder are those of *base*; raises OSError.

        Dictionaries and configuration may be others: they stay the user's own.
        """
        wanted = {
            LSTM: (base.network_sha256, base.network_bytes),
            UNICHARSET: (base.unicharset_sha256, base.unicharset_bytes),
            RECODER: (base.recoder_sha256, base.recoder_bytes),
        }
        for index, (_, size) in wanted.items():
            start, end = self.ranges.get(index, (0, 0))
            if end - start != size:
                return False
        return all(hashlib.sha256(self.component(index)).hexdigest() == sha256 for index, (sha256, _) in wanted.items())

    def check_fits(self, card: NetworkCard) -> None:
        """Refuse another file than the network of *card* was tuned from; see :meth:`fits`.

        Raises:
            RecognizerError: it is another one.
            OSError: it cannot be read.
        """
        if not self.fits(card.base):
            raise RecognizerError(f"The network {card.name} was tuned from another file than {self.path}; install that one.")

    def with_network(self, network: bytes) -> Iterator[bytes]:
        """Yield the bytes of this file with *network* as its component ``lstm``, a piece at a time; raises OSError."""
        pieces = {index: end - start for index, (start, end) in self.ranges.items()}
        pieces[LSTM] = len(network)
        table, offset = [], 4 + 8 * self.entries
        for index in range(self.entries):
            table.append(offset if index in pieces else -1)
            offset += pieces.get(index, 0)
        yield struct.pack(f"<I{self.entries}q", self.entries, *table)
        with self.path.open("rb") as stream:
            for index in sorted(pieces):
                if index == LSTM:
                    yield network
                    continue
                start, end = self.ranges[index]
                stream.seek(start)
                while start < end:
                    chunk = stream.read(min(_CHUNK, end - start))
                    if not chunk:
                        raise OSError(errno.EIO, "it became shorter while it was read")
                    yield chunk
                    start += len(chunk)

    def describe(self) -> BaseFile:
        """Return the description of this file for a card.

        Raises:
            OSError: it cannot be read.
            RecognizerError: it has no line network, charset or recoder.
        """
        parts = {index: self.component(index) for index in (LSTM, UNICHARSET, RECODER)}
        if not all(parts.values()):
            raise RecognizerError(
                f"The file {self.path} has no line network with a charset and recoder of its own (components {LSTM}, "
                f"{UNICHARSET} and {RECODER}); give a language file of Tesseract 4 or later."
            )
        hashes = {index: hashlib.sha256(part).hexdigest() for index, part in parts.items()}
        return BaseFile(
            self.component(VERSION).decode("utf-8", "replace"), sha256_of(self.path), hashes[LSTM], len(parts[LSTM]),
            hashes[UNICHARSET], len(parts[UNICHARSET]), hashes[RECODER], len(parts[RECODER]),
        )  # fmt: skip


def identity_of(path: Path) -> tuple[int, int, int]:
    """Return size in bytes, modification time in nanoseconds and inode of *path*; raises OSError."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def open_language_file(path: Path) -> LanguageFile:
    """Return the language file at *path*.

    Raises:
        RecognizerError: it cannot be read, or its table is not that of a language file.
    """
    try:
        identity = identity_of(path)
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError as error:
        raise RecognizerError(
            f"The language file {path} cannot be read ({error.strerror}); give the path of a readable file."
        ) from error
    ranges = component_ranges(head, identity[0], str(path))
    return LanguageFile(path, identity, ranges, struct.unpack_from("<I", head)[0])


def same_content(path: Path, pieces: Iterator[bytes]) -> bool:
    """Whether the file at *path* holds exactly *pieces*; raises OSError."""
    with path.open("rb") as stream:
        for piece in pieces:
            if stream.read(len(piece)) != piece:
                return False
        return not stream.read(1)


def write_pieces(path: Path, pieces: Iterator[bytes]) -> None:
    """Write *pieces* to *path*; raises OSError."""
    with path.open("wb") as stream:
        for piece in pieces:
            stream.write(piece)
