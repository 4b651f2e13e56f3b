# SPDX-License-Identifier: MPL-2.0
"""Pages of a PDF that was processed earlier, read again without and with super-resolution, to be shown in a report."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from ocrmypdf_superres.evaluation.methods.pdf_pages import PdfSettings, read_pdf
from ocrmypdf_superres.reporting.page_comparison import PageComparison


def read_again(pdf: Path, root: Path, name: str, settings: PdfSettings) -> dict[int, PageComparison]:
    """Return the pages of *pdf* that *settings* name, by number, with their images below ``root/name``.

    Args:
        pdf: the file; its own name does not matter, however strange.
        root: the folder that the pages' images are found from.
        name: of the new folder in *root*, one for each PDF.
        settings: how to read it, and which pages.

    Raises:
        SuperresError: OCRmyPDF or the model fails on the file. OSError: the disk is full.
    """
    folder = root / name
    folder.mkdir()
    link = folder / "source.pdf"
    link.symlink_to(pdf.absolute())
    # OCRmyPDF logs every step.
    disabled = logging.root.manager.disable
    logging.disable(max(disabled, logging.INFO))
    try:
        pages = read_pdf(link, folder, settings)
    finally:
        logging.disable(disabled)
    found = {}
    for page in pages:
        before, after = (replace(side, image=f"{name}/{side.image}") for side in (page.before, page.after))
        found[int(page.page.rpartition(" ")[2])] = replace(page, group=pdf.name, before=before, after=after)
    return found
