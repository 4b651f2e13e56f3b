# SPDX-License-Identifier: MPL-2.0
"""The methods that are compared: each reads one page and says what it cost.

as-is, lanczos and native give the picture to Tesseract directly; oversample, plugin and plugin-checked are
real OCRmyPDF runs on a PDF made of the picture, whose sidecar text is scored.
"""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.evaluation.pages import Case
from ocrmypdf_superres.evaluation.profiles import reduce_page
from ocrmypdf_superres.image import from_luma, resize_luma, to_luma

METHODS = ("as-is", "lanczos", "oversample", "plugin", "plugin-checked", "native")
TARGET_DPI = 300.0


@dataclass
class Reading:
    """What a method made of a page: the text, CPU seconds of Tesseract, wall seconds of the plugin's own work, and more."""

    text: str
    tesseract_seconds: float
    superres_seconds: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)


def lr_picture(case: Case) -> tuple[Image.Image, float]:
    """Return the picture that the methods are given, and its dpi.

    A reduced page is grey; a page under no condition keeps its mode, but for transparency, which PDF makers refuse.
    """
    with Image.open(case.page.image) as opened:
        if not case.profile:
            image = opened.convert("RGB") if opened.mode in ("RGBA", "LA", "P") else opened.copy()
            return image, case.page.dpi
        luma = to_luma(opened)
    return from_luma(reduce_page(luma, case.page.dpi, case.dpi, case.profile, case.page.name)), case.dpi


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_THREAD_LIMIT": "1"}


def tesseract_text(image: Image.Image, dpi: float, languages: str) -> Reading:
    """Read *image* with the Tesseract program at its defaults.

    Raises:
        SuperresError: Tesseract is not installed or fails.
    """
    buffer = io.BytesIO()
    image.save(buffer, "PNG", dpi=(dpi, dpi), compress_level=1)
    before = _children_seconds()
    try:
        result = subprocess.run(
            ["tesseract", "-", "-", "-l", languages, "--dpi", str(round(dpi))],
            input=buffer.getvalue(), capture_output=True, check=True, env=_environment(),
        )  # fmt: skip
    except FileNotFoundError as error:
        raise SuperresError("The tesseract program was not found; install tesseract-ocr.") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise SuperresError(f"Tesseract could not read the page with -l {languages}: {last}") from error
    return Reading(result.stdout.decode("utf-8", errors="replace"), _children_seconds() - before)


def ocrmypdf_text(image: Image.Image, dpi: float, languages: str, **options: Any) -> Reading:
    """Read *image* by a real OCRmyPDF run, one worker, on a PDF that holds it losslessly.

    Raises:
        SuperresError: OCRmyPDF ends with an error.
    """
    import img2pdf
    import ocrmypdf

    with tempfile.TemporaryDirectory(prefix="superres-evaluate-") as temporary:
        folder = Path(temporary)
        image.save(folder / "page.png", dpi=(dpi, dpi))
        (folder / "page.pdf").write_bytes(img2pdf.convert(str(folder / "page.png")))
        before = _children_seconds()
        sidecar, report = folder / "page.txt", folder / "report.jsonl"
        if "plugins" in options:
            options["superres_report"] = str(report)
        previous = os.environ.get("OMP_THREAD_LIMIT")
        os.environ["OMP_THREAD_LIMIT"] = "1"
        try:
            code = ocrmypdf.ocr(
                folder / "page.pdf", folder / "out.pdf", language=languages.split("+"), sidecar=sidecar, jobs=1,
                use_threads=True, optimize=0, output_type="pdf", progress_bar=False, **options,
            )  # fmt: skip
        except ocrmypdf.exceptions.ExitCodeException as error:
            raise SuperresError(f"OCRmyPDF ended with {type(error).__name__}: {error}") from error
        finally:
            if previous is None:
                del os.environ["OMP_THREAD_LIMIT"]
            else:
                os.environ["OMP_THREAD_LIMIT"] = previous
        if code != 0:
            raise SuperresError(f"OCRmyPDF ended with exit code {int(code)}.")
        details = json.loads(report.read_text(encoding="utf-8").splitlines()[0]) if report.is_file() else {}
        text = sidecar.read_text(encoding="utf-8", errors="replace").replace("\f", "\n")
        return Reading(text, _children_seconds() - before, float(details.get("seconds", 0.0)), details)


def read(case: Case, method: str, model: str) -> Reading:
    """Return what *method* reads on *case*.

    Raises:
        SuperresError: the page or the method's program fails.
    """
    languages = case.page.languages
    if method == "native":
        with Image.open(case.page.image) as opened:
            luma = to_luma(opened)
        return tesseract_text(from_luma(luma), case.page.dpi, languages)
    image, dpi = lr_picture(case)
    if method == "as-is":
        return tesseract_text(image, dpi, languages)
    if method == "lanczos":
        luma = to_luma(image)
        factor = TARGET_DPI / dpi
        large = resize_luma(luma, (round(luma.shape[1] * factor), round(luma.shape[0] * factor)))
        return tesseract_text(from_luma(large), TARGET_DPI, languages)
    if method == "oversample":
        return ocrmypdf_text(image, dpi, languages, oversample=int(TARGET_DPI))
    check = "auto" if method == "plugin-checked" else "off"
    return ocrmypdf_text(
        image, dpi, languages, plugins=["ocrmypdf_superres"], superres_model=model, superres_device="cpu",
        superres_threads=1, superres_check=check,
    )  # fmt: skip
