# SPDX-License-Identifier: MPL-2.0
"""The words that Tesseract reads on a picture, with boxes and confidences, and which of them are right."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ocrmypdf_superres.errors import MissingDependencyError, SuperresError
from ocrmypdf_superres.evaluation.metrics import fold
from ocrmypdf_superres.readings.hocr import Word

NO_TESSERACT = "The program tesseract was not found, but the comparison reads pages with it; install tesseract-ocr."

#: Of 100: words that Tesseract is less sure of than DOUBTFUL are marked, and from SURE on a user would trust them.
DOUBTFUL, SURE = 60.0, 90.0


def read_words(image: Image.Image, dpi: float, languages: str, segmentation: int | None = None) -> list[Word]:
    """Return the words that the Tesseract program finds in *image*, in its reading order.

    *segmentation* is Tesseract's page segmentation mode; None for its default.

    Raises:
        SuperresError: Tesseract is not installed or fails.
    """
    buffer = io.BytesIO()
    image.save(buffer, "PNG", dpi=(dpi, dpi), compress_level=1)
    mode = [] if segmentation is None else ["--psm", str(segmentation)]
    command = ["tesseract", "-", "-", "-l", languages, "--dpi", str(round(dpi)), *mode, "tsv"]
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    try:
        done = subprocess.run(command, input=buffer.getvalue(), capture_output=True, check=True, env=environment)
    except FileNotFoundError as error:
        raise MissingDependencyError(NO_TESSERACT) from error
    except subprocess.CalledProcessError as error:
        raise SuperresError(f"Tesseract could not read the page with -l {languages}; see whether they are installed.") from error
    words = []
    for line in done.stdout.decode("utf-8", errors="replace").splitlines()[1:]:
        fields = line.split("\t")
        if len(fields) == 12 and fields[0] == "5" and fields[11].strip():
            left, top, width, height = (int(value) for value in fields[6:10])
            words.append(Word(fields[11].strip(), float(fields[10]), (left, top, left + width, top + height)))
    return words


def cached_words(image: Image.Image, dpi: float, languages: str, cache: Path | None, segmentation: int | None = None) -> list[Word]:
    """:func:`read_words`, kept in the folder *cache* under the hash of all that decides it.

    Raises:
        SuperresError: as :func:`read_words`.
    """
    if cache is None:
        return read_words(image, dpi, languages, segmentation)
    try:
        version = subprocess.run(["tesseract", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError) as error:
        raise MissingDependencyError(NO_TESSERACT) from error
    decides = f"words 1/{image.mode}/{image.size}/{round(dpi)}/{languages}/{segmentation}/{version}"
    path = cache / f"{hashlib.sha256(image.tobytes() + decides.encode()).hexdigest()[:32]}.words.json"
    try:
        return [Word(w["text"], w["confidence"], tuple(w["box"])) for w in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, KeyError, TypeError):
        words = read_words(image, dpi, languages, segmentation)
        cache.mkdir(parents=True, exist_ok=True)
        part = Path(f"{path}.{os.getpid()}.part")
        part.write_text(json.dumps([{"text": w.text, "confidence": w.confidence, "box": w.box} for w in words]), encoding="utf-8")
        part.replace(path)
        return words


def right_words(words: Sequence[Word], truth: str) -> list[bool]:
    """Return for each word whether the truth still has one like it (both folded; the words as a bag)."""
    left = Counter(fold(truth).split())
    verdicts = []
    for word in words:
        text = fold(word.text)
        verdicts.append(left[text] > 0)
        left[text] -= 1
    return verdicts
