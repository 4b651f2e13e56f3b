# SPDX-License-Identifier: MPL-2.0
"""Images of the pages that the plugin reads worst, before and after, with boxes around the words that Tesseract reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from ocrmypdf_superres.evaluation.benchmark import Result
from ocrmypdf_superres.evaluation.data.pages import Case
from ocrmypdf_superres.evaluation.methods.images import TARGET_DPI, lanczos_image, lr_image
from ocrmypdf_superres.evaluation.methods.names import BASELINES
from ocrmypdf_superres.evaluation.methods.prepared import prepare
from ocrmypdf_superres.evaluation.words import read_words
from ocrmypdf_superres.page.image import flatten
from ocrmypdf_superres.reporting.page_comparison import DOUBTFUL
from ocrmypdf_superres.tesseract import RAW_LINE


def worst_pages(results: Sequence[Result], method: str, count: int) -> list[Result]:
    """Return the *count* results of *method* that lose most CER against the best baseline; then those of highest CER."""
    best: dict[tuple[str, str], float] = {}
    for r in results:
        if r.method in BASELINES:
            key = (r.group, r.page)
            best[key] = min(best.get(key, r.counts.cer), r.counts.cer)
    ours = [r for r in results if r.method == method]

    def badness(r: Result) -> tuple[float, float, str, str]:
        return (best.get((r.group, r.page), 0.0) - r.counts.cer, -r.counts.cer, r.group, r.page)

    return sorted(ours, key=badness)[:count]


def image_with_boxes(image: Image.Image, dpi: float, case: Case, title: str) -> Image.Image:
    """Return *image* of *case* in colour with its words boxed (red below DOUBTFUL, else blue) and *title* above it.

    Raises:
        SuperresError: Tesseract is not installed or fails.
    """
    words = read_words(image, dpi, case.page.languages, RAW_LINE if case.page.line else None)
    sure = sum(w.confidence for w in words) / len(words) if words else 0.0
    head = 28
    sheet = Image.new("RGB", (image.width, image.height + head), "white")
    sheet.paste(flatten(image).convert("RGB"), (0, head))
    pen = ImageDraw.Draw(sheet)
    pen.text((6, 8), f"{title}: {image.width}x{image.height}, {len(words)} words, mean confidence {sure:.0f}", fill="black")
    for word in words:
        left, top, right, bottom = word.box
        pen.rectangle((left, top + head, right, bottom + head), outline="red" if word.confidence < DOUBTFUL else "blue")
    return sheet


def save_worst(results: Sequence[Result], cases: Sequence[Case], method: str, model: str, folder: Path, count: int) -> list[Path]:
    """Write ``01 GROUP PAGE.png`` and on, Lanczos on the left and the plugin's OCR image on the right; return the paths.

    Raises:
        SuperresError: Tesseract or the model cannot be used.
    """
    by_name = {(case.group, case.page.name): case for case in cases}
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, result in enumerate(worst_pages(results, method, count), 1):
        case = by_name[result.group, result.page]
        before = image_with_boxes(lanczos_image(*lr_image(case)), TARGET_DPI, case, "Lanczos to 300 dpi")
        ready = prepare(case, method, model)
        done = f"by {model}" if ready.action == "enlarged" else "left as it is"
        after = image_with_boxes(ready.image, ready.dpi, case, f"{done}, {ready.reason}; CER {result.counts.cer:.1%}")
        sheet = Image.new("RGB", (before.width + after.width + 12, max(before.height, after.height)), "grey")
        sheet.paste(before, (0, 0))
        sheet.paste(after, (before.width + 12, 0))
        path = folder / f"{number:02d} {result.group} {result.page}.png".replace("/", "-")
        sheet.save(path)
        paths.append(path)
    return paths
