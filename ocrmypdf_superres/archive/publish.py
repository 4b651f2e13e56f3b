# SPDX-License-Identifier: MPL-2.0
"""Moves finished outputs from staging to their final names, such that neither a crash nor a file of another program does harm.

A new name is claimed by a hard link, which the system refuses if that name exists; on file systems without hard links the
file is created exclusively, with a mark of the run in it, and the output is renamed over it. A file is replaced only if it
is the run's own earlier output and still has the hash in the manifest.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from ocrmypdf_superres.archive.store.name_encoding import printable, printable_path
from ocrmypdf_superres.archive.tasks import Output
from ocrmypdf_superres.errors import ArchiveError
from ocrmypdf_superres.files import sync
from ocrmypdf_superres.modelstore.store import sha256_of

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EACCES, errno.EINVAL}


class NotOursError(ArchiveError):
    """The name of an output is taken by a file that is not the run's own."""


class StagingLostError(ArchiveError):
    """A staged output is neither in staging nor published; the file has to be processed again."""


def publish(out: Path, staging: Path, outputs: Iterable[Output], earlier: Iterable[Output]) -> list[str]:
    """Publish *outputs* from the folder *staging* below *out*; it may be repeated after a crash.

    Args:
        out: the run's output folder.
        staging: the task's folder.
        outputs: its outputs.
        earlier: the published outputs that the same input had before; those without a successor are removed.

    Returns:
        A sentence for each earlier output that was changed since and is therefore left alone.

    Raises:
        NotOursError: a name is taken; nothing was published, unless the name was taken only now.
        StagingLostError: an output is neither in staging nor published.
        OSError: for example, the disk is full; nothing is lost, publish again.
    """
    wanted = {output.name: output for output in outputs}
    before = {output.name: output for output in earlier}
    for output in wanted.values():
        _check(out, staging / output.name, output, before.get(output.name))
    folders: set[Path] = set()
    for output in wanted.values():
        target = out / output.name
        folders |= _make_folders(target.parent, out)
        _move(staging / output.name, target, output, before.get(output.name))
        folders.add(target.parent)
    left = []
    for name, output in before.items():
        if name in wanted or not os.path.lexists(out / name):
            continue
        if not is_published(out / name, output):
            left.append(f"The earlier output {printable(name)} was changed since and is left where it is.")
            continue
        (out / name).unlink()
        folders.add((out / name).parent)
        with contextlib.suppress(OSError):  # it holds others
            (out / name).parent.rmdir()
    for folder in folders:
        if folder.is_dir():
            with contextlib.suppress(OSError):  # not every file system can
                sync(folder)
    shutil.rmtree(staging, ignore_errors=True)
    return left


def is_published(path: Path, output: Output | None) -> bool:
    """Return whether *path* is a file, not a link to one, with the content of *output*."""
    if output is None or not path.is_file() or path.is_symlink():
        return False
    return path.stat().st_size == output.size and sha256_of(path) == output.sha256


def name_conflict(out: Path, names: Iterable[str], folders: Iterable[str], earlier: Iterable[Output]) -> str:
    """Return why outputs cannot be published, as far as that shows before they are made; empty if nothing does.

    Args:
        out: the run's output folder.
        names: of the outputs that there will be in any case.
        folders: further folders that will hold outputs.
        earlier: the published outputs that the same input had before.
    """
    before = {output.name: output for output in earlier}
    try:
        for name in names:
            _check_folders(out, name)
            if os.path.lexists(out / name) and not is_published(out / name, before.get(name)):
                raise _not_ours(out / name)
        for folder in folders:
            _check_folders(out, f"{folder}/page")
    except NotOursError as error:
        return str(error)
    except OSError:
        return ""  # publishing will show whether that matters
    return ""


def _check_folders(out: Path, name: str) -> None:
    for parent in Path(name).parents:
        if os.path.lexists(out / parent) and not (out / parent).is_dir():
            raise NotOursError(
                f"{printable_path(out / parent)} is a file that is not of this run, but its name is needed for a folder of "
                "outputs; move it away."
            )


def _not_ours(target: Path) -> NotOursError:
    return NotOursError(
        f"{printable_path(target)} exists and is not of this run, or was changed since; move it away and run again."
    )


def _check(out: Path, staged: Path, output: Output, earlier: Output | None) -> None:
    target = out / output.name
    _check_folders(out, output.name)
    if not os.path.lexists(staged):
        if not is_published(target, output):
            raise StagingLostError(f"The staged output {printable_path(staged)} is gone; the file is processed again.")
    elif os.path.lexists(target) and not _may_replace(target, output, earlier):
        raise _not_ours(target)


def _may_replace(target: Path, output: Output, earlier: Output | None) -> bool:
    """Return whether *target* is ours: this output, the earlier one, or the mark of :func:`_claim`."""
    return is_published(target, output) or is_published(target, earlier) or _is_mark(target, output)


def _mark(output: Output) -> bytes:
    return f"ocrmypdf-superres places {output.sha256} here\n".encode()


def _is_mark(target: Path, output: Output) -> bool:
    mark = _mark(output)
    if target.is_symlink() or not target.is_file() or target.stat().st_size != len(mark):
        return False
    return target.read_bytes() == mark


def _make_folders(folder: Path, out: Path) -> set[Path]:
    """Create *folder*; return the folders whose entries changed."""
    changed: set[Path] = set()
    missing = []
    while folder != out and not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for made in reversed(missing):
        made.mkdir(exist_ok=True)
        changed.add(made.parent)
    return changed


def _move(staged: Path, target: Path, output: Output, earlier: Output | None) -> None:
    if not os.path.lexists(staged):
        return
    try:
        _claim(staged, target, _mark(output))
    except FileExistsError:
        if not _may_replace(target, output, earlier):
            message = f"{printable_path(target)} has just appeared and is not of this run; move it away and run again."
            raise NotOursError(message) from None
        staged.replace(target)


def _claim(staged: Path, target: Path, mark: bytes) -> None:
    """Move *staged* to *target*, which must not exist; without hard links, *target* holds *mark* for a moment.

    Raises:
        FileExistsError: *target* exists.
    """
    try:
        os.link(staged, target)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with target.open("xb") as stream:
            stream.write(mark)
        staged.replace(target)
    else:
        staged.unlink()
