# SPDX-License-Identifier: MPL-2.0
"""How closely the port reads as the installed Tesseract does.

``python -m tesseract_parity [--data FOLDER]`` reads rendered lines in several languages,
and lines cut from the page images in FOLDER by Tesseract's own boxes and padded as it pads them. It prints a table;
each row compares the port's text with the binary's.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from PIL import Image
from rich.console import Console
from tesseract_lines import find_lines
from tesseract_specimens import specimens

from ocrmypdf_superres.errors import RecognizerError, SuperresError
from ocrmypdf_superres.page.image import IMAGE_SUFFIXES
from ocrmypdf_superres.recognizers.tesseract import load_recognizer
from ocrmypdf_superres.recognizers.tesseract.format.container import without_dictionary
from ocrmypdf_superres.recognizers.tesseract.recognizer import TesseractRecognizer
from ocrmypdf_superres.recognizers.tesseract.verification.compare import Comparison, compare, integer_texts, port_texts, summarise
from ocrmypdf_superres.tesseract import find_traineddata, read_lines

log = logging.getLogger(__name__)

_LEAST_LETTERS = 8
# Lines below this mean word confidence are rules, stamps or writing by hand, where no reading is right.
SURE = 60.0


@dataclass(frozen=True)
class PageLine:
    """A line image from a page: where it comes from, its language, and Tesseract's confidence on the page."""

    name: str
    language: str
    image: Image.Image
    confidence: float


def _as_tesseract(language: str) -> TesseractRecognizer:
    """The port with Tesseract's rounding of the input and its border noise."""
    recognizer = load_recognizer(language)
    recognizer.rounding = True
    recognizer.set_border("exact")
    return recognizer


def rendered(language: str, text_language: str, count: int) -> list[Comparison]:
    """Rendered lines of *text_language*, read by *language*: port beside the stock binary."""
    recognizer = _as_tesseract(language)
    lines = specimens(text_language, count)
    names = [f"{line.font} {line.damage}" for line in lines]
    installed = find_traineddata(language)
    return compare(
        recognizer,
        [line.image for line in lines],
        names,
        installed.name.removesuffix(".traineddata"),
        [line.text for line in lines],
        installed.parent,
    )


