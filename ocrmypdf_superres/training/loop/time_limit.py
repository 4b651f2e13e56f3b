# SPDX-License-Identifier: MPL-2.0
"""Training that ends by the clock: on a machine that gets busier, fewer steps fit into the time than were planned."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from ocrmypdf_superres.training.data.batches import Batch
from ocrmypdf_superres.training.recipe import Recipe, Stage
from ocrmypdf_superres.training.run_log import RunLog
from ocrmypdf_superres.training.trainer import Trainer

log = logging.getLogger(__name__)

SLACK = 0.02
"""Share of the steps by which a new count must differ; less is chance."""


@dataclass(frozen=True)
class Time:
    """When training must end, in seconds of :func:`time.monotonic`, and how long what follows it takes at the planned pace.

    ``pace`` is how many seconds a step took when the steps were planned; infinite where that is not known.
    """

    until: float
    after: float
    pace: float = math.inf


class TimedTrainer(Trainer):
    """A :class:`Trainer` of a recipe with one stage, whose steps become fewer where they take longer than was thought.

    At each checkpoint the steps are set to what the time is enough for at the pace since the one before, never more than
    the recipe has; the learning rate falls to the new end.  A machine on which steps take longer takes longer after them too.

    Args:
        recipe, data, run: as for :class:`Trainer`. time: what there is.
        write: called with the number of steps before it changes, so that a resumed run knows it.
    """

    def __init__(self, recipe: Recipe, data: Path, run: Path, time: Time, write: Callable[[int], None]) -> None:
        super().__init__(recipe, data, run)
        self.time = time
        self.write = write
        self.planned = len(self.batches)
        self._seen: tuple[int, float] | None = None

    def _write(self, runlog: RunLog, step: int, stage: Stage, batch: Batch, ends: bool) -> None:
        super()._write(runlog, step, stage, batch, ends)
        if self._seen is None:
            # The first step of a process waits for its batch.
            self._seen = step, monotonic()
        elif step % self.recipe.checkpoint_every == 0 and not ends:
            self._plan(step, stage)

    def _plan(self, step: int, stage: Stage) -> None:
        assert self._seen is not None
        now, (before, then) = monotonic(), self._seen
        self._seen = step, now
        pace = (now - then) / (step - before)
        left = self.time.until - now - self.time.after * max(0.0, pace / self.time.pace - 1)
        steps = max(step + 1, min(self.planned, step + int(left / pace)))
        if abs(steps - stage.steps) <= SLACK * stage.steps:
            return
        log.info("A step takes %.2f s now: %d steps in all instead of %d.", pace, steps, stage.steps)
        self.write(steps)
        self.recipe = replace(self.recipe, stages=(replace(stage, steps=steps),))
        self.batches.sizes = [stage.batch] * steps
