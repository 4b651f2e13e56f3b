# SPDX-License-Identifier: MPL-2.0
"""A PDF without ground truth, read by OCRmyPDF twice: without and with super-resolution."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from ocrmypdf_superres.errors import SuperresError, what_is_wrong
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL
from ocrmypdf_superres.ocr.kept_pages import PageFiles, kept_pages
from ocrmypdf_superres.processes import standard_streams_kept
from ocrmypdf_superres.reporting.page_comparison import PageComparison, ReadWord, Side

WITHOUT, WITH = "OCRmyPDF alone", "with super-resolution"


@dataclass(frozen=True)
class PdfSettings:
    """How a PDF is read.

    Attributes:
        languages: Tesseract's names, joined by ``+``.
        model: name or folder of a model.
        verify: see ``--superres-verify``.
        pages: such as ``1,3-5``; all where empty.
        force_ocr: whether pages that have text are read as well.
        jobs: number of pages that are worked on at a time.
        bar: whether OCRmyPDF shows its progress.
        options: further keyword arguments of ``ocrmypdf.ocr()``, including ``superres_*``.
    """

    languages: str = "eng"
    model: str = DEFAULT_MODEL
    verify: str = "auto"
    pages: str = ""
    force_ocr: bool = False
    jobs: int = 2
    bar: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


def _run(pdf: Path, output: Path, kept: Path, settings: PdfSettings, **options: Any) -> None:
    import ocrmypdf

    options = {**settings.options, **options}
    if settings.pages:
        options["pages"] = settings.pages
    if settings.force_ocr:
        options["force_ocr"] = True
    try:
        with standard_streams_kept():
            code = ocrmypdf.ocr(
                pdf, output, language=settings.languages.split("+"), jobs=settings.jobs, use_threads=True, optimize=0,
                output_type="pdf", progress_bar=settings.bar, plugins=["ocrmypdf_superres"], superres_keep=str(kept), **options,
            )  # fmt: skip
    except ocrmypdf.exceptions.PriorOcrFoundError as error:
        raise SuperresError(
            f"{pdf} already has a text layer, images of pages were expected; give --force-ocr to read it again."
        ) from error
    except (ocrmypdf.exceptions.ExitCodeException, TypeError) as error:  # TypeError: a value that OCRmyPDF's options do not take
        raise SuperresError(f"OCRmyPDF cannot work on {pdf}: {what_is_wrong(error)}") from error
    if code != 0:
        raise SuperresError(f"OCRmyPDF ended with exit code {int(code)} on {pdf}.")


def _side(kept: PageFiles, name: str, images: Path, of: str) -> Side:
    """Return one side of the page; its image is put in grey into *images*."""
    found = kept.hypothesis()
    words = [ReadWord(w.text, w.confidence, w.box) for w in found.words] if found is not None else []
    with Image.open(kept.image) as image:
        grey = image.convert("L")
    path = images / f"{name}-{kept.number:04d}-{of}.png"
    grey.save(path)
    return Side(f"{images.name}/{path.name}", grey.size, words)


def read_pdf(pdf: Path, folder: Path, settings: PdfSettings, output: Path | None = None) -> list[PageComparison]:
    """Return *pdf*'s pages before and after, with their images in ``folder/pages``.

    *output* is where the searchable PDF of the second run goes; None for nowhere.

    Raises:
        SuperresError: the file cannot be read, or OCRmyPDF ends with an error.
    """
    if not pdf.is_file():
        raise SuperresError(f"The PDF {pdf} is missing or is not a file; give one that can be read.")
    images = folder / "pages"
    images.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="superres-compare-") as temporary:
        work = Path(temporary)
        before, after = work / "before", work / "after"
        _run(pdf, work / "before.pdf", before, settings, superres_trigger="off")
        _run(pdf, output or work / "after.pdf", after, settings, superres_model=settings.model, superres_verify=settings.verify)
        return _pages(pdf, before, after, images)


def _pages(pdf: Path, before: Path, after: Path, images: Path) -> list[PageComparison]:
    """Return the pages that both runs have read."""
    pages = []
    for kept in kept_pages(after):
        unaided, record = PageFiles(before, kept.number), kept.record()
        if record is not None and kept.image.is_file() and unaided.image.is_file():
            sides = _side(unaided, pdf.stem, images, "before"), _side(kept, pdf.stem, images, "after")
            pages.append(PageComparison(pdf.name, f"page {kept.number}", record["action"], record["reason"], *sides))
    return pages