def page_lines(folder: Path, pages: int, per_page: int) -> list[PageLine]:
    """Lines from up to *pages* images below *folder*, spread evenly, at most *per_page* of each page.

    An ``index.json`` there may name ``image`` and ``languages`` of the pages; else all are read as English.
    """
    found: list[tuple[Path, str]] = []
    index = folder / "index.json"
    if index.is_file():
        for entry in json.loads(index.read_text(encoding="utf-8")):
            found.append((folder / entry["image"], str(entry["languages"]).split("+")[0]))
    else:
        found = [(path, "eng") for path in sorted(folder.rglob("*")) if path.suffix.lower() in IMAGE_SUFFIXES]
    if not found:
        raise RecognizerError(
            f"The folder {folder} has no images, pages as PNG, JPEG or TIFF were expected; give another folder."
        )
    step = max(1, len(found) // pages)
    result: list[PageLine] = []
    for path, language in found[::step][:pages]:
        try:
            find_traineddata(language)
        except RecognizerError as error:
            log.warning("left out %s: %s", path.name, error)
            continue
        with Image.open(path) as opened:
            opened.load()
            page = opened if opened.mode in ("L", "RGB") else opened.convert("L" if opened.mode == "1" else "RGB")
        lines = [line for line in find_lines(page, language) if len(line.text) >= _LEAST_LETTERS]
        for line in lines[:: max(1, len(lines) // per_page)][:per_page]:
            result.append(PageLine(path.stem, language, line.cut(page), line.confidence))
    return result


def scanned(lines: Sequence[PageLine]) -> list[tuple[Comparison, float]]:
    """*lines* read by the port and by the stock binary, with the page's confidence."""
    result: list[tuple[Comparison, float]] = []
    for language in sorted({line.language for line in lines}):
        chosen = [line for line in lines if line.language == language]
        names = [line.name for line in chosen]
        compared = compare(_as_tesseract(language), [line.image for line in chosen], names, language)
        result += zip(compared, (line.confidence for line in chosen), strict=True)
    return result


def without_dictionaries(lines: Sequence[PageLine]) -> list[Comparison]:
    """*lines* read by the port with Tesseract's search and by the binary without its dictionaries."""
    result: list[Comparison] = []
    for language in sorted({line.language for line in lines}):
        chosen = [line for line in lines if line.language == language]
        images = [line.image for line in chosen]
        with TemporaryDirectory(prefix="superres-") as folder:
            without_dictionary(find_traineddata(language), Path(folder), "plain")
            binary = read_lines(images, "plain", Path(folder))
        port = port_texts(_as_tesseract(language), images, search=True)
        result += [Comparison(line.name, *texts) for line, *texts in zip(chosen, port, binary, strict=True)]
    return result


def exactness(language: str, images: Sequence[Image.Image]) -> list[tuple[str, list[Comparison]]]:
    """Integer forward (greedy, and with Tesseract's search) and float port against Tesseract without dictionary."""
    installed = find_traineddata(language)
    recognizer = _as_tesseract(language)
    with TemporaryDirectory(prefix="superres-") as folder:
        without_dictionary(installed, Path(folder), "plain")
        binary = read_lines(images, "plain", Path(folder))
    rows = [
        ("integer, search", integer_texts(recognizer, images, search=True)),
        ("integer, greedy", integer_texts(recognizer, images)),
        ("float, greedy", port_texts(recognizer, images)),
    ]
    names = [str(index) for index in range(len(images))]
    return [(name, [Comparison(*row) for row in zip(names, texts, binary, strict=True)]) for name, texts in rows]


def timing(recognizer: TesseractRecognizer, batch: int = 16, width: int = 1000, repeats: int = 5) -> tuple[float, float]:
    """Milliseconds a line of CPU time for forward, and for forward and backward, lines of the network's height."""
    lines = torch.rand(batch, 1, recognizer.height, width, requires_grad=True)
    widths = torch.full((batch,), width)
    forward, both = [], []
    for _ in range(repeats):
        start = time.process_time()
        logits, _ = recognizer.logits(lines, widths)
        middle = time.process_time()
        torch.log_softmax(logits, dim=2).square().mean().backward()
        both.append(time.process_time() - start)
        forward.append(middle - start)
    scale = 1000.0 / batch
    return sorted(forward)[repeats // 2] * scale, sorted(both)[repeats // 2] * scale


def _show(console: Console, label: str, items: Sequence[Comparison], verbose: bool = False) -> None:
    console.print(f"{label:40} {summarise(items)}", soft_wrap=True)
    for item in items if verbose else ():
        if item.edits:
            for row in (item.name, *item.rows()):
                console.print(f"    {row}", markup=False, soft_wrap=True)


def _report(console: Console, given: argparse.Namespace) -> None:
    everything: list[Comparison] = []
    for language, texts in (
        ("eng", "eng"), ("deu", "deu"), ("fra", "fra"), ("rus", "rus"), ("Latin", "eng"), ("Latin", "fra"),
    ):  # fmt: skip
        try:
            items = rendered(language, texts, given.lines if language == "eng" else 24)
        except RecognizerError as error:
            log.warning("left out %s: %s", language, error)
            continue
        everything += items
        _show(console, f"rendered, {language} on {texts}", items, given.verbose)
    images = [line.image for line in specimens("eng", given.lines)]
    if given.data is not None:
        lines = page_lines(given.data, given.pages, given.per_page)
        read = scanned(lines)
        everything += [item for item, _ in read]
        _show(console, "scans, all lines", [item for item, _ in read], given.verbose)
        _show(console, f"scans, confidence >= {SURE:.0f}", [item for item, sure in read if sure >= SURE])
        _show(console, "scans, search, without dictionary", without_dictionaries(lines))
        images += [line.image for line in lines if line.language == "eng"]
    _show(console, "all against the stock binary", everything)
    for name, items in exactness("eng", images):
        _show(console, f"{name}, without dictionary", items, given.verbose)
    forward, both = timing(load_recognizer("eng"))
    console.print(f"36x1000, batch 16, one thread: forward {forward:.1f}, with backward {both:.1f} ms a line")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 0 unless something cannot be run."""
    parser = argparse.ArgumentParser(prog="parity", description="How closely the port reads as Tesseract does.")
    parser.add_argument("--data", type=Path, help="folder of page images, with or without index.json")
    parser.add_argument("--pages", type=int, default=12, help="pages to cut lines from (default 12)")
    parser.add_argument("--per-page", type=int, default=10, help="lines of a page (default 10)")
    parser.add_argument("--lines", type=int, default=60, help="rendered English lines (default 60)")
    parser.add_argument("--verbose", action="store_true", help="show every line that differs")
    given = parser.parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    torch.set_num_threads(1)
    try:
        _report(Console(highlight=False), given)
    except SuperresError as error:
        log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
