# SPDX-License-Identifier: MPL-2.0
"""Voting word by word between readings of one page (in the manner of ROVER, Fiscus, ASRU 1997).

Words of different readings that stand in one place form a slot, so that "no where" of one reading meets "nowhere" of
another. In each slot the text with the largest sum of calibrated probabilities wins; agreement counts for more than the
certainty of one reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ocrmypdf_superres.metrics.boxes import Box, common_share, touches
from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.hypothesis import Hypothesis, Line, Word
from ocrmypdf_superres.ocr.merge.align import Slot, make_slots, match_lines
from ocrmypdf_superres.ocr.merge.order import layout_winner

NOTHING = 0.3
"""What a reading that has no word in a slot contributes for there being none."""
STAY = 0.1
"""The advantage of the kept reading's text: on equal terms nothing is changed."""
KEEP = 0.5
"""A word of the kept reading that is right with at least this probability may be read otherwise, but not left out."""
ELSEWHERE = 0.25
"""A word is read already when it shares this much of the smaller box with a word of another line; ascenders may touch."""
EXTRA = 0.85
"""A line that only another reading has is added when its words are right with at least this mean probability ..."""
EXTRA_CHARACTERS = 4
"""... and it has at least this many letters and digits."""


@dataclass(frozen=True)
class Merged:
    """What was decided.

    Attributes:
        hypothesis: the merged reading.
        layout: the variant whose layout stands.
        exchanged: number of places in which the words of another reading were taken.
        added: number of lines that were added.
    """

    hypothesis: Hypothesis
    layout: str
    exchanged: int = 0
    added: int = 0

    @property
    def mixed(self) -> bool:
        """Whether the result differs from the reading whose layout stands."""
        return bool(self.exchanged or self.added)


def merge(readings: Mapping[str, Hypothesis], calibration: Calibration) -> Merged:
    """Return the reading with the best layout, its words voted on by all.

    *readings* are by variant, not empty, all in the same pixels; they are not changed.
    """
    layout = layout_winner(readings, calibration)
    kept = readings[layout]
    gains = {name: round(calibration.expected_gain(reading.words, name), 2) for name, reading in readings.items()}
    others = sorted((name for name in readings if name != layout), key=lambda name: -gains[name])
    kept, exchanged = _vote_on_lines(kept, layout, {name: readings[name] for name in others}, calibration)
    added = 0
    for name in others:
        kept, more = _with_missing_lines(kept, readings[name], name, calibration)
        added += more
    return Merged(kept, layout, exchanged, added)


def winner(slot: Slot, names: Sequence[str], kept: str, calibration: Calibration) -> str:
    """Return the reading whose words a slot takes; *names* are the readings that have the line."""
    votes: dict[str, float] = {}
    for name in names:
        words = slot.words.get(name)
        vote = calibration.mean_probability(words, name) if words else NOTHING
        votes[slot.text(name)] = votes.get(slot.text(name), 0.0) + vote
    ours = slot.text(kept)
    votes[ours] += STAY
    if ours and calibration.mean_probability(slot.words[kept], kept) >= KEEP:
        votes.pop("", None)
    best = max(votes, key=lambda text: votes[text])
    if best == ours:
        return kept
    # Of those that agree, the boxes of the surest one are taken.
    agreeing = [name for name in names if slot.text(name) == best]
    return max(agreeing, key=lambda name: calibration.mean_probability(slot.words[name], name) if best else 0.0)


def _vote_on_lines(
    kept: Hypothesis, layout: str, others: Mapping[str, Hypothesis], calibration: Calibration
) -> tuple[Hypothesis, int]:
    """Return the kept reading with the words that the votes chose, and in how many places they are other ones."""
    partners = {name: dict(match_lines(kept.lines, reading.lines)) for name, reading in others.items()}
    current = [line.words for line in kept.lines]
    chosen: dict[int, Sequence[Word]] = {}
    exchanged = 0
    for i, line in enumerate(kept.lines):
        lines = {layout: line, **{n: others[n].lines[partners[n][i]] for n in others if i in partners[n]}}
        if len(lines) < 2 or any(one.turned for one in lines.values()):
            continue
        words, changed = _vote(
            lines, layout, calibration, [(kept.lines[k].box, current[k]) for k in range(len(current)) if k != i]
        )
        if changed and words:
            exchanged += changed
            chosen[i] = current[i] = words
    return kept.edited(chosen, {}, {}), exchanged


def _vote(
    lines: Mapping[str, Line], layout: str, calibration: Calibration, elsewhere: Sequence[tuple[Box, Sequence[Word]]]
) -> tuple[list[Word], int]:
    """Return the words of one line after the vote, and the number of places that changed.

    *elsewhere* are the box and the words of each other line of the kept reading.
    """
    changed = 0
    words: list[Word] = []
    for slot in make_slots(lines, layout):
        name = winner(slot, list(lines), layout, calibration)
        if slot.text(name) != slot.text(layout):
            if layout not in slot.words and _is_read(slot.words[name], elsewhere):
                continue
            changed += 1
        words += slot.words.get(name, [])
    return words, changed


def _is_read(words: Sequence[Word], elsewhere: Sequence[tuple[Box, Sequence[Word]]]) -> bool:
    """Whether another line has a word where one of *words* stands: the other reading joined two lines."""
    return any(
        touches(box, word.box) and any(common_share(theirs.box, word.box) > ELSEWHERE for theirs in line)
        for box, line in elsewhere
        for word in words
    )


def _with_missing_lines(kept: Hypothesis, other: Hypothesis, name: str, calibration: Calibration) -> tuple[Hypothesis, int]:
    """Return *kept* with the lines that only *other* has, where nothing was read and it is sure, and their number."""
    base = kept.lines
    partners = {j: i for i, j in match_lines(base, other.lines)}
    after: dict[int, list[Line]] = {}
    before: dict[int, list[Line]] = {}
    for j, line in enumerate(other.lines):
        letters = sum(c.isalnum() for c in line.text)
        if j in partners or letters < EXTRA_CHARACTERS or calibration.mean_probability(line.words, name) < EXTRA:
            continue
        if any(touches(line.box, mine.box) for mine in base):
            continue
        above = next((partners[k] for k in range(j - 1, -1, -1) if k in partners), None)
        below = next((partners[k] for k in range(j + 1, len(other.lines)) if k in partners), None)
        if above is not None:
            # Lines that only the kept reading has may stand between, above the one to add.
            while above + 1 < len(base) and _stands_above(base[above + 1].box, line.box):
                above += 1
            after.setdefault(above, []).append(line)
        elif below is not None:
            while below > 0 and _stands_above(line.box, base[below - 1].box):
                below -= 1
            before.setdefault(below, []).append(line)
    added = sum(len(lines) for lines in (*after.values(), *before.values()))
    return (kept.edited({}, after, before), added) if added else (kept, 0)


def _stands_above(upper: Box, lower: Box) -> bool:
    """Whether one line stands above another in the same column."""
    same_column = min(upper[2], lower[2]) > max(upper[0], lower[0])
    return same_column and upper[1] + upper[3] < lower[1] + lower[3]
