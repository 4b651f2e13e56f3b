# SPDX-License-Identifier: MPL-2.0
"""How closely the port reads as the installed Tesseract does.

``python -m ocrmypdf_superres.recognizers.tesseract.parity [--data FOLDER]`` reads rendered lines in several languages,
and lines cut from the page pictures in FOLDER by Tesseract's own boxes and padded as it pads them. It prints a table;
each row compares the port's text with the binary's.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from PIL import Image

from ocrmypdf_superres.errors import RecognizerError, SuperresError
from ocrmypdf_superres.recognizers.tesseract import load_recognizer
from ocrmypdf_superres.recognizers.tesseract.compare import Comparison, compare, integer_texts, port_texts, summarise
from ocrmypdf_superres.recognizers.tesseract.find import find_traineddata
from ocrmypdf_superres.recognizers.tesseract.installed import read_pictures, without_dictionary
from ocrmypdf_superres.recognizers.tesseract.lines import find_lines
from ocrmypdf_superres.recognizers.tesseract.recognizer import TesseractRecognizer
from ocrmypdf_superres.recognizers.tesseract.specimens import specimens

_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
_LEAST_LETTERS = 8
# Lines below this mean word confidence are rules, stamps or writing by hand, where no reading is right.
SURE = 60.0


@dataclass(frozen=True)
class PageLine:
    """A line picture from a page: where it comes from, its language, and Tesseract's confidence on the page."""

    name: str
    language: str
    picture: Image.Image
    confidence: float


def rendered(language: str, text_language: str, count: int) -> list[Comparison]:
    """Rendered lines of *text_language*, read by *language*: port beside the stock binary."""
    recognizer = load_recognizer(language)
    lines = specimens(text_language, count)
    names = [f"{line.font} {line.damage}" for line in lines]
    installed = find_traineddata(language)
    return compare(
        recognizer,
        [line.picture for line in lines],
        names,
        installed.name.removesuffix(".traineddata"),
        [line.text for line in lines],
        installed.parent,
    )


def page_lines(folder: Path, pages: int, per_page: int) -> list[PageLine]:
    """Lines from up to *pages* pictures below *folder*, spread evenly, at most *per_page* of each page.

    An ``index.json`` there may name ``image`` and ``languages`` of the pages; else all are read as English.
    """
    found: list[tuple[Path, str]] = []
    index = folder / "index.json"
    if index.is_file():
        for entry in json.loads(index.read_text(encoding="utf-8")):
            found.append((folder / entry["image"], str(entry["languages"]).split("+")[0]))
    else:
        found = [(path, "eng") for path in sorted(folder.rglob("*")) if path.suffix.lower() in _PICTURES]
    if not found:
        raise RecognizerError(
            f"The folder {folder} has no pictures, pages as PNG, JPEG or TIFF were expected; give another folder."
        )
    step = max(1, len(found) // pages)
    result: list[PageLine] = []
    for path, language in found[::step][:pages]:
        try:
            find_traineddata(language)
        except RecognizerError as error:
            print(f"skipped {path.name}: {error}", file=sys.stderr)
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
        compared = compare(load_recognizer(language), [line.picture for line in chosen], names, language)
        result += zip(compared, (line.confidence for line in chosen), strict=True)
    return result


def exactness(language: str, pictures: Sequence[Image.Image]) -> list[tuple[str, list[Comparison]]]:
    """Integer forward (greedy, and with Tesseract's search) and float port against Tesseract without dictionary."""
    installed = find_traineddata(language)
    recognizer = load_recognizer(language)
    with TemporaryDirectory(prefix="superres-") as folder:
        without_dictionary(installed, Path(folder), "plain")
        binary = read_pictures(pictures, "plain", Path(folder))
    recognizer.rounding = True
    recognizer.set_border("exact")
    rows = [
        ("integer, search", integer_texts(recognizer, pictures, search=True)),
        ("integer, greedy", integer_texts(recognizer, pictures)),
        ("float, greedy", port_texts(recognizer, pictures)),
    ]
    names = [str(index) for index in range(len(pictures))]
    return [
        (name, [Comparison(*row) for row in zip(names, texts, binary, strict=True)]) for name, texts in rows
    ]


def timing(
    recognizer: TesseractRecognizer, batch: int = 16, width: int = 1000, repeats: int = 5
) -> tuple[float, float]:
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


def _show(label: str, items: Sequence[Comparison], verbose: bool) -> None:
    print(f"{label:34} {summarise(items)}", flush=True)
    if verbose:
        for item in items:
            if item.edits:
                print(f"    {item.name}", *item.rows(), sep="\n    ")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 0 unless something cannot be run."""
    parser = argparse.ArgumentParser(prog="parity", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="folder of page pictures, with or without index.json")
    parser.add_argument("--pages", type=int, default=12, help="pages to cut lines from (default 12)")
    parser.add_argument("--per-page", type=int, default=10, help="lines of a page (default 10)")
    parser.add_argument("--lines", type=int, default=60, help="rendered English lines (default 60)")
    parser.add_argument("--verbose", action="store_true", help="show every line that differs")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    everything: list[Comparison] = []
    try:
        for language, texts, count in (
            ("eng", "eng", given.lines), ("deu", "deu", 24), ("fra", "fra", 24), ("rus", "rus", 24), ("Latin", "eng", 24),
            ("Latin", "fra", 24),
        ):  # fmt: skip
            try:
                items = rendered(language, texts, count)
            except RecognizerError as error:
                print(f"{language}: left out. {error}", file=sys.stderr)
                continue
            everything += items
            _show(f"rendered, {language} on {texts}", items, given.verbose)
        pictures = [line.picture for line in specimens("eng", given.lines)]
        if given.data is not None:
            lines = page_lines(given.data, given.pages, given.per_page)
            read = scanned(lines)
            everything += [item for item, _ in read]
            _show("scans, all lines", [item for item, _ in read], given.verbose)
            _show(f"scans, confidence >= {SURE:.0f}", [item for item, sure in read if sure >= SURE], False)
            pictures += [line.picture for line in lines if line.language == "eng"]
        _show("all against the stock binary", everything, False)
        for name, items in exactness("eng", pictures):
            _show(f"{name}, without dictionary", items, given.verbose)
        print("36x1000, batch 16, one thread: forward {:.1f}, with backward {:.1f} ms a line".format(*timing(load_recognizer("eng"))))
    except SuperresError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
