# SPDX-License-Identifier: MPL-2.0
"""A tuned Tesseract network against the one it was tuned from, on prepared lines, by the installed program."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ocrmypdf_superres.metrics.statistics import interval, paired_difference
from ocrmypdf_superres.metrics.text import edit_distance, fold
from ocrmypdf_superres.modelstore.networks import Network
from ocrmypdf_superres.recognizers.tesseract.networks.language_file import open_language_file, write_pieces
from ocrmypdf_superres.tesseract import find_traineddata, read_lines
from ocrmypdf_superres.training.data.ocr_lines.stream import Line

INSTALLED, TUNED = "installed", "tuned"
"""The names of the installed network and of the tuned one."""
BLOCK = 200
"""Number of lines that one run of the program reads."""
Block = tuple[str, Sequence[Line]]
"""Lines to read, and the name of the language file to read them with."""
CLEAN_X_HEIGHT = 13.0
"""Lines that are not enlarged and whose x-height is at least this are clean; in pixels."""


@dataclass(frozen=True)
class GroupFigures:
    """CER of a group of lines.

    Attributes:
        group: its name.
        lines, characters: how many.
        stock, tuned: CER in percent.
        ratio: tuned over stock, with its 95 % interval over lines.
        difference: tuned less stock in points, with its 95 % interval over lines.
    """

    group: str
    lines: int
    characters: int
    stock: float
    tuned: float
    ratio: tuple[float, float, float]
    difference: tuple[float, float, float]


def read_by_files(
    network: Network,
    lines: Sequence[Line],
    tessdata: Path | None = None,
    others: Mapping[str, Path] | None = None,
    track: Callable[[Sequence[Block]], Iterable[Block]] = iter,
) -> dict[str, list[float]]:
    """Return the edit distance of what ``tesseract --psm 13``, with its dictionaries, reads on each of *lines*.

    Texts are folded as for every CER of the project.

    Args:
        network: the tuned network.
        lines: held out from its training.
        tessdata: folder of the installed language file; None for where the program looks.
        others: further language files by name.
        track: iterates over the blocks of lines, for a progress bar.

    Returns:
        A list for :data:`INSTALLED`, for :data:`TUNED`, and for each of *others*.

    Raises:
        RecognizerError: the installed file is not the one that the network was tuned from, or the program fails.
    """
    base = open_language_file(find_traineddata(network.card.language, tessdata))
    base.check_fits(network.card)
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        tuned = Path(folder) / base.path.name
        write_pieces(tuned, base.with_network(network.data()))
        files = {INSTALLED: base.path, TUNED: tuned, **(others or {})}
        found: dict[str, list[float]] = {name: [] for name in files}
        blocks = [(name, lines[start : start + BLOCK]) for name in files for start in range(0, len(lines), BLOCK)]
        for name, block in track(blocks):
            found[name] += _edits(files[name], block)
        return found


def _edits(file: Path, lines: Sequence[Line]) -> list[float]:
    texts = read_lines([Image.fromarray(line.image) for line in lines], file.name.removesuffix(".traineddata"), file.parent)
    return [float(edit_distance(fold(text), fold(line.text))) for text, line in zip(texts, lines, strict=True)]


def compare_on_lines(edits: Mapping[str, Sequence[float]], lines: Sequence[Line]) -> list[GroupFigures]:
    """Return the figures of each group of *lines*, tuned against installed; *edits* are those of :func:`read_by_files`.

    Lines of one scan are not independent, so the intervals are too narrow.
    """
    stock, tuned = edits[INSTALLED], edits[TUNED]
    return [
        _figures(group, [stock[i] for i in inside], [tuned[i] for i in inside], [lines[i] for i in inside])
        for group, inside in _members(lines).items()
    ]


def files_table(edits: Mapping[str, Sequence[float]], lines: Sequence[Line]) -> str:
    """Return a Markdown table of the CER, in %, of each group of *lines*; *edits* are those of :func:`read_by_files`."""
    rows = [f"| lines: CER, % [95 % interval] | {' | '.join(edits)} |", "|---" * (len(edits) + 1) + "|"]
    for group, inside in _members(lines).items():
        lengths = [float(len(fold(lines[i].text))) for i in inside]
        found = [interval([column[i] for i in inside], lengths) for column in edits.values()]
        cells = (one.format(100) for one in found)
        rows.append(f"| {group} ({len(inside)}) | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _members(lines: Sequence[Line]) -> dict[str, list[int]]:
    """Return the indices of the lines of each group that has any."""
    found = {
        group: [index for index, line in enumerate(lines) if line.text and belongs(line)] for group, belongs in _GROUPS.items()
    }
    return {group: inside for group, inside in found.items() if inside}


def for_card(figures: Sequence[GroupFigures]) -> dict[str, str]:
    """Return *figures* for a card: by group the CER, tuned and stock, and their ratio with its interval."""
    return {
        f"CER, {one.group}": f"{one.tuned:.2f} % (installed: {one.stock:.2f} %), ratio {one.ratio[0]:.2f} "
        f"[{one.ratio[1]:.2f}, {one.ratio[2]:.2f}], {one.lines} lines"
        for one in figures
    }


def _figures(group: str, stock: Sequence[float], tuned: Sequence[float], lines: Sequence[Line]) -> GroupFigures:
    lengths = [float(len(fold(line.text))) for line in lines]
    if sum(stock):
        found = interval(tuned, stock)
        ratio = (found.value, found.low, found.high)
    else:
        ratio = (1.0, 1.0, 1.0) if not sum(tuned) else (float("inf"),) * 3
    points = paired_difference(tuned, stock, lengths)
    characters = sum(lengths)
    return GroupFigures(
        group, len(lines), int(characters), 100 * sum(stock) / characters, 100 * sum(tuned) / characters, ratio,
        (100 * points.value, 100 * points.low, 100 * points.high),
    )  # fmt: skip


def _is_clean(line: Line) -> bool:
    return line.variant == "as-is" and line.x_height >= CLEAN_X_HEIGHT


def _is_of_signs(line: Line) -> bool:
    return line.kind == "signs"


def _low(low: float = 0.0, high: float = 1e9, **wanted: Any) -> Callable[[Line], bool]:
    def belongs(line: Line) -> bool:
        same = all(getattr(line, name) == value for name, value in wanted.items())
        return not _is_clean(line) and not _is_of_signs(line) and low <= line.x_height < high and same

    return belongs


_GROUPS: dict[str, Callable[[Line], bool]] = {
    "low resolution": _low(),
    "x-height below 5 px": _low(high=5),
    "5 to 7 px": _low(5, 7),
    "7 to 9 px": _low(7, 9),
    "from 9 px": _low(9),
    "net": _low(variant="net"),
    "blend": _low(variant="blend"),
    "lanczos": _low(variant="lanczos"),
    "scans": _low(kind="scan"),
    "rendered": lambda line: not _is_clean(line) and not _is_of_signs(line) and line.kind != "scan",
    "clean": lambda line: _is_clean(line) and not _is_of_signs(line),
    # By themselves: text has few signs, and a network that has forgotten them looks as good without these lines.
    "signs": lambda line: _is_of_signs(line) and not _is_clean(line),
    "clean signs": lambda line: _is_of_signs(line) and _is_clean(line),
    # The sign that is forgotten first: prose has none, and the rules of forms look like it.
    "underscores": lambda line: "_" in line.text,
}
