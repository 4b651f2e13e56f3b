# SPDX-License-Identifier: MPL-2.0
"""Choosing between readings of a page: the best layout, then a vote on the words of its lines."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ocrmypdf_superres.ocr.calibration import expected_gain, mean_probability
from ocrmypdf_superres.ocr.hocr import Box, Line, Reading, Word
from ocrmypdf_superres.ocr.merge.vote import make_slots, winner

SURE = 0.76
"""A first reading whose words are right with at least this mean probability leaves no doubt.

Measured on 40 training pages reduced to 72-150 dpi: a second reading below it costs about 1.3 times one reading's time and
finds half or more of what a second reading of every page finds.
"""
LOST = 0.4
"""Two readings of which the better is below this leave the page lost, and the further forms are read too."""

PAGE_MARGIN = 0.03
"""The challenger's layout is taken when its expected gain is above the first reading's by this share."""
LAYOUT_MARGIN = 0.1
"""A reading may give the order of lines when its expected gain is within this share of the best one's."""
MATCH = 0.6
"""Two lines are one when their boxes' intersection is at least this share of their union."""
ELSEWHERE = 0.25
"""A word is read already when it shares this much of the smaller box with a word of another line; ascenders may touch."""
EXTRA = 0.85
"""A line that only the challenger has is added when its words are right with at least this mean probability ..."""
EXTRA_CHARACTERS = 4
"""... and it has at least this many letters and digits."""


@dataclass(frozen=True)
class Choice:
    """What was decided: the candidate whose layout stands, words taken from the others, lines added, and all gains."""

    layout: str
    exchanged: int
    added: int
    gains: dict[str, float]


def overlap(a: Box, b: Box) -> float:
    """Return the intersection of two boxes over their union, 0 to 1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    inner = width * height
    return inner / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner)


def touches(a: Box, b: Box) -> bool:
    """Whether two boxes share any area."""
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def match_lines(first: list[Line], second: list[Line]) -> list[tuple[int, int]]:
    """Return index pairs of lines that are one and the same; each line is in one pair at most.

    A pair whose line also covers much of a third line is left out: one reading joined what the other divided.
    """
    pairs = []
    for i, a in enumerate(first):
        best = max(range(len(second)), key=lambda j: overlap(a.box, second[j].box), default=None)
        if best is None or overlap(a.box, second[best].box) < MATCH:
            continue
        back = max(range(len(first)), key=lambda k: overlap(first[k].box, second[best].box))
        if back == i:
            pairs.append((i, best))
    return pairs


def doubtful(readings: Mapping[str, Reading]) -> bool:
    """Whether what was read so far calls for a further reading: a doubtful first one, or two of a page that seems lost."""
    if not readings:
        return True
    best = page_winner(readings)
    return mean_probability(readings[best].words, best) < (SURE if len(readings) == 1 else LOST)


def page_winner(readings: Mapping[str, Reading]) -> str:
    """Return the candidate whose whole reading, unmixed, is the best; the first one stays unless another wins by the margin.

    *readings* are by candidate, not empty; the gains are expected right characters, so a reading that lost
    most of the text loses, and so does one that invented text.
    """
    names = list(readings)
    winner = names[0]
    gains = {name: expected_gain(readings[name].words, name) for name in names}
    for name in names[1:]:
        if gains[name] > gains[winner] + PAGE_MARGIN * max(abs(gains[winner]), 1.0):
            winner = name
    return winner


def layout_winner(readings: Mapping[str, Reading]) -> str:
    """Return the candidate whose order of lines stands: of those that read nearly as much as any, the one with the shortest way.

    Where Tesseract takes a column or a table apart, the reader's eye has to jump across the page.
    """
    gains = {name: expected_gain(reading.words, name) for name, reading in readings.items()}
    enough = max(gains.values()) - LAYOUT_MARGIN * abs(max(gains.values())) - 1.0
    able = [name for name in readings if gains[name] >= enough]
    return min(able, key=lambda name: (way(readings[name].lines), -gains[name]))


def way(lines: Sequence[Line]) -> float:
    """Return how far the eye moves from line to line, in line heights: down, and a fifth of the way across.

    Each move counts 20 at most, for one jump to the top of the next column is as it should be.
    """
    total = 0.0
    for one, following in itertools.pairwise(lines):
        height = max(1, one.box[3] - one.box[1])
        total += min(20.0, abs(following.box[1] - one.box[3]) / height)
        total += min(20.0, abs(following.box[0] - one.box[0]) / height / 5)
    return total


def choose_among(readings: Mapping[str, Reading]) -> tuple[Reading, Choice]:
    """Return the reading with the best layout, its words voted on by all, and what was decided.

    *readings* are by candidate, not empty, all in the same pixels.  The one that is returned was changed in place.
    """
    gains = {name: round(expected_gain(r.words, name), 2) for name, r in readings.items()}
    kept_name = layout_winner(readings)
    kept = readings[kept_name]
    others = sorted((name for name in readings if name != kept_name), key=lambda name: -gains[name])
    partners = {name: dict(match_lines(kept.lines, readings[name].lines)) for name in others}
    exchanged = added = 0
    for i, line in enumerate(kept.lines):
        lines = {kept_name: line, **{name: readings[name].lines[partners[name][i]] for name in others if i in partners[name]}}
        if len(lines) > 1 and not any(one.turned for one in lines.values()):
            exchanged += _vote(kept, lines, kept_name)
    kept.refresh()
    for name in others:
        found = _add_missing(kept, readings[name], name)
        if found:
            added += found
            kept.refresh()
    return kept, Choice(kept_name, exchanged, added, gains)


def _vote(kept: Reading, lines: Mapping[str, Line], kept_name: str) -> int:
    """Write into the kept reading's line what the vote makes of it; return the number of places that changed."""
    names = list(lines)
    ours = lines[kept_name]
    changed = 0
    words: list[Word] = []
    for slot in make_slots(lines, kept_name):
        name = winner(slot, names, kept_name)
        if slot.text(name) != slot.text(kept_name):
            if kept_name not in slot.words and _read_elsewhere(slot.words[name], kept, ours):
                continue
            changed += 1
        words += slot.words.get(name, [])
    if not changed or not words:
        return 0
    kept.rewrite(ours, words)
    ours.words = words
    return changed


