# SPDX-License-Identifier: MPL-2.0
"""All readings of one page: collected, merged and described."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ocrmypdf_superres.metrics.boxes import Box
from ocrmypdf_superres.ocr.calibration import Calibration, line_row, mean_confidence, with_line_rows
from ocrmypdf_superres.ocr.engines.opinion import on_original
from ocrmypdf_superres.ocr.hypothesis import Hypothesis, Word
from ocrmypdf_superres.ocr.lexicon import lexicon_for
from ocrmypdf_superres.ocr.merge.detected_lines import arranged
from ocrmypdf_superres.ocr.merge.joined_lines import divide_joined
from ocrmypdf_superres.ocr.merge.order import layout_winner, page_winner
from ocrmypdf_superres.ocr.merge.seams import join_seams
from ocrmypdf_superres.ocr.merge.vote import Merged, in_order, merge
from ocrmypdf_superres.ocr.second_opinion import LOST, SURE, UNREAD, ask_below, in_turn, is_lost, wants_opinion
from ocrmypdf_superres.ocr.variants import NET
from ocrmypdf_superres.plugin.handover import PageState

FALSE_TURN = 0.5
"""A line up or down the page whose words are right with a lower mean probability than this is dropped."""


@dataclass
class Gathered:
    """The readings of one page, all in the pixels of the image that was handed over.

    Attributes:
        whole: whole readings by variant, in the order in which they were made.
        lines: doubtful lines that were read again, by variant.
        opinions: what further engines read, by engine.
        opinion_lines: doubtful lines that further engines read on the original page, by engine.
        seconds: what each whole reading took, by variant.
        line_seconds: what reading lines again took, by variant.
        opinion_seconds: what each further engine took.
        unread: number of lines of ink that no word covers.
        joined: the variants whose lines are no longer those that the engine wrote.
        calibration: how far each can be trusted; None where that is not known.
    """

    whole: dict[str, Hypothesis] = field(default_factory=dict)
    lines: dict[str, Hypothesis] = field(default_factory=dict)
    opinions: dict[str, Hypothesis] = field(default_factory=dict)
    opinion_lines: dict[str, Hypothesis] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    line_seconds: dict[str, float] = field(default_factory=dict)
    opinion_seconds: dict[str, float] = field(default_factory=dict)
    unread: int = 0
    joined: set[str] = field(default_factory=set)
    calibration: Calibration | None = None

    def tells_confidences(self) -> bool:
        """Whether the engine tells of any word how sure it is."""
        return any(word.element.confidence is not None for reading in self.whole.values() for word in reading.words)

    def opinion_alone(self) -> Merged | None:
        """Return what the first further engine read, in reading order, where the engine itself read nothing; else None."""
        if any(reading.words for reading in self.whole.values()):
            return None
        return next((Merged(arranged(opinion), name) for name, opinion in self.opinions.items() if opinion.words), None)

    def layout(self) -> str | None:
        """Return the variant whose lines stand; None where nothing was read, or nothing is known of how far to trust it."""
        if not self.whole or self.calibration is None:
            return None
        return layout_winner(self.whole, self.calibration)

    def drop_false_turns(self, variant: str) -> None:
        """Drop lines up or down the page from the whole reading of *variant* that are more likely wrong than right.

        Layout analysis takes columns of figures for such lines, which then stand where the figures are. A page that has no
        other lines keeps them.
        """
        reading, calibration = self.whole[variant], self.calibration
        if calibration is None or all(line.turned for line in reading.lines):
            return
        false: dict[int, Sequence[Word]] = {
            number: []
            for number, line in enumerate(reading.lines)
            if line.turned and calibration.mean_probability(line.words, variant) < FALSE_TURN
        }
        if false:
            self.whole[variant] = reading.edited(false, {}, {})
            self.joined.add(variant)

    def mend_lines(self, variant: str) -> list[Box]:
        """Join the lines of the whole reading of *variant* that were cut in two; return the boxes of those that changed.

        Those that run across a gutter are divided.
        """
        joined, seams = join_seams(self.whole[variant])
        self.whole[variant], parts = divide_joined(joined)
        if seams or parts:
            self.joined.add(variant)
        return seams + parts

    def merged(self, may_change: bool, languages: Sequence[str]) -> Merged | None:
        """Return the readings merged; None where no lines and words are known of any.

        Args:
            may_change: whether the lines of a form may be brought into the order of its rows.
            languages: of the page, whose word lists take part in a vote.

        Raises:
            SuperresError: the package's weights of the vote are damaged.
        """
        if not self.whole:
            return None
        for variant in self.whole if may_change else ():
            self.whole[variant], parts = divide_joined(self.whole[variant])
            if parts:
                self.joined.add(variant)
        others = len(self.opinions) + len(self.lines) + len(self.opinion_lines)
        if self.calibration is None or len(self.whole) + others < 2:
            best = next(iter(self.whole))
            alone = Merged(self.whole[best], best)
            return in_order(alone) if may_change else alone
        calibration = with_line_rows(self.calibration, self._all_lines())
        again = {line_row(name): reading for name, reading in self.lines.items()}
        opinions_again = {line_row(on_original(name)): reading for name, reading in self.opinion_lines.items()}
        return merge(self.whole, calibration, self.opinions, again, opinions_again, lexicon_for(languages))

    def _all_lines(self) -> dict[str, Hypothesis]:
        return self.lines | {on_original(name): reading for name, reading in self.opinion_lines.items()}

    def best(self) -> str:
        """Return the variant of the best whole reading, of which there must be one; the first where that is not known."""
        return page_winner(self.whole, self.calibration) if self.calibration is not None else next(iter(self.whole))

    def best_reading(self) -> Hypothesis | None:
        """Return the best whole reading, None where there is none."""
        return self.whole[self.best()] if self.whole else None

    def given_up(self, state: PageState, sure: float = LOST) -> bool:
        """Whether the page is not worth more time: no text was measured, or hopelessly small text, and what was read is lost.

        Without text measured, words that are right with less than the mean probability *sure* are none.
        """
        if self.calibration is None or not (state.no_text or state.hopeless):
            return False
        return is_lost(self.whole, self.calibration, sure if state.no_text else LOST)

    def wants_engines(self, state: PageState, tuned: bool) -> bool:
        """Whether further engines should be asked, after readings with *tuned* networks or without."""
        if self.calibration is None or self.given_up(state, SURE):
            return False
        below = ask_below(state.original is not None, tuned)
        return self.unread >= UNREAD or wants_opinion(self.whole, self.calibration, below)

    def in_turn(self, variants: Sequence[str]) -> list[str]:
        """Return *variants* in the order in which they should be read; see :func:`second_opinion.in_turn`."""
        return in_turn(variants, self.whole, self.calibration) if self.calibration is not None else list(variants)

    def describe(self, merged: Merged | None) -> dict[str, Any]:
        """Return fields for the page's record: which reading won, by how much, and what the readings cost."""
        spent = sum(self.seconds.values()) + sum(self.line_seconds.values())
        return {
            "reading": merged.layout if merged else None,
            "words_exchanged": merged.exchanged if merged else 0,
            "lines_added": merged.added if merged else 0,
            "words_dropped": merged.dropped if merged else 0,
            "reordered": bool(merged and merged.reordered),
            "confidence": {name: round(mean_confidence(h.words), 2) for name, h in self.whole.items()},
            "probability": self._probabilities(),
            "words": {name: len(h.words) for name, h in self.whole.items()},
            "reading_seconds": _rounded(self.seconds),
            "lines_read": {name: len(reading.lines) for name, reading in self._all_lines().items()},
            "lines_unread": self.unread,
            "line_seconds": _rounded(self.line_seconds),
            "reading_cost": round(spent / max(self.seconds.get(NET, 0.0), 1e-3), 2),
            "opinions": {name: len(opinion.words) for name, opinion in self.opinions.items()},
            "opinion_seconds": _rounded(self.opinion_seconds),
        }

    def _probabilities(self) -> dict[str, float]:
        """Return how likely a word of each whole reading is right, by variant; empty where that is not known."""
        if self.calibration is None:
            return {}
        sure = self.calibration.mean_probability
        return {name: round(sure(reading.words, name), 4) for name, reading in self.whole.items()}

    def sentence(self, merged: Merged) -> str:
        """Return what the log line adds about a page that was read more than once or put into another order."""
        said = ""
        if len(self.seconds) > 1 or self.line_seconds:
            sure = ", ".join(f"{name} {value:.2f}" for name, value in self._probabilities().items())
            sure += "; " if sure else ""  # a further engine alone tells none
            again = sum(len(reading.lines) for reading in self._all_lines().values())
            times = "once" if len(self.seconds) == 1 else f"{len(self.seconds)} times"
            said = (
                f"; read {times} and {again} lines again, the order of {merged.layout} kept "
                f"({sure}{merged.exchanged} words exchanged, {merged.added} lines added)"
            )
        return said + (f"; {merged.reordered}" if merged.reordered else "")


def _rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in seconds.items()}
