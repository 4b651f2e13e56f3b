# SPDX-License-Identifier: MPL-2.0
"""Small runs with truth and without, made here, for the tests of the report."""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.evaluation.benchmark import Result, to_json
from ocrmypdf_superres.evaluation.run_folder import Run, write_run
from ocrmypdf_superres.metrics.text import TextScore
from ocrmypdf_superres.reporting.model import TRUTH, Report, Row
from ocrmypdf_superres.reporting.page_comparison import PageComparison, ReadWord, Side

TEXT = (
    "The harbour was quiet when the first boats came in and nobody on the wall had counted more than seven of them. "
    "Every man carried his own lamp and a printed list of the names that were still missing from the town. "
    "Later that week the rain washed the numbers away, and the clerk wrote them down again from what he remembered. "
)
WORDS = TEXT.split()


def _sides(folder: Path, name: str, truth: bool, seed: int, size: tuple[int, int]) -> tuple[Side, Side]:
    """Draw a page at *size* and at a third of it; the small one has some words wrong."""
    (folder / "pages").mkdir(parents=True, exist_ok=True)
    generator = random.Random(seed)
    page = Image.new("L", size, 248)
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=34)
    after, before = [], []
    x, y = 90, 90
    while y < size[1] - 100:
        word = generator.choice(WORDS)
        width = round(pen.textlength(word, font=font))
        if x + width > size[0] - 80:
            x, y = 90, y + 62
            continue
        pen.text((x, y), word, font=font, fill=25)
        box = (x, y + 4, x + width, y + 40)
        good, poor = generator.random() > 0.03, generator.random() > 0.4
        after.append(ReadWord(word if good else word[::-1], 96.0 if good else 41.0, box, good if truth else None))
        small = (box[0] // 3, box[1] // 3, box[2] // 3, box[3] // 3)
        before.append(ReadWord(word if poor else word.replace("e", "c"), 88.0 if poor else 33.0, small, poor if truth else None))
        x += width + 20
    page.save(folder / "pages" / f"{name}-after.png")
    low = page.reduce(3)
    low.save(folder / "pages" / f"{name}-before.png")
    return Side(f"pages/{name}-before.png", low.size, before), Side(f"pages/{name}-after.png", page.size, after)


def make_run(folder: Path, pages: int, truth: bool, size: tuple[int, int] = (1500, 1100), distinct: int = 10_000) -> Run:
    """Write a run of *pages* pages to *folder*; only *distinct* of them have images of their own."""
    results, kept = [], []
    sides: dict[int, tuple[Side, Side]] = {}
    for number in range(pages):
        name, group = f"page {number:03d}", ("72 dpi scan", "letters <1890>", "100 dpi fax")[number % 3]
        which = number % distinct
        if which not in sides:
            sides[which] = _sides(folder, f"{which:04d}", truth, which, size)
        before, after = sides[which]
        reason = f"text {5 + number % 5}.2 px high at 72 dpi"
        kept.append(PageComparison(group, name, "enlarged", reason, before, after))
        if truth:
            details = {"action": "enlarged", "reason": reason}
            old, new = 120 + 17 * (number % 11), 20 + (number * 37) % 400
            for method, edits in (("as-is", old), ("lanczos", 150), ("plugin", new)):
                counts = TextScore(edits, 1000, 200 - edits // 4, 200, 200, edits // 4)
                results.append(
                    to_json(Result(group, name, "set", method, counts, 1.0, 0.2, details if method == "plugin" else {}))
                )
    labels = ("as-is", "plugin") if truth else ("OCRmyPDF alone", "with super-resolution")
    run = Run("A made-up run", *labels, results, kept)
    write_run(run, folder)
    return run


def all_verdicts() -> Report:
    """A report with a row of every verdict, those of an archive run, and one that has to be escaped."""
    labels = ("", "least certain", "has a finding", 'said "no" & <left>')
    rows = [Row("set", f"gain {gain}", "enlarged", "", 1.0, 1.0 + gain, gain) for gain in (-1.0, 0.0, 1.0)]
    rows += [Row("set", "failed", "failed", "damaged", None, None, None)]
    rows += [Row("set", label, "enlarged", "", None, 50.0, None, label=label) for label in labels[1:]]
    return Report("t", "a", "b", TRUTH, rows, ["One."], [])