def _read_elsewhere(words: Sequence[Word], kept: Reading, own: Line) -> bool:
    """Whether another line of *kept* has a word where one of *words* stands: the other reading joined two lines."""
    return any(
        touches(line.box, word.box) and any(_common(theirs.box, word.box) > ELSEWHERE for theirs in line.words)
        for line in kept.lines
        if line is not own
        for word in words
    )


def _common(a: Box, b: Box) -> float:
    """Return the area two boxes share over the smaller one's, 0 to 1."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    area = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return width * height / area if width > 0 and height > 0 and area > 0 else 0.0


def _add_missing(kept: Reading, other: Reading, other_name: str) -> int:
    """Add lines that only *other* has, where nothing was read and it is sure; return how many."""
    partners = {j: i for i, j in match_lines(kept.lines, other.lines)}
    base = list(kept.lines)
    behind: list[tuple[int, int]] = []
    ahead: list[tuple[int, int]] = []
    for j, line in enumerate(other.lines):
        letters = sum(c.isalnum() for c in line.text)
        if j in partners or letters < EXTRA_CHARACTERS or mean_probability(line.words, other_name) < EXTRA:
            continue
        if any(touches(line.box, mine.box) for mine in base):
            continue
        before = next((partners[k] for k in range(j - 1, -1, -1) if k in partners), None)
        after = next((partners[k] for k in range(j + 1, len(other.lines)) if k in partners), None)
        if before is not None:
            # Lines that only the kept reading has may stand between, above the one to add.
            while before + 1 < len(base) and _above(base[before + 1].box, line.box):
                before += 1
            behind.append((before, j))
        elif after is not None:
            while after > 0 and _above(line.box, base[after - 1].box):
                after -= 1
            ahead.append((after, j))
    # Each goes next to its anchor, so those behind one are put in from the last to the first.
    for anchor, j in reversed(behind):
        kept.insert_after(base[anchor], other.lines[j])
    for anchor, j in ahead:
        kept.insert_before(base[anchor], other.lines[j])
    return len(behind) + len(ahead)


def _above(upper: Box, lower: Box) -> bool:
    """Whether one line stands above another in the same column."""
    same_column = min(upper[2], lower[2]) > max(upper[0], lower[0])
    return same_column and upper[1] + upper[3] < lower[1] + lower[3]
