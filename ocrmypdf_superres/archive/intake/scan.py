# SPDX-License-Identifier: MPL-2.0
"""Walks the input folder, folder by folder, and classifies each file; files are only read, never changed.

Links to files are followed, links to folders are not, so there are no loops. A METS document comes before its images,
which are reported as belonging to it wherever they are.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ocrmypdf_superres.archive.formats.mets import images_in_place, read_mets
from ocrmypdf_superres.archive.store.output_names import SUFFIXES
from ocrmypdf_superres.archive.tasks import Kind, State
from ocrmypdf_superres.errors import SuperresError

HEAD = 4096
"""Bytes at the start of a file by which it is classified."""

IN_METS = "in-mets"
"""Code of an image that is processed with its METS document."""

LINKED = "linked-folder"
"""Code of a link to a folder that the walk does not come to, so that nobody reads what is in it."""

_IMAGES = (
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"\0\0\0\x0cjP  ",
    b"\xff\x4f\xff\x51",
    b"GIF8",
    b"BM",
)
_METS = b"http://www.loc.gov/METS/"


@dataclass(frozen=True)
class Verdict:
    """The classification of a file: an input of a kind (``state`` is ``WAITING``), or the reason why it is not an input."""

    kind: Kind
    state: State = State.WAITING
    code: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Found:
    """A file (or a folder that cannot be read) below the input folder.

    Attributes:
        path: relative to it, with ``/``, as ``os.fsdecode`` returns it.
        full: its absolute path.
        size, mtime_ns: of the file; for a METS document with its images, the sum and the newest.
        verdict: if it is known without opening the file, else None; see :func:`classify`.
    """

    path: str
    full: str
    size: int = 0
    mtime_ns: int = 0
    verdict: Verdict | None = None


def no_input(reason: str) -> Verdict:
    """Return the verdict on a file that is not an input."""
    return Verdict(Kind.OTHER, State.SKIPPED, "no-input", reason)


def unreadable(error: OSError, linked: bool = False) -> Verdict:
    """Return the verdict on a file, or on a link to one where it is *linked*, that the system refuses to read."""
    reason = f"It cannot be read: {error.strerror or error}."
    if linked and error.errno == errno.ENOENT:
        reason = "It is a link to a file that is missing; restore the file, or remove the link."
    return Verdict(Kind.OTHER, State.FAILED, "unreadable", reason)


def classify(full: str) -> Verdict:
    """Classify the file *full* by its content or, if that is not conclusive, by its suffix."""
    try:
        with Path(full).open("rb") as stream:
            head = stream.read(HEAD)
    except OSError as error:
        return unreadable(error)
    suffix = Path(full).suffix.lower()
    if b"%PDF-" in head[:1024]:
        return Verdict(Kind.PDF)
    if head.startswith(_IMAGES[:-2]) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return Verdict(Kind.IMAGE)
    if head.startswith(_IMAGES[-2:]) and suffix in (".gif", ".bmp"):
        return Verdict(Kind.IMAGE)
    if suffix not in SUFFIXES or suffix == ".xml":
        return no_input("It is neither a PDF nor an image nor a METS document.")
    if not head:
        return Verdict(Kind.OTHER, State.FAILED, "empty", "The file is empty (0 bytes).")
    return Verdict(
        Kind.OTHER, State.FAILED, "not-as-named", f"Its name ends in {suffix}, but its content is neither a PDF nor an image."
    )


class Scan:
    """One walk over the input folder.

    Args:
        root: the input folder, absolute.
        out: the run's output folder, which is left out if it is inside *root*.

    Attributes:
        read_folders: relative paths of the folders that could be read since the list was last emptied.
    """

    def __init__(self, root: str, out: str) -> None:
        self.root = root
        self._out = Path(out).stat()
        self._owned: set[str] = set()
        self.read_folders: list[str] = []

    def __iter__(self) -> Iterator[Found]:
        """Yield the files; those of a folder before its sub-folders, in the order of their names."""
        pending = [self.root]
        while pending:
            folder = pending.pop()
            try:
                with os.scandir(folder) as entries:
                    listed = sorted(entries, key=lambda entry: os.fsencode(entry.name))
            except OSError as error:
                yield Found(self._relative(folder), folder, verdict=unreadable(error))
                continue
            self.read_folders.append(self._relative(folder))
            folders = []
            for entry in sorted(listed, key=lambda entry: not entry.name.lower().endswith(".xml")):
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    yield from self._file(entry)
            pending.extend(reversed([path for path in folders if not self._is_out(path)]))

    def _relative(self, full: str) -> str:
        return os.path.relpath(full, self.root).replace(os.sep, "/") if full != self.root else "."

    def _is_out(self, folder: str) -> bool:
        try:
            found = Path(folder).stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (self._out.st_dev, self._out.st_ino)

    def _file(self, entry: os.DirEntry[str]) -> Iterator[Found]:
        path = self._relative(entry.path)
        if entry.path in self._owned:
            self._owned.discard(entry.path)
            return
        try:
            if entry.is_symlink() and entry.is_dir():
                yield Found(path, entry.path, verdict=self._linked(entry.path))
                return
            facts = entry.stat()
            if not entry.is_file():
                yield Found(path, entry.path, verdict=no_input("It is not a regular file (a device, socket or pipe)."))
                return
        except OSError as error:
            yield Found(path, entry.path, verdict=unreadable(error, linked=entry.is_symlink()))
            return
        if entry.name.lower().endswith(".xml"):
            yield from self._xml(path, entry.path, facts)
        else:
            yield Found(path, entry.path, facts.st_size, facts.st_mtime_ns)

    def _linked(self, full: str) -> Verdict:
        """Return the verdict on a link to a folder."""
        root, target = (Path(os.path.realpath(folder)) for folder in (self.root, full))
        if target.is_relative_to(root) or self._is_out(full):
            return no_input("It is a link to a folder; links to folders are not followed.")
        return Verdict(
            Kind.OTHER, State.SKIPPED, LINKED,
            "It is a link to a folder outside the input, which is not followed; for what is in it, mount the folder here instead "
            "(mount --bind), or process it with an OUT of its own.",
        )  # fmt: skip

    def _xml(self, path: str, full: str, facts: os.stat_result) -> Iterator[Found]:
        """Yield a METS document and its images; any other XML file is not an input."""
        try:
            with Path(full).open("rb") as stream:
                is_mets = _METS in stream.read(HEAD)
            if not is_mets:
                yield Found(path, full, facts.st_size, facts.st_mtime_ns)
                return
            pages = [page.path for page in read_mets(Path(full), Path(self.root)).pages]
        except OSError as error:
            yield Found(path, full, facts.st_size, facts.st_mtime_ns, unreadable(error))
            return
        except SuperresError as error:
            # An image may be missing for a while only; the others belong to the document all the same.
            with contextlib.suppress(SuperresError):
                yield from self._owns(self._images(images_in_place(Path(full), Path(self.root))))
            yield Found(path, full, facts.st_size, facts.st_mtime_ns, Verdict(Kind.METS, State.FAILED, "damaged", str(error)))
            return
        images = list(self._images(pages))
        yield from self._owns(images)
        size = facts.st_size + sum(image.size for image in images)
        yield Found(path, full, size, max([facts.st_mtime_ns, *(image.mtime_ns for image in images)]), Verdict(Kind.METS))

    def _images(self, pages: Iterable[Path]) -> Iterator[Found]:
        """Yield the images of a METS document that exist; the worker reports one that does not."""
        belongs = Verdict(Kind.OTHER, State.SKIPPED, IN_METS, "It is a page of a METS document and is processed with it.")
        for page in dict.fromkeys(map(os.fspath, pages)):
            with contextlib.suppress(OSError):
                facts = Path(page).stat()
                yield Found(self._relative(page), page, facts.st_size, facts.st_mtime_ns, belongs)

    def _owns(self, images: Iterable[Found]) -> Iterator[Found]:
        """Yield those of *images* that this walk finds, and leave them out where it does."""
        for image in images:
            if image.full.startswith(self.root + os.sep):
                self._owned.add(image.full)
                yield image
