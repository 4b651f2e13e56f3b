# SPDX-License-Identifier: MPL-2.0
"""Pages of a run read again, without and with super-resolution, so that a person can see both."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from ocrmypdf_superres.archive.report.summary import WorstPage, place_of_pdf
from ocrmypdf_superres.archive.settings import parse_settings
from ocrmypdf_superres.archive.store.layout import Layout
from ocrmypdf_superres.archive.store.manifest import FileRow, Manifest
from ocrmypdf_superres.archive.store.name_encoding import printable
from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.evaluation.methods.pdf_pages import PdfSettings, read_pdf
from ocrmypdf_superres.evaluation.run_folder import KeptPage


def read_again(
    manifest: Manifest, layout: Layout, pages: Sequence[WorstPage], folder: Path, console: Console
) -> dict[tuple[int, int], KeptPage]:
    """Read *pages* again, under the settings they were made with; files that cannot be are named and left out."""
    by_file: dict[int, list[WorstPage]] = {}
    for page in pages:
        by_file.setdefault(page.file.number, []).append(page)
    found: dict[tuple[int, int], KeptPage] = {}
    for number, chosen in by_file.items():
        # OCRmyPDF tells of every step.
        logging.disable(logging.INFO)
        try:
            read = _read_file(manifest, layout, chosen[0].file, [page.page.page for page in chosen], folder / str(number))
        except (SuperresError, OSError) as error:
            said = f"{printable(chosen[0].file.path)}: {error} Its pages are shown without images."
            console.print(said, highlight=False, markup=False, soft_wrap=True)
            continue
        finally:
            logging.disable(logging.NOTSET)
        for kept in read:
            before, after = (replace(side, image=f"{number}/{side.image}") for side in (kept.before, kept.after))
            found[number, int(kept.page.rpartition(" ")[2])] = replace(kept, before=before, after=after)
    return found


def _read_file(manifest: Manifest, layout: Layout, row: FileRow, pages: Sequence[int], folder: Path) -> list[KeptPage]:
    settings = manifest.settings(row.settings)
    known = parse_settings(settings.toml) if settings else parse_settings("")
    folder.mkdir()
    # A name without surprises, whatever the master's is.
    link = folder / "master.pdf"
    link.symlink_to(place_of_pdf(manifest, layout, row))
    check = str(known.superres.get("check", "auto"))
    numbers = ",".join(str(page) for page in sorted(pages))
    return read_pdf(link, folder, PdfSettings("+".join(known.languages), known.model.card.name, check, numbers, force_ocr=True, jobs=1))
