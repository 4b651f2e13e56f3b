# SPDX-License-Identifier: MPL-2.0
"""Verification that the outputs of a run exist, are unchanged and are what they should be; nothing is written.

The manifest has had the hash of every output since before it was published, so a difference means damage or a later change.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pikepdf
from lxml import etree
from PIL import Image

from ocrmypdf_superres.archive.formats.mets import read_mets
from ocrmypdf_superres.archive.formats.xmp import read_history
from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.tasks import Kind, Output, State
from ocrmypdf_superres.errors import ArchiveError, SuperresError
from ocrmypdf_superres.modelstore.store import sha256_of
from ocrmypdf_superres.page.pdf import character_count, open_pdf
from ocrmypdf_superres.processes import available_cores, worker_pool

_BATCH = 256


@dataclass(frozen=True)
class Problem:
    """A difference from the manifest: the input's path, the name of the input or output concerned, and a clause."""

    file: str
    what: str
    problem: str


@dataclass(frozen=True)
class FileCheck:
    """The checks of one file; plain data, for other processes.

    Attributes:
        path: of the input, below the input folder.
        source: absolute path of the input; empty if inputs are not checked.
        kind, sha256: of the input as it was read.
        out: the run's output folder.
        outputs: in the manifest.
        wanted: kinds of output that the settings ask of every file.
        words: page number -> number of words, None for a page that was not read.
        pdfa: whether the PDF must claim to be PDF/A.
        settings: hash of the settings, which the PDF's history must name.
        quick: check only presence and sizes.
    """

    path: str
    source: str
    kind: Kind
    sha256: str
    out: str
    outputs: tuple[Output, ...]
    wanted: tuple[str, ...]
    words: dict[int, int | None]
    pdfa: bool
    settings: str
    quick: bool


def verify(layout: Layout, inputs: bool = False, quick: bool = False, jobs: int = 1) -> Iterator[tuple[str, list[Problem]]]:
    """Yield (path of the input, problems) of every file that is done, in the manifest's order.

    Args:
        layout: of the run.
        inputs: also hash the inputs again.
        quick: only check that the outputs exist and have their sizes (and, with *inputs*, that the inputs exist).
        jobs: number of processes.

    Raises:
        ArchiveError: the manifest cannot be used.
    """
    with Manifest(layout.manifest) as manifest:
        checks = _checks(manifest, layout, inputs, quick)
        if jobs < 2:
            yield from ((check.path, check_file(check)) for check in checks)
            return
        with worker_pool(jobs) as pool:
            while batch := list(itertools.islice(checks, _BATCH)):
                found = pool.map(check_file, batch, chunksize=8)
                yield from zip((check.path for check in batch), found, strict=True)


