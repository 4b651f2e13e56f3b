# SPDX-License-Identifier: MPL-2.0
"""Reading texts, and writing files so that other processes see the old one or the new one, never a part of one."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ocrmypdf_superres.errors import OptionError


def read_text(path: Path, what: str = "The text") -> str:
    """Return the text in the UTF-8 file *path*; *what* says in messages what it is.

    A byte order mark, which editors on Windows write, is not a character of the text.

    Raises:
        OptionError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise OptionError(f"{what} {path} cannot be read ({error.strerror}); correct the path or its permissions.") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"{what} {path} is not UTF-8 ({error.reason} at byte {error.start}); convert it.") from error


@contextmanager
def atomic_write(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside *path*; when the block ends without an error, the file there becomes *path*.

    The temporary name keeps the suffix, since Pillow and others choose the format by it, and is unique, so that
    several processes may write the same file: the last one wins whole. After an error no temporary file is left.

    Args:
        path: the file to write; an existing one is replaced.
        durable: also sync the file and its folder to the disk, so that the new file survives a power failure.

    Raises:
        OSError: the file cannot be written or renamed; *path* is untouched.
    """
    part = _beside(path)
    try:
        yield part
        if durable:
            sync(part)
        part.replace(path)
        if durable:
            sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def atomic_create(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside *path*, as :func:`atomic_write`, but leave a *path* that is there meanwhile as it is.

    Of several processes that make the same file the first one wins, and what others already read from it stays.

    Raises:
        OSError: the file cannot be written or renamed.
    """
    part = _beside(path)
    try:
        yield part
        try:
            os.link(part, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def atomic_write_text(path: Path, text: str) -> None:
    r"""Write *text* to *path* as UTF-8, whole or not at all; raises OSError as :func:`atomic_write`.

    Bytes of file names that are not UTF-8 (surrogates in Python) are written as ``\udcff``, by which JSON keeps them.
    """
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace")


def atomic_write_bytes(path: Path, data: bytes) -> None:
    """Write *data* to *path*, whole or not at all; raises OSError as :func:`atomic_write`."""
    with atomic_write(path) as part:
        part.write_bytes(data)


def _beside(path: Path) -> Path:
    # Of a long name only the beginning, since the temporary one may not be longer than the system allows.
    return path.with_name(f".{path.stem[:40]}.{uuid.uuid4().hex[:12]}.part{path.suffix}")


def sync(path: Path) -> None:
    """Sync a file or the entries of a folder to the disk; where the system cannot open folders, the renaming must suffice.

    Raises:
        OSError: it cannot be opened, or the file system does not support that.
    """
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def append_line(path: Path, text: str) -> None:
    """Append *text* and a line's end to the file *path*, made if missing.

    It is one write to a file opened for appending, which the system keeps whole even when several processes write at once.

    Raises:
        OSError: the file cannot be written, or the disk took a part of the line only.
    """
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    try:
        line = (text + "\n").encode("utf-8")
        if os.write(handle, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))
    finally:
        os.close(handle)
