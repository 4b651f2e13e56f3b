# SPDX-License-Identifier: MPL-2.0
"""A further OCR engine: the program tesseract, which looks for text everywhere on the page, without layout analysis."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ocrmypdf.hocrtransform import BoundingBox, OcrClass, OcrElement
from PIL import Image

from ocrmypdf_superres.errors import RecognizerError

SPARSE_TEXT = "11"
"""Tesseract's page segmentation mode: as much text as possible, in no order."""


class SparseEngine:
    """Asks the program tesseract for sparse text. It keeps no state, so threads may share it."""

    name = "sparse"

    def missing(self) -> str | None:
        """Return what must be installed, None where nothing is missing."""
        return None if shutil.which("tesseract") else "the program tesseract is not installed"

    def version(self) -> str:
        """Return the first line that the program prints of itself."""
        return "sparse " + _run("--version").splitlines()[0]

    def knows(self, languages: Sequence[str]) -> bool:
        """Whether all *languages* are installed."""
        return set(languages) <= set(_run("--list-langs").splitlines())

    def read(self, image: Image.Image, languages: Sequence[str], dpi: float) -> OcrElement:
        """Return the page of words, each line in a paragraph of its own; confidences from 0 to 1.

        Raises:
            RecognizerError: the program failed.
        """
        page = OcrElement(
            ocr_class=OcrClass.PAGE, bbox=BoundingBox(left=0, top=0, right=image.width, bottom=image.height), dpi=dpi
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "page.png"
            image.save(path, dpi=(dpi, dpi))
            found = _run(str(path), "-", "-l", "+".join(languages), "--psm", SPARSE_TEXT, "tsv")
        lines: dict[tuple[str, ...], OcrElement] = {}
        for row in csv.DictReader(io.StringIO(found), delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["level"] != "5" or not row["text"].strip():
                continue
            left, top = int(row["left"]), int(row["top"])
            box = BoundingBox(left=left, top=top, right=left + int(row["width"]), bottom=top + int(row["height"]))
            key = (row["block_num"], row["par_num"], row["line_num"])
            if key not in lines:
                lines[key] = OcrElement(ocr_class=OcrClass.LINE, bbox=box)
                page.children.append(OcrElement(ocr_class=OcrClass.PARAGRAPH, bbox=box, children=[lines[key]]))
            word = OcrElement(ocr_class=OcrClass.WORD, bbox=box, text=row["text"], confidence=float(row["conf"]) / 100)
            lines[key].children.append(word)
        for paragraph in page.children:
            paragraph.bbox = paragraph.children[0].bbox = _around([word.bbox for word in paragraph.children[0].children])
        return page


def _around(boxes: Sequence[BoundingBox]) -> BoundingBox:
    return BoundingBox(
        left=min(box.left for box in boxes), top=min(box.top for box in boxes),
        right=max(box.right for box in boxes), bottom=max(box.bottom for box in boxes),
    )  # fmt: skip


def _run(*arguments: str) -> str:
    done = subprocess.run(["tesseract", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RecognizerError(f"tesseract ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout
