# SPDX-License-Identifier: MPL-2.0
"""A tuned Tesseract network against the one it was tuned from, on prepared lines, by the installed program."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.metrics.statistics import interval, paired_difference
from ocrmypdf_superres.metrics.text import edit_distance, fold
from ocrmypdf_superres.modelstore.networks import Network
from ocrmypdf_superres.recognizers.tesseract.networks.language_file import open_language_file, write_pieces
from ocrmypdf_superres.tesseract import find_traineddata, read_lines
from ocrmypdf_superres.training.data.ocr_lines.shards import read_shard
from ocrmypdf_superres.training.data.ocr_lines.stream import Line

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


def read_held_out(folder: Path, most: int = 0) -> list[Line]:
    """Return the lines of the prepared files in *folder*, at most *most* where it is not 0.

    Raises:
        OptionError: there is none, or a file is damaged.
    """
    lines: list[Line] = []
    for path in sorted(folder.glob("*.npz")):
        lines += read_shard(path)
        if most and len(lines) >= most:
            return lines[:most]
    if not lines:
        raise OptionError(f"There are no prepared lines in {folder}; make some with `recognizer lines --held-out`.")
    return lines


def compare_on_lines(network: Network, lines: Sequence[Line], tessdata: Path | None = None) -> list[GroupFigures]:
    """Return the figures of each group of *lines*, read by ``tesseract --psm 13`` with its dictionaries.

    Texts are folded as for every CER of the project. Lines of one scan hang together, so its intervals are too narrow.

    Args:
        network: the tuned network.
        lines: held out from its training.
        tessdata: folder of the installed language file; None for where the program looks.

    Raises:
        RecognizerError: the installed file is not the one that the network was tuned from, or the program fails.
    """
    with joined_file(network, tessdata) as (base, file):
        stock, tuned = (_edits(path, lines) for path in (base, file))
    found = []
    for group, belongs in _GROUPS.items():
        inside = [index for index, line in enumerate(lines) if line.text and belongs(line)]
        if inside:
            found.append(_figures(group, [stock[i] for i in inside], [tuned[i] for i in inside], [lines[i] for i in inside]))
    return found


@contextmanager
def joined_file(network: Network, tessdata: Path | None = None) -> Iterator[tuple[Path, Path]]:
    """Yield the installed language file of *network* and a temporary one with the network in its place.

    Raises:
        RecognizerError: the installed file is not the one that the network was tuned from.
    """
    base = open_language_file(find_traineddata(network.card.language, tessdata))
    if not base.fits(network.card.base):
        raise RecognizerError(f"The network {network.card.name} was tuned from another file than {base.path}; install that one.")
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        file = Path(folder) / base.path.name
        write_pieces(file, base.with_network(network.data()))
        yield base.path, file


def _edits(file: Path, lines: Sequence[Line]) -> list[float]:
    """Return the edit distance of what the program reads with the language *file* on each of *lines*."""
    texts = read_lines([Image.fromarray(line.image) for line in lines], file.name.removesuffix(".traineddata"), file.parent)
    return [float(edit_distance(fold(text), fold(line.text))) for text, line in zip(texts, lines, strict=True)]


def files_table(files: Mapping[str, Path], lines: Sequence[Line]) -> str:
    """Return a Markdown table of the CER, in %, with which each of *files* reads each group of *lines*.

    Args:
        files: language files by the name of their column.
        lines: held out from every training.

    Raises:
        RecognizerError, MissingDependencyError: the program fails or is not installed.
    """
    edits = {name: _edits(file, lines) for name, file in files.items()}
    rows = [f"| lines: CER, % [95 % interval] | {' | '.join(files)} |", "|---" * (len(files) + 1) + "|"]
    for group, belongs in _GROUPS.items():
        inside = [index for index, line in enumerate(lines) if line.text and belongs(line)]
        if inside:
            lengths = [float(len(fold(lines[i].text))) for i in inside]
            found = [interval([column[i] for i in inside], lengths) for column in edits.values()]
            cells = (f"{100 * one.value:.2f} [{100 * one.low:.2f}, {100 * one.high:.2f}]" for one in found)
            rows.append(f"| {group} ({len(inside)}) | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def for_card(figures: Sequence[GroupFigures]) -> dict[str, str]:
    """Return *figures* for a card: by group the CER, tuned and stock, and their ratio with its interval."""
    return {
        f"CER, {one.group}": f"{one.tuned:.2f} % (installed: {one.stock:.2f} %), ratio {one.ratio[0]:.2f} "
        f"[{one.ratio[1]:.2f}, {one.ratio[2]:.2f}], {one.lines} lines"
        for one in figures
    }


def _figures(group: str, stock: Sequence[float], tuned: Sequence[float], lines: Sequence[Line]) -> GroupFigures:
    lengths = [float(len(fold(line.text))) for line in lines]
    before, after = list(stock), list(tuned)
    if sum(before):
        found = interval(after, before)
        ratio = (found.value, found.low, found.high)
    else:
        ratio = (1.0, 1.0, 1.0) if not sum(after) else (float("inf"),) * 3
    points = paired_difference(after, before, lengths)
    characters = sum(lengths)
    return GroupFigures(
        group, len(lines), int(characters), 100 * sum(before) / characters, 100 * sum(after) / characters, ratio,
        (100 * points.value, 100 * points.low, 100 * points.high),
    )  # fmt: skip


def _is_clean(line: Line) -> bool:
    return line.form == "as-is" and line.x_height >= CLEAN_X_HEIGHT


def _low(low: float = 0.0, high: float = 1e9, **wanted: Any) -> Callable[[Line], bool]:
    def belongs(line: Line) -> bool:
        same = all(getattr(line, name) == value for name, value in wanted.items())
        return not _is_clean(line) and low <= line.x_height < high and same

    return belongs


_GROUPS: dict[str, Callable[[Line], bool]] = {
    "low resolution": _low(),
    "x-height below 5 px": _low(high=5),
    "5 to 7 px": _low(5, 7),
    "7 to 9 px": _low(7, 9),
    "from 9 px": _low(9),
    "net": _low(form="net"),
    "blend": _low(form="blend"),
    "lanczos": _low(form="lanczos"),
    "scans": _low(kind="scan"),
    "rendered": lambda line: not _is_clean(line) and line.kind != "scan",
    "clean": _is_clean,
}
