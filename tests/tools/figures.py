# SPDX-License-Identifier: MPL-2.0
"""Figures in README and docs: they stand in files that commands wrote, and pages take their tables from these.

A page has regions that :func:`fill` writes::

    <!-- table: docs/results/lowres.md | pages: CER [95 % interval] | columns: lanczos, plugin=with RapidOCR | part: 2 | words -->
    (the table)
    <!-- end -->

The second field is how the first cell of the table's head begins; ``columns`` chooses and renames columns, ``part`` takes one
half of cells such as "2.36 [1.57, 3.25] / 6.72 [4.91, 8.37]", ``words`` puts collections' names into words. The files
``models/recognizers`` and ``models/rapidocr`` stand for the cards of the tuned networks. A paragraph, a list or a table of
one's own has ``<!-- figures: FILE -->`` before it: each of its decimal figures is in FILE, or in one of several files, or is
one of them rounded. ``<!-- no figures: REASON -->`` excuses numbers that nothing measured.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
REGION = re.compile(r"(<!-- table: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
MARK = re.compile(r"<!-- (figures|no figures|table): (.+?) -->")
WORDS = {
    "all low-resolution collections": "all",
    "ehri_lowres_typewriter": "typescripts, 96 dpi",
    "funsd_forms_eng": "forms and faxes, 90 dpi",
    "tapuscorpus_lowres_fra": "French typescripts, 120 dpi",
}
VERSIONS = re.compile(
    r"\b(?:Python|Tesseract|OCRmyPDF|paperless-ngx|arXiv|ALTO|CC-BY|CC-BY-SA) \d+(?:\.\d+)*|\b95 %|\b\d+(?:\.\d+)? or newer"
)
NUMBER = re.compile(r"(?<![\w./-])\d[\d,]*(?:\.\d+(?: ?%)?| ?%)(?![\w/]|\.\d)")
TUNED_HEAD = (
    "| network | low-resolution lines: CER, installed > tuned, % | ratio [95 % interval] | of scans | clean lines "
    "| lines of signs | clean |"
)


def fill(text: str) -> str:
    """Return *text* with its regions written anew.

    Raises:
        ValueError: a file has no such table, or a table no such column.
    """
    return REGION.sub(lambda found: found[1] + _table(found[2]) + found[3], text)


def filled(page: Path) -> str:
    """Return the text of *page* with its regions written anew."""
    return fill(page.read_text(encoding="utf-8"))


def _table(mark: str) -> str:
    path, _, rest = mark.partition(" | ")
    if path in ("models/recognizers", "models/rapidocr"):
        return _tuned_lines(ROOT / path)
    head, *options = rest.split(" | ")
    rows = _find(ROOT / path, head)
    for option in options:
        name, _, value = option.partition(": ")
        if name == "columns":
            rows = _columns(rows, [item.strip() for item in value.split(",")])
        elif name == "part":
            rows = [rows[0], *([row[0], *(_part(cell, int(value)) for cell in row[1:])] for row in rows[1:])]
        elif name == "words":
            rows = [[_in_words(row[0]), *row[1:]] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n"


def _part(cell: str, number: int) -> str:
    return cell.split(" / ")[number - 1] if " / " in cell else cell


def _in_words(name: str) -> str:
    for collection, words in WORDS.items():
        name = name.replace(collection, words)
    return "pages" if name.startswith("pages: ") else name


def tables(path: Path) -> Iterator[list[list[str]]]:
    """Yield the tables of a Markdown file, as rows of cells, without the line under the head."""
    rows: list[list[str]] = []
    for line in [*path.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("|"):
            if not set(line) <= set("|- :"):
                rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
        elif rows:
            yield rows
            rows = []


def _find(path: Path, head: str) -> list[list[str]]:
    for rows in tables(path):
        if rows[0][0].startswith(head):
            return rows
    raise ValueError(f"{path} has no table whose head begins with {head!r}.")


def _columns(rows: list[list[str]], wanted: list[str]) -> list[list[str]]:
    found = []
    for item in wanted:
        name, _, shown = item.partition("=")
        if name not in rows[0]:
            raise ValueError(f"There is no column {name!r} among {rows[0]}.")
        found.append((rows[0].index(name), shown or name))
    return [[rows[0][0], *(shown for _, shown in found)], *([row[0], *(row[index] for index, _ in found)] for row in rows[1:])]


def _tuned_lines(folder: Path) -> str:
    """Return the table of the figures on lines of the tuned networks in *folder*, from their cards."""
    lines = [TUNED_HEAD, "|" + "---|" * 7]
    for card in sorted(folder.glob("*/*.toml"), key=lambda path: path.parent.name.lower()):
        metrics = tomllib.loads(card.read_text(encoding="utf-8"))["metrics"]
        low, *others = (
            str(metrics.get(f"CER, {group}", "")) for group in ("low resolution", "scans", "clean", "signs", "clean signs")
        )
        ratio = re.search(r"ratio (.+?\])", low)
        cells = [f"`{card.parent.name}`", _before_after(low), ratio[1] if ratio else "-", *map(_before_after, others)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _before_after(metric: str) -> str:
    found = re.match(r"([\d.]+) % \(installed: ([\d.]+) %\)", metric)
    return f"{found[2]} > {found[1]}" if found else "-"


def unproved(page: Path) -> list[str]:
    """Return what is wrong with the figures of *page*: blocks without a mark, and figures that their files lack."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    wrong, mark = [], ""
    for block in re.split(r"\n(?:[ \t]*\n)+|(?=<!-- )|(?<=-->)\n", text):
        if block.startswith("<!-- "):
            found = MARK.match(block)
            mark = f"{found[1]}: {found[2]}" if found else ("" if "end" in block else mark)
            continue
        numbers = [number for number in NUMBER.findall(VERSIONS.sub("", re.sub(r"`[^`]*`|\]\([^)]*\)", "", block))) if number]
        if not block.strip():
            continue
        if numbers and not mark:
            wrong.append(f"no mark before: {block.strip()[:90]} ({', '.join(numbers[:5])})")
        elif mark.startswith("figures: "):
            known = _numbers_in([ROOT / name.strip() for name in mark.removeprefix("figures: ").split(",")])
            wrong += [f"{number} is not in {mark}" for number in numbers if not _is_known(number, known)]
        mark = ""
    return wrong


def _numbers_in(paths: list[Path]) -> list[float]:
    text = "\n".join(
        file.read_text(encoding="utf-8")
        for path in paths
        for file in ([path] if path.is_file() else sorted(path.rglob("*.toml")))
    )
    return [abs(float(number)) for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.]*[A-Za-z])", text.replace(",", ""))]


def _is_known(number: str, known: list[float]) -> bool:
    digits = number.rstrip(" %").replace(",", "")
    places = len(digits.partition(".")[2])
    wanted = float(digits)
    scales = (1.0, 100.0) if number.endswith("%") else (1.0,)
    return any(abs(value * scale - wanted) <= 0.5 * 10**-places + 1e-9 for value in known for scale in scales)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(filled(path), encoding="utf-8")
