# SPDX-License-Identifier: MPL-2.0
"""What is made of the pages that OCRmyPDF read, besides its PDF and text: ALTO, hOCR, enlarged images, and the history."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ocrmypdf_superres.archive.formats.alto import page_to_alto
from ocrmypdf_superres.archive.formats.mets import read_mets
from ocrmypdf_superres.archive.formats.xmp import ENLARGED, RECOGNISED, Step, add_history
from ocrmypdf_superres.archive.settings import weights_sha256
from ocrmypdf_superres.archive.store.output_names import page_name
from ocrmypdf_superres.archive.tasks import FileTask, Kind, Output
from ocrmypdf_superres.archive.worker.gather import ReadPage
from ocrmypdf_superres.errors import ImageError
from ocrmypdf_superres.files import sync
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL, find_model, sha256_of
from ocrmypdf_superres.ocr.hocr import read_hocr
from ocrmypdf_superres.tesseract import version as tesseract_version


def make(task: FileTask, pages: Sequence[ReadPage], pdf: str) -> None:
    """Write the files a page that *task* asks for into staging; *pdf* is the name of the PDF there.

    Coordinates in ALTO are of the original page, those in hOCR of the image that was read, which may be enlarged.
    """
    steps = history(task, pages) if "alto" in task.outputs else []
    masters = _masters(task)
    for page in pages:
        if page.image is None:
            continue
        if "alto" in task.outputs:
            read = read_hocr(page.page_hocr) if page.page_hocr else None
            alto = page_to_alto(
                read, page=page.number, source=masters.get(page.number, task.relative), processing=steps, size=page.size
            )
            _target(task, pdf, "alto", page).write_text(alto, encoding="utf-8")
        if "hocr" in task.outputs and page.hocr is not None:
            shutil.copyfile(page.hocr, _target(task, pdf, "hocr", page))
        if "images" in task.outputs and page.result.action == "enlarged":
            shutil.copyfile(page.image, _target(task, pdf, "images", page))


def _masters(task: FileTask) -> dict[int, str]:
    """Return the names of the images of a METS document below the input folder, by page; nothing for other files."""
    if task.kind is not Kind.METS or "alto" not in task.outputs:
        return {}
    found = read_mets(Path(task.source), task.root).pages
    return {page.order: os.path.relpath(page.path, task.root).replace(os.sep, "/") for page in found}


def _target(task: FileTask, pdf: str, output: str, page: ReadPage) -> Path:
    path = Path(task.staging) / page_name(pdf, output, page.number)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def add_provenance(task: FileTask, pages: Sequence[ReadPage], pdf: Path, source: Path) -> list[str]:
    """Write the history into the XMP metadata of *pdf*, which was made from *source*; return findings.

    Raises:
        ImageError: the metadata of *pdf* cannot be used. OSError: it cannot be written.
    """
    steps = history(task, pages)
    if task.kind is Kind.PDF:
        try:
            add_history(pdf, steps, earlier=source)
            return []
        except ImageError:
            # OCRmyPDF leaves damaged metadata out, and the pages are worth more than their history.
            add_history(pdf, steps)
            return ["the input's XMP metadata are damaged; its earlier history was not kept"]
    add_history(pdf, steps)
    return []


def history(task: FileTask, pages: Sequence[ReadPage]) -> list[Step]:
    """Return what was done to the file, in order: enlarged (where it was), recognised."""
    now = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
    steps = []
    enlarged = [page for page in pages if page.result.action == "enlarged"]
    if enlarged:
        model = find_model(task.ocr.get("superres_model") or DEFAULT_MODEL)
        scales = {page.result.scale for page in enlarged if page.result.scale}
        steps.append(
            Step(ENLARGED, "ocrmypdf-superres", _version(), now, model=model.card.name, model_sha256=weights_sha256(model),
                 scales=tuple(sorted(scales)), pages=tuple(page.number for page in enlarged), settings=task.settings)
        )  # fmt: skip
    read = tuple(page.number for page in pages if page.image is not None)
    if read:
        engine = {"engine": _engine(), "languages": "+".join(task.ocr.get("language") or ("eng",)), **_recognizers(pages)}
        steps.append(
            Step(RECOGNISED, "OCRmyPDF", version("ocrmypdf"), now, pages=read, settings=task.settings, parameters=engine)
        )
    return steps


def _recognizers(pages: Sequence[ReadPage]) -> dict[str, list[str]]:
    """Return which tuned networks (name and beginning of the SHA-256) and which further engines read any of *pages*."""
    records = [page.result.record or {} for page in pages]
    networks = {f"{language}: {name}" for record in records for language, name in (record.get("networks") or {}).items()}
    engines = {name for record in records for name, seconds in (record.get("opinion_seconds") or {}).items() if seconds}
    return {key: sorted(found) for key, found in (("networks", networks), ("further_engines", engines)) if found}


def _version() -> str:
    """Return the version of this package; empty where it runs from a checkout that is not installed."""
    try:
        return version("ocrmypdf-superres")
    except PackageNotFoundError:
        return ""


@lru_cache(maxsize=1)
def _engine() -> str:
    """Return name and version of the OCR engine."""
    return f"Tesseract {tesseract_version().split()[-1]}"


def synced_outputs(task: FileTask) -> list[Output]:
    """Sync everything in staging to the disk and return it with its hashes."""
    outputs = []
    staging = Path(task.staging)
    for folder, _, names in os.walk(staging, topdown=False):
        for name in names:
            path = Path(folder) / name
            sync(path)
            relative = os.path.relpath(path, staging).replace(os.sep, "/")
            outputs.append(Output(_kind(relative), relative, sha256_of(path), path.stat().st_size))
        sync(Path(folder))
    return sorted(outputs, key=lambda output: output.name)


def _kind(name: str) -> str:
    """Which of the outputs a file in staging is; see :mod:`ocrmypdf_superres.archive.store.output_names`."""
    ending = name.lower().rpartition(".")[2]  # a file may be called just .pdf
    return {"pdf": "pdf", "txt": "text", "xml": "alto", "hocr": "hocr", "png": "images"}[ending]
