# SPDX-License-Identifier: MPL-2.0
"""A PDF without ground truth, read by OCRmyPDF twice: without and with the plugin."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.evaluation.methods import keep
from ocrmypdf_superres.ocr.hocr import Reading
from ocrmypdf_superres.reporting.page_comparison import KeptPage, Seen, Side

KEEP = keep.__name__
WITHOUT, WITH = "OCRmyPDF alone", "with super-resolution"


@dataclass(frozen=True)
class PdfSettings:
    """How a PDF is read: Tesseract languages, the model, whether to read pages twice, pages ("1,3-5"; all where empty)."""

    languages: str = "eng"
    model: str = "docsr-s"
    check: str = "auto"
    pages: str = ""
    force_ocr: bool = False
    jobs: int = 2


def _run(pdf: Path, output: Path, kept: Path, settings: PdfSettings, **options: Any) -> None:
    import ocrmypdf

    kept.mkdir(parents=True)
    keep.start(kept)
    options["plugins"] = [*options.pop("plugins", []), KEEP]
    if settings.pages:
        options["pages"] = settings.pages
    if settings.force_ocr:
        options["force_ocr"] = True
    try:
        code = ocrmypdf.ocr(
            pdf, output, language=settings.languages.split("+"), jobs=settings.jobs, use_threads=True, optimize=0,
            output_type="pdf", progress_bar=False, **options,
        )  # fmt: skip
    except ocrmypdf.exceptions.PriorOcrFoundError as error:
        raise SuperresError(f"{pdf} already has a text layer, images of pages were expected; give --force-ocr to read it anew.") from error
    except ocrmypdf.exceptions.ExitCodeException as error:
        raise SuperresError(f"OCRmyPDF ended with {type(error).__name__} on {pdf}: {error}") from error
    if code != 0:
        raise SuperresError(f"OCRmyPDF ended with exit code {int(code)} on {pdf}.")


def _side(kept: Path, number: int, name: str, images: Path, of: str) -> Side | None:
    """The page's side, its image put in grey into *images*; None where the page was not read."""
    source, hocr = kept / f"{number:06d}.png", kept / f"{number:06d}.hocr"
    if not source.is_file():
        return None
    words = [Seen(w.text, w.confidence, w.box) for w in Reading(hocr).words] if hocr.stat().st_size else []
    with Image.open(source) as image:
        grey = image.convert("L")
    path = images / f"{name}-{number:04d}-{of}.png"
    grey.save(path)
    return Side(f"{images.name}/{path.name}", grey.size, words)


def read_pdf(pdf: Path, folder: Path, settings: PdfSettings, output: Path | None = None) -> list[KeptPage]:
    """Return *pdf*'s pages before and after, with their images in ``folder/pages``.

    *output* is where the searchable PDF of the second run goes; None for nowhere.

    Raises:
        SuperresError: the file cannot be read, or OCRmyPDF ends with an error.
    """
    if not pdf.is_file():
        raise SuperresError(f"The PDF {pdf} does not exist; give one that can be read.")
    images = folder / "pages"
    images.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="superres-compare-") as temporary:
        work = Path(temporary)
        report = work / "report.jsonl"
        _run(pdf, work / "before.pdf", work / "before", settings)
        _run(
            pdf, output or work / "after.pdf", work / "after", settings, plugins=["ocrmypdf_superres"],
            superres_model=settings.model, superres_check=settings.check, superres_report=str(report),
        )  # fmt: skip
        lines = report.read_text(encoding="utf-8").splitlines() if report.is_file() else []
        return _pages([json.loads(line) for line in lines], pdf, work, images)


def _pages(records: Sequence[dict[str, Any]], pdf: Path, work: Path, images: Path) -> list[KeptPage]:
    pages = []
    for record in sorted(records, key=lambda r: r["page"]):
        number = int(record["page"])
        before = _side(work / "before", number, pdf.stem, images, "before")
        after = _side(work / "after", number, pdf.stem, images, "after")
        if before is not None and after is not None:
            pages.append(KeptPage(pdf.name, f"page {number}", record["action"], record["reason"], before, after))
    return pages