def default_jobs(files: int) -> int:
    """Return the number of processes that are worth starting for *files* files."""
    return min(available_cores(), 1 + files // 32)


def _checks(manifest: Manifest, layout: Layout, inputs: bool, quick: bool) -> Iterator[FileCheck]:
    root = manifest.input_folder() or Path()
    settings = lru_cache(maxsize=16)(lambda name: _wanted(manifest, name))
    for row in manifest.files(State.DONE):
        outputs, pdfa = settings(row.settings)
        yield FileCheck(
            row.path, os.fspath(root / row.path) if inputs else "", row.kind, row.sha256, os.fspath(layout.out),
            tuple(manifest.outputs(row.number)), outputs,
            {page.page: page.words for page in manifest.pages(row.number)},
            pdfa, row.settings, quick,
        )  # fmt: skip


def _wanted(manifest: Manifest, name: str) -> tuple[tuple[str, ...], bool]:
    """Return the outputs that the settings with the hash *name* ask of every file, and whether the PDF must be PDF/A.

    The settings are not checked, since a run may be verified with a later OCRmyPDF that has other options.
    """
    row = manifest.settings(name)
    if row is None:
        raise ArchiveError(
            f"The manifest {manifest.path} has files that were made with settings that it lacks; restore it from a backup."
        )
    values = tomllib.loads(row.toml)
    output_type = values.get("ocrmypdf", {}).get("output_type", "pdfa")
    return tuple(kind for kind in values["outputs"] if kind in ("pdf", "text")), output_type.startswith("pdfa")


def check_file(check: FileCheck) -> list[Problem]:
    """Return the problems of one file's outputs and, if asked for, of its input."""
    problems = [Problem(check.path, kind, "the manifest has no such output") for kind in check.wanted
                if not any(output.kind == kind for output in check.outputs)]  # fmt: skip
    for output in check.outputs:
        problems += [Problem(check.path, output.name, text) for text in _check_output(check, output)]
    if check.source:
        problems += [Problem(check.path, check.path, text) for text in _check_input(check)]
    return problems


def _check_input(check: FileCheck) -> Iterator[str]:
    try:
        if check.quick:
            Path(check.source).stat()
        elif hash_input(check.source, check.kind, Path(check.source[: -len(check.path)])) != check.sha256:
            yield "the input was changed after it was read (its SHA-256 differs)"
    except OSError as error:
        yield f"the input cannot be read: {error.strerror}"
    except SuperresError as error:
        yield f"the input cannot be read: {error}"


def hash_input(source: str, kind: Kind, root: Path) -> str:
    """Return the SHA-256 of an input; of a METS document, it is over its bytes and then its images' hashes, in order."""
    if kind is not Kind.METS:
        return sha256_of(Path(source))
    digest = hashlib.sha256(Path(source).read_bytes())
    for page in read_mets(Path(source), root).pages:
        digest.update(bytes.fromhex(sha256_of(page.path)))
    return digest.hexdigest()


def _check_output(check: FileCheck, output: Output) -> Iterator[str]:
    path = Path(check.out) / output.name
    try:
        size = path.stat().st_size
        if not path.is_file():
            yield "is not a file"
        elif size != output.size:
            yield f"has {size:,} bytes, {output.size:,} were written"
        elif not check.quick and sha256_of(path) != output.sha256:
            yield "is damaged or was changed (its SHA-256 differs)"
        elif not check.quick:
            yield from _KINDS[output.kind](check, path)
    except FileNotFoundError:
        yield "is missing"
    except OSError as error:
        yield f"cannot be read: {error.strerror or error}"


def _check_pdf(check: FileCheck, path: Path) -> Iterator[str]:
    try:
        # By a stream, since pikepdf does not support names whose bytes are not text.
        with path.open("rb") as stream, pikepdf.open(stream) as pdf:
            pages, level = len(pdf.pages), pdf.open_metadata().pdfa_status
        if pages != len(check.words):
            yield f"has {pages} pages, the input has {len(check.words)}"
        if check.pdfa and not level:
            yield "does not claim to be PDF/A"
        if not any(step.settings == check.settings for step in read_history(path)):
            yield "its history lacks this run"
        with open_pdf(path) as document:
            read = [number for number, words in check.words.items() if words and number <= pages]
            empty = [number for number in read if character_count(document[number - 1]) == 0]
        if empty:
            yield f"has no text on page {empty[0]}" + (f" and {len(empty) - 1} more" if empty[1:] else "")
    except (pikepdf.PdfError, SuperresError) as error:
        yield f"cannot be opened as a PDF: {error}"


def _check_xml(check: FileCheck, path: Path) -> Iterator[str]:
    """Check ALTO or hOCR: well-formed, and ALTO with as many words as in the manifest."""
    try:
        root = etree.fromstring(path.read_bytes(), etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    except etree.XMLSyntaxError as error:
        if path.stat().st_size == 0 and not check.words.get(int(path.stem)):
            return
        yield f"is not well-formed XML: {error}"
        return
    if path.suffix == ".xml":
        found, words = len(root.findall(".//{*}String")), check.words.get(int(path.stem)) or 0
        if etree.QName(root).localname != "alto" or found != words:
            yield f"is ALTO with {found} words, {words} were read"


def _check_text(check: FileCheck, path: Path) -> Iterator[str]:
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        yield f"is not UTF-8 text: {error}"


def _check_image(check: FileCheck, path: Path) -> Iterator[str]:
    try:
        with Image.open(path) as image:
            image.verify()
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        yield f"is not a readable image: {error}"


_KINDS: dict[str, Callable[[FileCheck, Path], Iterator[str]]] = {
    "pdf": _check_pdf, "text": _check_text, "alto": _check_xml, "hocr": _check_xml, "images": _check_image,
}  # fmt: skip
