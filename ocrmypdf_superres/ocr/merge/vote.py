# SPDX-License-Identifier: MPL-2.0
"""Voting word by word between readings of one line (in the manner of ROVER, Fiscus, ASRU 1997).

Words of different readings that stand in one place form a slot, so that one reading's "no where" meets another's
"nowhere".  In each slot the text with the largest sum of calibrated probabilities wins; agreement counts for more
than one reading's certainty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ocrmypdf_superres.ocr.calibration import probability
from ocrmypdf_superres.ocr.hocr import Box, Line, Word

SAME_PLACE = 0.4
"""Two words share a slot when their common width is more than this share of the narrower one's."""
NOTHING = 0.3
"""What a reading that has no word in a slot says for there being none."""
STAY = 0.1
"""What the kept reading's text has in advance: on equal terms nothing is changed."""
KEEP = 0.5
"""A word of the kept reading that is right with at least this probability may be read otherwise, but not left out."""


@dataclass
class Slot:
    """One place of a line: the words of each reading that stand there, in reading order."""

    words: dict[str, list[Word]]

    def text(self, name: str) -> str:
        """What reading *name* has there; empty for nothing."""
        return " ".join(word.text for word in self.words.get(name, []))


def common_width(a: Box, b: Box) -> float:
    """Return the width two boxes share over the narrower one's, 0 to 1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    return max(0, width) / max(1, min(a[2] - a[0], b[2] - b[0]))


def make_slots(lines: Mapping[str, Line], kept: str) -> list[Slot]:
    """Return the slots of one line as each reading has it, in reading order.

    The order is that of *kept*'s words; a slot without one follows the slot of the word before it.
    """
    nodes = [(name, word) for name in [kept, *(n for n in lines if n != kept)] for word in lines[name].words]
    group = list(range(len(nodes)))

    def root(i: int) -> int:
        while group[i] != i:
            i = group[i]
        return i

    for i, (name, word) in enumerate(nodes):
        for j in range(i):
            if nodes[j][0] != name and common_width(word.box, nodes[j][1].box) > SAME_PLACE:
                group[root(i)] = root(j)
    slots: dict[int, Slot] = {}
    order: list[int] = []
    before: int | None = None
    previous = ""
    for i, (name, word) in enumerate(nodes):
        if name != previous:
            before, previous = None, name
        key = root(i)
        if key not in slots:
            slots[key] = Slot({})
            order.insert(0 if before is None and name != kept else len(order) if before is None else order.index(before) + 1, key)
        slots[key].words.setdefault(name, []).append(word)
        before = key
    return [slots[key] for key in order]


def _sure(words: list[Word], name: str) -> float:
    """Mean calibrated probability, weighted by length."""
    return sum(probability(w.confidence, name) * len(w.text) for w in words) / sum(len(w.text) for w in words)


def winner(slot: Slot, names: list[str], kept: str) -> str:
    """Return the reading whose words a slot takes; *names* are the readings that have the line."""
    votes: dict[str, float] = {}
    for name in names:
        words = slot.words.get(name)
        votes[slot.text(name)] = votes.get(slot.text(name), 0.0) + (_sure(words, name) if words else NOTHING)
    ours = slot.text(kept)
    votes[ours] += STAY
    if ours and _sure(slot.words[kept], kept) >= KEEP:
        votes.pop("", None)
    best = max(votes, key=lambda text: votes[text])
    if best == ours:
        return kept
    # Of those that agree the surest one's boxes are taken.
    agreeing = [name for name in names if slot.text(name) == best]
    return max(agreeing, key=lambda name: _sure(slot.words[name], name) if best else 0.0)
