# SPDX-License-Identifier: MPL-2.0
"""The words of an engine that has no page layout, sorted into the lines of a reading that has one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.metrics.boxes import Box, as_array, common_height, common_width, in_rows_of
from ocrmypdf_superres.ocr.hypothesis import Line, Word, line_of_words

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
        left: of each foreign line the words that stand in no line, in their order, as a line of its angle.
    """

    lines: dict[int, list[Word]]
    left: list[Line]

    @property
    def count(self) -> int:
        """Number of all words."""
        return sum(map(len, self.lines.values())) + sum(len(line.words) for line in self.left)


def regroup(layout: Sequence[Line], foreign: Sequence[Line]) -> Regrouped:
    """Sort the words of *foreign* lines into the lines of *layout*, by their places; both are in the same pixels.

    A line of one engine may be several cells of a table for another one, so words are sorted and not lines. Lines that
    run up or down the page take no words. Those of a line that is read from the right stay in their order.
    """
    lines: dict[int, list[Word]] = {}
    left: list[Line] = []
    boxes = as_array(line.box for line in layout)
    for line in foreign:
        rest = []
        for word in line.words:
            index = None if line.turned else _line_of(word, layout, boxes)
            if index is None:
                rest.append(word)
            else:
                lines.setdefault(index, []).append(word)
        if rest:
            left.append(line_of_words(rest, line))
    for index, words in lines.items():
        if not layout[index].from_right:
            words.sort(key=lambda word: word.box[0])
    return Regrouped(lines, left)


def _line_of(word: Word, layout: Sequence[Line], boxes: NDArray[np.int64]) -> int | None:
    """Return the index of the line that *word* is in: where it meets a word, else where it fits best; None without one.

    *boxes* are those of the lines, (n, 4): a page of a table has thousands, of which few share rows with the word.
    """
    best, score = None, 0.0
    for index in in_rows_of(word.box, boxes):
        line = layout[index]
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
