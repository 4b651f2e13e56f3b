# SPDX-License-Identifier: MPL-2.0
"""The cache of joined language files: an installed one with a tuned network in place of its own.

The program reads files only, and a network is not one by itself. A file of the cache is compared with what it should hold
before a process uses it for the first time, byte by byte, so a damaged one is written again and never read. Several processes
may do so at once: the first whole file stays, and a damaged one is replaced by a whole one. The folder may be deleted at any
time.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.files import atomic_create, atomic_write
from ocrmypdf_superres.recognizers.tesseract.networks.language_file import LanguageFile, same_content, write_pieces

CACHE_VARIABLE = "OCRMYPDF_SUPERRES_CACHE"
_NAME = "ocrmypdf-superres"
_SUFFIX = ".traineddata"
_SPECIAL = frozenset("+'\"<>&")
_UNUSED_SECONDS = 60 * 24 * 3600.0
_LEFTOVER_SECONDS = 3600.0


def cache_folders() -> list[Path]:
    """Return the folders to try: the variable's, the user's cache, and one of the user's own among the temporary files."""
    folders = []
    if given := os.environ.get(CACHE_VARIABLE):
        folders.append(Path(given))
    usual = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    if usual:
        folders.append(Path(usual) / _NAME)
    else:
        # Without a home (some containers) the temporary files remain.
        with contextlib.suppress(RuntimeError):
            folders.append(Path.home() / ".cache" / _NAME)
    user = os.getuid() if hasattr(os, "getuid") else ""
    folders.append(Path(tempfile.gettempdir()) / f"{_NAME}-{user}")
    return [folder.absolute() for folder in folders]


def joined_file(base: LanguageFile, network: bytes) -> Path:
    """Return the path of *base* with *network* in place of its own, in the first cache folder that can hold it.

    Args:
        base: the installed language file; its network has to fit.
        network: the component ``lstm``.

    Raises:
        RecognizerError: no folder can hold it; the message says why for each.
    """
    key = _key(base, network)
    reasons = []
    for folder in cache_folders():
        path = folder / "networks" / key / base.path.name
        if _SPECIAL & set(str(path)):
            reasons.append(
                f"{folder} has one of {' '.join(sorted(_SPECIAL))} in its name, which tesseract or hOCR take otherwise"
            )
            continue
        try:
            _fill(path, base, network)
            return path
        except OSError as error:
            reasons.append(f"{folder}: {error.strerror or error}")
    raise RecognizerError(
        f"The language file {base.path.name} could not be joined with its tuned network ({'; '.join(reasons)}); "
        f"set {CACHE_VARIABLE} to a folder with room for {base.identity[0] / 1e6:.0f} MB."
    )


def _key(base: LanguageFile, network: bytes) -> str:
    told = f"{os.path.realpath(base.path)}\n{base.identity}\n{hashlib.sha256(network).hexdigest()}"
    return hashlib.sha256(os.fsencode(told)).hexdigest()[:20]


def _fill(path: Path, base: LanguageFile, network: bytes) -> None:
    """Make sure that the file at *path* holds the joined file; raises OSError."""
    _check_private(path.parent.parent.parent)
    if path.is_file() and same_content(path, base.with_network(network)):
        with contextlib.suppress(OSError):
            os.utime(path.parent)  # says when it was used last
        return
    path.parent.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Another process may just have made it, and be reading with it.
    with atomic_create(path) as part:
        write_pieces(part, base.with_network(network))
    if not same_content(path, base.with_network(network)):
        with atomic_write(path) as part:
            write_pieces(part, base.with_network(network))
        if not same_content(path, base.with_network(network)):
            raise OSError("what was written is not what is read back")
    _link_companions(base, path)
    _tidy(path)


def _check_private(own: Path) -> None:
    """Refuse a folder among the temporary files that another user could write to; raises OSError."""
    if not hasattr(os, "getuid") or not own.is_relative_to(tempfile.gettempdir()) or not os.path.lexists(own):
        return
    found = own.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise OSError(errno.EPERM, "it belongs to another user or may be written to by others")


def _link_companions(base: LanguageFile, path: Path) -> None:
    """Link the user's words and patterns of the language (``eng.user-words``) beside the file, where the program looks."""
    stem = base.path.name.removesuffix(_SUFFIX)
    with contextlib.suppress(OSError):
        for companion in base.path.parent.glob(f"{stem}.*"):
            link = path.with_name(companion.name)
            if companion != base.path and not link.is_symlink():
                with contextlib.suppress(OSError):
                    link.symlink_to(companion.resolve())


def _tidy(path: Path) -> None:
    """Remove what killed processes left beside *path*, and joined files that were not used for two months."""
    now = time.time()
    with contextlib.suppress(OSError):
        for left in path.parent.glob(f".*.part{_SUFFIX}"):
            if now - left.stat().st_mtime > _LEFTOVER_SECONDS:
                left.unlink()
        for folder in path.parent.parent.iterdir():
            if folder != path.parent and now - folder.stat().st_mtime > _UNUSED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
