# SPDX-License-Identifier: MPL-2.0
"""CPU seconds of a page by resolution and amount of text, for OCRmyPDF alone and with the plugin's settings, as a cost model.

    python examples/page_cost.py [--dpis 60 72 100 150 200 300] [--jobs 1 2 4] [--rounds 1] [--markdown FILE]

Whole runs of `ocrmypdf --jobs 1` on one page and on several: the difference is what a page costs, the rest what starting costs.
A file of many pages, run with each of the numbers of workers, shows how the cost grows with both.
The runs of a row follow each other, so that other programs disturb them alike. Needs the Liberation fonts, img2pdf, Tesseract.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import img2pdf
import numpy as np
from make_sample import FONT, TEXT
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ocrmypdf_superres.evaluation.methods.stopwatch import children_seconds

PLUGIN = ["--plugin", "ocrmypdf_superres"]
SETTINGS = {
    "OCRmyPDF alone": [],
    "`--oversample 300`": ["--oversample", "300"],
    "plugin, read once": [*PLUGIN, "--superres-verify", "off", "--superres-engines", "none"],
    "plugin, without RapidOCR": [*PLUGIN, "--superres-engines", "none"],
    "plugin": PLUGIN,
}
LINES = {"10 lines": 10, "50 lines": 50}
PAGES, TYPICAL = 4, 100
MANY = 16
WIDTH, HEIGHT = 8.27, 11.69
MEASURE = 1800
DAY = 86400


@dataclass(frozen=True)
class Cost:
    """CPU seconds of a page, and of starting."""

    page: float
    start: float


def scan(lines: int, dpi: int, seed: int) -> bytes:
    """Return a page of *lines* lines of text, scanned in grey at *dpi*, as a JPEG file."""
    image = Image.new("L", (2480, 3508), 246)
    pen, font = ImageDraw.Draw(image), ImageFont.truetype(FONT, 42)
    words = itertools.cycle(TEXT.split()[17 * seed :] + TEXT.split()[: 17 * seed])
    for number in range(lines):
        line = next(words)
        while font.getlength(line) < MEASURE:
            line = f"{line} {next(words)}"
        pen.text((250, 300 + 56 * number), line, font=font, fill=38)
    size = (round(WIDTH * dpi), round(HEIGHT * dpi))
    soft = image.filter(ImageFilter.GaussianBlur(0.5 * 300 / dpi)).resize(size, Image.Resampling.BOX)
    noise = np.random.default_rng(seed).normal(0, 4, size[::-1])
    file = io.BytesIO()
    Image.fromarray(np.clip(np.asarray(soft) + noise, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=80, dpi=(dpi, dpi))
    return file.getvalue()


def run(pdf: Path, options: list[str], jobs: int = 1) -> tuple[float, float]:
    """Return the CPU seconds and the seconds of a run of OCRmyPDF with all its children."""
    command = [sys.executable, "-m", "ocrmypdf", "-q", "--output-type", "pdf", "--jobs", str(jobs), *options]
    before, began = children_seconds(), time.monotonic()
    subprocess.run([*command, os.fspath(pdf), os.fspath(pdf.with_suffix(".out.pdf"))], check=True, capture_output=True)
    return children_seconds() - before, time.monotonic() - began


def cost(one: Path, several: Path, options: list[str]) -> Cost:
    """Return what a page costs of *several*, which has PAGES of them, against *one* of a single page."""
    (alone, _), (together, _) = run(one, options), run(several, options)
    page = (together - alone) / (PAGES - 1)
    return Cost(page, alone - page)


def table(title: str, rows: dict[str, dict[str, str]]) -> list[str]:
    """Return Markdown lines of *rows*, whose cells go by the name of the setting."""
    lines = [f"| {title} | {' | '.join(SETTINGS)} |", "|---" * (len(SETTINGS) + 1) + "|"]
    return [*lines, *(f"| {name} | {' | '.join(cells[setting] for setting in SETTINGS)} |" for name, cells in rows.items()), ""]


def measure(dpis: list[int], rounds: int, folder: Path) -> list[str]:
    """Return the tables."""
    found: dict[tuple[str, int], dict[str, list[Cost]]] = {}
    for name, lines in LINES.items():
        for dpi in dpis:
            one, several = folder / f"{dpi}-{lines}-one.pdf", folder / f"{dpi}-{lines}.pdf"
            images = [scan(lines, dpi, seed) for seed in range(PAGES)]
            one.write_bytes(img2pdf.convert(images[:1]))
            several.write_bytes(img2pdf.convert(images))
            row = found.setdefault((name, dpi), {})
            for _ in range(rounds):
                for setting, options in SETTINGS.items():
                    row.setdefault(setting, []).append(cost(one, several, options))
            print(name, dpi, {k: round(mean(v), 2) for k, v in row.items()}, flush=True)
    lines = []
    for name in LINES:
        pages = {f"{dpi} dpi": {s: f"{mean(c):.2f}" for s, c in found[name, dpi].items()} for dpi in dpis}
        lines += table(f"{name}: CPU seconds a page", pages)
    every = {s: [c.start for row in found.values() for c in row[s]] for s in SETTINGS}
    lines += table("CPU seconds of a file", {"starting": {s: f"{float(np.median(v)):.2f}" for s, v in every.items()}})
    middle = min(dpis, key=lambda dpi: abs(dpi - TYPICAL))
    days = {f"{name}, {cores} cores": {s: f"{DAY * cores / mean(c):,.0f}" for s, c in found[name, middle].items()}
            for cores in (4, 32) for name in LINES}  # fmt: skip
    lines += table(f"pages a day at {middle} dpi", days)
    return lines


def workers(jobs: list[int], folder: Path) -> list[str]:
    """Return the table of a file of MANY pages by number of workers."""
    pdf = folder / "many.pdf"
    pdf.write_bytes(img2pdf.convert([scan(LINES["50 lines"], TYPICAL, seed) for seed in range(MANY)]))
    rows: dict[str, dict[str, str]] = {}
    for count in jobs:
        row = rows.setdefault(f"{count} worker{'s' if count > 1 else ''}", {})
        for setting, options in SETTINGS.items():
            used, seconds = run(pdf, options, count)
            row[setting] = f"{used / MANY:.2f} / {seconds / MANY:.2f}"
        print(count, row, flush=True)
    cores = len(os.sched_getaffinity(0))
    return table(f"{MANY} pages of 50 lines at {TYPICAL} dpi on {cores} cores: CPU seconds / seconds a page", rows)


def mean(costs: list[Cost]) -> float:
    """Return the mean CPU seconds of a page."""
    return sum(each.page for each in costs) / len(costs)


def main() -> None:
    """Print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dpis", type=int, nargs="+", default=[60, 72, 100, 150, 200, 300])
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    os.environ["OMP_THREAD_LIMIT"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        lines = measure(arguments.dpis, arguments.rounds, Path(folder)) + workers(arguments.jobs, Path(folder))
    text = "\n".join(lines)
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
