# SPDX-License-Identifier: MPL-2.0
"""Fine-tuning a model for one's own scans, without annotation: sort, read, train, compare, save."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import tomli_w

from ocrmypdf_superres.errors import OptionError, SuperresError
from ocrmypdf_superres.files import atomic_write_text
from ocrmypdf_superres.modelstore.cards import check_name
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.processes import available_cores
from ocrmypdf_superres.tables import read_toml
from ocrmypdf_superres.tesseract import find_traineddata
from ocrmypdf_superres.training.data.estimate import estimate_folder, like
from ocrmypdf_superres.training.data.split import prepare_pages, split_scans
from ocrmypdf_superres.training.loop.time_limit import TimeLimit
from ocrmypdf_superres.training.loop.trainer import CHECKPOINT
from ocrmypdf_superres.training.recipe import read_recipe
from ocrmypdf_superres.training.super_resolution import super_resolution_trainer
from ocrmypdf_superres.training.workflows.export_run import export_run
from ocrmypdf_superres.training.workflows.finetune_recipe import choose_recognizers, set_steps, set_time, tuning_values

log = logging.getLogger(__name__)

RECIPE = "recipe.toml"
LEAST_SHARE = 0.25
"""Share of the minutes that is trained at least, however long reading took."""


class Gain(Protocol):
    """How much better one model reads the held-out pages than another."""

    @property
    def better(self) -> bool:
        """Whether the new model is to be saved."""
        ...

    @property
    def summary(self) -> str:
        """Both models' error rates, in words."""
        ...


class Comparison(Protocol):
    """Reads held-out pages with two models in turn; where it comes from is not the business of training."""

    def read_before(self, folder: Path, model: str, cache: Path, jobs: int) -> float:
        """Read the pages of *folder*, which has an index, with *model*; return the seconds that it takes without *cache*.

        Raises:
            SuperresError: a page cannot be read.
        """
        ...

    def read_after(self, model: str) -> Gain:
        """Read the same pages with the new *model*.

        Raises:
            SuperresError: a page cannot be read.
        """
        ...

    def card_metrics(self, base: str) -> Mapping[str, str]:
        """Return the error rates for the card of the new model, whose base is *base*."""
        ...


@dataclass(frozen=True)
class FinetuneSettings:
    """What to fine-tune, and for how long.

    Attributes:
        scans: a folder of scans of about 200 dpi and more. out: the model folder to write.
        base: the model to start from. languages: Tesseract's, joined by ``+``.
        minutes: how long it may take in all, anew when resumed. steps: train so many steps instead.
        low: scans of low resolution to imitate. text: folders by language whose text is rendered and mixed in.
        force: save the model even where nothing was gained. resume: go on with an interrupted run.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    """

    scans: Path
    out: Path
    base: str
    languages: str = "eng"
    minutes: float = 40.0
    steps: int | None = None
    low: Path | None = None
    text: Path | None = None
    force: bool = False
    resume: bool = False
    device: str = "auto"

    @property
    def run(self) -> Path:
        """The folder for all that may be deleted afterwards."""
        return self.out.with_name(f"{self.out.name}.run")


@dataclass(frozen=True)
class Finetuned:
    """The outcome: the *gain* over *base*, and whether the model was *saved*."""

    gain: Gain
    base: str
    saved: bool


def finetune(settings: FinetuneSettings, comparison: Comparison) -> Finetuned:
    """Fine-tune, compare, and save the model where it reads better than its base.

    Raises:
        SuperresError: an argument, the scans or the disk cannot be used.
        KeyboardInterrupt: the user stopped it; what was done is kept.
    """
    _check(settings)
    try:
        return _finetune(settings, comparison)
    except KeyboardInterrupt:
        log.info("What was done is kept in %s; the same command with --resume goes on.", settings.run)
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        raise SuperresError(
            f"{error.filename or settings.run} cannot be written ({error.strerror}); make room, then the same command with "
            "--resume goes on."
        ) from error


def _check(settings: FinetuneSettings) -> None:
    """Refuse at once what would fail after an hour."""
    check_name(settings.out.name)
    if settings.out.exists():
        raise OptionError(f"{settings.out} exists already; give another name with -o.")
    if not settings.minutes > 0 or (settings.steps is not None and settings.steps < 1):
        raise OptionError("--minutes and --steps must be above 0.")
    if (settings.run / RECIPE).exists() and not settings.resume:
        raise OptionError(
            f"{settings.run} holds an earlier run; add --resume to go on with it, delete it, or give another name with -o."
        )
    for language in settings.languages.split("+"):
        find_traineddata(language)
    find_model(settings.base)


def _finetune(settings: FinetuneSettings, comparison: Comparison) -> Finetuned:
    began = time.monotonic()
    run, recipe = settings.run, settings.run / RECIPE
    jobs = available_cores()
    # Without a recipe a run was stopped while it was reading, and its readings are kept.
    values = None if recipe.is_file() else _prepare(settings, jobs)
    base = settings.base if values is not None else read_recipe(recipe).base
    reading_began = time.monotonic()
    seconds = comparison.read_before(run / "held-out", base, run / "readings", jobs)
    # The comparison afterwards takes what this one took, even where its readings were kept from before.
    after = max(time.monotonic() - reading_began, seconds)
    limit = None if settings.steps else _limit(settings.minutes, began, after)
    if values is not None:
        if limit is None:
            set_steps(values, settings.steps or 1)
        else:
            limit = replace(limit, pace=set_time(values, run, limit.until - time.monotonic(), settings.device))
        atomic_write_text(recipe, tomli_w.dumps(values))
    _train(recipe, run, limit, settings.device)
    export_run(recipe, run, run / "model")
    gain = comparison.read_after(str(run / "model"))
    saved = gain.better or settings.force
    if saved:
        export_run(recipe, run, settings.out, metrics=comparison.card_metrics(base))
    return Finetuned(gain, base, saved)


def _prepare(settings: FinetuneSettings, jobs: int) -> dict[str, Any]:
    """Sort the scans, let Tesseract read them, and return the recipe, whose steps are yet to be set."""
    split = split_scans(settings.scans)
    settings.run.mkdir(parents=True, exist_ok=True)
    log.info("Reading %d pages with Tesseract.", len(split.learnt) + len(split.held_out))
    learnt, held_out = prepare_pages(split, settings.languages, settings.run, jobs)
    log.info("%d pages to learn from, %d held out, of %d documents.", learnt, held_out, split.documents)
    if split.small:
        log.info("%d pages of less than about 200 dpi are left out.", split.small)
    if split.unreadable:
        log.warning(
            "%d files or pages cannot be read and are left out, the first: %s", len(split.unreadable), split.unreadable[0]
        )
    recognizers = choose_recognizers(settings.languages, settings.run)
    values = tuning_values(settings.out.name, find_model(settings.base), settings.languages, recognizers, settings.text)
    if settings.low is not None:
        values["degradation"] = like(estimate_folder(settings.low), values["degradation"])
    return values


def _limit(minutes: float, began: float, after: float) -> TimeLimit:
    """Return the training's time where all is to end *minutes* after *began*, with *after* seconds of comparing."""
    now, given = time.monotonic(), 60 * minutes
    left = began + given - after - now
    if left < LEAST_SHARE * given:
        left = LEAST_SHARE * given
        log.warning(
            "Reading pages alone takes %.1f of the %g minutes; a quarter of them is still trained, about %.1f minutes in all.",
            (now - began + after) / 60, minutes, (now - began + left + after) / 60,
        )  # fmt: skip
    return TimeLimit(now + left, after)


def _train(recipe_path: Path, run: Path, limit: TimeLimit | None, device: str) -> None:
    """Train, and say in the recipe how many steps it came to."""
    trainer = super_resolution_trainer(read_recipe(recipe_path), run, run, device, limit)
    if (run / CHECKPOINT).is_file():
        trainer.resume(run / CHECKPOINT)
    trainer.fit()
    values = read_toml(recipe_path, "The recipe")
    if values["stages"][0]["steps"] != trainer.total:
        values["stages"][0]["steps"] = trainer.total
        atomic_write_text(recipe_path, tomli_w.dumps(values))
