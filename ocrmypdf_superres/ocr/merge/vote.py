# SPDX-License-Identifier: MPL-2.0
"""Voting word by word between readings of one page (in the manner of ROVER, Fiscus, ASRU 1997).

Words of different readings that stand in one place form a slot, so that "no where" of one reading meets "nowhere" of
another. Whether there is a word at all is decided by sums of calibrated probabilities; which of several texts it is, by
:mod:`~ocrmypdf_superres.ocr.merge.evidence`.

Words are taken whole. Voting letter by letter where all readings of a place differ was tried on 41 training pages with three
readings: it changed 44 of 142 such places, and 9 of the new words were right where 8 of the old ones were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ocrmypdf_superres.metrics.boxes import Box, common_height, common_share, touches
from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.hypothesis import Hypothesis, Line, Word
from ocrmypdf_superres.ocr.lexicon import Lexicon
from ocrmypdf_superres.ocr.merge.align import Slot, match_lines
from ocrmypdf_superres.ocr.merge.ballot import Ballot, make_ballot
from ocrmypdf_superres.ocr.merge.evidence import candidates, features, read_weights
from ocrmypdf_superres.ocr.merge.gutters import SAME_ROW
from ocrmypdf_superres.ocr.merge.order import layout_winner
from ocrmypdf_superres.ocr.merge.reading_order import form_order, head_order
from ocrmypdf_superres.ocr.merge.stray_lines import stray_order

NOTHING = 0.3
"""The vote for an empty slot of a reading that has no word there."""
SILENT = 0.6
"""The same of an engine with a text detector that found nothing there.

On 24 training pages, words that Tesseract had alone were right in 9 to 28 % where it was less than half sure of them.
"""
STAY = 0.1
"""The advantage of the kept reading's text over nothing: on equal terms nothing is changed."""
KEEP = 0.5
"""A word of the kept reading that is right with at least this probability may be read otherwise, but not left out."""
ELSEWHERE = 0.25
"""A word is read already when it shares this much of the smaller box with a word of another line; ascenders may touch."""
EXTRA = 0.85
"""A line that only another reading has is added when its words are right with at least this mean probability ..."""
EXTRA_CHARACTERS = 4
"""... and it has at least this many letters and digits."""
FOREIGN = 0.6
"""Words of an engine without layout that stand in no line are added when they are right with at least this probability."""


@dataclass(frozen=True)
class Merged:
    """The result of merging.

    Attributes:
        hypothesis: the merged reading.
        layout: the variant whose layout stands.
        exchanged: number of places in which the words of another reading were taken.
        added: number of lines that were added.
        reordered: in which way lines were put into another order, for the record; empty where they were not.
        dropped: number of words left out, since they are more likely wrong than right.
    """

    hypothesis: Hypothesis
    layout: str
    exchanged: int = 0
    added: int = 0
    reordered: str = ""
    dropped: int = 0

    @property
    def mixed(self) -> bool:
        """Whether the result differs from the reading whose layout stands."""
        return bool(self.exchanged or self.added or self.reordered or self.dropped)


def merge(
    readings: Mapping[str, Hypothesis],
    calibration: Calibration,
    opinions: Mapping[str, Hypothesis] | None = None,
    again: Mapping[str, Hypothesis] | None = None,
    opinions_again: Mapping[str, Hypothesis] | None = None,
    lexicon: Lexicon | None = None,
) -> Merged:
    """Return the reading with the best layout, its words voted on by all.

    On a page that page segmentation took apart, see :func:`better_lines`, that is one of *opinions*.

    Args:
        readings: by variant, not empty, all in the same pixels; they are not changed.
        calibration: says how sure each of them is.
        opinions: by engine, readings without a page layout in these pixels. Their words are sorted into the lines of
            the best layout and vote there; what stands in no line is added.
        again: some lines only, read again by the engine of *readings*; their silence says nothing.
        opinions_again: likewise, some lines read again by the engines of *opinions*.
        lexicon: what is known of words; None for nothing.

    Raises:
        SuperresError: the package's weights are damaged.
    """
    best = layout_winner(readings, calibration)
    ballot = make_ballot(readings, best, opinions or {}, again or {}, opinions_again or {}, calibration)
    gains = {name: round(calibration.expected_gain(reading.words, name), 2) for name, reading in ballot.others.items()}
    kept, exchanged = _vote_on_lines(ballot, calibration, lexicon or Lexicon())
    added = 0
    for name in sorted(ballot.others, key=lambda name: -gains[name]):
        kept, more = _with_missing_lines(kept, readings[name], name, calibration)
        added += more
    for name, foreign in ballot.foreign.items():
        kept, more = _with_foreign_lines(kept, foreign.left, name, calibration, EXTRA if name in readings else FOREIGN)
        added += more
    merged = Merged(kept, ballot.layout, exchanged, added)
    return in_order(merged) if ballot.layout in readings else merged


def in_order(merged: Merged) -> Merged:
    """Return *merged* in reading order: a form or table row by row, elsewhere lines that strayed back in their column.

    What stands above columns comes before them.
    """
    reading = merged.hypothesis
    order = form_order(reading.lines)
    if order is not None:
        said = "a form or table, read row by row"
        return merged if order == sorted(order) else replace(merged, hypothesis=reading.reordered(order), reordered=said)
    done = []
    for find, said in ((stray_order, "lines put back into their column"), (head_order, "heads put above their columns")):
        order = find(reading.lines)
        if order is not None:
            reading = reading.reordered(order)
            done.append(said)
    return replace(merged, hypothesis=reading, reordered="; ".join(done)) if done else merged


