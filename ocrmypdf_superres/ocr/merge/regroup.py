# SPDX-License-Identifier: MPL-2.0
"""The words of an engine that has no page layout, sorted into the lines of a reading that has one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ocrmypdf_superres.metrics.boxes import Box, common_height, common_width
from ocrmypdf_superres.ocr.hypothesis import Line, Word

BESIDE = 0.5
"""A word belongs to a line only when they share this much of the height of the lower one."""
NEAR = 1.5
"""... and when it is no farther from the line's ends than this many line heights."""
FARTHER = 0.2
"""The penalty for each line height of distance; a wholly shared height counts 1."""


@dataclass(frozen=True)
class Regrouped:
    """Words sorted into lines.

    Attributes:
        lines: by the index of a line of the reading with a layout, the words that stand in it, from left to right.
        left: the words of each foreign line that stand in no line, in their order.
    """

    lines: dict[int, list[Word]]
    left: list[list[Word]]

    @property
    def count(self) -> int:
        """Number of all words."""
        return sum(map(len, (*self.lines.values(), *self.left)))


def regroup(layout: Sequence[Line], foreign: Sequence[Line]) -> Regrouped:
    """Sort the words of *foreign* lines into the lines of *layout*, by their places; both are in the same pixels.

    A line of one engine may be several cells of a table for another one, so words are sorted and not lines. Lines that
    run up or down the page take no words. Those of a line that is read from the right stay in their order.
    """
    lines: dict[int, list[Word]] = {}
    left: list[list[Word]] = []
    for line in foreign:
        rest = []
        for word in line.words:
            index = None if line.turned else _line_of(word, layout)
            if index is None:
                rest.append(word)
            else:
                lines.setdefault(index, []).append(word)
        if rest:
            left.append(rest)
    for index, words in lines.items():
        if not layout[index].from_right:
            words.sort(key=lambda word: word.box[0])
    return Regrouped(lines, left)


def _line_of(word: Word, layout: Sequence[Line]) -> int | None:
    """Return the index of the line that *word* is in: where it meets a word, else where it fits best; None without one."""
    best, score = None, 0.0
    for index, line in enumerate(layout):
        shared = common_height(line.box, word.box)
        height = max(1, line.box[3] - line.box[1])
        distance = max(0, line.box[0] - word.box[2], word.box[0] - line.box[2]) / height
        if line.turned or shared < BESIDE or distance > NEAR:
            continue
        meets = max((_meets(theirs.box, word.box) for theirs in line.words), default=0.0)
        found = meets + shared - FARTHER * distance
        if found > score:
            best, score = index, found
    return best


def _meets(a: Box, b: Box) -> float:
    return common_width(a, b) * common_height(a, b)
