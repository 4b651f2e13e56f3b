# SPDX-License-Identifier: MPL-2.0
"""Choosing between readings of a page: the better layout, then the better of each pair of lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ocrmypdf_superres.readings.calibration import expected_gain, mean_probability, probability
from ocrmypdf_superres.readings.hocr import Box, Line, Reading, Word

SURE = 0.7
"""A reading whose words are right with at least this mean probability leaves no doubt.

Measured on 62 readings of pages reduced to 60-100 dpi: a second reading below it lowers the words missed as
much as a second reading of every page, at 1.27 times the cost of one.
"""

PAGE_MARGIN = 0.03
"""The challenger's layout is taken when its expected gain is above the first reading's by this share."""
LINE_MARGIN = 0.02
"""A line is exchanged when the challenger's mean probability is above by this much, weighted as below."""
MATCH = 0.6
"""Two lines are one when their boxes' intersection is at least this share of their union."""
EXTRA = 0.85
"""A line that only the challenger has is added when its words are right with at least this mean probability ..."""
EXTRA_CHARACTERS = 4
"""... and it has at least this many letters and digits."""


@dataclass(frozen=True)
class Choice:
    """What was decided: the candidate whose layout stands, lines taken from the other, lines added, and both gains."""

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


def doubtful(words: Sequence[Word], name: str) -> bool:
    """Whether a reading of candidate *name* leaves room for a better one; one without words always does."""
    return mean_probability(words, name) < SURE


def page_winner(readings: Mapping[str, Reading]) -> str:
    """Return the candidate whose whole reading is the best; the first one stays unless another wins by the margin.

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


def choose(first: Reading, second: Reading, names: tuple[str, str]) -> tuple[Reading, Choice]:
    """Return the merged reading (one of the two, changed in place) and what was decided.

    *names* are the candidates the readings are of, for the calibration; both are in the same pixels.
    """
    return choose_among(dict(zip(names, (first, second), strict=True)))


def choose_among(readings: Mapping[str, Reading]) -> tuple[Reading, Choice]:
    """Return the best page's reading with the surer lines of the second best, and what was decided.

    *readings* are by candidate, not empty, the preferred one first, all in the same pixels. The one that is
    returned was changed in place.
    """
    gains = {name: round(expected_gain(r.words, name), 2) for name, r in readings.items()}
    kept_name = page_winner(readings)
    kept = readings[kept_name]
    others = [name for name in readings if name != kept_name]
    if not others:
        return kept, Choice(kept_name, 0, 0, gains)
    other_name = max(others, key=lambda name: gains[name])
    other = readings[other_name]
    pairs = match_lines(kept.lines, other.lines)
    exchanged = 0
    for i, j in pairs:
        ours, theirs = kept.lines[i], other.lines[j]
        if (
            _better(theirs, other_name, ours, kept_name)
            and _covers(theirs, ours, kept_name)
            and _free(theirs.box, kept.lines, i)
        ):
            kept.replace(ours, theirs)
            exchanged += 1
    added = _add_missing(kept, other, other_name, {j: i for i, j in pairs})
    if exchanged or added:
        kept.refresh()
    return kept, Choice(kept_name, exchanged, added, gains)


def _mean(line: Line, name: str) -> float:
    characters = sum(len(w.text) for w in line.words)
    return sum(len(w.text) * probability(w.confidence, name) for w in line.words) / characters


def _better(theirs: Line, their_name: str, ours: Line, our_name: str) -> bool:
    """Whether the other line is surer by the margin, and not because it leaves words out."""
    mine, yours = _mean(ours, our_name), _mean(theirs, their_name)
    longer = len(ours.text) > 1.15 * len(theirs.text) + 1
    return yours > mine + LINE_MARGIN and not (longer and expected_gain(ours.words, our_name) > expected_gain(theirs.words, their_name))


def _covers(theirs: Line, ours: Line, our_name: str) -> bool:
    """Whether every word of ours that is rather right than wrong has words in its place in the other line: none is lost."""
    return all(
        sum(_share(word.box, other.box) for other in theirs.words) > 0.5
        for word in ours.words
        if probability(word.confidence, our_name) >= 0.5
    )


def _free(box: Box, lines: list[Line], own: int) -> bool:
    """Whether *box* covers no word of another line, which would then be read twice."""
    for index, line in enumerate(lines):
        if index != own and touches(box, line.box):
            for word in line.words:
                if overlap(box, word.box) > 0 and _share(word.box, box) > 0.5:
                    return False
    return True


def _share(inner: Box, outer: Box) -> float:
    """Return how much of *inner* lies in *outer*, 0 to 1."""
    width = min(inner[2], outer[2]) - max(inner[0], outer[0])
    height = min(inner[3], outer[3]) - max(inner[1], outer[1])
    area = (inner[2] - inner[0]) * (inner[3] - inner[1])
    return width * height / area if width > 0 and height > 0 and area > 0 else 0.0


def _add_missing(kept: Reading, other: Reading, other_name: str, partners: dict[int, int]) -> int:
    """Add lines that only *other* has, where nothing was read and it is sure; return how many."""
    base = list(kept.lines)
    behind: list[tuple[int, int]] = []
    ahead: list[tuple[int, int]] = []
    for j, line in enumerate(other.lines):
        letters = sum(c.isalnum() for c in line.text)
        if j in partners or letters < EXTRA_CHARACTERS or _mean(line, other_name) < EXTRA:
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
