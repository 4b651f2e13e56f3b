# SPDX-License-Identifier: MPL-2.0
"""The readings of a page before the vote: which words of which reading stand in one place, and what part each reading plays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ocrmypdf_superres.ocr.calibration import Calibration
from ocrmypdf_superres.ocr.hypothesis import Hypothesis, Line
from ocrmypdf_superres.ocr.lexicon import core
from ocrmypdf_superres.ocr.merge.align import Slot, make_slots, match_lines
from ocrmypdf_superres.ocr.merge.detected_lines import arranged, better_lines
from ocrmypdf_superres.ocr.merge.evidence import AGAIN, FIRST, OTHER, OTHER_AGAIN, log_odds
from ocrmypdf_superres.ocr.merge.regroup import Regrouped, regroup

LOOKED = 0.5
"""An engine's silence counts on a page of which it read at least this many words, as a share of the kept reading's."""
SURE = 0.93
"""A word that the kept reading is so sure of, or that another engine reads alike, counts as standing on the page."""


@dataclass(frozen=True)
class Ballot:
    """The readings of a page, sorted into the lines of the one whose layout stands.

    Attributes:
        kept, layout: that reading and its name.
        best, first: the best whole reading and its name: the same one, but on a page that page segmentation took apart.
        others: further whole readings whose lines are the same ones, by name.
        foreign: words of readings whose lines are other ones, or of some lines only, by name.
        parts: by the name of a reading, the part that it plays; see :mod:`~ocrmypdf_superres.ocr.merge.evidence`.
        pages: by a part of a whole reading, how sure that is of the page: the log-odds of the mean probability of its words; of
            several engines those of the surest, and 0 without one.
        silent: the readings whose having no word in a place speaks against one.
    """

    kept: Hypothesis
    layout: str
    best: Hypothesis
    first: str
    others: Mapping[str, Hypothesis]
    foreign: Mapping[str, Regrouped]
    parts: Mapping[str, str]
    pages: Mapping[str, float]
    silent: Sequence[str]

    def slots(self) -> Iterator[tuple[int, list[str], list[Slot]]]:
        """Yield the lines that more than one reading has: index, names of the readings, and slots."""
        partners = {name: dict(match_lines(self.kept.lines, reading.lines)) for name, reading in self.others.items()}
        for i, line in enumerate(self.kept.lines):
            lines = {self.layout: line, **{n: self.others[n].lines[partners[n][i]] for n in self.others if i in partners[n]}}
            heard = {n: one.lines.get(i, []) for n, one in self.foreign.items() if i in one.lines or n in self.silent}
            lines |= {n: Line(words, line.box, line.element) for n, words in heard.items()}
            if len(lines) > 1 and not any(one.turned for one in lines.values()):
                yield i, list(lines), make_slots(lines, self.layout)

    def seen(self, calibration: Calibration, slots: Iterable[Slot]) -> frozenset[str]:
        """Return the words that stand on the page beyond doubt: those that are sure, or that two engines read alike."""
        sure = [word for word in self.best.words if calibration.probability(word.confidence, self.first) > SURE]
        engines = [name for name, part in self.parts.items() if part == OTHER]
        for slot in slots:
            if any(name in slot.words and slot.text(name) == slot.text(self.first) for name in engines):
                sure += slot.words.get(self.first, [])
        return frozenset(core(part) for word in sure for part in word.text.split())


def make_ballot(
    readings: Mapping[str, Hypothesis],
    best: str,
    opinions: Mapping[str, Hypothesis],
    again: Mapping[str, Hypothesis],
    opinions_again: Mapping[str, Hypothesis],
    calibration: Calibration,
) -> Ballot:
    """Return the readings sorted into the lines of *best*, one of *readings*, or of an engine; see :func:`merge`."""
    lines = better_lines(best, readings, opinions, calibration)
    kept = arranged(opinions[lines]) if lines else readings[best]
    others = {} if lines else {name: reading for name, reading in readings.items() if name != best}
    unlike = {**(readings if lines else {}), **opinions, **again, **opinions_again}
    foreign = {name: regroup(kept.lines, one.lines) for name, one in unlike.items() if name != lines}
    parts = dict.fromkeys(readings, AGAIN) | dict.fromkeys(opinions, OTHER)
    parts |= dict.fromkeys(again, AGAIN) | dict.fromkeys(opinions_again, OTHER_AGAIN) | {best: FIRST}
    silent = [name for name in opinions if name == lines or foreign[name].count >= LOOKED * max(1, len(kept.words))]
    sure = [calibration.mean_probability(one.words, name) for name, one in opinions.items() if one.words]
    pages = {
        FIRST: log_odds(calibration.mean_probability(readings[best].words, best)),
        OTHER: log_odds(max(sure)) if sure else 0.0,
    }
    return Ballot(kept, lines or best, readings[best], best, others, foreign, parts, pages, silent)