def winner(slot: Slot, names: Sequence[str], ballot: Ballot, calibration: Calibration, lexicon: Lexicon) -> str:
    """Return the reading whose words a slot takes.

    Args:
        slot: the words of each reading in one place.
        names: the readings that have the line, or looked for it.
        ballot: tells the part of each.
        calibration: says how sure each of them is.
        lexicon: what is known of words.

    Raises:
        SuperresError: the package's weights are damaged.
    """
    if _is_empty(slot, names, ballot, calibration):
        return next(name for name in names if name not in slot.words)
    texts = candidates(slot)
    if len(texts) == 1:
        return ballot.layout if ballot.layout in slot.words else next(iter(slot.words))
    scores = features(slot, texts, ballot.parts, ballot.pages, calibration, lexicon) @ read_weights().values()
    agreeing = list(texts.values())[int(np.argmax(scores))]
    # Of those that agree, the boxes of the kept reading or of the surest one are taken.
    if ballot.layout in agreeing:
        return ballot.layout
    return max(agreeing, key=lambda name: calibration.mean_probability(slot.words[name], name))


def _is_empty(slot: Slot, names: Sequence[str], ballot: Ballot, calibration: Calibration) -> bool:
    """Whether an empty *slot* has more votes than any one text."""
    ours = slot.words.get(ballot.first)
    absent = [name for name in names if name not in slot.words]
    if not absent or (ours and calibration.mean_probability(ours, ballot.first) >= KEEP):
        return False
    votes = {text: sum(calibration.mean_probability(slot.words[n], n) for n in which) for text, which in candidates(slot).items()}
    nothing = sum(SILENT if name in ballot.silent else NOTHING for name in absent)
    if ours:
        votes[slot.text(ballot.first)] += STAY
    else:
        nothing += STAY
    most = max(votes.values())
    return nothing > most if ours else nothing >= most


def _vote_on_lines(ballot: Ballot, calibration: Calibration, lexicon: Lexicon) -> tuple[Hypothesis, int]:
    """Return the kept reading with the words that the votes chose, and in how many places they are other ones."""
    lines = ballot.kept.lines
    current = [line.words for line in lines]
    chosen: dict[int, Sequence[Word]] = {}
    exchanged = 0
    found = list(ballot.slots())
    lexicon = replace(lexicon, seen=ballot.seen(calibration, (slot for _, _, slots in found for slot in slots)))
    for i, names, slots in found:
        elsewhere = [(lines[k].box, current[k]) for k in range(len(current)) if k != i]
        words, changed = _vote(slots, names, ballot, calibration, lexicon, elsewhere)
        if changed and (words or ballot.silent):
            exchanged += changed
            chosen[i] = current[i] = words
    return ballot.kept.edited(chosen, {}, {}), exchanged


def _vote(
    slots: Sequence[Slot],
    names: Sequence[str],
    ballot: Ballot,
    calibration: Calibration,
    lexicon: Lexicon,
    elsewhere: Sequence[tuple[Box, Sequence[Word]]],
) -> tuple[list[Word], int]:
    """Return the words of one line after the vote, and the number of places that changed.

    *elsewhere* are the box and the words of each other line of the kept reading.
    """
    changed = 0
    words: list[Word] = []
    for slot in slots:
        name = winner(slot, names, ballot, calibration, lexicon)
        if slot.text(name) != slot.text(ballot.layout):
            if ballot.layout not in slot.words and _is_read(slot.words[name], elsewhere):
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


def _with_foreign_lines(
    kept: Hypothesis, lines: Sequence[Line], name: str, calibration: Calibration, sure: float
) -> tuple[Hypothesis, int]:
    """Return *kept* with *lines* that another engine read where nothing was read, and is as *sure* of, and their number.

    Each comes after the last line above it in its column, and what follows that in its row, or before the first one below it,
    else at the end.
    """
    base = kept.lines
    after: dict[int, list[Line]] = {}
    before: dict[int, list[Line]] = {}
    for line in lines:
        if calibration.mean_probability(line.words, name) < sure or not base:
            continue
        if any(common_share(mine.box, word.box) > ELSEWHERE for theirs in base for mine in theirs.words for word in line.words):
            continue
        above = [i for i, mine in enumerate(base) if _stands_above(mine.box, line.box)]
        below = [i for i, mine in enumerate(base) if _stands_above(line.box, mine.box)]
        if below and not above:
            before.setdefault(below[0], []).append(line)
        else:
            place = max(above, key=lambda i: base[i].box[3]) if above else len(base) - 1
            while place + 1 < len(base) and common_height(base[place].box, base[place + 1].box) > SAME_ROW:
                place += 1
            after.setdefault(place, []).append(line)
    added = sum(len(found) for found in (*after.values(), *before.values()))
    return (kept.edited({}, after, before), added) if added else (kept, 0)


def _stands_above(upper: Box, lower: Box) -> bool:
    """Whether one line stands above another in the same column."""
    same_column = min(upper[2], lower[2]) > max(upper[0], lower[0])
    return same_column and upper[1] + upper[3] < lower[1] + lower[3]
