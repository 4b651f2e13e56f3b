# SPDX-License-Identifier: MPL-2.0
"""Training that must end at a given time: on a machine that gets busier, fewer steps fit into it than were planned."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from time import monotonic

log = logging.getLogger(__name__)

SLACK = 0.02
"""Share of the steps by which a new count must differ; less is chance."""


@dataclass(frozen=True)
class TimeLimit:
    """When training must end.

    Attributes:
        until: seconds of :func:`time.monotonic` at which all must be done.
        after: seconds that what follows the training takes at the planned pace.
        pace: seconds that a step took when the steps were planned; infinite where that is not known.
    """

    until: float
    after: float
    pace: float = math.inf


class Planner:
    """Sets the number of steps of a run to what the time is enough for.

    It looks at the pace since it was asked before. A machine on which steps take longer takes longer after them too.

    Args:
        limit: the time available. most: the steps of the recipe, which are never exceeded.
    """

    def __init__(self, limit: TimeLimit, most: int) -> None:
        self.limit = limit
        self.most = most
        self._seen: tuple[int, float] | None = None

    def start(self, step: int) -> None:
        """Begin to measure after *step*, the first one of the process, which waited for its batch."""
        if self._seen is None:
            self._seen = step, monotonic()

    def plan(self, step: int, steps: int) -> int:
        """Return how many steps the run should have now that *step* is done and *steps* were planned."""
        now = monotonic()
        before, then = self._seen or (step, now)
        self._seen = step, now
        if step == before:
            return steps
        pace = (now - then) / (step - before)
        left = self.limit.until - now - self.limit.after * max(0.0, pace / self.limit.pace - 1)
        planned = max(step + 1, min(self.most, step + int(left / pace)))
        if abs(planned - steps) <= SLACK * steps:
            return steps
        log.info("A step takes %.2f s now: %d steps in all instead of %d.", pace, planned, steps)
        return planned
