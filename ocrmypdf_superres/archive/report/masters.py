# SPDX-License-Identifier: MPL-2.0
"""The files whose pages are read again for the report, and the settings that they were made with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocrmypdf_superres.archive.report.summary import WorstPage, place_of_pdf
from ocrmypdf_superres.archive.settings import parse_settings
from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.store.manifest import Manifest
from ocrmypdf_superres.archive.store.schema import FileRow
from ocrmypdf_superres.plugin.options import SuperresOptions

# These have a field of their own, or are about the PDF, which is thrown away; all pages are read, whatever text they have.
_NOT_OF_READING = {
    "language", "superres_model", "superres_verify", "output_type", "optimize", "mode", "force_ocr", "skip_text", "redo_ocr",
}  # fmt: skip


@dataclass(frozen=True)
class Master:
    """A PDF to read again.

    Attributes:
        pdf: its place.
        languages: Tesseract's names, joined by ``+``.
        model: name or folder of the model.
        verify: value of ``--superres-verify``.
        options: the other keyword arguments of ``ocrmypdf.ocr()`` that decide how its pages are read.
    """

    pdf: Path
    languages: str
    model: str
    verify: str
    options: dict[str, Any]


def pages_by_file(pages: Iterable[WorstPage]) -> list[tuple[FileRow, list[int]]]:
    """Return the files of *pages*, in their order, with the numbers of their pages, ascending."""
    rows: dict[int, FileRow] = {}
    numbers: dict[int, set[int]] = {}
    for page in pages:
        rows.setdefault(page.file.number, page.file)
        numbers.setdefault(page.file.number, set()).add(page.page.page)
    return [(rows[number], sorted(found)) for number, found in numbers.items()]


def master_of(manifest: Manifest, layout: Layout, row: FileRow) -> Master:
    """Return where file *row* can be read again, and how it was read.

    Raises:
        ArchiveError: the file is gone, or its settings can no longer be used.
    """
    settings = manifest.settings(row.settings)
    known = parse_settings(settings.toml) if settings else parse_settings("")
    # The model may be a folder, which is not found by the name in its card.
    superres = SuperresOptions.model_validate(dict(known.superres))
    options = {name: value for name, value in known.ocr_arguments().items() if name not in _NOT_OF_READING}
    return Master(place_of_pdf(manifest, layout, row), "+".join(known.languages), superres.model, superres.verify, options)
