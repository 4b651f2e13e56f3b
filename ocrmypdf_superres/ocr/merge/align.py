# SPDX-License-Identifier: MPL-2.0
"""Alignment of readings of one page: which lines are the same line, and which words stand in the same place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ocrmypdf_superres.metrics.boxes import common_width, pairwise_iou
from ocrmypdf_superres.ocr.hypothesis import Line, Word

MATCH = 0.6
"""Two lines are the same when their boxes' intersection is at least this share of their union."""
SAME_PLACE = 0.4
"""Two words share a slot when their common width is more than this share of the narrower one's."""


@dataclass
class Slot:
    """One place of a line: the words of each reading that stand there, in reading order."""

    words: dict[str, list[Word]]

    def text(self, name: str) -> str:
        """Return what reading *name* has there; empty for nothing."""
        return " ".join(word.text for word in self.words.get(name, []))


def match_lines(first: Sequence[Line], second: Sequence[Line]) -> list[tuple[int, int]]:
    """Return index pairs of lines that are the same line: each overlaps no other line as much, and both share :data:`MATCH`.

    Each line is in at most one pair. A line that one reading joined of two of the other is in none, unless one of them is most
    of it.
    """
    if not first or not second:
        return []
    shared = pairwise_iou(*(np.array([line.box for line in lines], dtype=np.float64) for lines in (first, second)))
    best, back = shared.argmax(axis=1).tolist(), shared.argmax(axis=0).tolist()
    return [(i, j) for i, j in enumerate(best) if shared[i, j] >= MATCH and back[j] == i]


def make_slots(lines: Mapping[str, Line], kept: str) -> list[Slot]:
    """Return the slots of one line as each reading has it, in reading order.

    The order is that of the words of *kept*; a slot without one follows the slot of the word before it.
    """
    nodes = [(name, word) for name in [kept, *(n for n in lines if n != kept)] for word in lines[name].words]
    roots = _same_places(nodes)
    slots: dict[int, Slot] = {}
    order: list[int] = []
    before: int | None = None
    previous = ""
    for (name, word), key in zip(nodes, roots, strict=True):
        if name != previous:
            before, previous = None, name
        if key not in slots:
            slots[key] = Slot({})
            order.insert(0 if before is None and name != kept else len(order) if before is None else order.index(before) + 1, key)
        slots[key].words.setdefault(name, []).append(word)
        before = key
    return [slots[key] for key in order]


def _same_places(nodes: Sequence[tuple[str, Word]]) -> list[int]:
    """Return for each word of a reading the number of its group: words of other readings in its place join it."""
    group = list(range(len(nodes)))

    def root(i: int) -> int:
        while group[i] != i:
            i = group[i]
        return i

    for i, (name, word) in enumerate(nodes):
        for j in range(i):
            if nodes[j][0] != name and common_width(word.box, nodes[j][1].box) > SAME_PLACE:
                group[root(i)] = root(j)
    return [root(i) for i in range(len(nodes))]
