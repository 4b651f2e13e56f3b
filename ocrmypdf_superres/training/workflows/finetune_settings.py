# SPDX-License-Identifier: MPL-2.0
"""What fine-tuning a model and fine-tuning Tesseract's networks share: settings, checks, time, and the comparison of pages."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ocrmypdf_superres.errors import OptionError, SuperresError
from ocrmypdf_superres.modelstore.cards import check_name
from ocrmypdf_superres.tesseract import find_traineddata
from ocrmypdf_superres.training.data.split import Split, prepare_pages

log = logging.getLogger(__name__)

LEAST_SHARE = 0.25
"""Share of the minutes that is trained at least, however long reading took."""


class Gain(Protocol):
    """How much better the held-out pages are read afterwards."""

    @property
    def better(self) -> bool:
        """Whether the result is to be saved."""
        ...

    @property
    def summary(self) -> str:
        """The error rates before and after, in words."""
        ...


class Comparison(Protocol):
    """Reads held-out pages before and after; training does not know how."""

    def read_before(self, folder: Path, base: str, cache: Path, jobs: int) -> float:
        """Read the pages of *folder*, which has an index, with *base*; return the seconds that it takes without *cache*.

        Args:
            folder: of held-out pages.
            base: a model, or networks as ``--superres-networks`` takes them.
            cache: a folder to keep readings in.
            jobs: pages read at a time.

        Raises:
            SuperresError: a page cannot be read.
        """
        ...

    def read_after(self, tuned: str) -> Gain:
        """Read the same pages with the folder *tuned*, a model or networks.

        Raises:
            SuperresError: a page cannot be read.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """What to fine-tune on, and for how long.

    Attributes:
        scans: folder of scans of about 200 dpi or more.
        out: folder to write.
        base: what to start from: a model, or networks as ``--superres-networks`` takes them.
        languages: Tesseract's, joined by ``+``.
        minutes: how long everything may take; *resume* starts the count again.
        steps: number of training steps, for each network, instead of *minutes*.
        text: folder with a folder of text files per language, which is rendered and mixed in.
        force: save the result even if nothing was gained.
        resume: continue an interrupted run.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    """

    scans: Path
    out: Path
    base: str
    languages: str = "eng"
    minutes: float = 40.0
    steps: int | None = None
    text: Path | None = None
    force: bool = False
    resume: bool = False
    device: str = "auto"

    @property
    def run(self) -> Path:
        """The folder for everything that may be deleted afterwards."""
        return self.out.with_name(f"{self.out.name}.run")

    def check(self, started: str) -> None:
        """Refuse at once what would fail after an hour; *started* is a file in the run's folder that an earlier run wrote.

        Raises:
            OptionError: an argument cannot be used, there is an earlier run and it is not to be resumed, or none and it is.
            RecognizerError: a language is not installed.
        """
        check_name(self.out.name)
        if self.out.exists():
            raise OptionError(f"{self.out} exists already; give another name with -o.")
        if not self.minutes > 0 or (self.steps is not None and self.steps < 1):
            raise OptionError("--minutes and --steps must be above 0.")
        if (self.run / started).exists() and not self.resume:
            raise OptionError(
                f"{self.run} holds an earlier run; add --resume to continue it, delete it, or give another name with -o."
            )
        if self.text is not None and not self.text.is_dir():
            raise OptionError(
                f"--text was given {self.text}, a folder of texts by language (eng/*.txt) was expected; correct it."
            )
        if self.resume and not self.run.exists():
            raise OptionError(
                f"There is no run {self.run} to continue; start without --resume, or give the name that it had with -o."
            )
        for language in self.languages.split("+"):
            find_traineddata(language)

    def read(self, split: Split, jobs: int) -> tuple[int, int]:
        """Let Tesseract read the pages of *split* into the run's folder; return the numbers to learn from and held out.

        Raises:
            OptionError: too few pages can be read.
        """
        self.run.mkdir(parents=True, exist_ok=True)
        log.info("Reading %d pages with Tesseract.", len(split.learnt) + len(split.held_out) + len(split.selection))
        learnt, held_out = prepare_pages(split, self.languages, self.run, jobs)
        log.info("%d pages to learn from, %d to compare on, of %d documents.", learnt, held_out, split.documents)
        if split.selection:
            log.info("%d more pages choose the weights.", len(split.selection))
        if split.small:
            log.info("%d pages of less than about 200 dpi are left out.", split.small)
        if split.unreadable:
            log.warning(
                "%d files or pages cannot be read and are left out, the first: %s", len(split.unreadable), split.unreadable[0]
            )
        return learnt, held_out

    def training_seconds(self, began: float, comparing: float) -> float:
        """Return the seconds left for training.

        Args:
            began: :func:`time.monotonic` when the command began.
            comparing: seconds that reading the held-out pages afterwards takes.
        """
        spent, given = time.monotonic() - began, 60 * self.minutes
        left = given - comparing - spent
        if left >= LEAST_SHARE * given:
            return left
        left = LEAST_SHARE * given
        log.warning(
            "Reading pages alone takes %.1f of the %g minutes; a quarter of them is still trained, about %.1f minutes in all.",
            (spent + comparing) / 60, self.minutes, (spent + comparing + left) / 60,
        )  # fmt: skip
        return left


@contextmanager
def resumable(run: Path) -> Iterator[None]:
    """Tell the user that *run* can be resumed when the code inside is interrupted, or cannot write.

    Raises:
        SuperresError: the disk is full or the folder cannot be written to.
    """
    try:
        yield
    except KeyboardInterrupt:
        log.info("What was done is kept in %s; the same command with --resume continues it.", run)
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        raise SuperresError(
            f"{error.filename or run} cannot be written ({error.strerror}); make room, then the same command with "
            "--resume continues."
        ) from error
