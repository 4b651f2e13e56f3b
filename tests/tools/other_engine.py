# SPDX-License-Identifier: MPL-2.0
"""Run OCRmyPDF with another plugin's OCR engine, without and with super-resolution to several heights of text.

    pip install ocrmypdf-rapidocr
    python tests/tools/other_engine.py ocrmypdf_rapidocr --data FOLDER --conditions 72-scan 100-scan --markdown table.md

FOLDER is as for `ocrmypdf-superres evaluate`; so are conditions. Pages in languages that the engine does not have are left out.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

from ocrmypdf_superres.errors import SuperresError
from ocrmypdf_superres.evaluation.data.pages import Case, find_pages, make_cases
from ocrmypdf_superres.evaluation.data.profiles import parse_condition
from ocrmypdf_superres.evaluation.methods.images import lr_image
from ocrmypdf_superres.evaluation.methods.readings import ocrmypdf_text
from ocrmypdf_superres.metrics.ground_truth import read_truth
from ocrmypdf_superres.metrics.statistics import interval
from ocrmypdf_superres.metrics.text import TextScore, score

HEIGHTS = (8, 10, 12, 14, 17, 20)
"""Heights of a lower-case x to enlarge to, in pixels; the last is the plugin's default, for Tesseract."""


def methods(plugin: str) -> dict[str, dict[str, Any]]:
    """Return the options of each run, by the name of its row."""
    ours = {"plugins": [plugin, "ocrmypdf_superres"], "superres_device": "cpu", "superres_threads": 1, "superres_verify": "off"}
    enlarged = {f"x-height of {height} px": {**ours, "superres_target_x_height": height} for height in HEIGHTS}
    return {"page as it is": {"plugins": [plugin]}, **enlarged}


def read(case: Case, options: dict[str, Any], language: str) -> TextScore:
    """Return the counts of one run."""
    image, dpi = lr_image(case)
    return score(ocrmypdf_text(image, dpi, language, **options).text, read_truth(Path(case.page.truth)).text)


def main() -> int:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plugin", help="the module of the other plugin, such as ocrmypdf_rapidocr")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--conditions", nargs="*", default=["72-scan", "100-scan"])
    parser.add_argument("--pages", type=int, default=1, help="pages of each collection")
    parser.add_argument("--languages", nargs="+", default=["eng", "deu", "fra"], help="of the pages to read")
    parser.add_argument("--markdown", type=Path)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    pages = [page for page in find_pages(args.data) if page.languages in args.languages]
    cases = make_cases(pages, [parse_condition(text) for text in args.conditions], args.pages)
    found: dict[str, list[TextScore]] = {name: [] for name in methods(args.plugin)}
    for number, case in enumerate(cases, 1):
        try:
            counts = {name: read(case, options, case.page.languages) for name, options in methods(args.plugin).items()}
        except SuperresError as error:
            print(f"{case.page.name} is left out: {error}", file=sys.stderr)
            continue
        for name, one in counts.items():
            found[name].append(one)
        print(f"{number} of {len(cases)}", file=sys.stderr, flush=True)
    rows = [
        f"| {args.plugin}, {len(next(iter(found.values())))} pages | CER, % | words missed, % | bare words missed, % |",
        "|---|---|---|---|",
    ]
    for name, counts in found.items():
        cells = (
            interval([c.edits for c in counts], [c.characters for c in counts]),
            interval([c.words - c.found for c in counts], [c.words for c in counts]),
            interval([c.bare_words - c.bare_found for c in counts], [c.bare_words for c in counts]),
        )
        shown = " | ".join(f"{100 * cell.value:.1f} [{100 * cell.low:.1f}, {100 * cell.high:.1f}]" for cell in cells)
        rows.append(f"| {name} | {shown} |")
    table = "\n".join(rows) + "\n"
    print(table, end="")
    if args.markdown:
        args.markdown.write_text(table, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
